//! The sandbox's own page: its orders, and troubles to click.

use std::sync::Weak;

use askama::Template;
use axum::extract::{Form, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;

use super::World;
use super::ledger::Entry;
use super::trouble::{Call, Trouble, Troubles};

/// The latest orders that the page shows.
const ORDERS_MAX: usize = 50;

/// The troubles that the page offers for each kind of call, as
/// [`Trouble::parse`] reads them.
const OFFERED: [(Call, &str, &[&str]); 5] = [
    (
        Call::Create,
        "create",
        &[
            "slow=8000",
            "broken",
            "accept-then-drop",
            "garbage",
            "refused",
            "other-amount",
            "no-url",
        ],
    ),
    (Call::Update, "update", &["slow=8000", "broken", "accept-then-drop", "refused", "unheeded"]),
    (Call::Operate, "operate", &["slow=8000", "broken", "accept-then-drop", "pending", "refused"]),
    (Call::Other, "other", &["slow=8000", "broken", "garbage", "busy", "no-access", "twofold"]),
    (
        Call::Notification,
        "notification",
        &["lost", "duplicate=3", "unsigned", "forged", "other-amount", "another-order"],
    ),
];

#[derive(Template)]
#[template(path = "sandbox/overview.html")]
struct Overview {
    orders: Vec<Row>,
    calls: Vec<Offer>,
}

struct Row {
    entry: Entry,
    status: String,
}

struct Offer {
    name: &'static str,
    troubles: &'static [&'static str],
    /// Those that wait, or fail every call.
    active: String,
}

/// `GET /`
pub async fn show(State(world): State<Weak<World>>) -> Response {
    let Some(world) = world.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let now = world.setup.clock.now();
    let entries = world.ledger().entries().to_vec();
    let orders = entries.into_iter().rev().take(ORDERS_MAX);
    let orders = orders.map(|entry| Row { status: entry.status_at(now).to_owned(), entry });
    let calls = OFFERED.map(|(call, name, troubles)| {
        let active = world.troubles().describe(call);
        Offer { name, troubles, active }
    });
    match (Overview { orders: orders.collect(), calls: calls.into() }).render() {
        Ok(html) => Html(html).into_response(),
        Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, why.to_string()).into_response(),
    }
}

/// A click on the page.
#[derive(Debug, Deserialize)]
pub struct Click {
    on: Option<Call>,
    /// For the next call.
    next: Option<String>,
    /// For every call.
    always: Option<String>,
}

/// `POST /sandbox/click`: a trouble for a kind of call; without one, none any
/// more.
pub async fn click(State(world): State<Weak<World>>, Form(click): Form<Click>) -> Response {
    let Some(world) = world.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let read = |text: Option<String>| text.map(|text| Trouble::parse(&text)).transpose();
    match (click.on, read(click.next), read(click.always)) {
        (Some(call), Ok(next), Ok(always)) => {
            let mut troubles = world.troubles();
            troubles.next(call, next);
            if always.is_some() {
                troubles.always(call, always);
            }
        }
        (None, Ok(None), Ok(None)) => *world.troubles() = Troubles::default(),
        (_, _, _) => return StatusCode::UNPROCESSABLE_ENTITY.into_response(),
    }
    Redirect::to("/").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_that_is_offered_is_one() {
        for (_, name, troubles) in OFFERED {
            for trouble in troubles {
                assert!(Trouble::parse(trouble).is_ok(), "{name}: {trouble}");
            }
        }
        assert_eq!(OFFERED.map(|(call, ..)| call), Call::ALL);
    }
}
