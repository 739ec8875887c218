//! What the service takes and answers.

use http::StatusCode;

use crate::Refusal;
use crate::contract::{Answer, Body, Contract, Field, For, Member, MemberKind, Operation, Shape};

/// The contract of the service.
#[must_use]
pub fn contract() -> Contract {
    Contract {
        service: "notification",
        about: "What clients want to hear of",
        operations: operations(),
        bodies: BODIES,
    }
}

const WISHES: &[Field] =
    &[Field::required("wallet", Shape::Switch, "Letters about money in the wallet")];

const BODIES: &[Body] = &[Body {
    name: "Wishes",
    about: "What the client wants to hear of. Letters about the account itself are always sent",
    members: &[Member {
        name: "wallet",
        kind: MemberKind::Switch,
        about: "Letters about money in the wallet",
    }],
}];

const ANSWER: Answer =
    Answer { status: StatusCode::OK, body: Some("Wishes"), about: "The wishes now" };

fn operations() -> Vec<Operation> {
    let of_clients = |method, id, summary, body| Operation {
        body,
        callers: For::Clients,
        refusals: vec![Refusal::NoAuthServer],
        ..Operation::new(method, "/wishes", id, summary, ANSWER)
    };
    vec![
        of_clients("GET", "readWishes", "What the client wants to hear of", None),
        of_clients("PUT", "setWishes", "Choose what to hear of", Some(WISHES)),
    ]
}
