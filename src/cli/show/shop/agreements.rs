//! `tillgate shop saga`, `tillgate shop cases`: the agreements on orders, and
//! the picking of those that were agreed on. Also what `doctor` finds of them.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tillgate_shop::billing::account_name::AccountName;
use tillgate_shop::billing::audit::Balances;
use tillgate_shop::order_id::OrderId;
use tillgate_shop::payment::audit::{Owed, OwedPage};

use super::finding::{Finding, in_both};
use super::transfer::decoded;
use crate::cli::client::{Server, ServerOptions};
use crate::cli::show::table::{self, Column};
use crate::cli::show::{ListOptions, local_time, print_json, text_at};
use crate::cli::{Failed, say};

/// How often what is wrong is looked at again: orders go on meanwhile.
const LOOKS_MAX: u32 = 10;

#[derive(Debug, Subcommand)]
pub enum Saga {
    /// List the agreements on orders, the latest first
    List(List),
    /// Show the agreement on one order: who was asked for what, and when
    Show(Show),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    list: ListOptions,
    /// Only those that are open, done or over
    #[arg(long, value_parser = ["open", "done", "over"])]
    state: Option<String>,
}

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    server: ServerOptions,
    /// The number of the order
    order: String,
}

#[derive(Debug, Subcommand)]
pub enum Cases {
    /// Begin to pick an order: it cannot be withdrawn any more
    Take(Show),
}

pub async fn saga(saga: Saga) -> Result<(), Failed> {
    match saga {
        Saga::List(options) => list(options).await,
        Saga::Show(options) => show(options).await,
    }
}

pub async fn take_case(options: &Show) -> Result<(), Failed> {
    let order = numbered(&options.order)?;
    let server = options.server.connect().await?;
    server.post(&format!("/shop/store/cases/{order}/take")).await?;
    say(format_args!("{order}: the picking has begun"));
    Ok(())
}

fn numbered(order: &str) -> Result<OrderId, Failed> {
    OrderId::parse(order).ok_or_else(|| {
        Failed::usage(format!("{order} is no number of an order of the shop: twelve digits"))
    })
}

async fn list(options: List) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let query = [("state", options.state.as_deref())];
    let found = options.list.fetch(&server, "/shop/orchestra/sagas", &query).await?;
    if options.server.json {
        print_json(&Value::Array(found.items));
        return Ok(());
    }
    let columns = [
        Column::text("order", "order"),
        Column::text("stage", "stage"),
        Column::time("since", "since"),
        Column::time("begun", "begun_at"),
    ];
    table::print(&found.items, &columns);
    for item in found.items.iter().filter(|item| item["needs_person"] == true) {
        say(format_args!("{}: something is not given back", text_at(item, "order")));
    }
    found.say_if_more();
    Ok(())
}

async fn show(options: Show) -> Result<(), Failed> {
    let order = numbered(&options.order)?;
    let server = options.server.connect().await?;
    let saga = server.get(&format!("/shop/orchestra/sagas/{order}"), &[]).await?;
    let payments = server.get_if_there(&format!("/shop/payment/orders/{order}")).await?;
    if options.server.json {
        print_json(&json!({"saga": saga, "payments": payments}));
        return Ok(());
    }
    say(format_args!(
        "{order}: {}, version {}, client {}",
        text_at(&saga, "stage"),
        text_at(&saga, "wanted.version"),
        text_at(&saga, "wanted.username"),
    ));
    let entries = saga.pointer("/journal").and_then(Value::as_array).cloned().unwrap_or_default();
    for entry in &entries {
        say(format_args!("  {}  {}", local_time(entry, "at"), worded(&entry["what"])));
    }
    let attempts = payments.as_ref().and_then(|known| known["attempts"].as_array());
    for attempt in attempts.into_iter().flatten() {
        say(format_args!(
            "  payment {}-{}: {}",
            order,
            text_at(attempt, "number"),
            stage_of(&attempt["stage"])
        ));
    }
    Ok(())
}

