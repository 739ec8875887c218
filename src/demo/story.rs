//! The story that `tillgate demo` tells: real hooks over real HTTP, every claim checked as it is made.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;

use super::chat::Chat;
use super::marketplace::{Attempt, Marketplace};
use super::site::Site;
use crate::app::App;
use crate::config::{self, Settings};
use crate::gateway::sandbox::{Entry, Sandbox, Setup};
use crate::kernel::chance::random_bytes;
use crate::kernel::{Clock, Secret};
use crate::peer::{Client, Reply};
use crate::telemetry::metrics;

/// The hooks of the story, which are also files to post by hand.
mod hooks {
    pub const CREATED: &str = include_str!("../../fixtures/sm/01-created.json");
    pub const RESENT: &str = include_str!("../../fixtures/sm/02-created-resent.json");
    pub const CHANGED: &str = include_str!("../../fixtures/sm/03-changed.json");
    pub const PAID: &str = include_str!("../../fixtures/sm/04-paid.json");
    pub const RECEIVED: &str = include_str!("../../fixtures/sm/05-received.json");
    pub const DELIVERING: &str = include_str!("../../fixtures/sm/06-delivering.json");
    pub const DELIVERED: &str = include_str!("../../fixtures/sm/07-delivered.json");
    pub const UPDATED_FIRST: &str = include_str!("../../fixtures/sm/08-updated-before-created.json");
    pub const CREATED_SECOND: &str = include_str!("../../fixtures/sm/09-created-after-update.json");
    pub const TO_BE_CANCELLED: &str = include_str!("../../fixtures/sm/10-created-to-be-cancelled.json");
    pub const CANCELLED: &str = include_str!("../../fixtures/sm/11-cancelled.json");
    pub const NO_ORDER_NUMBER: &str = include_str!("../../fixtures/sm/bad/no-order-number.json");
}

/// How long anything in the story may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Calls that the payment system takes within half a minute: the story makes more than a shop would.
const CALLS_MAX: usize = 10_000;

/// The pause between messages to a chat: shorter than Telegram's, so that the story does not drag.
const GAP_MILLISECONDS: u32 = 50;

/// What the site's callbacks are signed with.
const CALLBACK_SECRET: &str = "whsec_dGhlIGRlbW8ncyBzZWNyZXQgb2YgdGhlIHNpdGU=";

/// The shop of the story.
pub struct World {
    app: App,
    chat: Chat,
    bank: Sandbox,
    site: Site,
    api_key: String,
    token: String,
    own_token: String,
    admin_token: String,
    folder: PathBuf,
    admin: Client,
    clock: Clock,
}

/// Something of the stage could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the demo could not be set up: {0}")]
pub struct NoStage(String);

impl World {
    /// Sets up a gateway on an embedded store in a folder of its own, with a pickers' chat.
    pub async fn start(listen: SocketAddr, clock: Clock) -> Result<World, NoStage> {
        let broken = |why: &dyn std::fmt::Display| NoStage(why.to_string());
        let chat = Chat::start().await.map_err(|why| broken(&why))?;
        let folder = std::env::temp_dir().join(format!("tillgate-demo-{}", hex(&random_bytes::<4>())));
        let (token, own_token) = (hex(&random_bytes::<16>()), hex(&random_bytes::<16>()));
        let admin_token = hex(&random_bytes::<16>());
        let (api_key, signing_key) = (hex(&random_bytes::<16>()), hex(&random_bytes::<16>()));
        let setup = Setup {
            signing_key: Secret::new(signing_key.clone()),
            calls_max: CALLS_MAX,
            clock: clock.clone(),
            ..Setup::default()
        };
        let bank = Sandbox::start(setup).await.map_err(|why| broken(&why))?;
        let site = Site::start(Secret::new(CALLBACK_SECRET)).await.map_err(|why| broken(&why))?;
        let text = format!(
            r#"
            listen = "{listen}"
            store = "sled:{store}"
            idle_drain_seconds = 0
            admin_token = "{admin_token}"
            [sources.sm]
            protocol = "sm"
            token = "{token}"
            [sources.own]
            protocol = "sm"
            token = "{own_token}"
            payment = "link"
            vat = "RUS_VAT10"
            [gateways.bank]
            protocol = "invoicebox"
            url = "{bank}"
            token = "{bank_token}"
            merchant_id = "{merchant_id}"
            signing_key = "{signing_key}"
            [merchants.site]
            api_key = "{api_key}"
            callback_url = "{site}/callback"
            callback_secret = "{CALLBACK_SECRET}"
            [notify.telegram]
            url = "{chat}"
            token = "demo"
            gap_milliseconds = {GAP_MILLISECONDS}
            [notify.telegram.chats]
            default = "pickers"
            "17" = "pickers-of-17"
            "#,
            store = folder.display(),
            chat = chat.url(),
            bank = bank.url(),
            bank_token = bank.setup().token.expose(),
            merchant_id = bank.setup().merchant_id,
            site = site.url(),
        );
        let settings: Settings =
            config::parse(Path::new("demo"), &text, std::iter::empty()).map_err(|why| broken(&why))?;
        let app =
            App::start(&settings, clock.clone(), metrics::install()).await.map_err(|why| broken(&why))?;
        let admin = Client::new(DEADLINE, 1 << 20).map_err(|why| broken(&why))?;
        Ok(World { app, chat, bank, site, api_key, token, own_token, admin_token, folder, admin, clock })
    }

