//! What the service takes and answers.

use http::StatusCode;
use tillgate_kernel::Money;

use super::asked::{ADDRESS_CHARACTERS_MAX, COMPANY_CHARACTERS_MAX};
use super::case::STATUSES;
use crate::Refusal;
use crate::client_orders::ORDER_CHARACTERS_MAX;
use crate::contract::{
    Answer, Body, Contract, Field, For, MemberKind, Operation, Parameter, Place, Shape, member,
};
use crate::delivery_problem::{DeliveryProblem, FreeSlot, NearPoint};
use crate::order_problem::OrderProblem;
use crate::reservation::extend::{EXTENDED, extension};

/// The contract of the service.
#[must_use]
pub fn contract() -> Contract {
    Contract {
        service: "delivery",
        about: "How orders come to clients, and what of it is booked for them",
        operations: operations(),
        bodies: BODIES,
    }
}

const ID_MAX: u64 = u32::MAX as u64;

const FILTER: &[Parameter] = &[Parameter {
    name: "addressFilter",
    place: Place::Query,
    is_required: false,
    about: "Words of the name or the address, in any order; all points without it",
}];

const TO: &[Parameter] = &[
    Parameter {
        name: "address",
        place: Place::Query,
        is_required: true,
        about: "Where the order is to be brought, with the postal code",
    },
    Parameter {
        name: "orderId",
        place: Place::Query,
        is_required: false,
        about: "The order: what is booked for it is free for it",
    },
];

const ORDER: &[Parameter] = &[Parameter {
    name: "orderId",
    place: Place::Query,
    is_required: true,
    about: "The number of the order, or the caller's own id",
}];

const SLOT: &[Field] = &[
    Field::required("beginTime", Shape::Hour, "When it begins, as 13:00"),
    Field::required("endTime", Shape::Hour, "When it ends"),
];

const ORDER_ID: Field = Field::required(
    "orderId",
    Shape::Id(ORDER_CHARACTERS_MAX),
    "The number of the order, or the caller's own id",
);
const VERSION: Field =
    Field::required("version", Shape::Whole(0, ID_MAX), "The version that the caller has seen");

const BY_COURIER: &[Field] = &[
    ORDER_ID,
    VERSION,
    Field::required("address", Shape::Text(ADDRESS_CHARACTERS_MAX), "Where a courier brings it"),
    Field::required("companyName", Shape::Text(COMPANY_CHARACTERS_MAX), "Whose courier"),
    Field::required("deliveryDate", Shape::Day, "The day"),
    Field::optional(
        "timeSlot",
        Shape::Object(SLOT),
        "The time of the day, if the company keeps times",
    ),
    Field::required("cost", Shape::Cost, "The cost that the client agrees to, in roubles"),
];

const AT_POINT: &[Field] = &[
    ORDER_ID,
    VERSION,
    Field::required("pickupPointId", Shape::Whole(1, ID_MAX), "Where the client fetches it"),
];

const BODIES: &[Body] = &[
    EXTENDED,
    Body {
        name: "FreeSlot",
        about: "A time of couriers that has room",
        members: &[
            member("deliveryDate", MemberKind::Text, "The day, as 29.11.2026"),
            member("timeSlot", MemberKind::One("TimeSlot"), "The time of the day"),
            member("free", MemberKind::Whole, "For how many orders"),
        ],
    },
    Body {
        name: "TimeSlot",
        about: "A part of a day",
        members: &[
            member("beginTime", MemberKind::Text, "When it begins, as 13:00"),
            member("endTime", MemberKind::Text, "When it ends"),
        ],
    },
    Body {
        name: "PickupPoints",
        about: "Points where orders are given out",
        members: &[
            member("pickupPoints", MemberKind::ListOf("PickupPoint"), "At most a hundred"),
            member(
                "hasMore",
                MemberKind::Switch,
                "Whether there are more; the filter can say more",
            ),
        ],
    },
    Body {
        name: "PickupPoint",
        about: "A point where orders are given out",
        members: &[
            member("id", MemberKind::Whole, "Its number"),
            member("name", MemberKind::Text, "Its name"),
            member("address", MemberKind::Text, "Where it is"),
        ],
    },
    Body {
        name: "DeliveryVariants",
        about: "How an order could come to an address",
        members: &[
            member("address", MemberKind::Text, "The address, as it was asked for"),
            member("variants", MemberKind::ListOf("DeliveryVariant"), "What companies offer"),
        ],
    },
    Body {
        name: "DeliveryVariant",
        about: "What a company offers",
        members: &[
            member("companyName", MemberKind::Text, "The company"),
            member("cost", MemberKind::Amount, "What it costs, in roubles"),
            member("estimatedDate", MemberKind::Text, "The first day, as 29.11.2026"),
            member(
                "slots",
                MemberKind::ListOf("FreeSlot"),
                "The times that have room; none if the company keeps no times",
            ),
        ],
    },
    Body {
        name: "Booked",
        about: "What is booked for an order",
        members: &[
            member("orderId", MemberKind::Text, "The order"),
            member("until", MemberKind::Time, "When it is given back, unless it is paid"),
            member("cost", MemberKind::Amount, "What it costs, in roubles"),
            member("deliveryDate", MemberKind::Text, "The day, as 29.11.2026"),
        ],
    },
    Body {
        name: "DeliveryCase",
        about: "How an order comes to its client: one of the two ways",
        members: &[
            member("orderId", MemberKind::Text, "The order"),
            member("status", MemberKind::Text, STATUSES),
            member("version", MemberKind::Whole, "The version of the order"),
            member("until", MemberKind::TimeOrNull, "When it is given back, unless it is paid"),
            member("cost", MemberKind::Amount, "What it costs, in roubles"),
            member("pickupPointDelivery", MemberKind::OneOrNull("PointDelivery"), "At a point"),
            member("homeDelivery", MemberKind::OneOrNull("HomeDelivery"), "By a courier"),
        ],
    },
    Body {
        name: "PointDelivery",
        about: "An order that its client fetches",
        members: &[
            member("pointId", MemberKind::Whole, "The point"),
            member("name", MemberKind::Text, "Its name"),
            member("address", MemberKind::Text, "Where it is"),
            member("deliveryDate", MemberKind::Text, "From when the order is there"),
        ],
    },
    Body {
        name: "HomeDelivery",
        about: "An order that a courier brings",
        members: &[
            member("homeAddress", MemberKind::TextOrNull, "Where to; null once it is erased"),
            member("companyName", MemberKind::Text, "Whose courier"),
            member("deliveryDate", MemberKind::Text, "The day"),
            member("timeSlot", MemberKind::OneOrNull("TimeSlot"), "The time of the day"),
        ],
    },
];

