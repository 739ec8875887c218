//! The story that `tillgate demo` tells: real hooks over real HTTP, every claim checked as it is made.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::marketplace::{Attempt, Marketplace};
use super::teller::Teller;
use super::world::{DEADLINE, World, site_order, text};
use crate::sandbox::Entry;
use tillgate_kernel::Secret;

/// The hooks of the story, which are also files to post by hand.
mod hooks {
    pub const CREATED: &str = include_str!("../../../../fixtures/sm/01-created.json");
    pub const RESENT: &str = include_str!("../../../../fixtures/sm/02-created-resent.json");
    pub const CHANGED: &str = include_str!("../../../../fixtures/sm/03-changed.json");
    pub const PAID: &str = include_str!("../../../../fixtures/sm/04-paid.json");
    pub const RECEIVED: &str = include_str!("../../../../fixtures/sm/05-received.json");
    pub const DELIVERING: &str = include_str!("../../../../fixtures/sm/06-delivering.json");
    pub const DELIVERED: &str = include_str!("../../../../fixtures/sm/07-delivered.json");
    pub const UPDATED_FIRST: &str = include_str!("../../../../fixtures/sm/08-updated-before-created.json");
    pub const CREATED_SECOND: &str = include_str!("../../../../fixtures/sm/09-created-after-update.json");
    pub const TO_BE_CANCELLED: &str = include_str!("../../../../fixtures/sm/10-created-to-be-cancelled.json");
    pub const CANCELLED: &str = include_str!("../../../../fixtures/sm/11-cancelled.json");
    pub const NO_ORDER_NUMBER: &str = include_str!("../../../../fixtures/sm/bad/no-order-number.json");
}

/// Tells the whole story. Returns whether everything came out right.
pub async fn tell(world: &World) -> bool {
    let mut teller = Teller::new();
    let Ok(marketplace) = Marketplace::new(format!("{}/hooks/sm", world.url()), Secret::new(world.token()))
    else {
        return false;
    };
    teller.say(format_args!("tillgate {} at {}", env!("CARGO_PKG_VERSION"), world.url()));
    teller.say(format_args!(
        "store: sled in {}; every answer below was durable before it was given",
        world.folder.display()
    ));

    let number = order_is_placed(world, &marketplace, &mut teller).await;
    order_is_changed(world, &marketplace, &mut teller, &number).await;
    hooks_overtake(world, &marketplace, &mut teller).await;
    order_is_shipped(world, &marketplace, &mut teller, &number).await;
    order_is_cancelled(world, &marketplace, &mut teller).await;
    hooks_are_turned_away(world, &marketplace, &mut teller).await;
    show_journal(world, &mut teller, &number).await;
    let paid = site_is_paid(world, &mut teller).await;
    payments_come_to_nothing(world, &mut teller).await;
    show_journal(world, &mut teller, &paid).await;

    teller.times.sort_unstable();
    let micros = |place: usize| teller.times.get(place).map_or(0, Duration::as_micros);
    let (middle, last) = (micros(teller.times.len() / 2), micros(teller.times.len().saturating_sub(1)));
    let right = teller.failed == 0;
    teller.say(format_args!(
        "\n{} of {} checks hold · {} answers, median {}.{:02} ms, slowest {}.{:02} ms; the marketplace waits 5000",
        teller.checks - teller.failed,
        teller.checks,
        teller.times.len(),
        middle / 1000,
        middle / 10 % 100,
        last / 1000,
        last / 10 % 100,
    ));
    right
}

fn number_in(attempt: &Attempt) -> String {
    serde_json::from_str::<Value>(attempt.body()).map(|body| text(&body, "number")).unwrap_or_default()
}

