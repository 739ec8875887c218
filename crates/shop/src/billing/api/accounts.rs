//! Requests of services, and of clients about what is theirs.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::callers::{Asked, Who};
use crate::Refusal;
use crate::billing::charge::Charge;
use crate::billing::statement::{Question, Statement};
use crate::billing::tokens::{Cards, OrderedCard, Token};
use crate::form::Fault;
use crate::roubles::Roubles;
use crate::username::{ClientNumber, Username};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    username: Option<String>,
}

impl Wanted {
    fn read(query: Result<Query<Wanted>, QueryRejection>) -> Result<Username, Refusal> {
        let Query(Wanted { username }) =
            query.map_err(|_| Refusal::of_field("query", Fault::Unknown))?;
        let fault = |fault| Refusal::of_field("username", fault);
        let username = username.ok_or_else(|| fault(Fault::Missing))?;
        Username::parse(&username).ok_or_else(|| fault(Fault::NotAUsername))
    }
}

#[derive(Debug, Serialize)]
struct Tokens {
    username: String,
    tokens: Vec<Token>,
}

/// `GET /token/get`
pub async fn tokens(query: Result<Query<Wanted>, QueryRejection>, mut asked: Asked) -> Response {
    let outcome = tokens_of(query, &mut asked).await;
    asked.personal(outcome)
}

async fn tokens_of(
    query: Result<Query<Wanted>, QueryRejection>,
    asked: &mut Asked,
) -> Result<Tokens, Refusal> {
    let who = asked.who().await?;
    let username = Wanted::read(query)?;
    let client = ClientNumber::of(&username);
    who.may_see(client)?;
    if matches!(who, Who::Client(_)) {
        // Who has just registered looks before the message about it arrives.
        asked.service.open_wallet(client).await?;
    }
    let tokens = asked.service.tokens(client, asked.language()).await?;
    Ok(Tokens { username: username.as_str().to_owned(), tokens })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Charged {
    payment_id: String,
    operation: &'static str,
    result: &'static str,
    balance: Option<Roubles>,
}

/// `POST /token/charge`
pub async fn charge(mut asked: Asked) -> Response {
    let outcome = charged(&mut asked).await;
    asked.personal(outcome)
}

async fn charged(asked: &mut Asked) -> Result<Charged, Refusal> {
    asked.only_services().await?;
    let charge = asked.change(Charge::read).await?;
    let balance = asked.service.charge(&charge).await?;
    let operation = charge.verb.as_str();
    let balance = balance.map(Roubles);
    Ok(Charged { payment_id: charge.payment, operation, result: "SUCCESS", balance })
}

#[derive(Debug, Serialize)]
struct Ordered {
    cards: Vec<OrderedCard>,
}

/// `POST /token/create`
pub async fn create(mut asked: Asked) -> Response {
    let outcome = created(&mut asked).await;
    asked.personal(outcome)
}

async fn created(asked: &mut Asked) -> Result<Ordered, Refusal> {
    asked.only_services().await?;
    let cards = asked.change(Cards::read).await?;
    Ok(Ordered { cards: asked.service.create_cards(&cards).await? })
}

/// `POST /trxn/get`
pub async fn statement(mut asked: Asked) -> Response {
    let outcome = statement_of(&mut asked).await;
    asked.personal(outcome)
}

async fn statement_of(asked: &mut Asked) -> Result<Statement, Refusal> {
    let who = asked.who().await?;
    let question = asked.change(Question::read).await?;
    who.may_see(question.client)?;
    asked.service.statement(question).await
}
