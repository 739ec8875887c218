//! `tillgate demo --story payments`: every course that a payment can take,
//! checked against the payment system's own ledger. The scenario has its own
//! clock and moves it forward by days.

mod refunds;

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};

use super::narrator::Narrator;
use super::story::pointer;
use super::world::{DEADLINE, World, text};
use crate::sandbox::{Call, Done, Entry, Outcome, Trouble};
use tillgate_kernel::Money;

/// The total of an order in this scenario, in roubles: 2 × 129.90 and 0.355 kg
/// at 899.00.
const SUM: &str = "578.95";

/// The header with a notification's signature.
const SIGNATURE: header::HeaderName = header::HeaderName::from_static("x-signature");

/// The pause between two checks of a state.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Plays the scenario. Returns whether all checks passed.
pub async fn tell(world: &World) -> bool {
    let mut narrator = Narrator::new();
    narrator.say(format_args!(
        "tillgate {} at {}: what can happen to a payment",
        env!("CARGO_PKG_VERSION"),
        world.url()
    ));
    paid(world, &mut narrator).await;
    declined_then_paid(world, &mut narrator).await;
    expired(world, &mut narrator).await;
    changed_before_payment(world, &mut narrator).await;
    changed_while_the_buyer_pays(world, &mut narrator).await;
    receipt_for_another(world, &mut narrator).await;
    paid_twice(world, &mut narrator).await;
    paid_after_cancel(world, &mut narrator).await;
    notification_lost(world, &mut narrator).await;
    notification_before_the_answer(world, &mut narrator).await;
    created_and_unanswered(world, &mut narrator).await;
    refunds::refunded(world, &mut narrator).await;
    refunds::refund_times_out(world, &mut narrator).await;
    refunds::shipped_once(world, &mut narrator).await;
    refunds::handed_over_by_the_site(world, &mut narrator).await;
    refunds::held_and_less_captured(world, &mut narrator).await;
    books_agree(world, &mut narrator).await;
    narrator.sum_up()
}

/// An order that has just been placed.
struct Placed {
    number: String,
    link: String,
}