/// A stage of a payment, which may have parameters.
fn stage_of(stage: &Value) -> String {
    match stage {
        Value::String(name) => name.clone(),
        Value::Object(named) => named
            .iter()
            .map(|(name, more)| match text_at(more, "reason").as_str() {
                "" => name.clone(),
                reason => format!("{name} ({reason})"),
            })
            .collect::<Vec<_>>()
            .join(", "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => String::new(),
    }
}

/// An entry of the journal.
fn worded(what: &Value) -> String {
    if let Some(name) = what.as_str() {
        return match name {
            "begun" => "begun".into(),
            "person_needed" => "something is not given back since an hour".into(),
            name => name.replace('_', " "),
        };
    }
    let Some((kind, more)) = what.as_object().and_then(|named| named.iter().next()) else {
        return String::new();
    };
    let get = |name: &str| text_at(more, name);
    match kind.as_str() {
        "entered" => format!("stage {}", more.as_str().unwrap_or_default()),
        "asked" => format!("{} asked to {}, request {}", get("of"), get("request"), get("attempt")),
        "answered" => format!(
            "{} answers {} to {}, request {} {}",
            get("by"),
            get("response"),
            get("request"),
            get("attempt"),
            get("reason")
        ),
        "decided" => format!("decided: {} {}", get("response"), get("reason")),
        kind => kind.to_owned(),
    }
}

/// What is wrong with agreements and with the money of orders.
pub(super) async fn look(server: &Server) -> Result<Finding, Failed> {
    if server.get_if_there("/shop/orchestra/sagas").await?.is_none() {
        let about = "orders: not looked at, there is no service orchestra at this address".into();
        return Ok(Finding { about, faults: Vec::new(), is_skipped: true });
    }
    let mut faults = Vec::new();
    for look in 0..LOOKS_MAX {
        let is_stuck = |order: String| {
            format!("{order}: something is not given back; see: tillgate shop saga show {order}")
        };
        let mut found: Vec<String> = stuck(server).await?.into_iter().map(is_stuck).collect();
        found.extend(left_over(server).await?);
        found.extend(owed(server).await?.into_iter().map(refused));
        faults = if look == 0 { found } else { in_both(&faults, &found) };
        if faults.is_empty() {
            break;
        }
    }
    let about = "orders: agreements, money held for orders, refunds".into();
    Ok(Finding { about, faults, is_skipped: false })
}

/// What a person must decide about orders of the shop, in the form of the
/// gateway's own orders. Nothing if the shop is not at this address.
pub async fn attention(server: &Server) -> Result<Vec<Value>, Failed> {
    let of_order = |number: &str, text: &str, next_step: String| {
        json!({"source": "shop", "external_id": number, "number": number, "state": "agreeing",
            "attention": [{"text": text, "next_steps": [next_step]}]})
    };
    let mut all = Vec::new();
    if server.get_if_there("/shop/orchestra/sagas").await?.is_some() {
        for order in stuck(server).await? {
            let text = "since an hour something of it is not given back";
            all.push(of_order(&order, text, format!("tillgate shop saga show {order}")));
        }
    }
    for owed in owed(server).await? {
        let text = format!(
            "the payment system has refused to refund {} of payment {}: refund it by hand",
            owed.amount, owed.payment
        );
        let gateway_order = owed.gateway_order.unwrap_or_default();
        all.push(of_order(&owed.order, &text, format!("tillgate orders show {gateway_order}")));
    }
    Ok(all)
}

/// The orders in whose agreement something is not given back.
async fn stuck(server: &Server) -> Result<Vec<String>, Failed> {
    let open = pages(server, "/shop/orchestra/sagas", &[("state", Some("open"))]).await?;
    let stuck = open.iter().filter(|one| one["needs_person"] == true);
    Ok(stuck.map(|one| text_at(one, "order")).collect())
}

/// Money that the ledger holds for an order whose agreement is over.
async fn left_over(server: &Server) -> Result<Vec<String>, Failed> {
    let mut faults = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let query = [("after", after.as_deref())];
        let page: Balances = decoded(server.get("/shop/ledger/balances", &query).await?)?;
        after = page.items.last().map(|one| one.account.to_string());
        for one in page.items.iter().filter(|one| one.kopecks != 0) {
            let AccountName::Order(order) = one.account else { continue };
            let saga = server.get_if_there(&format!("/shop/orchestra/sagas/{order}")).await?;
            let stage = saga.map(|saga| text_at(&saga, "stage"));
            let is_over = stage
                .is_some_and(|stage| ["done", "undone", "withdrawn"].contains(&stage.as_str()));
            if is_over {
                faults.push(format!("order:{order} has {} kopecks, and is over", one.kopecks));
            }
        }
        if page.is_last {
            return Ok(faults);
        }
    }
}

/// Refunds that a person must make.
async fn owed(server: &Server) -> Result<Vec<Owed>, Failed> {
    if server.get_if_there("/shop/payment/owed").await?.is_none() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let query = [("cursor", cursor.as_deref())];
        let page: OwedPage = decoded(server.get("/shop/payment/owed", &query).await?)?;
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

fn refused(owed: Owed) -> String {
    format!(
        "payment {}: the payment system has refused to refund {}; refund it by hand: tillgate \
         orders show {}",
        owed.payment,
        owed.amount,
        owed.gateway_order.unwrap_or_default()
    )
}

async fn pages(
    server: &Server,
    path: &str,
    query: &[(&str, Option<&str>)],
) -> Result<Vec<Value>, Failed> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = query.to_vec();
        query.push(("cursor", cursor.as_deref()));
        let page = server.get(path, &query).await?;
        all.extend(page["items"].as_array().into_iter().flatten().cloned());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(all);
        }
    }
}
