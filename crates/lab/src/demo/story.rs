//! The scenario of `tillgate demo`: real hooks over real HTTP. Every step is
//! checked at once.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::marketplace::{Attempt, Marketplace};
use super::narrator::Narrator;
use super::world::{DEADLINE, World, site_order, text};
use crate::sandbox::Entry;
use tillgate_kernel::Secret;

/// The hooks of the scenario. They are also files that can be posted by hand.
mod hooks {
    pub const CREATED: &str = include_str!("../../../../fixtures/sm/01-created.json");
    pub const RESENT: &str = include_str!("../../../../fixtures/sm/02-created-resent.json");
    pub const CHANGED: &str = include_str!("../../../../fixtures/sm/03-changed.json");
    pub const PAID: &str = include_str!("../../../../fixtures/sm/04-paid.json");
    pub const RECEIVED: &str = include_str!("../../../../fixtures/sm/05-received.json");
    pub const DELIVERING: &str = include_str!("../../../../fixtures/sm/06-delivering.json");
    pub const DELIVERED: &str = include_str!("../../../../fixtures/sm/07-delivered.json");
    pub const UPDATED_FIRST: &str =
        include_str!("../../../../fixtures/sm/08-updated-before-created.json");
    pub const CREATED_SECOND: &str =
        include_str!("../../../../fixtures/sm/09-created-after-update.json");
    pub const TO_BE_CANCELLED: &str =
        include_str!("../../../../fixtures/sm/10-created-to-be-cancelled.json");
    pub const CANCELLED: &str = include_str!("../../../../fixtures/sm/11-cancelled.json");
    pub const NO_ORDER_NUMBER: &str =
        include_str!("../../../../fixtures/sm/bad/no-order-number.json");
}

/// Plays the whole scenario. Returns whether all checks passed.
pub async fn tell(world: &World) -> bool {
    let mut narrator = Narrator::new();
    let Ok(marketplace) =
        Marketplace::new(format!("{}/hooks/sm", world.url()), Secret::new(world.token()))
    else {
        return false;
    };
    narrator.say(format_args!("tillgate {} at {}", env!("CARGO_PKG_VERSION"), world.url()));
    narrator.say(format_args!(
        "store: sled in {}; everything is on disk before it is acknowledged",
        world.folder.display()
    ));

    let number = order_is_placed(world, &marketplace, &mut narrator).await;
    order_is_changed(world, &marketplace, &mut narrator, &number).await;
    hooks_overtake(world, &marketplace, &mut narrator).await;
    order_is_shipped(world, &marketplace, &mut narrator, &number).await;
    order_is_cancelled(world, &marketplace, &mut narrator).await;
    hooks_are_turned_away(world, &marketplace, &mut narrator).await;
    show_journal(world, &mut narrator, &number).await;
    let paid = site_is_paid(world, &mut narrator).await;
    payments_come_to_nothing(world, &mut narrator).await;
    show_journal(world, &mut narrator, &paid).await;

    narrator.times.sort_unstable();
    let micros = |place: usize| narrator.times.get(place).map_or(0, Duration::as_micros);
    let (middle, last) =
        (micros(narrator.times.len() / 2), micros(narrator.times.len().saturating_sub(1)));
    let right = narrator.failed == 0;
    narrator.say(format_args!(
        "\n{} of {} checks passed · {} answers: median {}.{:02} ms, slowest {}.{:02} ms; \
         the marketplace times out after 5000 ms",
        narrator.checks - narrator.failed,
        narrator.checks,
        narrator.times.len(),
        middle / 1000,
        middle / 10 % 100,
        last / 1000,
        last / 10 % 100,
    ));
    right
}

fn number_in(attempt: &Attempt) -> String {
    serde_json::from_str::<Value>(attempt.body())
        .map(|body| text(&body, "number"))
        .unwrap_or_default()
}

