//! The client of the demonstration pays: what is refused, what is held, what is
//! taken, and how it comes back.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};
use tillgate_kernel::Secret;

use super::device::Device;
use super::marketplace::Marketplace;
use super::narrator::Narrator;
use super::world::DEADLINE;
use crate::sandbox::{Outcome, Sandbox};

/// How long it is waited between two looks at something.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// The number of bread in the shop's feed, and what a loaf costs.
const BREAD: u64 = 102;
const LOAF: f64 = 45.0;

/// Plays this part of the story. The basket is held, and is fetched at a point.
pub async fn pay<Credit>(
    narrator: &mut Narrator,
    phone: &mut Device<'_>,
    bank: &Sandbox,
    marketplace: &Secret,
    credit: &Credit,
) where
    Credit: AsyncFn(&str, &str) -> bool,
{
    by_card_and_sbp(narrator, phone, bank).await;
    from_the_wallet(narrator, phone, credit).await;
    sold_elsewhere(narrator, phone, bank, marketplace).await;
}

/// A wallet that holds too little, a card that is declined, and SBP.
async fn by_card_and_sbp(narrator: &mut Narrator, phone: &mut Device<'_>, bank: &Sandbox) {
    narrator.chapter("She pays: the wallet holds too little, her card is declined, SBP goes");
    let (_, basket) = ask(phone, "order", Method::GET, "/get", None).await;
    let order = Ordered::of(&basket);
    let (_, means) = ask(phone, "payment", Method::GET, "/tokens/get", None).await;
    let wallet = means["tokens"][0]["id"].clone();
    let (status, said) = order.pay(phone, &json!({"tokenId": wallet}), "demo-wallet").await;
    let why = said["detail"].as_str().unwrap_or_default();
    narrator.check(status == 409, &format!("from the wallet: {why}"));
    let card = json!({"tokenType": "BANK_CARD"});
    let (status, payment) = order.pay(phone, &card, "demo-card").await;
    let is_pending = status == 200 && payment["status"] == "PENDING";
    narrator.check(is_pending, "by card she is sent to the payment system");
    narrator.check(at_bank(phone, bank, &payment, Outcome::Decline).await, "the bank declines");
    let (_, shown) = ask(phone, "order", Method::GET, &order.path(), None).await;
    narrator.check(shown["status"] == "NEW", "nothing has changed: she may pay another way");
    let sbp = json!({"tokenType": "QR_PAY"});
    let (status, payment) = order.pay(phone, &sbp, "demo-sbp").await;
    let is_replaced = status == 200 && payment["status"] == "PENDING";
    narrator
        .check(is_replaced, "SBP takes the place of the card, which cannot bring money any more");
    narrator
        .check(at_bank(phone, bank, &payment, Outcome::Pay).await, "she pays in her bank's app");
    let done = order.until(phone, "COMPLETED").await;
    narrator.check(done["status"] == "COMPLETED", "the order goes on by itself: it is agreed on");
}

