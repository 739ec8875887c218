//! What the service takes and answers.

use tillgate_kernel::Money;

use super::charge::{ID_CHARACTERS_MAX, SYSTEM_CHARACTERS_MAX};
use super::statement::{CURSOR_CHARACTERS_MAX, ENTRIES_MAX};
use super::token_id::TokenId;
use super::tokens::{CARD_NUMBER_MAX, CARDS_MAX, NAME_CHARACTERS_MAX};
use super::verb::OPERATIONS;
use crate::Refusal;
use crate::contract::{
    Answer, Body, Contract, Field, For, MemberKind, Operation, Parameter, Place, Shape, member,
};
use crate::refusal::Stage;
use crate::username::USERNAME_CHARACTERS_MAX;

/// The contract of the service.
#[must_use]
pub fn contract() -> Contract {
    Contract {
        service: "billing",
        about: "Clients' money: wallets and gift cards, on a double-entry ledger",
        operations: operations(),
        bodies: BODIES,
    }
}

const USERNAME: Shape = Shape::Username(USERNAME_CHARACTERS_MAX);
const TOKEN: Shape = Shape::Whole(1, TokenId::MAX);

const CHARGE: &[Field] = &[
    Field::required("operation", Shape::Choice(OPERATIONS), "What to do with the payment"),
    Field::required(
        "paymentId",
        Shape::Id(ID_CHARACTERS_MAX),
        "The payment, as its caller names it",
    ),
    Field::optional("orderId", Shape::Order, "The order; for HOLD and RECEIVE"),
    Field::optional("username", USERNAME, "Whose payment it is; for HOLD, TOP_UP and RECEIVE"),
    Field::optional("tokenId", TOKEN, "The wallet or the card; for HOLD and TOP_UP"),
    Field::optional("amount", Shape::Amount, "The sum in roubles; for all but REVERSE"),
    Field::optional(
        "paymentSystem",
        Shape::Id(SYSTEM_CHARACTERS_MAX),
        "Through which payment system the money came; for TOP_UP and RECEIVE alone",
    ),
    Field::optional(
        "refundId",
        Shape::Id(ID_CHARACTERS_MAX),
        "The refund of the payment system; for REPAID alone",
    ),
];

const QUESTION: &[Field] = &[
    Field::required("username", USERNAME, "Whose account it is"),
    Field::required("tokenId", TOKEN, "The wallet or the card"),
    Field::optional(
        "cursor",
        Shape::Text(CURSOR_CHARACTERS_MAX),
        "`next_cursor` of the previous page",
    ),
    Field::optional("limit", Shape::Whole(1, ENTRIES_MAX), "How many entries; 50 without it"),
];

const GRANTEE: &[Field] = &[
    Field::optional("firstName", Shape::Text(NAME_CHARACTERS_MAX), "The first name"),
    Field::optional("lastName", Shape::Text(NAME_CHARACTERS_MAX), "The last name"),
    Field::required("email", Shape::Email, "Where the card is sent"),
];

const CARD: &[Field] = &[
    Field::required("id", Shape::Whole(1, CARD_NUMBER_MAX), "The card's number within the order"),
    Field::required("balance", Shape::Amount, "What it will hold when it is opened"),
    Field::required("grantee", Shape::Object(GRANTEE), "Who is given it"),
];

const CARDS: &[Field] = &[
    Field::required("orderId", Shape::Order, "The order of the cards"),
    Field::required("cards", Shape::Objects(CARD, CARDS_MAX), "The cards"),
];

const OWNER: &[Parameter] = &[Parameter {
    name: "username",
    place: Place::Query,
    is_required: true,
    about: "Whose wallet and cards; a client may ask for the own ones",
}];