async fn order_is_placed(world: &World, marketplace: &Marketplace, teller: &mut Teller) -> String {
    teller.chapter("A customer orders");
    let counted = serde_json::json!([
        {"store_id": "17", "sku": "100201", "quantity": "40"},
        {"store_id": "17", "sku": "204500", "quantity": "25"},
    ]);
    world.ask(Method::PUT, "/stock", Some(&counted)).await;
    let first = marketplace.post(hooks::CREATED.as_bytes()).await;
    teller.answer("order.created  H2611220001", &first);
    let number = number_in(&first);
    teller.check(first.status() == 200 && number.len() == 12, "acknowledged, with our number of the order");
    teller.pickers_hear(world, 1).await;

    teller.chapter("The answer got lost: the marketplace sends the order again, in other bytes and then eight times at once");
    let again = marketplace.post(hooks::RESENT.as_bytes()).await;
    teller.answer("order.created  H2611220001, re-sent", &again);
    teller.check(again.body() == first.body(), "the same number, byte for byte");
    let mut copies = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let marketplace = marketplace.clone();
        copies.spawn(async move { marketplace.post(hooks::CREATED.as_bytes()).await });
    }
    let copies = copies.join_all().await;
    if let Some(copy) = copies.last() {
        teller.answer("order.created  H2611220001, ×8", copy);
    }
    let same = copies.iter().all(|copy| copy.body() == first.body());
    teller.check(same && copies.len() == 8, "eight equal answers");
    let orders = world.ask(Method::GET, "/orders", None).await;
    let count = orders.get("items").and_then(Value::as_array).map_or(0, Vec::len);
    teller.check(
        count == 1 && world.chat.messages().len() == 1,
        "still one order, and one message to the pickers",
    );
    number
}

async fn order_is_changed(world: &World, marketplace: &Marketplace, teller: &mut Teller, number: &str) {
    teller.chapter("The customer wants more milk, and the shop has run out of one bread");
    let changed = marketplace.post(hooks::CHANGED.as_bytes()).await;
    teller.answer("order.changed  H2611220001", &changed);
    let order = world.order(number).await;
    teller.check(text(&order, "revision") == "2", "the order is at revision 2");
    teller.pickers_hear(world, 1).await;
}

