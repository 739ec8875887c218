//! What the service takes and answers.

use http::StatusCode;
use tillgate_kernel::Money;

use super::pay::{TOKEN_MAX, TOKEN_TYPES};
use crate::Refusal;
use crate::client_orders::ORDER_CHARACTERS_MAX;
use crate::contract::{
    Answer, Body, Contract, Field, For, MemberKind, Operation, Parameter, Place, Shape, member,
};
use crate::order_problem::OrderProblem;
use crate::payment_problem::PaymentProblem;

/// The contract of the service.
#[must_use]
pub fn contract() -> Contract {
    Contract {
        service: "payment",
        about: "How orders are paid: by a wallet, a bank card or SBP",
        operations: operations(),
        bodies: BODIES,
    }
}

const ID_MAX: u64 = u32::MAX as u64;

const PAY: &[Field] = &[
    Field::required(
        "orderId",
        Shape::Id(ORDER_CHARACTERS_MAX),
        "The number of the order, or the caller's own id",
    ),
    Field::required("version", Shape::Whole(0, ID_MAX), "The version that the caller has seen"),
    Field::optional("tokenId", Shape::Whole(1, TOKEN_MAX), "A wallet of `/tokens/get`"),
    Field::optional(
        "tokenType",
        Shape::Choice(TOKEN_TYPES),
        "What is paid with through the payment system; exactly one of `tokenId` and `tokenType`",
    ),
];

const KEY: &[Parameter] = &[Parameter {
    name: "Idempotency-Key",
    place: Place::Header,
    is_required: true,
    about: "A new one for each payment, the same for a repeated request",
}];

const NAMED: &[Parameter] = &[
    Parameter { name: "paymentId", place: Place::Query, is_required: false, about: "The payment" },
    Parameter {
        name: "orderId",
        place: Place::Query,
        is_required: false,
        about: "The order, whose latest payment is shown; exactly one of both",
    },
];

const BODIES: &[Body] = &[
    Body {
        name: "MeansOfPayment",
        about: "What a client can pay with",
        members: &[
            member("username", MemberKind::Text, "The client"),
            member("tokens", MemberKind::ListOf("PaymentToken"), "What the shop keeps for them"),
            member(
                "tokenTypes",
                MemberKind::Texts,
                "What else can be paid with: `BANK_CARD`, `QR_PAY` (SBP)",
            ),
        ],
    },
    Body {
        name: "PaymentToken",
        about: "A wallet or a gift card",
        members: &[
            member("id", MemberKind::Whole, "Its number, for `tokenId`"),
            member("tokenType", MemberKind::Text, "`WALLET` or `GIFT_CARD`"),
            member("maskedTokenId", MemberKind::Text, "The end of its number or code"),
            member("description", MemberKind::Text, "What it is, in the caller's language"),
            member("balance", MemberKind::AmountOrNull, "What it holds, in roubles"),
        ],
    },
    Body {
        name: "ShopPayment",
        about: "A payment, and what has become of it",
        members: &[
            member("paymentId", MemberKind::Text, "The payment"),
            member("orderId", MemberKind::Text, "The order"),
            member("version", MemberKind::Whole, "The version that is paid for"),
            member("tokenType", MemberKind::Text, "`BANK_CARD`, `QR_PAY` or `WALLET`"),
            member(
                "status",
                MemberKind::Text,
                "`PENDING` (send the buyer to `redirectUrl`), `HELD` (the money waits for \
                 `/process`), `SUCCESS` (it is taken), `FAIL`",
            ),
            member("redirectUrl", MemberKind::TextOrNull, "Where the buyer pays"),
            member("amount", MemberKind::Amount, "With the delivery, in roubles"),
            member("until", MemberKind::Time, "When the buyer must have paid, or pressed"),
            member("errorMsg", MemberKind::TextOrNull, "Why it came to nothing: a word"),
        ],
    },
];

fn operations() -> Vec<Operation> {
    let balance = Money::from_kopecks(500);
    let wanted = Money::from_kopecks(1000);
    let in_progress = PaymentProblem::InProgress {
        status: "PENDING".into(),
        until: "2026-12-01T10:20:00Z".into(),
        redirect_url: Some("https://shop.example/pay/1".into()),
    };
    let of_order = [
        OrderProblem::StaleVersion(4),
        OrderProblem::Status("CANCELED".into()),
        OrderProblem::Empty,
        OrderProblem::HoldExpired,
        OrderProblem::NothingToPay,
    ];
    let of_payment = [
        PaymentProblem::NoKey,
        PaymentProblem::KeyReused,
        in_progress,
        PaymentProblem::NotOffered,
        PaymentProblem::TooManyAttempts,
    ];
    let pay = of_order
        .into_iter()
        .map(Refusal::Order)
        .chain(of_payment.into_iter().map(Refusal::Payment))
        .chain([Refusal::NotFound, Refusal::NoAuthServer])
        .chain([Refusal::NotEnoughMoney { balance, wanted }]);
    vec![
        Operation {
            callers: For::Clients,
            refusals: vec![Refusal::NoAuthServer],
            ..Operation::new(
                "GET",
                "/tokens/get",
                "getMeansOfPayment",
                "What the client can pay with",
                Answer::with("MeansOfPayment", "The means of payment"),
            )
        },
        Operation {
            about: "Goods and the delivery must be held for the order; they are held longer than \
                    the buyer may take to pay. At most one payment of an order can bring money: \
                    another means replaces the one before once that is certainly over.",
            parameters: KEY,
            body: Some(PAY),
            callers: For::Clients,
            refusals: pay.collect(),
            ..Operation::new(
                "POST",
                "/pay",
                "pay",
                "Pay for an order",
                Answer::with("ShopPayment", "The payment has begun, or is made"),
            )
        },
        Operation {
            parameters: NAMED,
            callers: For::Clients,
            refusals: vec![Refusal::Fields(Vec::new()), Refusal::NotFound, Refusal::NoAuthServer],
            ..Operation::new(
                "GET",
                "/pay",
                "getPayment",
                "What has become of a payment",
                Answer::with("ShopPayment", "The payment"),
            )
        },
        Operation {
            about: "The callbacks of the gateway, signed by Standard Webhooks with the key \
                    `callback_secret` of the shop's merchant.",
            callers: For::Anybody,
            refusals: vec![
                Refusal::Payment(PaymentProblem::BadSignature),
                Refusal::TooLarge(super::notice::NOTICE_BYTES_MAX),
            ],
            ..Operation::new(
                "POST",
                "/notice",
                "takeNotice",
                "Something has happened to a payment",
                Answer { status: StatusCode::NO_CONTENT, body: None, about: "It is taken" },
            )
        },
    ]
}
