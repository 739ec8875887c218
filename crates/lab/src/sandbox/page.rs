//! The buyer's side: a payment page with Pay, Hold, Decline and Abandon.

use std::sync::{Arc, Weak};

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;

use super::ledger::{Entry, Outcome};
use super::{World, notifier};

#[derive(Template)]
#[template(path = "sandbox/payment.html")]
struct Payment<'a> {
    entry: &'a Entry,
    status: &'a str,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    name: String,
    quantity: serde_json::Number,
    measure: String,
    total_amount: serde_json::Number,
}

impl Line {
    /// The sum in roubles with kopecks.
    fn total(&self) -> String {
        let text = self.total_amount.to_string();
        text.parse::<tillgate_kernel::Money>().map_or(text, |money| money.to_string())
    }
}

/// `GET /order/{container}`
pub async fn show(State(world): State<Weak<World>>, Path(container): Path<String>) -> Response {
    let Some(world) = world.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let Some(entry) = world.ledger().find(|entry| entry.container == container).cloned() else {
        return (StatusCode::NOT_FOUND, "Order not found").into_response();
    };
    let lines = serde_json::from_str(entry.basket.get()).unwrap_or_default();
    let page = Payment { status: entry.status_at(world.setup.clock.now()), entry: &entry, lines };
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, why.to_string()).into_response(),
    }
}

/// `POST /order/{container}/{pay|hold|decline|abandon}`
pub async fn act(
    State(world): State<Weak<World>>,
    Path((container, act)): Path<(String, String)>,
) -> Response {
    let Some(world) = world.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let outcome = match act.as_str() {
        "pay" => Outcome::Pay,
        "hold" => Outcome::Hold,
        "decline" => Outcome::Decline,
        "abandon" => Outcome::Abandon,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match settle(&world, &container, outcome) {
        Some(Some(url)) => Redirect::to(&url).into_response(),
        // Nothing could be done, or the merchant gave no address: the page
        // shows the order's status.
        Some(None) | None => Redirect::to(&format!("/order/{container}")).into_response(),
    }
}

/// Does what the buyer wants, if possible, and returns where the buyer is sent
/// afterwards. `None` if it is not possible.
pub fn settle(world: &Arc<World>, container: &str, outcome: Outcome) -> Option<Option<String>> {
    let now = world.setup.clock.now();
    let (id, url) = {
        let mut ledger = world.ledger();
        let entry = ledger.find(|entry| entry.container == container)?;
        let can_pay = entry.status_at(now) == "created";
        // SBP takes the money at once.
        let is_sbp = entry.method.as_deref() == Some("sbp");
        let outcome = if outcome == Outcome::Hold && is_sbp { Outcome::Pay } else { outcome };
        match outcome {
            Outcome::Pay if can_pay && !entry.manual_capture => {
                entry.status = "completed".into();
                entry.paid_at = Some(now);
                (Some(entry.id.clone()), entry.success_url.clone())
            }
            Outcome::Hold | Outcome::Pay if can_pay => {
                entry.status = "hold".into();
                (Some(entry.id.clone()), entry.success_url.clone())
            }
            Outcome::Decline if can_pay => {
                entry.declined += 1;
                (None, entry.fail_url.clone())
            }
            Outcome::Abandon => (None, entry.return_url.clone()),
            Outcome::Pay | Outcome::Hold | Outcome::Decline => return None,
        }
    };
    world.something_happened();
    if let Some(id) = id {
        notifier::announce(world, id);
    }
    Some(url)
}