async fn order_is_placed(
    world: &World,
    marketplace: &Marketplace,
    narrator: &mut Narrator,
) -> String {
    narrator.chapter("A buyer places an order at the marketplace");
    let counted = serde_json::json!([
        {"store_id": "17", "sku": "100201", "quantity": "40"},
        {"store_id": "17", "sku": "204500", "quantity": "25"},
    ]);
    world.ask(Method::PUT, "/stock", Some(&counted)).await;
    let first = marketplace.post(hooks::CREATED.as_bytes()).await;
    narrator.answer("order.created  H2611220001", &first);
    let number = number_in(&first);
    narrator.check(
        first.status() == 200 && number.len() == 12,
        "acknowledged with 200 and our 12-digit order number",
    );
    narrator.show_picker_messages(world, 1).await;

    narrator.chapter(
        "The answer got lost: the marketplace sends the order again, reformatted, \
         then eight times at once",
    );
    let again = marketplace.post(hooks::RESENT.as_bytes()).await;
    narrator.answer("order.created  H2611220001, re-sent", &again);
    narrator.check(again.body() == first.body(), "the same answer, byte for byte");
    let mut duplicates = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let marketplace = marketplace.clone();
        duplicates.spawn(async move { marketplace.post(hooks::CREATED.as_bytes()).await });
    }
    let duplicates = duplicates.join_all().await;
    if let Some(duplicate) = duplicates.last() {
        narrator.answer("order.created  H2611220001, ×8", duplicate);
    }
    let same = duplicates.iter().all(|duplicate| duplicate.body() == first.body());
    narrator.check(same && duplicates.len() == 8, "all eight answers are the same");
    let orders = world.ask(Method::GET, "/orders", None).await;
    let count = orders.get("items").and_then(Value::as_array).map_or(0, Vec::len);
    narrator.check(
        count == 1 && world.chat.messages().len() == 1,
        "there is still one order, and one message to the pickers",
    );
    number
}

async fn order_is_changed(
    world: &World,
    marketplace: &Marketplace,
    narrator: &mut Narrator,
    number: &str,
) {
    narrator.chapter("The buyer wants more milk, and one bread is replaced by another");
    let changed = marketplace.post(hooks::CHANGED.as_bytes()).await;
    narrator.answer("order.changed  H2611220001", &changed);
    let order = world.order(number).await;
    narrator.check(text(&order, "revision") == "2", "the order is at revision 2");
    narrator.show_picker_messages(world, 1).await;
}

async fn hooks_overtake(world: &World, marketplace: &Marketplace, narrator: &mut Narrator) {
    narrator.chapter("Another order: its change arrives before the order itself");
    let early = marketplace.post(hooks::UPDATED_FIRST.as_bytes()).await;
    narrator.answer("order.updated  H2611220002", &early);
    narrator.check(
        early.body() == r#"{"status":"parked"}"#,
        "the change is stored and waits for its order",
    );
    let created = marketplace.post(hooks::CREATED_SECOND.as_bytes()).await;
    narrator.answer("order.created  H2611220002", &created);
    let order = world.order(&number_in(&created)).await;
    let quantity =
        order.pointer("/positions/0/quantity").and_then(Value::as_str).unwrap_or_default();
    narrator.check(
        quantity == "10",
        "the waiting change was applied to its order: 10 tins instead of 12",
    );
    narrator.show_picker_messages(world, 1).await;
}

async fn order_is_shipped(
    world: &World,
    marketplace: &Marketplace,
    narrator: &mut Narrator,
    number: &str,
) {
    narrator.chapter("The first order is paid, handed to the courier and delivered");
    let paid = marketplace.post(hooks::PAID.as_bytes()).await;
    narrator.answer("order.paid  H2611220001", &paid);
    let order = world.order(number).await;
    let total =
        order.pointer("/discount_total/amount").and_then(Value::as_str).unwrap_or("?").to_owned();
    narrator.check(
        text(&order, "state") == "paid",
        &format!("paid: no more changes, prices corrected, total {total} ₽"),
    );

    let before = (world.balance("17", "100201").await, world.balance("17", "204500").await);
    let received = marketplace.post(hooks::RECEIVED.as_bytes()).await;
    narrator.answer("order.received  H2611220001", &received);
    let twice = marketplace.post(hooks::RECEIVED.as_bytes()).await;
    narrator.answer("order.received  H2611220001, again", &twice);
    let after = (world.balance("17", "100201").await, world.balance("17", "204500").await);
    let claim = format!(
        "stock of store 17 was reduced only once: milk {} → {}, bananas {} → {}",
        before.0, after.0, before.1, after.1
    );
    narrator
        .check(before == ("40".into(), "25".into()) && after == ("37".into(), "22".into()), &claim);

    let delivering = marketplace.post(hooks::DELIVERING.as_bytes()).await;
    narrator.answer("order.delivering  H2611220001", &delivering);
    let delivered = marketplace.post(hooks::DELIVERED.as_bytes()).await;
    narrator.answer("order.delivered  H2611220001", &delivered);
    let order = world.order(number).await;
    narrator.check(text(&order, "state") == "delivered", "the order is delivered");
}