    /// Where the gateway is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.app.address())
    }

    /// The marketplace's token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The token of the source whose orders are paid through the gateway.
    #[must_use]
    pub fn own_token(&self) -> &str {
        &self.own_token
    }

    /// The site's key.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// The payment system.
    #[must_use]
    pub fn bank(&self) -> &Sandbox {
        &self.bank
    }

    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    pub(super) fn client(&self) -> &Client {
        &self.admin
    }

    /// Lets time pass, where the clock is the story's.
    pub(super) fn pass(&self, teller: &mut Teller, time: Duration) {
        let words = match time.as_secs() {
            seconds @ 0..120 => format!("{seconds} seconds"),
            seconds @ 120..7200 => format!("{} minutes", seconds / 60),
            seconds => format!("{} hours", seconds / 3600),
        };
        teller.say(format_args!("  … {words} pass"));
        self.clock.advance(time);
    }

    /// Places an order as the site does, under a new idempotency key. None if nobody answers.
    pub async fn place(&self, merchant_order_id: &str) -> Option<Reply> {
        let order = site_order(merchant_order_id, &self.site.url());
        self.place_again(&order, &hex(&random_bytes::<8>())).await
    }

    async fn place_again(&self, order: &Value, key: &str) -> Option<Reply> {
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.api_key)).ok()?;
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert("idempotency-key", HeaderValue::from_str(key).ok()?);
        let url = format!("{}/v1/orders", self.url());
        self.admin.call(Method::POST, &url, headers, order.to_string().into_bytes()).await.ok()
    }

    /// Follows a link as a browser does, one step: the status and where it leads.
    pub(super) async fn browse(&self, method: Method, url: &str) -> (u16, String, String) {
        match self.admin.call(method, url, HeaderMap::new(), Vec::new()).await {
            Ok(reply) => {
                let location = reply.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
                let body = String::from_utf8_lossy(&reply.body).into_owned();
                (reply.status.as_u16(), location.unwrap_or_default().to_owned(), body)
            }
            Err(why) => (0, String::new(), why.to_string()),
        }
    }

    /// The operator's token.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Ends everything and removes the folder.
    pub async fn end(self) {
        self.app.drain().await;
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let mut headers = HeaderMap::new();
        if let Ok(bearer) = HeaderValue::from_str(&format!("Bearer {}", self.admin_token)) {
            headers.insert(header::AUTHORIZATION, bearer);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let url = format!("{}/admin/v1{path}", self.url());
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let reply = self.admin.call(method, &url, headers, body).await;
        reply.ok().and_then(|reply| serde_json::from_slice(&reply.body).ok()).unwrap_or(Value::Null)
    }

    pub(super) async fn order(&self, number: &str) -> Value {
        self.ask(Method::GET, &format!("/orders/{number}"), None).await
    }

    async fn balance(&self, store: &str, sku: &str) -> String {
        let stock = self.ask(Method::GET, &format!("/stock?store={store}"), None).await;
        let items = stock.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let line = items.iter().find(|line| line.get("sku").and_then(Value::as_str) == Some(sku));
        text(line.unwrap_or(&Value::Null), "quantity")
    }
}

