//! What the service takes and answers.

use tillgate_kernel::Money;

use super::asked::{NAME_CHARACTERS_MAX, REFERENCE_CHARACTERS_MAX};
use super::content::{LINES_MAX, QUANTITY_MAX};
use super::shop_order::Status;
use crate::Refusal;
use crate::contract::{
    Answer, Body, Contract, Field, For, MemberKind, Operation, Parameter, Place, Shape, member,
};
use crate::formats::agreement::Reason;
use crate::order_problem::{NewPrice, OrderProblem};
use crate::product_id::ProductId;

/// The contract of the service.
#[must_use]
pub fn contract() -> Contract {
    Contract {
        service: "order",
        about: "Baskets and orders of clients",
        operations: operations(),
        bodies: BODIES,
    }
}

const ID_MAX: u64 = u32::MAX as u64;

const LINE_ID: Field = Field::optional("id", Shape::Whole(0, ID_MAX), "The line; it is not read");

const PRODUCT: &[Field] =
    &[Field::required("id", Shape::Whole(1, ProductId::MAX), "The number of the product")];

const SEEN_PRODUCT: &[Field] = &[
    Field::required("id", Shape::Whole(1, ProductId::MAX), "The number of the product"),
    Field::optional("name", Shape::Text(NAME_CHARACTERS_MAX), "Its name; it is not compared"),
    Field::optional("price", Shape::Amount, "Its price in the order"),
];

const NEW_LINE: &[Field] = &[
    LINE_ID,
    Field::required("product", Shape::Object(PRODUCT), "The product"),
    Field::required("quantity", Shape::Whole(1, QUANTITY_MAX), "How many pieces"),
];

const SET_LINE: &[Field] = &[
    LINE_ID,
    Field::required("product", Shape::Object(PRODUCT), "The product"),
    Field::required("quantity", Shape::Whole(0, QUANTITY_MAX), "How many pieces; 0 removes it"),
];

const SEEN_LINE: &[Field] = &[
    LINE_ID,
    Field::required("product", Shape::Object(SEEN_PRODUCT), "The product"),
    Field::required("quantity", Shape::Whole(1, QUANTITY_MAX), "How many pieces"),
];

const ID: Field = Field::required(
    "id",
    Shape::Id(REFERENCE_CHARACTERS_MAX),
    "The number of the order, or the id that `/place` was called with",
);
const VERSION: Field =
    Field::required("version", Shape::Whole(0, ID_MAX), "The version that the caller has seen");
const STATUS: Field =
    Field::optional("status", Shape::Choice(Status::NAMES), "What the caller thinks that it is");

const PLACE: &[Field] = &[
    Field::optional(
        "id",
        Shape::Id(REFERENCE_CHARACTERS_MAX),
        "The caller's own id of the order, by which a repeated request is recognised",
    ),
    Field::required(
        "orderItems",
        Shape::Objects(NEW_LINE, LINES_MAX),
        "What is wanted; lines of one product are added up",
    ),
];

const ADJUST: &[Field] = &[
    ID,
    VERSION,
    STATUS,
    Field::required(
        "orderItems",
        Shape::Objects(SET_LINE, LINES_MAX),
        "The lines to set; the others stay",
    ),
];

const SEEN: &[Field] = &[
    ID,
    VERSION,
    STATUS,
    Field::optional(
        "orderItems",
        Shape::Objects(SEEN_LINE, LINES_MAX),
        "What the caller thinks that it has",
    ),
];

const SHOW: &[Parameter] = &[Parameter {
    name: "orderId",
    place: Place::Query,
    is_required: false,
    about: "The number of the order, or the caller's own id; the client's basket without it",
}];

const LIST: &[Parameter] = &[Parameter {
    name: "cursor",
    place: Place::Query,
    is_required: false,
    about: "`next_cursor` of the previous page",
}];

const BODIES: &[Body] = &[
    Body {
        name: "Order",
        about: "An order of a client",
        members: &[
            member("id", MemberKind::Text, "Its number: twelve digits"),
            member("reference", MemberKind::TextOrNull, "The id that `/place` was called with"),
            member(
                "status",
                MemberKind::Text,
                "`NEW`, `IN_PROGRESS`, `COMPLETED`, `FAILED` or `CANCELED`",
            ),
            member("version", MemberKind::Whole, "Grows with every change"),
            member("orderItems", MemberKind::ListOf("OrderItem"), "Its lines"),
            member(
                "total",
                MemberKind::Amount,
                "What all lines cost, in roubles; with the delivery once that is fixed",
            ),
            member(
                "delivery",
                MemberKind::AmountOrNull,
                "What the delivery costs, in roubles; null while the order can be changed",
            ),
            member("reason", MemberKind::TextOrNull, "Why it was not agreed on: a word"),
            member("short", MemberKind::ListOf("ShortItem"), "What there was too little of"),
            member(
                "withdrawal",
                MemberKind::TextOrNull,
                "`ASKED`, `DONE` or `REFUSED`, if the client cancels a completed order",
            ),
            member("createdAt", MemberKind::Time, "When it was begun"),
        ],
    },
    Body {
        name: "ShortItem",
        about: "A product of which there was too little",
        members: &[
            member("productId", MemberKind::Whole, "The product"),
            member("productName", MemberKind::Text, "Its name"),
            member("wanted", MemberKind::Whole, "How many pieces were ordered"),
            member("available", MemberKind::Whole, "How many there were"),
        ],
    },
    Body {
        name: "OrderItem",
        about: "A line of an order",
        members: &[
            member("id", MemberKind::Whole, "Its number within the order"),
            member("product", MemberKind::One("OrderedProduct"), "The product"),
            member("quantity", MemberKind::Whole, "How many pieces"),
            member("total", MemberKind::Amount, "What the line costs, in roubles"),
        ],
    },
    Body {
        name: "OrderedProduct",
        about: "A product as it was ordered",
        members: &[
            member("id", MemberKind::Whole, "Its number"),
            member("name", MemberKind::Text, "Its name"),
            member("price", MemberKind::Amount, "The price of a piece, in roubles"),
        ],
    },
    Body {
        name: "Orders",
        about: "The orders of a client, the latest first",
        members: &[
            member("items", MemberKind::ListOf("Order"), "The orders of this page"),
            member("next_cursor", MemberKind::TextOrNull, "The `cursor` of the next page"),
        ],
    },
];