async fn order_is_cancelled(world: &World, marketplace: &Marketplace, narrator: &mut Narrator) {
    narrator.chapter("A third order is placed, and cancelled before it is shipped");
    let created = marketplace.post(hooks::TO_BE_CANCELLED.as_bytes()).await;
    narrator.answer("order.created  H2611220003", &created);
    narrator.show_picker_messages(world, 1).await;
    let cancelled = marketplace.post(hooks::CANCELLED.as_bytes()).await;
    narrator.answer("order.cancelled  H2611220003", &cancelled);
    let order = world.order(&number_in(&created)).await;
    narrator.check(text(&order, "state") == "cancelled", "the order is cancelled");
    narrator.show_picker_messages(world, 1).await;
}

async fn hooks_are_turned_away(world: &World, marketplace: &Marketplace, narrator: &mut Narrator) {
    narrator.chapter(
        "Invalid hooks are rejected and kept for the operator; unknown senders are refused",
    );
    let rejected = marketplace.post(hooks::NO_ORDER_NUMBER.as_bytes()).await;
    narrator.answer("order.created without a number", &rejected);
    let kept = world.ask(Method::GET, "/hooks?verdict=rejected", None).await;
    let count = kept.get("items").and_then(Value::as_array).map_or(0, Vec::len);
    narrator.check(
        rejected.status() == 422 && count == 1,
        "rejected with 422, and recorded in the journal",
    );
    let Ok(unknown) =
        Marketplace::new(format!("{}/hooks/sm", world.url()), Secret::new("a guessed token"))
    else {
        return;
    };
    let forged = unknown.post(hooks::CREATED.as_bytes()).await;
    narrator.answer("order.created with a wrong token", &forged);
    narrator.check(forged.status() == 403, "refused with 403, and nothing is stored");
}

