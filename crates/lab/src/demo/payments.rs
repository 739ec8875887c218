//! `tillgate demo --story payments`: every turn that the money of an order can take, counted in the payment system's own
//! books. The clock is the story's: days pass when it says so.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};

use super::marketplace::Marketplace;
use super::story::pointer;
use super::teller::Teller;
use super::world::{DEADLINE, World, text};
use crate::sandbox::{Call, Done, Entry, Outcome, Trouble};
use tillgate_kernel::{Money, Secret};

/// The sum of an order of the story, in roubles: 2 × 129.90 and 0.355 kg at 899.00.
const SUM: &str = "578.95";

/// The header in which a notification is signed.
const SIGNATURE: header::HeaderName = header::HeaderName::from_static("x-signature");

/// A pause between two looks at what has become of something.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Tells it. Returns whether everything came out right.
pub async fn tell(world: &World) -> bool {
    let mut teller = Teller::new();
    teller.say(format_args!("tillgate {} at {}: what money can do", env!("CARGO_PKG_VERSION"), world.url()));
    paid(world, &mut teller).await;
    declined_then_paid(world, &mut teller).await;
    expired(world, &mut teller).await;
    changed_before_payment(world, &mut teller).await;
    changed_while_the_buyer_pays(world, &mut teller).await;
    receipt_for_another(world, &mut teller).await;
    paid_twice(world, &mut teller).await;
    paid_after_cancel(world, &mut teller).await;
    notification_lost(world, &mut teller).await;
    notification_before_the_answer(world, &mut teller).await;
    created_and_unanswered(world, &mut teller).await;
    refunded(world, &mut teller).await;
    refund_times_out(world, &mut teller).await;
    shipped_once(world, &mut teller).await;
    handed_over_by_the_site(world, &mut teller).await;
    held_and_less_captured(world, &mut teller).await;
    books_agree(world, &mut teller).await;
    teller.sum_up()
}

/// An order that was just placed.
struct Placed {
    number: String,
    link: String,
}

impl World {
    async fn call_site(&self, method: Method, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        let mut headers = HeaderMap::new();
        let header = |text: &str| HeaderValue::from_str(text).ok();
        headers.extend(
            header(&format!("Bearer {}", self.api_key())).map(|value| (header::AUTHORIZATION, value)),
        );
        let key = key.and_then(header);
        headers.extend(key.map(|value| (header::HeaderName::from_static("idempotency-key"), value)));
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        match self.client().call(method, &format!("{}{path}", self.url()), headers, body).await {
            Ok(reply) => (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap_or_default()),
            Err(_) => (0, Value::Null),
        }
    }

    /// Places an order as the site does.
    async fn placed(&self, teller: &mut Teller, id: &str) -> Placed {
        let reply = self.place(id).await;
        let shown: Value =
            reply.and_then(|reply| serde_json::from_slice(&reply.body).ok()).unwrap_or_default();
        let placed = Placed { number: text(&shown, "number"), link: pointer(&shown, "/payment/url") };
        let (state, total) = (pointer(&shown, "/payment/state"), pointer(&shown, "/total/amount"));
        teller.say(format_args!("  site → POST /v1/orders {id}  ← {} {total} ₽, {state}", placed.number));
        placed
    }

    /// What the payment system has under the order's first payment, or a later one.
    fn entry(&self, placed: &Placed, attempt: u32) -> Option<Entry> {
        self.bank().orders(&format!("{}-{attempt}", placed.number)).pop()
    }

    /// The buyer does something on the payment page.
    fn buyer(&self, teller: &mut Teller, placed: &Placed, attempt: u32, outcome: Outcome) {
        let entry = self.entry(placed, attempt);
        let done = entry.is_some_and(|entry| self.bank().buyer_acts(&entry.container, outcome));
        teller.say(format_args!("  buyer → payment page of {}-{attempt}: {outcome:?}", placed.number));
        if !done {
            teller.check(false, "the payment page lets the buyer do that");
        }
    }

