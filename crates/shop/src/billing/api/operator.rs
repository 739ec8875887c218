//! Requests of the operator, who has been authenticated.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;
use tillgate_kernel::Timestamp;
use tillgate_store::Cursor;

use super::callers::Asked;
use crate::Refusal;
use crate::billing::Billing;
use crate::billing::account_name::AccountName;
use crate::billing::audit::{Balances, PAGE, Transfers};
use crate::billing::charge::ID_CHARACTERS_MAX;
use crate::billing::credit::{Credit, Credited};
use crate::form::{Fault, Form};

/// The header by which a repeated credit is recognised.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// `POST /wallets/{username}/credits`
pub async fn credit(Path(username): Path<String>, mut asked: Asked) -> Response {
    let outcome = credited(&username, &mut asked).await;
    asked.personal(outcome)
}

async fn credited(username: &str, asked: &mut Asked) -> Result<Credited, Refusal> {
    let key = asked.text(IDEMPOTENCY_KEY).unwrap_or_default().to_owned();
    let fault = |fault| Refusal::of_field("Idempotency-Key", fault);
    if key.is_empty() {
        return Err(fault(Fault::Missing));
    }
    if key.len() > ID_CHARACTERS_MAX {
        return Err(fault(Fault::TooLong(ID_CHARACTERS_MAX)));
    }
    let credit = asked.change(Credit::read).await?;
    asked.service.credit(username, &key, credit).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    after: Option<String>,
}

impl After {
    fn read(query: Result<Query<After>, QueryRejection>) -> Result<Option<String>, Refusal> {
        let Query(After { after }) =
            query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
        Ok(after)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    after: Option<String>,
    since: Option<String>,
}

impl Part {
    fn read(query: Result<Query<Part>, QueryRejection>) -> Result<Option<Cursor>, Refusal> {
        let Query(Part { after, since }) =
            query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
        let after = after
            .map(|text| text.parse().map_err(|_| Refusal::of_field("after", Fault::NotACursor)));
        let since =
            since.map(|text| text.parse().map_err(|_| Refusal::of_field("since", Fault::NotATime)));
        let since = since.map(|time: Result<Timestamp, Refusal>| time.map(Transfers::cursor_at));
        after.or(since).transpose()
    }
}

/// `GET /ledger/transfers`
pub async fn transfers(query: Result<Query<Part>, QueryRejection>, asked: Asked) -> Response {
    let billing = Arc::clone(&asked.service);
    let outcome = transfers_after(query, &billing).await;
    asked.personal(outcome)
}

async fn transfers_after(
    query: Result<Query<Part>, QueryRejection>,
    billing: &Billing,
) -> Result<Transfers, Refusal> {
    billing.transfers(Part::read(query)?).await
}

/// `GET /ledger/balances`
pub async fn balances(query: Result<Query<After>, QueryRejection>, asked: Asked) -> Response {
    let billing = Arc::clone(&asked.service);
    let outcome = match After::read(query) {
        Ok(after) => billing.all_balances(after.as_deref()).await,
        Err(refusal) => Err(refusal),
    };
    asked.personal(outcome)
}

/// `POST /ledger/balances`
pub async fn balances_of(mut asked: Asked) -> Response {
    let outcome = balances_named(&mut asked).await;
    asked.personal(outcome)
}

async fn balances_named(asked: &mut Asked) -> Result<Balances, Refusal> {
    let accounts = asked.change(read_accounts).await?;
    asked.service.balances_of(accounts).await
}

fn read_accounts(mut form: Form) -> Result<Vec<AccountName>, Refusal> {
    let name = |form: &mut Form| {
        let text = form.required("name", ID_CHARACTERS_MAX)?;
        text.parse().ok().or_else(|| form.refuse("name", Fault::NotAnId))
    };
    let accounts = form.objects("accounts", PAGE, name);
    form.whole(accounts).map_err(Refusal::Fields)
}