async fn site_is_paid(world: &World, narrator: &mut Narrator) -> String {
    narrator.chapter("A merchant's site places an order, and the buyer pays");
    let order = site_order("A-1001", &world.site.url());
    let first = world.place_again(&order, "demo-1").await;
    let again = world.place_again(&order, "demo-1").await;
    let (Some(first), Some(again)) = (first, again) else {
        narrator.check(false, "the gateway answers the site's order");
        return String::new();
    };
    let placed: Value = serde_json::from_slice(&first.body).unwrap_or_default();
    let (number, link) = (text(&placed, "number"), pointer(&placed, "/payment/url"));
    let total = pointer(&placed, "/total/amount");
    narrator.say(format_args!(
        "  site → POST /v1/orders A-1001  ← {} {number}, {total} ₽",
        first.status.as_u16()
    ));
    narrator.check(
        first.status == 201 && pointer(&placed, "/payment/state") == "linked",
        "the order is created with a payment link",
    );
    let is_same = again.body == first.body && again.headers.contains_key("idempotent-replayed");
    narrator
        .check(is_same, "sent again with the same Idempotency-Key: the same answer, byte for byte");

    let (status, page, _) = world.browse(Method::GET, &link).await;
    narrator.say(format_args!("  buyer → {link}  ← {status} to {page}"));
    let (status, return_url, _) = world.browse(Method::POST, &format!("{page}/pay")).await;
    narrator.say(format_args!("  buyer pays on that page  ← {status} to {return_url}"));
    let callbacks = world.site.wait_for(1, DEADLINE).await.unwrap_or_else(|callbacks| callbacks);
    let number_there = format!("{number}-1");
    let answered = |orders: &[Entry]| {
        orders.iter().any(|order| order.number == number_there && !order.notifications.is_empty())
    };
    world.bank.wait_until(DEADLINE, answered).await;
    let notifications =
        world.bank.orders(&number_there).pop().map(|order| order.notifications).unwrap_or_default();
    narrator.say(format_args!("  payment system → notification  ← {}", notifications.join(" ")));
    narrator.check(
        notifications == [r#"{"status":"success"}"#],
        "the signed notification was accepted, once",
    );
    let (status, _, shown) = world.browse(Method::GET, &return_url).await;
    narrator.check(
        status == 200 && shown.contains("Заказ оплачен"),
        "the buyer's return page says that the order is paid",
    );
    let order = world.order(&number).await;
    narrator.check(text(&order, "state") == "paid", "the order is paid");
    for callback in &callbacks {
        let about = pointer(&callback.body, "/data/merchant_order_id");
        narrator.say(format_args!(
            "  tillgate → site: {} {} for {about}",
            callback.id,
            text(&callback.body, "type")
        ));
    }
    let is_notified = callbacks.len() == 1 && callbacks.iter().all(|callback| callback.is_signed);
    narrator.check(is_notified, "the site received one signed callback");
    number
}

async fn payments_come_to_nothing(world: &World, narrator: &mut Narrator) {
    narrator.chapter("Two more buyers: one is declined by the bank, one leaves without paying");
    for (id, act, claim) in [
        ("A-1002", "decline", "declined: not paid, the link still works, the buyer can try again"),
        ("A-1003", "abandon", "abandoned: not paid, the link still works"),
    ] {
        let Some(reply) = world.place(id).await else {
            narrator.check(false, "the gateway answers the site's order");
            continue;
        };
        let placed: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let link = pointer(&placed, "/payment/url");
        let (_, page, _) = world.browse(Method::GET, &link).await;
        let (status, return_url, _) = world.browse(Method::POST, &format!("{page}/{act}")).await;
        narrator.say(format_args!("  buyer of {id}: {act}  ← {status} to {return_url}"));
        let (_, _, shown) = world.browse(Method::GET, &return_url).await;
        let (_, still, _) = world.browse(Method::GET, &link).await;
        let order = world.order(&text(&placed, "number")).await;
        let holds =
            text(&order, "state") == "open" && shown.contains("Заказ не оплачен") && still == page;
        narrator.check(holds, claim);
    }
    narrator.check(
        world.site.callbacks().len() == 1,
        "the site received no callback for payments that were not made",
    );
}

pub(super) fn pointer(value: &Value, place: &str) -> String {
    value.pointer(place).and_then(Value::as_str).unwrap_or("?").to_owned()
}

async fn show_journal(world: &World, narrator: &mut Narrator, number: &str) {
    narrator.chapter(&format!("The journal of order {number}"));
    let journal = world.ask(Method::GET, &format!("/orders/{number}/journal"), None).await;
    for entry in journal.get("items").and_then(Value::as_array).into_iter().flatten() {
        match text(entry, "entry").as_str() {
            "hook" => {
                let copies =
                    entry.get("copies").and_then(Value::as_u64).map(|copies| format!(" ×{copies}"));
                let line = format!(
                    "{:<17} {}{}",
                    text(entry, "event_type"),
                    text(entry, "verdict"),
                    copies.unwrap_or_default()
                );
                narrator.say(format_args!("  {line}"));
                for change in entry.get("changes").and_then(Value::as_array).into_iter().flatten() {
                    narrator.say(format_args!(
                        "      {}",
                        narrator.paint("2", change.as_str().unwrap_or_default())
                    ));
                }
            }
            "payment" => {
                narrator.say(format_args!(
                    "  payment {}  {}",
                    text(entry, "payment"),
                    text(entry, "text")
                ));
            }
            "message" => {
                narrator.say(format_args!(
                    "  message {:<9} {}",
                    text(entry, "id"),
                    text(entry, "state")
                ));
            }
            _ => {}
        }
    }
}