fn operations() -> Vec<Operation> {
    let point = NearPoint { id: 120, name: "Metro".into(), address: "Moscow, Mira, 1".into() };
    let slot =
        FreeSlot { date: "29.11.2026".into(), begin: "13:00".into(), end: "15:00".into(), free: 3 };
    let outside = Refusal::Delivery(DeliveryProblem::OutsideZone(vec![point]));
    let others = [Refusal::NotFound, Refusal::NoAuthServer];
    let booking = [
        Refusal::Order(OrderProblem::StaleVersion(4)),
        Refusal::Order(OrderProblem::Status("CANCELED".into())),
        Refusal::Order(OrderProblem::Empty),
        Refusal::Order(OrderProblem::HoldExpired),
        Refusal::Delivery(DeliveryProblem::NoPoint(120)),
        outside.clone(),
        Refusal::Delivery(DeliveryProblem::OtherDay("29.11.2026".into())),
        Refusal::Delivery(DeliveryProblem::CostChanged(Money::from_kopecks(19_900))),
        Refusal::Delivery(DeliveryProblem::SlotFull(vec![slot])),
    ];
    vec![
        Operation {
            parameters: FILTER,
            callers: For::Both,
            refusals: vec![Refusal::Fields(Vec::new())],
            ..Operation::new(
                "GET",
                "/points",
                "getPoints",
                "Where orders are given out",
                Answer::with("PickupPoints", "The points that fit"),
            )
        },
        Operation {
            parameters: TO,
            callers: For::Both,
            refusals: vec![Refusal::Fields(Vec::new()), Refusal::NotFound, outside.clone()],
            ..Operation::new(
                "GET",
                "/variants",
                "getVariants",
                "How an order could come to an address",
                Answer::with("DeliveryVariants", "What companies offer"),
            )
        },
        Operation {
            about: "A point, or an address with company, day, time and cost. If something is \
                    booked for the order already, it is replaced. What is not paid is given back \
                    when the time runs out.",
            body: Some(BY_COURIER),
            other_body: Some(AT_POINT),
            callers: For::Clients,
            refusals: booking.into_iter().chain(others.clone()).collect(),
            ..Operation::new(
                "POST",
                "/book",
                "book",
                "Book how an order comes",
                Answer::with("Booked", "It is booked"),
            )
        },
        Operation {
            parameters: ORDER,
            callers: For::Clients,
            refusals: [
                Refusal::Fields(Vec::new()),
                Refusal::Order(OrderProblem::Status("IN_PROGRESS".into())),
            ]
            .into_iter()
            .chain(others.clone())
            .collect(),
            ..Operation::new(
                "DELETE",
                "/book",
                "unbook",
                "Give back what is booked for an order",
                Answer { status: StatusCode::NO_CONTENT, body: None, about: "It is given back" },
            )
        },
        Operation {
            parameters: ORDER,
            callers: For::Both,
            refusals: [Refusal::Fields(Vec::new()), Refusal::NotFound].to_vec(),
            ..Operation::new(
                "GET",
                "/case",
                "getCase",
                "How an order comes to its client",
                Answer::with("DeliveryCase", "What is booked"),
            )
        },
        extension("extendBooking"),
    ]
}