impl World {
    async fn call_site(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> (u16, Value) {
        let mut headers = HeaderMap::new();
        let header = |text: &str| HeaderValue::from_str(text).ok();
        headers.extend(
            header(&format!("Bearer {}", self.api_key()))
                .map(|value| (header::AUTHORIZATION, value)),
        );
        let key = key.and_then(header);
        headers
            .extend(key.map(|value| (header::HeaderName::from_static("idempotency-key"), value)));
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        match self.client().call(method, &format!("{}{path}", self.url()), headers, body).await {
            Ok(reply) => {
                (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap_or_default())
            }
            Err(_) => (0, Value::Null),
        }
    }

    /// Places an order as the site does.
    async fn placed(&self, narrator: &mut Narrator, id: &str) -> Placed {
        let reply = self.place(id).await;
        let shown: Value =
            reply.and_then(|reply| serde_json::from_slice(&reply.body).ok()).unwrap_or_default();
        let placed =
            Placed { number: text(&shown, "number"), link: pointer(&shown, "/payment/url") };
        let (state, total) = (pointer(&shown, "/payment/state"), pointer(&shown, "/total/amount"));
        narrator.say(format_args!(
            "  site → POST /v1/orders {id}  ← {} {total} ₽, {state}",
            placed.number
        ));
        placed
    }

    /// The payment system's record of an attempt to pay the order. The first
    /// attempt is 1.
    fn entry(&self, placed: &Placed, attempt: u32) -> Option<Entry> {
        self.bank().orders(&format!("{}-{attempt}", placed.number)).pop()
    }

    /// Does something as the buyer on the payment page.
    fn buyer(&self, narrator: &mut Narrator, placed: &Placed, attempt: u32, outcome: Outcome) {
        let entry = self.entry(placed, attempt);
        let done = entry.is_some_and(|entry| self.bank().buyer_acts(&entry.container, outcome));
        narrator.say(format_args!(
            "  buyer → payment page of {}-{attempt}: {outcome:?}",
            placed.number
        ));
        if !done {
            narrator.check(false, "the payment page allows that");
        }
    }

    /// Waits until `is_so` is true of the order, or until the deadline, and
    /// returns the order.
    async fn once(&self, placed: &Placed, is_so: impl Fn(&Value) -> bool) -> Value {
        let watch = tillgate_kernel::Stopwatch::start();
        loop {
            let order = self.order(&placed.number).await;
            if is_so(&order) || watch.elapsed() > DEADLINE {
                return order;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    async fn once_payment_is(&self, placed: &Placed, state: &str) -> Value {
        self.once(placed, |order| pointer(order, "/payment/state") == state).await
    }

    /// Waits until the site has received at least `count` callbacks of an event
    /// of an order, or until the deadline. Returns their number.
    async fn callbacks_of(&self, placed: &Placed, event: &str, count: usize) -> usize {
        let is_it = |callback: &super::site::Callback| {
            callback.is_signed
                && text(&callback.body, "type") == event
                && pointer(&callback.body, "/data/number") == placed.number
        };
        let received = |world: &World| {
            world.site().callbacks().iter().filter(|callback| is_it(callback)).count()
        };
        let watch = tillgate_kernel::Stopwatch::start();
        while received(self) < count && watch.elapsed() < DEADLINE {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        received(self)
    }

    fn done(&self, placed: &Placed, kind: &str) -> Vec<Done> {
        let own = |done: &Done| done.kind == kind && done.number.starts_with(&placed.number);
        self.bank().done().into_iter().filter(own).collect()
    }

    /// Posts a notification with a valid signature.
    async fn notify(&self, body: String) -> String {
        let mut headers = HeaderMap::new();
        let signature = self.bank().sign(body.as_bytes());
        headers.extend(HeaderValue::from_str(&signature).map(|value| (SIGNATURE, value)));
        let url = format!("{}/hooks/bank", self.url());
        match self.client().call(Method::POST, &url, headers, body.into_bytes()).await {
            Ok(reply) => String::from_utf8_lossy(&reply.body).into_owned(),
            Err(why) => why.to_string(),
        }
    }
}

fn attention(order: &Value) -> String {
    order.get("attention").map(ToString::to_string).unwrap_or_default()
}

async fn paid(world: &World, narrator: &mut Narrator) {
    narrator.chapter("The buyer pays");
    let placed = world.placed(narrator, "P-1").await;
    world.buyer(narrator, &placed, 1, Outcome::Pay);
    let order = world.once_payment_is(&placed, "paid").await;
    narrator.check(text(&order, "state") == "paid", "the order is paid");
    let count = world.callbacks_of(&placed, "payment.succeeded", 1).await;
    narrator.check(count == 1, "the site received payment.succeeded, once");
}

async fn declined_then_paid(world: &World, narrator: &mut Narrator) {
    narrator.chapter("The payment is declined, and the buyer tries again");
    let placed = world.placed(narrator, "P-2").await;
    world.buyer(narrator, &placed, 1, Outcome::Decline);
    let order = world.order(&placed.number).await;
    narrator.check(pointer(&order, "/payment/state") == "linked", "declined: the link still works");
    world.buyer(narrator, &placed, 1, Outcome::Pay);
    let order = world.once_payment_is(&placed, "paid").await;
    narrator.check(text(&order, "state") == "paid", "the second attempt pays the order");
}

async fn expired(world: &World, narrator: &mut Narrator) {
    narrator.chapter("Nobody pays: the link expires");
    let placed = world.placed(narrator, "P-3").await;
    narrator.pass(world, Duration::from_secs(4 * 24 * 3600));
    world.once_payment_is(&placed, "expired").await;
    let count = world.callbacks_of(&placed, "payment.expired", 1).await;
    narrator.check(count == 1, "the site received payment.expired");
    let (status, page, _) = world.browse(Method::GET, &placed.link).await;
    narrator.check(
        status == 200 && page.is_empty(),
        "the buyer's link shows a page and no longer leads to a payment",
    );
}

async fn changed_before_payment(world: &World, narrator: &mut Narrator) {
    narrator.chapter("The price changes before the buyer pays");
    let placed = world.placed(narrator, "P-4").await;
    change(world, narrator, &placed).await;
    let order = world.once(&placed, |order| is_linked_for(order, "99.00")).await;
    narrator.check(is_linked_for(&order, "99.00"), "the same link now leads to a payment of 99.00");
    let old = world.entry(&placed, 1).map(|entry| entry.status).unwrap_or_default();
    narrator.check(old == "canceled", "the old payment is cancelled at the payment system");
    let count = world.callbacks_of(&placed, "payment.superseded", 1).await;
    narrator.check(count == 1, "the site received payment.superseded");
    world.buyer(narrator, &placed, 2, Outcome::Pay);
    let order = world.once_payment_is(&placed, "paid").await;
    narrator.check(
        pointer(&order, "/payment/amount/amount") == "99.00",
        "the order is paid with 99.00",
    );
}

fn is_linked_for(order: &Value, sum: &str) -> bool {
    pointer(order, "/payment/state") == "linked" && pointer(order, "/payment/amount/amount") == sum
}

/// Makes the order cheaper, as the site does.
async fn change(world: &World, narrator: &mut Narrator, placed: &Placed) {
    let items = json!([{
        "sku": "100201", "name": "Молоко", "quantity": "1", "price": "99.00", "vat": "RUS_VAT10",
    }]);
    let path = format!("/v1/orders/{}", placed.number);
    let (status, _) = world.call_site(Method::PATCH, &path, None, &json!({"items": items})).await;
    narrator.say(format_args!("  site → PATCH {path}  ← {status}"));
}

/// Makes the payment system reachable again, and waits until the next attempts
/// are due.
fn is_reachable_again(world: &World, narrator: &mut Narrator) {
    world.bank().misbehave_always(Call::Other, None);
    narrator.pass(world, Duration::from_secs(10));
}

async fn changed_while_the_buyer_pays(world: &World, narrator: &mut Narrator) {
    narrator.chapter("The price changes while the buyer pays");
    let placed = world.placed(narrator, "P-5").await;
    world.bank().misbehave_always(Call::Other, Some(Trouble::Broken));
    narrator.say("  the payment system is down, so the old payment cannot be cancelled");
    change(world, narrator, &placed).await;
    world.buyer(narrator, &placed, 1, Outcome::Pay);
    let order = world.once_payment_is(&placed, "review").await;
    is_reachable_again(world, narrator);
    let holds =
        text(&order, "state") == "open" && attention(&order).contains("should not have been paid");
    narrator.check(holds, "the old amount is left to the operator: the order is not paid with it");
    narrator.check(
        world.callbacks_of(&placed, "payment.review", 1).await == 1,
        "the site received payment.review",
    );
    let payment = format!("{}-1", placed.number);
    let decided = world.ask(Method::POST, &format!("/payments/{payment}/refund"), None).await;
    narrator.say(format_args!(
        "  operator → tillgate payments refund {payment}  ← {}",
        pointer(&decided, "/state")
    ));
    let order = world.once(&placed, |order| is_linked_for(order, "99.00")).await;
    let back: Vec<String> =
        world.done(&placed, "refund").iter().map(|done| done.amount.to_string()).collect();
    let holds = back == [SUM] && is_linked_for(&order, "99.00");
    narrator
        .check(holds, "the old amount was refunded, once, and the buyer is asked for the new one");
}

async fn receipt_for_another(world: &World, narrator: &mut Narrator) {
    narrator.chapter("The receipt's recipient changes before the buyer pays");
    let placed = world.placed(narrator, "P-15").await;
    world.once_payment_is(&placed, "linked").await;
    let path = format!("/v1/orders/{}", placed.number);
    let customer = json!({"customer": {"name": "Ольга", "email": "olga@example.org"}});
    let (status, order) = world.call_site(Method::PATCH, &path, None, &customer).await;
    narrator.say(format_args!("  site → PATCH {path}  ← {status}, revision {}", order["revision"]));
    let entry = world.entry(&placed, 1);
    let payer = entry.as_ref().and_then(|entry| entry.customer.as_ref()).map(ToString::to_string);
    let holds = payer.is_some_and(|payer| payer.contains("olga@example.org"))
        && world.bank().orders(&format!("{}-2", placed.number)).is_empty();
    narrator.check(holds, "the payment system has the new recipient, and the link stays the same");
    world.buyer(narrator, &placed, 1, Outcome::Pay);
    let order = world.once_payment_is(&placed, "paid").await;
    narrator.check(text(&order, "state") == "paid", "the buyer pays with the same link");
}

async fn paid_twice(world: &World, narrator: &mut Narrator) {
    narrator.chapter("The payment system reports a second payment for the same order");
    let placed = world.placed(narrator, "P-6").await;
    world.buyer(narrator, &placed, 1, Outcome::Pay);
    world.once_payment_is(&placed, "paid").await;
    let Some(entry) = world.entry(&placed, 1) else {
        return narrator.check(false, "the payment system has the payment");
    };
    let body =
        world.bank().notification(&entry.id).and_then(|(body, _)| String::from_utf8(body).ok());
    let other = body.unwrap_or_default().replace(&entry.id, "018f0000-0000-7000-8000-00000000ffff");
    let answer = world.notify(other).await;
    narrator.say(format_args!("  payment system → notification under another id  ← {answer}"));
    let order = world.order(&placed.number).await;
    let holds =
        answer.contains("order_already_paid") && attention(&order).contains("money arrived twice");
    narrator.check(holds, "answered order_already_paid, and reported to the operator");
    let count = world.callbacks_of(&placed, "payment.succeeded", 1).await;
    narrator.check(count == 1, "the site received only one payment.succeeded");
}

async fn paid_after_cancel(world: &World, narrator: &mut Narrator) {
    narrator.chapter("The buyer pays after the order was cancelled");
    let placed = world.placed(narrator, "P-7").await;
    world.bank().misbehave_always(Call::Other, Some(Trouble::Broken));
    let path = format!("/v1/orders/{}/cancel", placed.number);
    let (status, _) = world.call_site(Method::POST, &path, None, &Value::Null).await;
    narrator.say(format_args!("  site → POST {path}  ← {status}; the payment system is down"));
    world.buyer(narrator, &placed, 1, Outcome::Pay);
    let order = world.once_payment_is(&placed, "review").await;
    is_reachable_again(world, narrator);
    narrator.check(
        text(&order, "state") == "cancelled",
        "the order stays cancelled, and the money is left to the operator",
    );
    let payment = format!("{}-1", placed.number);
    let refused = world.ask(Method::POST, &format!("/payments/{payment}/accept"), None).await;
    narrator.check(refused["status"] == 409, "money for a cancelled order cannot be accepted");
    world.ask(Method::POST, &format!("/payments/{payment}/refund"), None).await;
    world.once_payment_is(&placed, "refunded").await;
    narrator.check(world.done(&placed, "refund").len() == 1, "the money was refunded, once");
}

async fn notification_lost(world: &World, narrator: &mut Narrator) {
    narrator.chapter("The notification is lost");
    let placed = world.placed(narrator, "P-8").await;
    world.bank().misbehave(Call::Notification, [Trouble::Lost]);
    world.buyer(narrator, &placed, 1, Outcome::Pay);
    let order = world.order(&placed.number).await;
    narrator.check(text(&order, "state") == "open", "the payment is not known yet");
    narrator.pass(world, Duration::from_secs(11 * 60));
    let order = world.once_payment_is(&placed, "paid").await;
    narrator.check(
        text(&order, "state") == "paid",
        "the gateway asked the payment system, and the order is paid",
    );
}

async fn notification_before_the_answer(world: &World, narrator: &mut Narrator) {
    narrator.chapter("The notification arrives before the answer that creates the payment");
    world.bank().misbehave(Call::Create, [Trouble::Slow(1500)]);
    let placing = world.place("P-9");
    let paying = async {
        let is_there =
            |orders: &[Entry]| orders.iter().any(|order| order.description == "Заказ P-9");
        world.bank().wait_until(DEADLINE, is_there).await;
        let entry =
            world.bank().ledger().into_iter().find(|entry| entry.description == "Заказ P-9");
        entry.is_some_and(|entry| world.bank().buyer_acts(&entry.container, Outcome::Pay))
    };
    let (reply, is_paid) = tokio::join!(placing, paying);
    narrator.check(is_paid, "the buyer pays before the gateway knows the link");
    let shown: Value =
        reply.and_then(|reply| serde_json::from_slice(&reply.body).ok()).unwrap_or_default();
    let placed = Placed { number: text(&shown, "number"), link: pointer(&shown, "/payment/url") };
    let order = world.once_payment_is(&placed, "paid").await;
    narrator.check(text(&order, "state") == "paid", "paid");
    let count = world.callbacks_of(&placed, "payment.succeeded", 1).await;
    narrator.check(count == 1, "the site received payment.succeeded, once");
}

async fn created_and_unanswered(world: &World, narrator: &mut Narrator) {
    narrator.chapter("The payment system creates a payment, and its answer is lost");
    world.bank().misbehave(Call::Create, [Trouble::AcceptThenDrop]);
    let placed = world.placed(narrator, "P-10").await;
    world.once_payment_is(&placed, "linked").await;
    let count = world.bank().orders(&format!("{}-1", placed.number)).len();
    narrator.check(
        count == 1,
        "the gateway looked it up: one payment, with its link, and no second one",
    );
}

/// Checks the payment system's ledger at the end: the total that was captured
/// and refunded.
async fn books_agree(world: &World, narrator: &mut Narrator) {
    narrator.chapter("The payment system's own ledger");
    let (ledger, done) = (world.bank().ledger(), world.bank().done());
    let sum = |sums: &mut dyn Iterator<Item = Money>| sums.map(Money::kopecks).sum::<i64>();
    let taken = sum(&mut ledger.iter().filter(|entry| entry.status == "completed").map(|entry| {
        let capture = done.iter().find(|done| done.order == entry.id && done.captures);
        capture.map_or(entry.amount, |capture| capture.amount)
    }));
    let back = sum(&mut done.iter().filter(|done| done.kind == "refund").map(|done| done.amount));
    let (taken, back) = (Money::from_kopecks(taken), Money::from_kopecks(back));
    narrator.say(format_args!(
        "  {} payments created, {taken} ₽ captured, {back} ₽ refunded",
        ledger.len()
    ));
    // P-1, 2, 6, 8, 9, 14 and 15, those refunded in full (P-5, 7, 11, 12), the
    // cheaper order, the marketplace's, the partial capture.
    let right = 11 * 57_895 + 9_900 + 25_980 + 25_980;
    narrator.check(taken.kopecks() == right, "the captured total matches the orders");
    narrator.check(back.kopecks() == 4 * 57_895, "the refunded total matches the refunds");
    let mut numbers: Vec<&str> = ledger.iter().map(|entry| entry.number.as_str()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    narrator.check(numbers.len() == ledger.len(), "no payment number was used twice");
}
