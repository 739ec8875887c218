//! What the service takes and answers.

use http::StatusCode;

use crate::Refusal;
use crate::client_orders::ORDER_CHARACTERS_MAX;
use crate::contract::{
    Answer, Body, Contract, Field, For, MemberKind, Operation, Parameter, Place, Shape, member,
};
use crate::order_problem::{OrderProblem, ShortLine};
use crate::product_id::ProductId;
use crate::reservation::extend::{EXTENDED, extension};
use crate::stock_levels::{PLACE_STORE, PRODUCT_PLACE};

/// The contract of the service.
#[must_use]
pub fn contract() -> Contract {
    Contract {
        service: "store",
        about: "What the shops have, and what of it is held for orders",
        operations: operations(),
        bodies: BODIES,
    }
}

const ID_MAX: u64 = u32::MAX as u64;

const PRODUCT: &[Parameter] = &[Parameter {
    name: "productId",
    place: Place::Query,
    is_required: true,
    about: "The number of the product",
}];

const ORDER: &[Parameter] = &[Parameter {
    name: "orderId",
    place: Place::Query,
    is_required: true,
    about: "The number of the order, or the caller's own id",
}];

const RESERVE: &[Field] = &[
    Field::required(
        "orderId",
        Shape::Id(ORDER_CHARACTERS_MAX),
        "The number of the order, or the caller's own id",
    ),
    Field::required("version", Shape::Whole(0, ID_MAX), "The version that the caller has seen"),
    Field::required("storeId", Shape::Whole(1, ID_MAX), "The shop where the goods are"),
];

const BODIES: &[Body] = &[
    EXTENDED,
    PRODUCT_PLACE,
    PLACE_STORE,
    Body {
        name: "ProductPlaces",
        about: "Where a product is",
        members: &[
            member("productId", MemberKind::Whole, "The product"),
            member(
                "productPlaces",
                MemberKind::ListOf("ProductPlace"),
                "How much of it each shop can sell now",
            ),
        ],
    },
    Body {
        name: "Reserved",
        about: "Goods that are held for an order",
        members: &[
            member("orderId", MemberKind::Text, "The order"),
            member("version", MemberKind::Whole, "The version of the order"),
            member("storeId", MemberKind::Whole, "The shop"),
            member("until", MemberKind::Time, "When they are given back, unless they are paid"),
        ],
    },
];

fn short() -> OrderProblem {
    let product = ProductId::of_article("4031");
    let line = ShortLine { product, name: "Milk".into(), wanted: 3, available: 1 };
    OrderProblem::Short { lines: vec![line], outlets: vec![2] }
}

fn operations() -> Vec<Operation> {
    let problems = [
        OrderProblem::StaleVersion(4),
        OrderProblem::Status("CANCELED".into()),
        OrderProblem::Empty,
        OrderProblem::NotOnSale("Milk".into()),
        OrderProblem::NotSoldNow {
            name: "Milk".into(),
            from: "08:00".into(),
            until: "23:00".into(),
        },
        OrderProblem::OrderLimit { name: "Milk".into(), most: 6 },
        OrderProblem::NotSoldThere { name: "Milk".into(), outlets: vec![2] },
        OrderProblem::HoldExpired,
        short(),
    ];
    let problems = problems.into_iter().map(Refusal::Order);
    let others = [Refusal::NotFound, Refusal::NoAuthServer];
    vec![
        Operation {
            parameters: PRODUCT,
            callers: For::Both,
            refusals: vec![Refusal::Fields(Vec::new()), Refusal::NotFound],
            ..Operation::new(
                "GET",
                "/get",
                "getPlaces",
                "Where a product is",
                Answer::with("ProductPlaces", "How much of it each shop can sell now"),
            )
        },
        Operation {
            about: "All lines in one shop, or none. If something is held for the order already, \
                    only the difference is taken or given back. What is not paid is given back \
                    when the time runs out.",
            body: Some(RESERVE),
            callers: For::Clients,
            refusals: problems.chain(others.clone()).collect(),
            ..Operation::new(
                "POST",
                "/reserve",
                "reserve",
                "Hold the goods of an order",
                Answer::with("Reserved", "They are held"),
            )
        },
        Operation {
            parameters: ORDER,
            callers: For::Clients,
            refusals: [Refusal::Fields(Vec::new())].into_iter().chain(others.clone()).collect(),
            ..Operation::new(
                "GET",
                "/reserve",
                "getReserved",
                "What is held for an order that is not paid",
                Answer::with("Reserved", "They are held"),
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
            .chain(others)
            .collect(),
            ..Operation::new(
                "DELETE",
                "/reserve",
                "release",
                "Give back what is held for an order",
                Answer { status: StatusCode::NO_CONTENT, body: None, about: "It is given back" },
            )
        },
        extension("extendHold"),
    ]
}