const BODIES: &[Body] = &[
    Body {
        name: "Tokens",
        about: "The wallet and the gift cards of a client",
        members: &[
            member("username", MemberKind::Text, "The client"),
            member("tokens", MemberKind::ListOf("Token"), "At most 100"),
        ],
    },
    Body {
        name: "Token",
        about: "A wallet or a gift card",
        members: &[
            member("id", MemberKind::Whole, "Its number"),
            member("tokenType", MemberKind::Text, "`WALLET` or `GIFT_CARD`"),
            member("maskedTokenId", MemberKind::Text, "The end of its number or code"),
            member("description", MemberKind::Text, "What it is, in the caller's language"),
            member("balance", MemberKind::Amount, "What it holds, in roubles"),
        ],
    },
    Body {
        name: "Charged",
        about: "What was done with a payment",
        members: &[
            member("paymentId", MemberKind::Text, "The payment"),
            member("operation", MemberKind::Text, "What was asked for"),
            member("result", MemberKind::Text, "`SUCCESS`"),
            member(
                "balance",
                MemberKind::AmountOrNull,
                "What the wallet or the card of the payment holds now; null if the money came \
                 through a payment system, or if it cannot be read right now",
            ),
        ],
    },
    Body {
        name: "Statement",
        about: "What has moved an account, the latest first",
        members: &[
            member("tokenId", MemberKind::Whole, "The account"),
            member("balance", MemberKind::Amount, "What it holds now, in roubles"),
            member("items", MemberKind::ListOf("Entry"), "The entries of this page"),
            member("next_cursor", MemberKind::TextOrNull, "The `cursor` of the next page"),
        ],
    },
    Body {
        name: "Entry",
        about: "What has moved an account",
        members: &[
            member("id", MemberKind::Text, "Identifies the entry"),
            member("at", MemberKind::Time, "When"),
            member(
                "operation",
                MemberKind::Text,
                "An operation of `/token/charge`, or `CREDIT`: the shop has given money",
            ),
            member("amount", MemberKind::Amount, "In roubles; negative if the account has paid"),
            member("orderId", MemberKind::TextOrNull, "The order that it was for"),
            member("reason", MemberKind::TextOrNull, "Why, in the shop's words"),
        ],
    },
    Body {
        name: "OrderedCards",
        about: "The gift cards of an order",
        members: &[member(
            "cards",
            MemberKind::ListOf("OrderedCard"),
            "In the order of the request",
        )],
    },
    Body {
        name: "OrderedCard",
        about: "A gift card without money",
        members: &[
            member("id", MemberKind::Whole, "Its number within the order"),
            member("tokenId", MemberKind::Whole, "Its number"),
            member("maskedTokenId", MemberKind::Text, "The end of its code"),
            member("status", MemberKind::Text, "`CREATED`: it is opened later"),
        ],
    },
];

fn no_money() -> Refusal {
    let (balance, wanted) = (Money::from_kopecks(500), Money::from_kopecks(1000));
    Refusal::NotEnoughMoney { balance, wanted }
}

fn operations() -> Vec<Operation> {
    let mut all = of_accounts();
    all.extend(of_services());
    all
}

/// What clients may ask about their own accounts, and services about all.
fn of_accounts() -> Vec<Operation> {
    vec![
        Operation {
            parameters: OWNER,
            callers: For::Both,
            refusals: vec![Refusal::Fields(Vec::new()), Refusal::NotFound],
            ..Operation::new(
                "GET",
                "/token/get",
                "listTokens",
                "The wallet and the gift cards of a client",
                Answer::with("Tokens", "The means of payment that are kept here"),
            )
        },
        Operation {
            about: "It changes nothing.",
            body: Some(QUESTION),
            callers: For::Both,
            refusals: vec![Refusal::NotFound],
            ..Operation::new(
                "POST",
                "/trxn/get",
                "listEntries",
                "What has moved an account",
                Answer::with("Statement", "A page of the account"),
            )
        },
    ]
}

/// What only services may do.
fn of_services() -> Vec<Operation> {
    vec![
        Operation {
            about: "A payment begins with HOLD (a wallet or a card pays for an order), RECEIVE (a \
                    payment system has brought money for an order) or TOP_UP (for a wallet). \
                    CONFIRM earns it, SHORT gives a part back, REVERSE gives back all that is \
                    left; each of them is done once. REPAID records that a payment system has \
                    paid back. A repeated request is answered as the first one; what is refused \
                    has moved nothing. REVERSE of an unknown payment succeeds, and the payment can \
                    bring nothing later.",
            body: Some(CHARGE),
            callers: For::Services,
            refusals: vec![
                Refusal::NotFound,
                no_money(),
                Refusal::IdReused,
                Refusal::WrongState(Stage::Reversed),
            ],
            ..Operation::new(
                "POST",
                "/token/charge",
                "charge",
                "Move money",
                Answer::with("Charged", "It is done"),
            )
        },
        Operation {
            about: "The cards hold nothing until they are opened. A repeated request gives the \
                    same cards.",
            body: Some(CARDS),
            callers: For::Services,
            refusals: vec![Refusal::IdReused],
            ..Operation::new(
                "POST",
                "/token/create",
                "createCards",
                "Make the gift cards of an order",
                Answer::with("OrderedCards", "The cards"),
            )
        },
    ]
}