    /// The order, once `is_so` says so of it, or after the deadline as it is then.
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

    /// How often the site was told an event of an order, once that is `count` times at least.
    async fn told(&self, placed: &Placed, event: &str, count: usize) -> usize {
        let is_it = |callback: &super::site::Callback| {
            callback.is_signed
                && text(&callback.body, "type") == event
                && pointer(&callback.body, "/data/number") == placed.number
        };
        let heard =
            |world: &World| world.site().callbacks().iter().filter(|callback| is_it(callback)).count();
        let watch = tillgate_kernel::Stopwatch::start();
        while heard(self) < count && watch.elapsed() < DEADLINE {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        heard(self)
    }

    fn done(&self, placed: &Placed, kind: &str) -> Vec<Done> {
        let own = |done: &Done| done.kind == kind && done.number.starts_with(&placed.number);
        self.bank().done().into_iter().filter(own).collect()
    }

    /// Posts a notification with the right signature.
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

async fn paid(world: &World, teller: &mut Teller) {
    teller.chapter("Paid");
    let placed = world.placed(teller, "P-1").await;
    world.buyer(teller, &placed, 1, Outcome::Pay);
    let order = world.once_payment_is(&placed, "paid").await;
    teller.check(text(&order, "state") == "paid", "the order is paid");
    let told = world.told(&placed, "payment.succeeded", 1).await;
    teller.check(told == 1, "the site heard payment.succeeded, once");
}

async fn declined_then_paid(world: &World, teller: &mut Teller) {
    teller.chapter("Declined, then paid");
    let placed = world.placed(teller, "P-2").await;
    world.buyer(teller, &placed, 1, Outcome::Decline);
    let order = world.order(&placed.number).await;
    teller.check(pointer(&order, "/payment/state") == "linked", "declined: the link lives on");
    world.buyer(teller, &placed, 1, Outcome::Pay);
    let order = world.once_payment_is(&placed, "paid").await;
    teller.check(text(&order, "state") == "paid", "the second try pays it");
}

async fn expired(world: &World, teller: &mut Teller) {
    teller.chapter("Nobody pays: the link expires");
    let placed = world.placed(teller, "P-3").await;
    teller.pass(world, Duration::from_secs(4 * 24 * 3600));
    world.once_payment_is(&placed, "expired").await;
    let told = world.told(&placed, "payment.expired", 1).await;
    teller.check(told == 1, "the site heard payment.expired");
    let (status, page, _) = world.browse(Method::GET, &placed.link).await;
    teller.check(status == 200 && page.is_empty(), "the buyer's address says so, and leads nowhere");
}

async fn changed_before_payment(world: &World, teller: &mut Teller) {
    teller.chapter("The price changes before it is paid");
    let placed = world.placed(teller, "P-4").await;
    change(world, teller, &placed).await;
    let order = world.once(&placed, |order| is_linked_for(order, "99.00")).await;
    teller.check(is_linked_for(&order, "99.00"), "the same address leads to a payment of 99.00 now");
    let old = world.entry(&placed, 1).map(|entry| entry.status).unwrap_or_default();
    teller.check(old == "canceled", "the old payment is called off over there");
    let told = world.told(&placed, "payment.superseded", 1).await;
    teller.check(told == 1, "the site heard payment.superseded");
    world.buyer(teller, &placed, 2, Outcome::Pay);
    let order = world.once_payment_is(&placed, "paid").await;
    teller.check(pointer(&order, "/payment/amount/amount") == "99.00", "99.00 were paid");
}

fn is_linked_for(order: &Value, sum: &str) -> bool {
    pointer(order, "/payment/state") == "linked" && pointer(order, "/payment/amount/amount") == sum
}

/// The site makes the order cheaper.
async fn change(world: &World, teller: &mut Teller, placed: &Placed) {
    let items =
        json!([{"sku": "100201", "name": "Молоко", "quantity": "1", "price": "99.00", "vat": "RUS_VAT10"}]);
    let path = format!("/v1/orders/{}", placed.number);
    let (status, _) = world.call_site(Method::PATCH, &path, None, &json!({"items": items})).await;
    teller.say(format_args!("  site → PATCH {path}  ← {status}"));
}

/// What waits for its next attempt is tried again.
fn is_reachable_again(world: &World, teller: &mut Teller) {
    world.bank().misbehave_always(Call::Other, None);
    teller.pass(world, Duration::from_secs(10));
}

async fn changed_while_the_buyer_pays(world: &World, teller: &mut Teller) {
    teller.chapter("The price changes while the buyer pays");
    let placed = world.placed(teller, "P-5").await;
    world.bank().misbehave_always(Call::Other, Some(Trouble::Broken));
    teller.say("  the payment system cannot be reached for calling the old payment off");
    change(world, teller, &placed).await;
    world.buyer(teller, &placed, 1, Outcome::Pay);
    let order = world.once_payment_is(&placed, "review").await;
    is_reachable_again(world, teller);
    let holds = text(&order, "state") == "open" && attention(&order).contains("should not have taken it");
    teller.check(holds, "the old sum is a fact put before a person, and pays nothing by itself");
    teller.check(world.told(&placed, "payment.review", 1).await == 1, "the site heard payment.review");
    let payment = format!("{}-1", placed.number);
    let decided = world.ask(Method::POST, &format!("/payments/{payment}/refund"), None).await;
    teller.say(format_args!(
        "  operator → tillgate payments refund {payment}  ← {}",
        pointer(&decided, "/state")
    ));
    let order = world.once(&placed, |order| is_linked_for(order, "99.00")).await;
    let back: Vec<String> =
        world.done(&placed, "refund").iter().map(|done| done.amount.to_string()).collect();
    let holds = back == [SUM] && is_linked_for(&order, "99.00");
    teller.check(holds, "all of it went back, once, and the buyer is asked for the new sum");
}

async fn receipt_for_another(world: &World, teller: &mut Teller) {
    teller.chapter("The receipt is to go to somebody else, before it is paid");
    let placed = world.placed(teller, "P-15").await;
    world.once_payment_is(&placed, "linked").await;
    let path = format!("/v1/orders/{}", placed.number);
    let customer = json!({"customer": {"name": "Ольга", "email": "olga@example.org"}});
    let (status, order) = world.call_site(Method::PATCH, &path, None, &customer).await;
    teller.say(format_args!("  site → PATCH {path}  ← {status}, revision {}", order["revision"]));
    let entry = world.entry(&placed, 1);
    let payer = entry.as_ref().and_then(|entry| entry.customer.as_ref()).map(ToString::to_string);
    let holds = payer.is_some_and(|payer| payer.contains("olga@example.org"))
        && world.bank().orders(&format!("{}-2", placed.number)).is_empty();
    teller.check(holds, "the payment system knows the new payer; the link and the order are what they were");
    world.buyer(teller, &placed, 1, Outcome::Pay);
    let order = world.once_payment_is(&placed, "paid").await;
    teller.check(text(&order, "state") == "paid", "the buyer pays by the link that was there");
}

async fn paid_twice(world: &World, teller: &mut Teller) {
    teller.chapter("The payment system tells of a second payment for the same order");
    let placed = world.placed(teller, "P-6").await;
    world.buyer(teller, &placed, 1, Outcome::Pay);
    world.once_payment_is(&placed, "paid").await;
    let Some(entry) = world.entry(&placed, 1) else { return teller.check(false, "the payment is there") };
    let body = world.bank().notice(&entry.id).and_then(|(body, _)| String::from_utf8(body).ok());
    let other = body.unwrap_or_default().replace(&entry.id, "018f0000-0000-7000-8000-00000000ffff");
    let answer = world.notify(other).await;
    teller.say(format_args!("  payment system → notification under another id  ← {answer}"));
    let order = world.order(&placed.number).await;
    let holds = answer.contains("order_already_paid") && attention(&order).contains("money came twice");
    teller.check(holds, "answered order_already_paid, and put before a person");
    let told = world.told(&placed, "payment.succeeded", 1).await;
    teller.check(told == 1, "the site heard of one payment");
}

async fn paid_after_cancel(world: &World, teller: &mut Teller) {
    teller.chapter("Paid after the order was called off");
    let placed = world.placed(teller, "P-7").await;
    world.bank().misbehave_always(Call::Other, Some(Trouble::Broken));
    let path = format!("/v1/orders/{}/cancel", placed.number);
    let (status, _) = world.call_site(Method::POST, &path, None, &Value::Null).await;
    teller.say(format_args!("  site → POST {path}  ← {status}; the payment system cannot be reached"));
    world.buyer(teller, &placed, 1, Outcome::Pay);
    let order = world.once_payment_is(&placed, "review").await;
    is_reachable_again(world, teller);
    teller.check(text(&order, "state") == "cancelled", "the order stays cancelled, a person sees the money");
    let payment = format!("{}-1", placed.number);
    let refused = world.ask(Method::POST, &format!("/payments/{payment}/accept"), None).await;
    teller.check(refused["status"] == 409, "nobody can accept money for a cancelled order");
    world.ask(Method::POST, &format!("/payments/{payment}/refund"), None).await;
    world.once_payment_is(&placed, "refunded").await;
    teller.check(world.done(&placed, "refund").len() == 1, "it went back, once");
}

async fn notification_lost(world: &World, teller: &mut Teller) {
    teller.chapter("The notification is lost");
    let placed = world.placed(teller, "P-8").await;
    world.bank().misbehave(Call::Notice, [Trouble::Lost]);
    world.buyer(teller, &placed, 1, Outcome::Pay);
    let order = world.order(&placed.number).await;
    teller.check(text(&order, "state") == "open", "nobody has told us");
    teller.pass(world, Duration::from_secs(11 * 60));
    let order = world.once_payment_is(&placed, "paid").await;
    teller.check(text(&order, "state") == "paid", "it was looked at, and found paid");
}

async fn notification_before_the_answer(world: &World, teller: &mut Teller) {
    teller.chapter("The notification comes before the answer to our own call");
    world.bank().misbehave(Call::Create, [Trouble::Slow(1500)]);
    let placing = world.place("P-9");
    let paying = async {
        let is_there = |orders: &[Entry]| orders.iter().any(|order| order.description == "Заказ P-9");
        world.bank().wait_until(DEADLINE, is_there).await;
        let entry = world.bank().ledger().into_iter().find(|entry| entry.description == "Заказ P-9");
        entry.is_some_and(|entry| world.bank().buyer_acts(&entry.container, Outcome::Pay))
    };
    let (reply, is_paid) = tokio::join!(placing, paying);
    teller.check(is_paid, "the buyer has paid before we know the link");
    let shown: Value = reply.and_then(|reply| serde_json::from_slice(&reply.body).ok()).unwrap_or_default();
    let placed = Placed { number: text(&shown, "number"), link: pointer(&shown, "/payment/url") };
    let order = world.once_payment_is(&placed, "paid").await;
    teller.check(text(&order, "state") == "paid", "paid");
    let told = world.told(&placed, "payment.succeeded", 1).await;
    teller.check(told == 1, "the site heard of it, once");
}

async fn created_and_unanswered(world: &World, teller: &mut Teller) {
    teller.chapter("The payment system takes our order, and the answer is lost");
    world.bank().misbehave(Call::Create, [Trouble::AcceptThenDrop]);
    let placed = world.placed(teller, "P-10").await;
    world.once_payment_is(&placed, "linked").await;
    let there = world.bank().orders(&format!("{}-1", placed.number)).len();
    teller.check(there == 1, "looked for and found: one order over there, and it has a link here");
}

async fn refunded(world: &World, teller: &mut Teller) {
    teller.chapter("Paid back in part, then whole");
    let placed = world.placed(teller, "P-11").await;
    world.buyer(teller, &placed, 1, Outcome::Pay);
    world.once_payment_is(&placed, "paid").await;
    let path = format!("/v1/orders/{}/refunds", placed.number);
    let part = json!({"items": [{"sku": "100201", "quantity": "1"}], "reason": "Разбилась бутылка"});
    let (status, first) = world.call_site(Method::POST, &path, Some("r-1"), &part).await;
    teller.say(format_args!("  site → POST {path}  ← {status} {}", pointer(&first, "/amount/amount")));
    let (again, same) = world.call_site(Method::POST, &path, Some("r-1"), &part).await;
    teller.check(
        status == 201 && again == 201 && same == first,
        "129.90 went back; the same request again is the same refund",
    );
    let (status, rest) = world.call_site(Method::POST, &path, Some("r-2"), &json!({})).await;
    teller.say(format_args!(
        "  site → POST {path}, all that is left  ← {status} {}",
        pointer(&rest, "/amount/amount")
    ));
    let (nothing, _) = world.call_site(Method::POST, &path, Some("r-3"), &json!({})).await;
    teller.check(nothing == 409, "a third time there is nothing left");
    let sums: Vec<String> =
        world.done(&placed, "refund").iter().map(|done| done.amount.to_string()).collect();
    teller.check(sums == ["129.90", "449.05"], "the payment system made two refunds, of 129.90 and 449.05");
}

async fn refund_times_out(world: &World, teller: &mut Teller) {
    teller.chapter("A refund is not answered");
    let placed = world.placed(teller, "P-12").await;
    world.buyer(teller, &placed, 1, Outcome::Pay);
    world.once_payment_is(&placed, "paid").await;
    world.bank().misbehave(Call::Operate, [Trouble::AcceptThenDrop]);
    let path = format!("/v1/orders/{}/refunds", placed.number);
    let (status, _) = world.call_site(Method::POST, &path, Some("r-4"), &json!({})).await;
    world.once_payment_is(&placed, "refunded").await;
    let told = world.told(&placed, "refund.succeeded", 1).await;
    let made = world.done(&placed, "refund").len();
    teller.check(status == 201 && made == 1, "looked for and found: made once");
    teller.check(told == 1, "the site heard refund.succeeded, once");
}

async fn shipped_once(world: &World, teller: &mut Teller) {
    teller.chapter("A marketplace's order, paid through us, is handed over");
    let marketplace = Marketplace::new(format!("{}/hooks/own", world.url()), Secret::new(world.own_token()));
    let Ok(marketplace) = marketplace else { return teller.check(false, "the marketplace can call") };
    let position =
        json!({"id": "100201", "name": "Молоко", "quantity": 2, "price": "129.90", "total": "259.80"});
    let hook = |kind: &str, minute: u32| {
        let payload = json!({"originalOrderId": "H77", "storeID": "17", "positions": [position], "total": {"totalPrice": "259.80", "discountTotalPrice": "259.80"}});
        let at = format!("2026-11-22T12:{minute:02}:00+03:00");
        json!({"event_type": kind, "timestamp": at, "payload": payload}).to_string()
    };
    let created = marketplace.post(hook("order.created", 0).as_bytes()).await;
    let number = serde_json::from_str::<Value>(created.body()).map(|body| text(&body, "number"));
    let placed = Placed { number: number.unwrap_or_default(), link: String::new() };
    teller.say(format_args!("  СМ → order.created H77  ← {}", created.body()));
    world.once_payment_is(&placed, "linked").await;
    world.buyer(teller, &placed, 1, Outcome::Pay);
    world.once_payment_is(&placed, "paid").await;
    for _ in 0..3 {
        let received = marketplace.post(hook("order.received", 9).as_bytes()).await;
        teller.say(format_args!("  СМ → order.received H77  ← {}", received.body()));
    }
    let watch = tillgate_kernel::Stopwatch::start();
    while world.done(&placed, "shipment").is_empty() && watch.elapsed() < DEADLINE {
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    let told: Vec<String> =
        world.done(&placed, "shipment").iter().map(|done| done.amount.to_string()).collect();
    teller
        .check(told == ["259.80"], "the payment system was told of the goods, once, for the second receipt");
}

async fn handed_over_by_the_site(world: &World, teller: &mut Teller) {
    teller.chapter("A site hands over what was paid");
    let placed = world.placed(teller, "P-14").await;
    world.buyer(teller, &placed, 1, Outcome::Pay);
    world.once_payment_is(&placed, "paid").await;
    let path = format!("/v1/orders/{}/ship", placed.number);
    for _ in 0..3 {
        let (status, order) = world.call_site(Method::POST, &path, None, &Value::Null).await;
        teller.say(format_args!("  site → POST {path}  ← {status} {}", text(&order, "state")));
    }
    let told = world.told(&placed, "order.shipped", 1).await;
    let watch = tillgate_kernel::Stopwatch::start();
    while world.done(&placed, "shipment").is_empty() && watch.elapsed() < DEADLINE {
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    let once = told == 1 && world.done(&placed, "shipment").len() == 1;
    teller.check(once, "said three times, told to the payment system and to the site once");
}

async fn held_and_less_captured(world: &World, teller: &mut Teller) {
    teller.chapter("The money is held, and less of it is taken");
    let placed = world.placed(teller, "P-13").await;
    world.buyer(teller, &placed, 1, Outcome::Hold);
    world.once_payment_is(&placed, "held").await;
    let path = format!("/v1/orders/{}/capture", placed.number);
    let less = json!({"items": [{"sku": "100201", "quantity": "2"}]});
    let (status, taken) = world.call_site(Method::POST, &path, Some("c-1"), &less).await;
    teller.say(format_args!("  site → POST {path}  ← {status} {}", pointer(&taken, "/amount/amount")));
    let order = world.once_payment_is(&placed, "paid").await;
    let amount = pointer(&order, "/payment/amount/amount");
    teller.check(amount == "259.80", "259.80 of 578.95 were taken, the rest was let go");
    let (again, _) = world.call_site(Method::POST, &path, Some("c-2"), &json!({})).await;
    teller.check(again == 409, "it is taken once");
}

/// The payment system's books at the end of all this: what each order took and gave back.
async fn books_agree(world: &World, teller: &mut Teller) {
    teller.chapter("The payment system's own books");
    let (ledger, done) = (world.bank().ledger(), world.bank().done());
    let sum = |sums: &mut dyn Iterator<Item = Money>| sums.map(Money::kopecks).sum::<i64>();
    let taken = sum(&mut ledger.iter().filter(|entry| entry.status == "completed").map(|entry| {
        let capture = done.iter().find(|done| done.order == entry.id && done.captures);
        capture.map_or(entry.amount, |capture| capture.amount)
    }));
    let back = sum(&mut done.iter().filter(|done| done.kind == "refund").map(|done| done.amount));
    let (taken, back) = (Money::from_kopecks(taken), Money::from_kopecks(back));
    teller.say(format_args!("  {} payments asked for, {taken} ₽ taken, {back} ₽ paid back", ledger.len()));
    // P-1, 2, 6, 8, 9, 14 and 15 and what came and went back (P-5, 7, 11, 12), the cheaper one, the marketplace's, the capture.
    let right = 11 * 57_895 + 9_900 + 25_980 + 25_980;
    teller.check(taken.kopecks() == right, "that is what the orders came to");
    teller.check(back.kopecks() == 4 * 57_895, "and what was to go back");
    let mut numbers: Vec<&str> = ledger.iter().map(|entry| entry.number.as_str()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    teller.check(numbers.len() == ledger.len(), "no number of ours was used twice");
}
