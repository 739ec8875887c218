//! The client's wallet: what it holds, and what has moved it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::Front;
use super::account::day_and_minute;
use super::page::Frame;
use super::words::Words;
use crate::Refusal;
use crate::roubles::Roubles;
use crate::service_client::Caller;

/// How many entries one page shows.
const ENTRIES: u32 = 20;

#[derive(Template)]
#[template(path = "wallet.html")]
struct Page {
    frame: Frame,
    balance: String,
    entries: Vec<Line>,
    /// The address of the page with older entries.
    older: Option<String>,
}

struct Line {
    what: &'static str,
    why: Option<String>,
    at: String,
    amount: String,
}

/// A wallet as its service answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    id: u64,
    token_type: String,
    balance: Roubles,
}

#[derive(Debug, Deserialize)]
struct Tokens {
    tokens: Vec<Token>,
}

#[derive(Debug, Deserialize)]
struct Statement {
    items: Vec<Entry>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    at: String,
    operation: String,
    amount: Roubles,
    order_id: Option<String>,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Part {
    cursor: Option<String>,
}

/// `GET /account/wallet`
pub async fn show(
    State(front): State<Arc<Front>>,
    Query(part): Query<Part>,
    headers: HeaderMap,
) -> Response {
    match front.wallet_page(part, &headers).await {
        Ok(Some(page)) => {
            let (visitor, _) = front.visitor(&headers);
            front.page(&page, StatusCode::OK, &visitor)
        }
        Ok(None) => Redirect::to("/login").into_response(),
        Err(refusal) => front.sorry(&refusal, &headers),
    }
}

impl Front {
    /// `None` without a session.
    async fn wallet_page(&self, part: Part, headers: &HeaderMap) -> Result<Option<Page>, Refusal> {
        let caller = Caller::of(headers, None);
        let client = self.own_data(headers).await?;
        match client.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Ok(None),
            _ => return Err(Refusal::Unavailable),
        }
        let username = client.body()["username"].as_str().unwrap_or_default();
        let wallet = self.wallet(username, &caller).await?;
        let question = json!({"username": username, "tokenId": wallet.id, "limit": ENTRIES,
            "cursor": part.cursor});
        let reply = self.billing.call(Method::POST, "/trxn/get", &caller, Some(&question)).await;
        // It changes nothing, whether or not it was answered.
        let reply = reply.map_err(|_| Refusal::Unavailable)?;
        match reply.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Ok(None),
            // Somebody has changed the address of the page.
            StatusCode::BAD_REQUEST => return Err(Refusal::NotFound),
            _ => return Err(Refusal::Unavailable),
        }
        let statement: Statement = reply.read()?;
        let language = self.language_of(headers);
        let frame = self.frame(headers);
        let line = |entry: Entry| Line {
            what: meaning(&entry.operation, frame.words),
            why: entry.reason.or(entry.order_id.map(|order| format!("№ {order}"))),
            at: day_and_minute(&entry.at, &self.time_zone),
            amount: entry.amount.0.shown(language),
        };
        let older = statement.next_cursor.map(|cursor| format!("/account/wallet?cursor={cursor}"));
        Ok(Some(Page {
            balance: wallet.balance.0.shown(language),
            entries: statement.items.into_iter().map(line).collect(),
            older,
            frame,
        }))
    }

    async fn wallet(&self, username: &str, caller: &Caller) -> Result<Token, Refusal> {
        // It may have letters that an address may not.
        let name: String = username.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/token/get?username={name}");
        let reply = self.billing.call(Method::GET, &path, caller, None).await?;
        if reply.status != StatusCode::OK {
            return Err(Refusal::Unavailable);
        }
        let tokens: Tokens = reply.read()?;
        let wallet = tokens.tokens.into_iter().find(|token| token.token_type == "WALLET");
        wallet.ok_or(Refusal::Unavailable)
    }

    /// What the wallet of a client holds, for the account. `None` if it cannot
    /// be found out: the rest of the page is shown all the same.
    pub(super) async fn balance(&self, username: &str, headers: &HeaderMap) -> Option<String> {
        let wallet = self.wallet(username, &Caller::of(headers, None)).await.ok()?;
        Some(wallet.balance.0.shown(self.language_of(headers)))
    }
}

/// What an operation means for the owner of the wallet.
fn meaning(operation: &str, words: &Words) -> &'static str {
    match operation {
        "CREDIT" => words.credit,
        "TOP_UP" => words.top_up,
        "HOLD" => words.payment,
        "REVERSE" | "SHORT" => words.payment_back,
        _ => words.other_operation,
    }
}