fn dearer() -> OrderProblem {
    let (old, new) = (Money::from_kopecks(8990), Money::from_kopecks(9990));
    let product = ProductId::of_article("4031");
    let lines = vec![NewPrice { product, name: "Milk".into(), old, new }];
    OrderProblem::PricesChanged { version: 4, lines }
}

/// Conflicts of a change at a version.
fn of_versions() -> Vec<Refusal> {
    let problems = [
        OrderProblem::StaleVersion(4),
        OrderProblem::OtherItems(4),
        OrderProblem::Status("CANCELED".into()),
    ];
    let problems = problems.into_iter().map(Refusal::Order);
    problems.chain([Refusal::NotFound, Refusal::NoAuthServer]).collect()
}

fn operations() -> Vec<Operation> {
    let sold = || {
        [
            Refusal::Order(OrderProblem::NoProduct(ProductId::of_article("4031"))),
            Refusal::Order(OrderProblem::NotOnSale("Milk".into())),
            Refusal::Order(OrderProblem::TooManyLines(LINES_MAX)),
            Refusal::Order(OrderProblem::OrderLimit { name: "Milk".into(), most: 6 }),
        ]
    };
    let new = |method, path, id, summary, body| {
        let operation = Operation::new(method, path, id, summary, body);
        Operation { callers: For::Clients, ..operation }
    };
    let order = || Answer::with("Order", "The order as it is now");
    vec![
        Operation {
            about: "With an `id` it is done once, however often it is sent. Without one the \
                    client's basket is begun.",
            body: Some(PLACE),
            refusals: sold()
                .into_iter()
                .chain([
                    Refusal::IdReused,
                    Refusal::Order(OrderProblem::TooManyOrders(20)),
                    Refusal::Order(OrderProblem::StaleVersion(0)),
                    Refusal::NoAuthServer,
                ])
                .collect(),
            ..new("POST", "/place", "placeOrder", "Begin an order", order())
        },
        Operation {
            about: "All lines get the prices of now.",
            body: Some(ADJUST),
            refusals: sold().into_iter().chain(of_versions()).collect(),
            ..new("PUT", "/adjust", "adjustOrder", "Change what a new order has", order())
        },
        Operation {
            about: "A completed order is withdrawn, until its picking begins: then it is \
                    `CANCELED`, and the money goes back. The answer waits up to three seconds for \
                    that; `withdrawal` is `ASKED` if it is not known yet.",
            body: Some(SEEN),
            refusals: of_versions()
                .into_iter()
                .chain([Refusal::Order(OrderProblem::TooLate(Reason::TooLate))])
                .collect(),
            ..new("PUT", "/cancel", "cancelOrder", "Cancel an order", order())
        },
        Operation {
            about: "The order is agreed on with the store, the delivery and the payment: it is \
                    `IN_PROGRESS`, and then `COMPLETED`, or `FAILED` with a `reason`. A repeated \
                    request changes nothing.",
            body: Some(SEEN),
            refusals: of_versions()
                .into_iter()
                .chain([
                    Refusal::Order(OrderProblem::Empty),
                    Refusal::Order(OrderProblem::HoldExpired),
                ])
                .collect(),
            ..new("PUT", "/process", "processOrder", "Send an order to be agreed on", order())
        },
        Operation {
            about: "Prices of a version hold for 15 minutes. Then lower ones are passed on, and \
                    higher ones are a new version that the client must agree to.",
            body: Some(SEEN),
            refusals: of_versions()
                .into_iter()
                .chain([
                    Refusal::Order(OrderProblem::Empty),
                    Refusal::Order(dearer()),
                    Refusal::Order(OrderProblem::NotOnSale("Milk".into())),
                    Refusal::Order(OrderProblem::NotSoldNow {
                        name: "Milk".into(),
                        from: "08:00".into(),
                        until: "23:00".into(),
                    }),
                    Refusal::Order(OrderProblem::OrderLimit { name: "Milk".into(), most: 6 }),
                ])
                .collect(),
            ..new("PUT", "/check", "checkOrder", "Look at the prices again", order())
        },
        Operation {
            parameters: SHOW,
            refusals: vec![Refusal::Fields(Vec::new()), Refusal::NotFound, Refusal::NoAuthServer],
            ..new("GET", "/get", "getOrder", "An order, or the basket", order())
        },
        Operation {
            parameters: LIST,
            refusals: vec![Refusal::Fields(Vec::new()), Refusal::NoAuthServer],
            ..new(
                "GET",
                "/list",
                "listOrders",
                "The client's orders",
                Answer::with("Orders", "A page of orders"),
            )
        },
    ]
}