/// An order from the wallet, and its withdrawal.
async fn from_the_wallet<Credit>(narrator: &mut Narrator, phone: &mut Device<'_>, credit: &Credit)
where
    Credit: AsyncFn(&str, &str) -> bool,
{
    narrator.chapter("She buys a loaf from the wallet, and changes her mind");
    narrator.check(credit("anna", "100.00").await, "the operator gives her 100.00 more");
    let order = Ordered::loaf(phone, "demo-loaf").await;
    let (_, means) = ask(phone, "payment", Method::GET, "/tokens/get", None).await;
    let before = means["tokens"][0]["balance"].clone();
    let wallet = json!({"tokenId": means["tokens"][0]["id"]});
    let (_, payment) = order.pay(phone, &wallet, "demo-loaf").await;
    narrator.check(payment["status"] == "HELD", "45.00 are set aside in her wallet");
    let (_, again) = order.pay(phone, &wallet, "demo-loaf").await;
    let is_same = again["paymentId"] == payment["paymentId"];
    narrator.check(is_same, "the same request, sent again, is the same payment");
    order.process(phone).await;
    let done = order.until(phone, "COMPLETED").await;
    narrator.check(done["total"] == LOAF, "she presses the button: the order is agreed on");
    let body = json!({"id": order.id, "version": done["version"]});
    ask(phone, "order", Method::PUT, "/cancel", Some(body)).await;
    let canceled = order.until(phone, "CANCELED").await;
    narrator
        .check(canceled["withdrawal"] == "DONE", "nobody has begun to pick it: it is withdrawn");
    let is_back = comes_true(async || {
        let (_, means) = ask(phone, "payment", Method::GET, "/tokens/get", None).await;
        means["tokens"][0]["balance"] == before
    })
    .await;
    narrator.check(is_back, "the money is in her wallet again");
}

/// A card whose money is held, and goods that are gone.
async fn sold_elsewhere(
    narrator: &mut Narrator,
    phone: &mut Device<'_>,
    bank: &Sandbox,
    marketplace: &Secret,
) {
    narrator.chapter("Her bank holds the money, and a marketplace sells the last loaves meanwhile");
    let order = Ordered::loaf(phone, "demo-gone").await;
    let card = json!({"tokenType": "BANK_CARD"});
    let (_, payment) = order.pay(phone, &card, "demo-gone").await;
    at_bank(phone, bank, &payment, Outcome::Hold).await;
    let held = order.until_paid(phone, "HELD").await;
    narrator.check(held["status"] == "HELD", "the bank holds 45.00 until she confirms the order");
    let is_sold = ship(phone, marketplace).await;
    narrator.check(is_sold, "a marketplace ships all loaves that there are");
    order.process(phone).await;
    let failed = order.until(phone, "FAILED").await;
    let reason = &failed["reason"];
    narrator.check(failed["status"] == "FAILED", &format!("the order comes to nothing: {reason}"));
    let released = order.until_paid(phone, "FAIL").await;
    // The payment has failed from the moment the release is decided; the
    // request to the bank follows.
    let is_canceled =
        comes_true(async || bank.ledger().last().is_some_and(|entry| entry.status == "canceled"));
    let is_released = released["status"] == "FAIL" && is_canceled.await;
    narrator.check(is_released, "the bank has let the money go: she was never charged");
}

/// An order that is held.
struct Ordered {
    id: Value,
    version: Value,
}

impl Ordered {
    fn of(order: &Value) -> Ordered {
        Ordered { id: order["id"].clone(), version: order["version"].clone() }
    }

    /// A loaf, held, to be fetched at a point.
    async fn loaf(phone: &mut Device<'_>, reference: &str) -> Ordered {
        let body = json!({"id": reference,
            "orderItems": [{"product": {"id": BREAD}, "quantity": 1}]});
        let (_, placed) = ask(phone, "order", Method::POST, "/place", Some(body)).await;
        let order = Ordered::of(&placed);
        let body = json!({"orderId": order.id, "version": order.version, "storeId": 1});
        ask(phone, "store", Method::POST, "/reserve", Some(body)).await;
        let body = json!({"orderId": order.id, "version": order.version, "pickupPointId": 120});
        ask(phone, "delivery", Method::POST, "/book", Some(body)).await;
        order
    }

    fn path(&self) -> String {
        format!("/get?orderId={}", self.id.as_str().unwrap_or_default())
    }

    async fn pay(&self, phone: &mut Device<'_>, means: &Value, key: &'static str) -> (u16, Value) {
        let mut body = json!({"orderId": self.id, "version": self.version});
        for (name, value) in means.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", HeaderValue::from_static(key));
        phone.send_to("payment", Method::POST, "/pay", Some(body), headers).await
    }

    async fn process(&self, phone: &mut Device<'_>) {
        let body = json!({"id": self.id, "version": self.version});
        ask(phone, "order", Method::PUT, "/process", Some(body)).await;
    }

    /// The order when it has this status, or as it is at the deadline.
    async fn until(&self, phone: &mut Device<'_>, status: &str) -> Value {
        wait_for(phone, "order", &self.path(), status).await
    }

    /// The same for its latest payment.
    async fn until_paid(&self, phone: &mut Device<'_>, status: &str) -> Value {
        let path = format!("/pay?orderId={}", self.id.as_str().unwrap_or_default());
        wait_for(phone, "payment", &path, status).await
    }
}

async fn wait_for(phone: &mut Device<'_>, service: &str, path: &str, status: &str) -> Value {
    let mut last = Value::Null;
    // What it is instead is checked by the caller.
    let _ = comes_true(async || {
        last = ask(phone, service, Method::GET, path, None).await.1;
        last["status"] == status
    })
    .await;
    last
}

/// Whether it comes true before the deadline.
async fn comes_true(mut look: impl AsyncFnMut() -> bool) -> bool {
    let waiting = async {
        while !look().await {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.is_ok()
}

/// The buyer follows the link of a payment, and acts at the payment system.
async fn at_bank(phone: &Device<'_>, bank: &Sandbox, payment: &Value, outcome: Outcome) -> bool {
    let url = payment["redirectUrl"].as_str().unwrap_or_default();
    for method in [Method::GET, Method::POST] {
        let reply = phone.client.call(method, url, HeaderMap::new(), Vec::new()).await;
        let Ok(reply) = reply else { return false };
        let page = reply.headers.get(header::LOCATION).and_then(|page| page.to_str().ok());
        if let Some(container) = page.and_then(|page| page.rsplit('/').next()) {
            return bank.buyer_acts(container, outcome);
        }
        // The payment is created when the buyer presses the button.
    }
    false
}

/// A marketplace ships the loaves of the outlet.
async fn ship(phone: &Device<'_>, token: &Secret) -> bool {
    let url = format!("{}/hooks/sm", phone.url);
    let Ok(marketplace) = Marketplace::new(url, token.clone()) else { return false };
    for kind in ["order.created", "order.received"] {
        let body = json!({"event_type": kind, "timestamp": "2026-11-30T12:00:00+03:00",
            "payload": {"originalOrderId": "M2", "storeID": "17",
                "positions": [{"id": BREAD.to_string(), "quantity": 4, "price": "45.00",
                    "totalPrice": "180.00", "totalDiscountPrice": "180.00"}],
                "total": {"totalPrice": "180.00", "discountTotalPrice": "180.00"}}});
        if !marketplace.post(body.to_string().as_bytes()).await.is_acknowledged() {
            return false;
        }
    }
    true
}

async fn ask(
    phone: &mut Device<'_>,
    service: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    phone.send_to(service, method, path, body, HeaderMap::new()).await
}