async fn hooks_overtake(world: &World, marketplace: &Marketplace, teller: &mut Teller) {
    teller.chapter("Another order: its change overtakes its creation");
    let early = marketplace.post(hooks::UPDATED_FIRST.as_bytes()).await;
    teller.answer("order.updated  H2611220002", &early);
    teller.check(early.body() == r#"{"status":"parked"}"#, "kept, and waiting for its order");
    let created = marketplace.post(hooks::CREATED_SECOND.as_bytes()).await;
    teller.answer("order.created  H2611220002", &created);
    let order = world.order(&number_in(&created)).await;
    let quantity = order.pointer("/positions/0/quantity").and_then(Value::as_str).unwrap_or_default();
    teller.check(quantity == "10", "the parked change has found its order: 10 tins instead of 12");
    teller.pickers_hear(world, 1).await;
}

async fn order_is_shipped(world: &World, marketplace: &Marketplace, teller: &mut Teller, number: &str) {
    teller.chapter("The first order is paid for, given to the courier, delivered");
    let paid = marketplace.post(hooks::PAID.as_bytes()).await;
    teller.answer("order.paid  H2611220001", &paid);
    let order = world.order(number).await;
    let total = order.pointer("/discount_total/amount").and_then(Value::as_str).unwrap_or("?").to_owned();
    teller.check(text(&order, "state") == "paid", &format!("closed to changes, prices corrected: {total} ₽"));

    let before = (world.balance("17", "100201").await, world.balance("17", "204500").await);
    let received = marketplace.post(hooks::RECEIVED.as_bytes()).await;
    teller.answer("order.received  H2611220001", &received);
    let twice = marketplace.post(hooks::RECEIVED.as_bytes()).await;
    teller.answer("order.received  H2611220001, again", &twice);
    let after = (world.balance("17", "100201").await, world.balance("17", "204500").await);
    let claim = format!(
        "stock of store 17, once: milk {} → {}, bananas {} → {}",
        before.0, after.0, before.1, after.1
    );
    teller.check(before == ("40".into(), "25".into()) && after == ("37".into(), "22".into()), &claim);

    let delivering = marketplace.post(hooks::DELIVERING.as_bytes()).await;
    teller.answer("order.delivering  H2611220001", &delivering);
    let delivered = marketplace.post(hooks::DELIVERED.as_bytes()).await;
    teller.answer("order.delivered  H2611220001", &delivered);
    let order = world.order(number).await;
    teller.check(text(&order, "state") == "delivered", "delivered");
}

async fn order_is_cancelled(world: &World, marketplace: &Marketplace, teller: &mut Teller) {
    teller.chapter("A third order is placed, and called off before it is shipped");
    let created = marketplace.post(hooks::TO_BE_CANCELLED.as_bytes()).await;
    teller.answer("order.created  H2611220003", &created);
    teller.pickers_hear(world, 1).await;
    let cancelled = marketplace.post(hooks::CANCELLED.as_bytes()).await;
    teller.answer("order.cancelled  H2611220003", &cancelled);
    let order = world.order(&number_in(&created)).await;
    teller.check(text(&order, "state") == "cancelled", "cancelled");
    teller.pickers_hear(world, 1).await;
}

async fn hooks_are_turned_away(world: &World, marketplace: &Marketplace, teller: &mut Teller) {
    teller.chapter("What cannot be used is turned away, and kept for a person");
    let rejected = marketplace.post(hooks::NO_ORDER_NUMBER.as_bytes()).await;
    teller.answer("order.created without a number", &rejected);
    let kept = world.ask(Method::GET, "/hooks?verdict=rejected", None).await;
    let count = kept.get("items").and_then(Value::as_array).map_or(0, Vec::len);
    teller.check(rejected.status() == 422 && count == 1, "rejected, and in the journal");
    let Ok(stranger) = Marketplace::new(format!("{}/hooks/sm", world.url()), Secret::new("a guessed token"))
    else {
        return;
    };
    let forged = stranger.post(hooks::CREATED.as_bytes()).await;
    teller.answer("order.created with a wrong token", &forged);
    teller.check(forged.status() == 403, "refused, and nothing kept");
}

async fn site_is_paid(world: &World, teller: &mut Teller) -> String {
    teller.chapter("A merchant's site takes an order, and the buyer pays");
    let order = site_order("A-1001", &world.site.url());
    let first = world.place_again(&order, "demo-1").await;
    let again = world.place_again(&order, "demo-1").await;
    let (Some(first), Some(again)) = (first, again) else {
        teller.check(false, "the site's order is answered");
        return String::new();
    };
    let placed: Value = serde_json::from_slice(&first.body).unwrap_or_default();
    let (number, link) = (text(&placed, "number"), pointer(&placed, "/payment/url"));
    let total = pointer(&placed, "/total/amount");
    teller.say(format_args!(
        "  site → POST /v1/orders A-1001  ← {} {number}, {total} ₽",
        first.status.as_u16()
    ));
    teller.check(
        first.status == 201 && pointer(&placed, "/payment/state") == "linked",
        "created, with a live link",
    );
    let is_same = again.body == first.body && again.headers.contains_key("idempotent-replayed");
    teller.check(is_same, "sent again with the same Idempotency-Key: the same answer, byte for byte");

    let (status, page, _) = world.browse(Method::GET, &link).await;
    teller.say(format_args!("  buyer → {link}  ← {status} to {page}"));
    let (status, way_back, _) = world.browse(Method::POST, &format!("{page}/pay")).await;
    teller.say(format_args!("  buyer pays on that page  ← {status} to {way_back}"));
    let callbacks = world.site.wait_for(1, DEADLINE).await.unwrap_or_else(|callbacks| callbacks);
    let number_there = format!("{number}-1");
    let answered = |orders: &[Entry]| {
        orders.iter().any(|order| order.number == number_there && !order.notices.is_empty())
    };
    world.bank.wait_until(DEADLINE, answered).await;
    let notices = world.bank.orders(&number_there).pop().map(|order| order.notices).unwrap_or_default();
    teller.say(format_args!("  payment system → notification  ← {}", notices.join(" ")));
    teller.check(notices == [r#"{"status":"success"}"#], "the signed notification was taken, once");
    let (status, _, shown) = world.browse(Method::GET, &way_back).await;
    teller.check(
        status == 200 && shown.contains("Заказ оплачен"),
        "the buyer's way back says that the order is paid",
    );
    let order = world.order(&number).await;
    teller.check(text(&order, "state") == "paid", "the order is paid");
    for callback in &callbacks {
        let about = pointer(&callback.body, "/data/merchant_order_id");
        teller.say(format_args!(
            "  tillgate → site: {} {} for {about}",
            callback.id,
            text(&callback.body, "type")
        ));
    }
    let is_told = callbacks.len() == 1 && callbacks.iter().all(|callback| callback.is_signed);
    teller.check(is_told, "the site heard of it, once and signed");
    number
}

async fn payments_come_to_nothing(world: &World, teller: &mut Teller) {
    teller.chapter("Two more buyers: one's bank declines, one changes their mind");
    for (id, act, claim) in [
        ("A-1002", "decline", "declined: not paid, the link still lives, the buyer can try again"),
        ("A-1003", "abandon", "abandoned: not paid, the link still lives"),
    ] {
        let Some(reply) = world.place(id).await else {
            teller.check(false, "the site's order is answered");
            continue;
        };
        let placed: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let link = pointer(&placed, "/payment/url");
        let (_, page, _) = world.browse(Method::GET, &link).await;
        let (status, way_back, _) = world.browse(Method::POST, &format!("{page}/{act}")).await;
        teller.say(format_args!("  buyer of {id}: {act}  ← {status} to {way_back}"));
        let (_, _, shown) = world.browse(Method::GET, &way_back).await;
        let (_, still, _) = world.browse(Method::GET, &link).await;
        let order = world.order(&text(&placed, "number")).await;
        let holds = text(&order, "state") == "open" && shown.contains("Заказ не оплачен") && still == page;
        teller.check(holds, claim);
    }
    teller.check(world.site.callbacks().len() == 1, "the site heard of no payment that was not made");
}

pub(super) fn pointer(value: &Value, place: &str) -> String {
    value.pointer(place).and_then(Value::as_str).unwrap_or("?").to_owned()
}

async fn show_journal(world: &World, teller: &mut Teller, number: &str) {
    teller.chapter(&format!("The journal of order {number}"));
    let journal = world.ask(Method::GET, &format!("/orders/{number}/journal"), None).await;
    for entry in journal.get("items").and_then(Value::as_array).into_iter().flatten() {
        match text(entry, "entry").as_str() {
            "hook" => {
                let copies = entry.get("copies").and_then(Value::as_u64).map(|copies| format!(" ×{copies}"));
                let line = format!(
                    "{:<17} {}{}",
                    text(entry, "event_type"),
                    text(entry, "verdict"),
                    copies.unwrap_or_default()
                );
                teller.say(format_args!("  {line}"));
                for change in entry.get("changes").and_then(Value::as_array).into_iter().flatten() {
                    teller.say(format_args!(
                        "      {}",
                        teller.paint("2", change.as_str().unwrap_or_default())
                    ));
                }
            }
            "payment" => {
                teller.say(format_args!("  payment {}  {}", text(entry, "payment"), text(entry, "text")));
            }
            "message" => {
                teller.say(format_args!("  message {:<9} {}", text(entry, "id"), text(entry, "state")));
            }
            _ => {}
        }
    }
}