/// What the site of the story sells.
fn site_order(merchant_order_id: &str, site: &str) -> Value {
    serde_json::json!({
        "merchant_order_id": merchant_order_id,
        "description": format!("Заказ {merchant_order_id}"),
        "customer": {"name": "Анна", "phone": "+79990000000", "email": "anna@example.org", "type": "private"},
        "currency": "RUB",
        "items": [
            {"sku": "100201", "name": "Молоко 3,2 %, 930 мл", "quantity": "2", "price": "129.90", "vat": "RUS_VAT10",
                "measure": "шт", "measure_code": "796", "type": "commodity"},
            {"sku": "310077", "name": "Сыр «Костромской»", "quantity": "0.355", "price": "899.00", "vat": "RUS_VAT10",
                "measure": "кг", "measure_code": "166", "type": "commodity"},
        ],
        "success_url": format!("{site}/ok"),
        "fail_url": format!("{site}/fail"),
        "return_url": format!("{site}/cart"),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "?".into(),
    }
}

/// Writes the account, and remembers what did not come out right.
pub(super) struct Teller {
    colour: bool,
    checks: u32,
    failed: u32,
    told_messages: usize,
    times: Vec<Duration>,
}

impl Teller {
    pub(super) fn new() -> Teller {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Teller { colour, checks: 0, failed: 0, told_messages: 0, times: Vec::new() }
    }

    pub(super) fn say(&self, line: impl std::fmt::Display) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn chapter(&self, title: &str) {
        self.say(format_args!("\n{}", self.paint("1;36", &format!("── {title}"))));
    }

    fn answer(&mut self, what: &str, attempt: &Attempt) {
        let micros = attempt.took.as_micros();
        let took = format!("{}.{:02} ms", micros / 1000, micros / 10 % 100);
        self.times.push(attempt.took);
        let answer = match &attempt.answer {
            Ok((status, body)) => {
                let colour = if *status < 300 { "32" } else { "33" };
                let detail = serde_json::from_str::<Value>(body)
                    .ok()
                    .and_then(|body| body.get("detail").and_then(Value::as_str).map(str::to_owned));
                format!("{} {}", self.paint(colour, &status.to_string()), detail.as_deref().unwrap_or(body))
            }
            Err(why) => self.paint("31", why),
        };
        self.say(format_args!("  СМ → {what:<34} ← {answer}  {}", self.paint("2", &took)));
    }

    pub(super) fn check(&mut self, holds: bool, claim: &str) {
        self.checks += 1;
        self.failed += u32::from(!holds);
        let mark = if holds { self.paint("32", "✓") } else { self.paint("1;31", "✗ NOT SO:") };
        self.say(format_args!("     {mark} {claim}"));
    }

    /// Says how many claims hold, and whether all do.
    pub(super) fn sum_up(&self) -> bool {
        self.say(format_args!("\n{} of {} checks hold", self.checks - self.failed, self.checks));
        self.failed == 0
    }

    /// Shows the messages that pickers have got since it was last asked, waiting for `count` of them.
    async fn pickers_hear(&mut self, world: &World, count: usize) {
        let heard = world.chat.wait_for(self.told_messages + count, DEADLINE).await;
        let messages = heard.unwrap_or_else(|messages| messages);
        let new: Vec<_> = messages.iter().skip(self.told_messages).cloned().collect();
        for message in &new {
            self.say(format_args!("     {}", self.paint("2", &format!("┌ Telegram, {}", message.chat_id))));
            for line in message.text.lines() {
                self.say(format_args!("     {} {line}", self.paint("2", "│")));
            }
        }
        if new.len() != count {
            self.check(false, &format!("pickers got {} messages and should have got {count}", new.len()));
        }
        self.told_messages = messages.len();
    }
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
