//! The chapters about refunds, shipments and held money.

use http::Method;
use serde_json::{Value, json};
use tillgate_kernel::Secret;

use super::super::marketplace::Marketplace;
use super::super::narrator::Narrator;
use super::super::story::pointer;
use super::super::world::{DEADLINE, World, text};
use super::{LOOK_PAUSE, Placed};
use crate::sandbox::{Call, Outcome, Trouble};

pub(super) async fn refunded(world: &World, narrator: &mut Narrator) {
    narrator.chapter("A partial refund, then the rest");
    let placed = world.placed(narrator, "P-11").await;
    world.buyer(narrator, &placed, 1, Outcome::Pay);
    world.once_payment_is(&placed, "paid").await;
    let path = format!("/v1/orders/{}/refunds", placed.number);
    let part =
        json!({"items": [{"sku": "100201", "quantity": "1"}], "reason": "Разбилась бутылка"});
    let (status, first) = world.call_site(Method::POST, &path, Some("r-1"), &part).await;
    narrator.say(format_args!(
        "  site → POST {path}  ← {status} {}",
        pointer(&first, "/amount/amount")
    ));
    let (again, same) = world.call_site(Method::POST, &path, Some("r-1"), &part).await;
    narrator.check(
        status == 201 && again == 201 && same == first,
        "129.90 was refunded; repeating the request makes no second refund",
    );
    let (status, rest) = world.call_site(Method::POST, &path, Some("r-2"), &json!({})).await;
    narrator.say(format_args!(
        "  site → POST {path}, the rest  ← {status} {}",
        pointer(&rest, "/amount/amount")
    ));
    let (nothing, _) = world.call_site(Method::POST, &path, Some("r-3"), &json!({})).await;
    narrator.check(nothing == 409, "a third refund is refused: nothing is left");
    let sums: Vec<String> =
        world.done(&placed, "refund").iter().map(|done| done.amount.to_string()).collect();
    narrator.check(
        sums == ["129.90", "449.05"],
        "the payment system made two refunds, of 129.90 and 449.05",
    );
}

pub(super) async fn refund_times_out(world: &World, narrator: &mut Narrator) {
    narrator.chapter("A refund is made, and its answer is lost");
    let placed = world.placed(narrator, "P-12").await;
    world.buyer(narrator, &placed, 1, Outcome::Pay);
    world.once_payment_is(&placed, "paid").await;
    world.bank().misbehave(Call::Operate, [Trouble::AcceptThenDrop]);
    let path = format!("/v1/orders/{}/refunds", placed.number);
    let (status, _) = world.call_site(Method::POST, &path, Some("r-4"), &json!({})).await;
    world.once_payment_is(&placed, "refunded").await;
    let count = world.callbacks_of(&placed, "refund.succeeded", 1).await;
    let made = world.done(&placed, "refund").len();
    narrator.check(
        status == 201 && made == 1,
        "the gateway looked it up: one refund, and no second one",
    );
    narrator.check(count == 1, "the site received refund.succeeded, once");
}

pub(super) async fn shipped_once(world: &World, narrator: &mut Narrator) {
    narrator.chapter("A marketplace's order, paid through the gateway, is shipped");
    let marketplace =
        Marketplace::new(format!("{}/hooks/own", world.url()), Secret::new(world.own_token()));
    let Ok(marketplace) = marketplace else {
        return narrator.check(false, "the marketplace's client can be built");
    };
    let position = json!({
        "id": "100201", "name": "Молоко", "quantity": 2, "price": "129.90", "total": "259.80",
    });
    let hook = |kind: &str, minute: u32| {
        let payload = json!({
            "originalOrderId": "H77", "storeID": "17", "positions": [position],
            "total": {"totalPrice": "259.80", "discountTotalPrice": "259.80"},
        });
        let at = format!("2026-11-22T12:{minute:02}:00+03:00");
        json!({"event_type": kind, "timestamp": at, "payload": payload}).to_string()
    };
    let created = marketplace.post(hook("order.created", 0).as_bytes()).await;
    let number = serde_json::from_str::<Value>(created.body()).map(|body| text(&body, "number"));
    let placed = Placed { number: number.unwrap_or_default(), link: String::new() };
    narrator.say(format_args!("  СМ → order.created H77  ← {}", created.body()));
    world.once_payment_is(&placed, "linked").await;
    world.buyer(narrator, &placed, 1, Outcome::Pay);
    world.once_payment_is(&placed, "paid").await;
    for _ in 0..3 {
        let received = marketplace.post(hook("order.received", 9).as_bytes()).await;
        narrator.say(format_args!("  СМ → order.received H77  ← {}", received.body()));
    }
    let watch = tillgate_kernel::Stopwatch::start();
    while world.done(&placed, "shipment").is_empty() && watch.elapsed() < DEADLINE {
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    let shipped: Vec<String> =
        world.done(&placed, "shipment").iter().map(|done| done.amount.to_string()).collect();
    narrator.check(
        shipped == ["259.80"],
        "the shipment was reported to the payment system once, for the second receipt",
    );
}

pub(super) async fn handed_over_by_the_site(world: &World, narrator: &mut Narrator) {
    narrator.chapter("A site ships a paid order");
    let placed = world.placed(narrator, "P-14").await;
    world.buyer(narrator, &placed, 1, Outcome::Pay);
    world.once_payment_is(&placed, "paid").await;
    let path = format!("/v1/orders/{}/ship", placed.number);
    for _ in 0..3 {
        let (status, order) = world.call_site(Method::POST, &path, None, &Value::Null).await;
        narrator.say(format_args!("  site → POST {path}  ← {status} {}", text(&order, "state")));
    }
    let count = world.callbacks_of(&placed, "order.shipped", 1).await;
    let watch = tillgate_kernel::Stopwatch::start();
    while world.done(&placed, "shipment").is_empty() && watch.elapsed() < DEADLINE {
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    let once = count == 1 && world.done(&placed, "shipment").len() == 1;
    narrator.check(once, "requested three times, reported to the payment system and the site once");
}

pub(super) async fn held_and_less_captured(world: &World, narrator: &mut Narrator) {
    narrator.chapter("The money is held, and only a part is captured");
    let placed = world.placed(narrator, "P-13").await;
    world.buyer(narrator, &placed, 1, Outcome::Hold);
    world.once_payment_is(&placed, "held").await;
    let path = format!("/v1/orders/{}/capture", placed.number);
    let less = json!({"items": [{"sku": "100201", "quantity": "2"}]});
    let (status, taken) = world.call_site(Method::POST, &path, Some("c-1"), &less).await;
    narrator.say(format_args!(
        "  site → POST {path}  ← {status} {}",
        pointer(&taken, "/amount/amount")
    ));
    let order = world.once_payment_is(&placed, "paid").await;
    let amount = pointer(&order, "/payment/amount/amount");
    narrator.check(amount == "259.80", "259.80 of 578.95 was captured, the rest was released");
    let (again, _) = world.call_site(Method::POST, &path, Some("c-2"), &json!({})).await;
    narrator.check(again == 409, "a second capture is refused");
}
