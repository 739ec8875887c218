//! The same invariants against complete payment systems: the adapters over
//! loopback against the sandbox, checked in the sandbox's own ledger. The tests
//! cover every way in which creating an order and every other call can fail,
//! with the process dying before and after each of the first calls, while the
//! order is unchanged, changed, cancelled, or paid, and every notification is
//! lost. Then the same for updates of a bill, and for refunds and captures.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tillgate::flows::move_money::{Request as Moving, move_money};
use tillgate::flows::place_order::{Placed, Placement, place};
use tillgate::flows::revise_order::{Change, Request, RequestedChange, revise};
use tillgate::flows::{
    Alarms, Callbacks, ChangeFeed, ClockSkew, PausedGateways, PaymentProfile, Rates, Services,
    load_record,
};
use tillgate::gateway::invoicebox::{self, Invoicebox, Version};
use tillgate::gateway::yookassa::{self, Yookassa};
use tillgate::gateway::{Addresses, Call, Failure, Provider};
use tillgate::kernel::time::later;
use tillgate::kernel::{Clock, ExternalId, Fingerprint, Money, PartyName, Quantity, Timestamp};
use tillgate::orders::Number;
use tillgate::outbox::Claim;
use tillgate::outbox::Lane;
use tillgate::payments::{
    Bill, Checkout, Customer, Line, Operation, OperationKind, OperationState, PaymentId,
    PaymentMode, Receipts, RemoteOperation, RemotePayment, ShipmentReport, SiteUrls, Terms,
    VatCode,
};
use tillgate::peer::Client;
use tillgate::store::memory::Memory;
use tillgate::store::{Scan, Store};
use tillgate::workers::payment_worker::PaymentWorker;
use tillgate_lab::sandbox::{Call as Kind, Entry, Outcome, Sandbox, Setup, Trouble};
use tokio::sync::Notify;

use super::TERMS;

/// How the call that creates an order ends.
const CREATING: [Option<Trouble>; 17] = [
    None,
    Some(Trouble::Zipped),
    Some(Trouble::BadGateway),
    Some(Trouble::CutShort),
    Some(Trouble::TooLong),
    Some(Trouble::Redirect),
    Some(Trouble::NoAccess),
    Some(Trouble::Busy),
    Some(Trouble::NoUrl),
    Some(Trouble::Elsewhere),
    Some(Trouble::AnotherOrder),
    Some(Trouble::Broken),
    Some(Trouble::AcceptThenDrop),
    Some(Trouble::Garbage),
    Some(Trouble::TooMany(1)),
    Some(Trouble::Refused),
    Some(Trouble::OtherAmount),
];

/// How the next two other calls end: find, read, cancel.
const OTHERS: [Option<Trouble>; 9] = [
    None,
    Some(Trouble::Broken),
    Some(Trouble::AcceptThenDrop),
    Some(Trouble::TooMany(1)),
    Some(Trouble::CutShort),
    Some(Trouble::NoAccess),
    Some(Trouble::AnotherOrder),
    Some(Trouble::Twofold),
    Some(Trouble::Unfiltered),
];

/// An upper bound for the number of payments of an order in these tests.
const ATTEMPTS_MAX: u32 = 8;

/// The number of calls in which the process may die.
const CALLS_TO_DIE_IN: usize = 3;

/// What happens to the order while its payment is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Stays,
    Changes,
    IsCalledOff,
    IsPaidAndChanges,
}

const TURNS: [Turn; 4] = [Turn::Stays, Turn::Changes, Turn::IsCalledOff, Turn::IsPaidAndChanges];

/// The call in which the process dies, and whether that call is carried out.
type Death = Option<(usize, bool)>;

/// Every possible death, and none.
fn deaths() -> Vec<Death> {
    let deaths = (0..CALLS_TO_DIE_IN).flat_map(|call| [Some((call, false)), Some((call, true))]);
    [None].into_iter().chain(deaths).collect()
}

/// A payment system that kills the process in one of its calls.
#[derive(Debug)]
struct Mortal {
    inner: Arc<dyn Provider>,
    death: Mutex<Death>,
    calls: AtomicUsize,
    died: Notify,
}

impl Mortal {
    fn call<'a, T: Send + 'a>(&'a self, call: Call<'a, T>) -> Call<'a, T> {
        Box::pin(async move {
            let place = self.calls.fetch_add(1, Ordering::Relaxed);
            let death = *self.death.lock().expect("unbroken");
            match death {
                Some((dies_in, is_carried_out)) if dies_in == place => {
                    if is_carried_out {
                        let _: Result<T, Failure> = call.await;
                    }
                    self.died.notify_one();
                    std::future::pending().await
                }
                Some(_) | None => call.await,
            }
        })
    }
}

impl Provider for Mortal {
    fn account(&self) -> &str {
        self.inner.account()
    }

    fn terms(&self) -> Terms {
        TERMS
    }

    fn shipment_report(&self) -> ShipmentReport {
        self.inner.shipment_report()
    }

    fn build_request(
        &self,
        id: PaymentId,
        bill: &Bill,
        addresses: &Addresses,
    ) -> Result<String, String> {
        self.inner.build_request(id, bill, addresses)
    }

    fn identify(&self) -> Call<'_, ()> {
        self.call(self.inner.identify())
    }

    fn create<'a>(&'a self, request: &'a str) -> Call<'a, RemotePayment> {
        self.call(self.inner.create(request))
    }

    fn find(&self, id: PaymentId, since: Timestamp) -> Call<'_, Vec<RemotePayment>> {
        self.call(self.inner.find(id, since))
    }

    fn read<'a>(&'a self, remote_id: &'a str) -> Call<'a, RemotePayment> {
        self.call(self.inner.read(remote_id))
    }

    fn cancel<'a>(&'a self, remote_id: &'a str) -> Call<'a, RemotePayment> {
        self.call(self.inner.cancel(remote_id))
    }

    fn update<'a>(&'a self, remote_id: &'a str, bill: &'a Bill) -> Option<Call<'a, RemotePayment>> {
        Some(self.call(self.inner.update(remote_id, bill)?))
    }

    fn build_operation_request(
        &self,
        operation: &Operation,
        bill: &Bill,
        remote_id: &str,
    ) -> Result<String, String> {
        self.inner.build_operation_request(operation, bill, remote_id)
    }

    fn operate<'a>(&'a self, kind: OperationKind, request: &'a str) -> Call<'a, RemoteOperation> {
        self.call(self.inner.operate(kind, request))
    }

    fn refunds<'a>(&'a self, remote_id: &'a str) -> Call<'a, Vec<RemoteOperation>> {
        self.inner.refunds(remote_id)
    }

    fn find_operation<'a>(
        &'a self,
        operation: &'a Operation,
        remote_id: &'a str,
    ) -> Call<'a, Vec<RemoteOperation>> {
        self.call(self.inner.find_operation(operation, remote_id))
    }
}

fn lines(kopecks: i64) -> Vec<Line> {
    let one = (Quantity::from_thousandths(1000), Money::from_kopecks(kopecks));
    vec![Line::priced("1".into(), "Чай".into(), one.0, one.1, VatCode::Ten).expect("a line")]
}

/// A change of the order's lines.
fn other_lines() -> RequestedChange {
    RequestedChange::Change(Box::new(Change { lines: Some(lines(20_000)), ..Change::default() }))
}

struct World {
    payment_worker: PaymentWorker,
    provider: Arc<Mortal>,
    bank: Sandbox,
    clock: Clock,
    number: Number,
}

impl World {
    async fn new(bank: &Sandbox, inner: &Arc<dyn Provider>, order: usize, death: Death) -> World {
        let clock = bank.setup().clock.clone();
        let (merchant, gateway) = (PartyName::new("site"), PartyName::new("bank"));
        let account = inner.account().to_owned();
        let profile = PaymentProfile {
            gateway: gateway.clone(),
            account,
            rates: Rates { goods: VatCode::None, delivery: VatCode::None },
            callbacks: Callbacks::None,
            terms: TERMS,
            waiting_max: None,
        };
        let services = Services {
            store: Store::Memory(Arc::new(Memory::new(clock.clone()))),
            clock: clock.clone(),
            audience: Default::default(),
            recent: Arc::default(),
            parties: Arc::default(),
            listeners: Arc::default(),
            stock_holders: Arc::default(),
            merchants: Arc::new(BTreeMap::from([(merchant.clone(), profile.clone())])),
            shipment_reports: Arc::default(),
            // Nothing listens there, so every notification is lost.
            public_url: "http://127.0.0.1:9".into(),
            change_feed: ChangeFeed::default(),
            quotas: tillgate::flows::quotas::Quotas::default(),
            parked_orders: tillgate::flows::parked_orders::ParkedOrders::default(),
            alarms: Alarms::default(),
            hints: tillgate::flows::Hints::default(),
            shop_key: Arc::default(),
            clock_skew: ClockSkew::default(),
            paused_gateways: PausedGateways::default(),
        };
        let customer = Customer { email: Some("anna@example.org".into()), ..Customer::default() };
        let expires_at = later(clock.now(), Duration::from_secs(30 * 24 * 3600));
        let placement = Placement {
            merchant,
            merchant_order_id: ExternalId::parse(&format!("A-{order}")).expect("a number"),
            bill: Bill::over("Заказ".into(), lines(10_000), customer, expires_at).expect("a bill"),
            urls: SiteUrls::default(),
            body: "{}".into(),
        };
        let Placed::Known(number) = place(&services, &profile, &placement).await.expect("placed")
        else {
            panic!("a new order is placed")
        };
        let (calls, died) = (AtomicUsize::new(0), Notify::new());
        let provider =
            Arc::new(Mortal { inner: Arc::clone(inner), death: Mutex::new(death), calls, died });
        let gateways: BTreeMap<PartyName, Arc<dyn Provider>> =
            BTreeMap::from([(gateway, provider.clone() as _)]);
        let payment_worker =
            PaymentWorker { services, gateways: Arc::new(gateways), breakers: Arc::default() };
        World { payment_worker, provider, bank: bank.clone(), clock, number }
    }

    /// Sets the next call in which the process dies, counted from now.
    fn dies(&self, death: Death) {
        self.provider.calls.store(0, Ordering::Relaxed);
        *self.provider.death.lock().expect("unbroken") = death;
    }

    /// The payments of this order at the payment system.
    fn entries(&self) -> Vec<Entry> {
        (1..=ATTEMPTS_MAX)
            .flat_map(|attempt| self.bank.orders(&format!("{}-{attempt}", self.number)))
            .collect()
    }

    fn payable(&self) -> Vec<Entry> {
        let now = self.clock.now();
        self.entries().into_iter().filter(|entry| entry.status_at(now) == "created").collect()
    }

    /// Runs one task of a lane, in which the process may die. Returns whether
    /// there was a task.
    async fn step(&self, lane: Lane, history: &dyn std::fmt::Debug) -> bool {
        let services = &self.payment_worker.services;
        let lease = Duration::from_secs(120);
        let claim = Claim {
            lane,
            lease,
            limit: 1,
            limit_of_queue: 1,
            paused_queues: Vec::new(),
            after_queue: String::new(),
        };
        let Some(claimed) = services.store.claim(&claim).await.expect("a store").pop() else {
            return false;
        };
        tokio::select! {
            biased;
            _ = self.payment_worker.tend(claimed) => {}
            () = self.provider.died.notified() => {}
        }
        let payable = self.payable();
        assert!(payable.len() <= 1, "{history:?}: two payable orders at once: {payable:?}");
        let checkout = self.checkout().await;
        let link = checkout.current().and_then(|payment| payment.link(self.clock.now()));
        assert!(
            link.is_none_or(|url| url.starts_with(&self.bank.url())),
            "{history:?}: the buyer is sent to a foreign link {link:?}"
        );
        true
    }

    /// Advances the clock until no task is left.
    async fn rest(&self, history: &dyn std::fmt::Debug) {
        for _ in 0..200 {
            while self.step(tillgate::payments::LANE, history).await {}
            let scan = Scan::Outbox {
                lane: tillgate::payments::LANE,
                dead: false,
                queue: None,
                after: None,
                limit: 1,
            };
            let pending = self.payment_worker.services.store.scan(&scan).await.expect("a store");
            if pending.items.is_empty() {
                return;
            }
            self.clock.advance(Duration::from_secs(30));
        }
        panic!("{history:?}: tasks are still pending: {:?}", self.entries());
    }

    /// Lets the scheduled checks of the link run, as the notification is lost.
    async fn looks_in_time(&self, history: &dyn std::fmt::Debug) {
        for _ in 0..4 {
            self.clock.advance(Duration::from_secs(3600));
            while self.step(tillgate::payments::WATCH_LANE, history).await {}
            self.rest(history).await;
        }
    }

    /// Advances the clock until the payment system has got every update, or has
    /// refused it for good.
    async fn tells_all(&self, history: &dyn std::fmt::Debug) {
        for _ in 0..200 {
            self.rest(history).await;
            while self.step(tillgate::payments::WATCH_LANE, history).await {}
            if !self.checkout().await.has_pending_update() {
                return;
            }
            self.clock.advance(Duration::from_secs(60));
        }
        panic!("{history:?}: an update is still pending: {:?}", self.entries());
    }

    async fn change(&self, change: RequestedChange) {
        let request = Request {
            merchant: PartyName::new("site"),
            number: self.number,
            change,
            tag: None,
            body: "{}".into(),
        };
        // Money may have come, or the payment system may have refused for good;
        // then the change is refused.
        let _ = revise(&self.payment_worker.services, &request).await.expect("a store");
    }

    fn buyer_pays(&self) -> bool {
        let payable = self.payable();
        payable.iter().any(|entry| self.bank.buyer_acts(&entry.container, Outcome::Pay))
    }

    async fn checkout(&self) -> Checkout {
        let record =
            load_record(&self.payment_worker.services.store, self.number).await.expect("a store");
        record.expect("an order").checkout.expect("a checkout").into_document()
    }

    /// Checks the invariants at the end, by the payment system's ledger.
    async fn judge(&self, turn: Turn, history: &dyn std::fmt::Debug) {
        let (checkout, entries) = (self.checkout().await, self.entries());
        let taken: Vec<&Entry> =
            entries.iter().filter(|entry| entry.status == "completed").collect();
        assert!(taken.len() <= 1, "{history:?}: money was taken twice: {taken:?}");
        // Every payment at the payment system is known here by its number, and
        // every one that took money is known as paid.
        for entry in &entries {
            let known =
                checkout.payments.iter().find(|payment| payment.id.to_string() == entry.number);
            let known = known.unwrap_or_else(|| panic!("{history:?}: unknown payment {entry:?}"));
            let needs_review = known.is_live() && !checkout.attention.is_empty();
            assert!(
                known.was_paid() == (entry.status == "completed") || needs_review,
                "{history:?}: {entry:?} is {known:?} here"
            );
        }
        let Some(taken) = taken.first() else {
            // Nothing was paid: the order was cancelled, or it has an attention
            // that says why.
            let is_flagged = !checkout.attention.is_empty();
            assert!(
                turn == Turn::IsCalledOff || is_flagged,
                "{history:?}: {entries:?}\n{checkout:?}"
            );
            return;
        };
        let current = checkout.current().expect("a payment");
        let is_old = current.superseded.is_some();
        let needs_review = !current.was_paid();
        assert!(
            needs_review || taken.amount == current.bill.total,
            "{history:?}: {} were taken, {} requested",
            taken.amount,
            current.bill.total
        );
        // Money for an outdated bill needs attention.
        assert!(
            !(is_old || needs_review) || !checkout.attention.is_empty(),
            "{history:?}: {checkout:?}"
        );
    }
}

/// Plays every combination of failures, each with a new order.
async fn play_all(inner: Arc<dyn Provider>, bank: Sandbox) {
    let deaths = deaths();
    let mut order = 0;
    for creating in CREATING {
        for other in OTHERS {
            for &death in &deaths {
                for turn in TURNS {
                    order += 1;
                    let history = (creating, other, death, turn);
                    let world = World::new(&bank, &inner, order, death).await;
                    bank.misbehave(Kind::Create, creating);
                    bank.misbehave(Kind::Other, other.into_iter().chain(other));
                    world.step(tillgate::payments::LANE, &history).await;
                    match turn {
                        Turn::Stays => {}
                        Turn::Changes => world.change(other_lines()).await,
                        Turn::IsCalledOff => world.change(RequestedChange::Cancel).await,
                        Turn::IsPaidAndChanges => {
                            world.buyer_pays();
                            world.change(other_lines()).await;
                        }
                    }
                    world.rest(&history).await;
                    world.buyer_pays();
                    world.looks_in_time(&history).await;
                    world.judge(turn, &history).await;
                    // Failures that this order did not use must not affect the
                    // next.
                    bank.forget_troubles();
                }
            }
        }
    }
}

/// How the call that updates a bill ends.
const UPDATING: [Option<Trouble>; 16] = [
    None,
    Some(Trouble::Broken),
    Some(Trouble::BadGateway),
    Some(Trouble::AcceptThenDrop),
    Some(Trouble::Garbage),
    Some(Trouble::CutShort),
    Some(Trouble::Redirect),
    Some(Trouble::NoAccess),
    Some(Trouble::Busy),
    Some(Trouble::TooMany(1)),
    Some(Trouble::Refused),
    Some(Trouble::Unheeded),
    Some(Trouble::NoUrl),
    Some(Trouble::Elsewhere),
    Some(Trouble::AnotherOrder),
    Some(Trouble::OtherAmount),
];

/// Updates the bill of one order after another. The buyer pays once, by the
/// first link and the right sum, and reads the last description, or the order
/// has an attention that says that it did not arrive.
async fn alter_all(inner: Arc<dyn Provider>, bank: Sandbox) {
    let deaths = deaths();
    let mut order = 0;
    for updating in UPDATING {
        for other in OTHERS {
            for &death in &deaths {
                order += 1;
                let history = (updating, other, death);
                let world = World::new(&bank, &inner, order, None).await;
                world.rest(&history).await;
                let before = world.payable();
                bank.misbehave(Kind::Update, updating);
                bank.misbehave(Kind::Other, other.into_iter().chain(other));
                world.dies(death);
                let change = Change {
                    description: Some("Зелёный чай".into()),
                    expires_at: Some(later(world.clock.now(), Duration::from_secs(40 * 24 * 3600))),
                    ..Change::default()
                };
                world.change(RequestedChange::Change(Box::new(change))).await;
                // The buyer pays either before the updates are sent, or after.
                let pays_first = order % 2 == 0;
                assert!(!pays_first || world.buyer_pays(), "{history:?}: there is nothing to pay");
                world.tells_all(&history).await;
                bank.forget_troubles();
                assert!(pays_first || world.buyer_pays(), "{history:?}: there is nothing to pay");
                world.looks_in_time(&history).await;
                world.judge(Turn::Stays, &history).await;
                let (checkout, entries) = (world.checkout().await, world.entries());
                let [entry] = entries.as_slice() else { panic!("{history:?}: {entries:?}") };
                assert_eq!(
                    (&entry.id, &entry.status),
                    (&before[0].id, &"completed".to_owned()),
                    "{history:?}"
                );
                let is_updated = entry.description == "Зелёный чай";
                assert!(is_updated || !checkout.attention.is_empty(), "{history:?}: {checkout:?}");
            }
        }
    }
}

/// How a refund or a capture ends.
const OPERATING: [Option<Trouble>; 11] = [
    None,
    Some(Trouble::Broken),
    Some(Trouble::BadGateway),
    Some(Trouble::AcceptThenDrop),
    Some(Trouble::Garbage),
    Some(Trouble::CutShort),
    Some(Trouble::Redirect),
    Some(Trouble::NoAccess),
    Some(Trouble::Busy),
    Some(Trouble::TooMany(1)),
    Some(Trouble::Refused),
];

/// Moves money for one order after another, with every combination of failures.
async fn move_all(kind: OperationKind, inner: Arc<dyn Provider>, bank: Sandbox) {
    let deaths = deaths();
    let (outcome, names) = match kind {
        OperationKind::Capture => (Outcome::Hold, ["capture", "shipment"]),
        OperationKind::Refund | OperationKind::Shipment => (Outcome::Pay, ["refund", "refund"]),
    };
    let mut order = 0;
    for operating in OPERATING {
        for other in OTHERS {
            for &death in &deaths {
                order += 1;
                let history = (kind, operating, other, death);
                let world = World::new(&bank, &inner, order, None).await;
                world.rest(&history).await;
                let payable = world.payable();
                assert!(bank.buyer_acts(&payable[0].container, outcome), "{history:?}");
                world.clock.advance(Duration::from_secs(3000));
                while world.step(tillgate::payments::WATCH_LANE, &history).await {}

                bank.misbehave(Kind::Operate, operating);
                bank.misbehave(Kind::Other, other.into_iter().chain(other));
                world.dies(death);
                let request = Moving {
                    merchant: PartyName::new("site"),
                    number: world.number,
                    kind,
                    payment: None,
                    parts: Vec::new(),
                    reason: None,
                    request_fingerprint: Fingerprint::of(&[b"a request"]),
                };
                for _ in 0..2 {
                    let planned = move_money(&world.payment_worker.services, &request)
                        .await
                        .expect("a store");
                    // The second request finds the operation.
                    assert!(planned.is_ok(), "{history:?}: {planned:?}");
                }
                world.rest(&history).await;
                bank.forget_troubles();

                let checkout = world.checkout().await;
                let [operation] = checkout.operations.as_slice() else {
                    panic!("{history:?}: {checkout:?}")
                };
                let entries = world.entries();
                let made: Vec<Money> = bank
                    .done()
                    .iter()
                    .filter(|done| done.order == entries[0].id && names.contains(&done.kind))
                    .map(|done| done.amount)
                    .collect();
                let is_flagged = !checkout.attention.is_empty();
                match (&operation.state, made.as_slice()) {
                    (OperationState::Done { .. }, [sum]) => {
                        assert_eq!(*sum, Money::from_kopecks(10_000), "{history:?}");
                    }
                    (OperationState::Refused { .. }, [])
                    | (OperationState::NeedsReview { .. }, [] | [_]) => {
                        assert!(is_flagged, "{history:?}: {checkout:?}");
                    }
                    (state, made) => panic!("{history:?}: {state:?} with {made:?}"),
                }
            }
        }
    }
}

fn of_invoicebox(bank: &Sandbox) -> Arc<dyn Provider> {
    let setup = invoicebox::Setup {
        url: bank.url(),
        version: Version::V3,
        token: bank.setup().token.clone(),
        merchant_id: bank.setup().merchant_id.clone(),
        payment_hosts: Vec::new(),
        receipts: Receipts::Own,
        payment_mode: PaymentMode::default(),
        methods: invoicebox::MethodIds::default(),
    };
    Arc::new(Invoicebox::new(client(), setup))
}

fn of_yookassa(bank: &Sandbox, manual_capture: bool) -> Arc<dyn Provider> {
    let setup = yookassa::Setup {
        url: format!("{}/yookassa", bank.url()),
        shop_id: bank.setup().merchant_id.clone(),
        secret_key: bank.setup().token.clone(),
        manual_capture,
        receipts: Receipts::Own,
        payment_mode: PaymentMode::default(),
        tax_system_code: None,
        payment_hosts: Vec::new(),
    };
    Arc::new(Yookassa::new(client(), setup))
}

async fn bank() -> Sandbox {
    let clock = Clock::manual("2026-11-22T09:00:00Z".parse().expect("a time"));
    Sandbox::start(Setup {
        clock,
        calls_max: usize::MAX,
        unique_numbers: false,
        ..Setup::default()
    })
    .await
    .expect("a sandbox")
}

fn client() -> Client {
    Client::new(Duration::from_secs(10), 4 << 20).expect("a client")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invoicebox_takes_the_right_sum_once_whatever_happens() {
    let bank = bank().await;
    play_all(of_invoicebox(&bank), bank).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn yookassa_takes_the_right_sum_once_whatever_happens() {
    let bank = bank().await;
    play_all(of_yookassa(&bank, false), bank).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invoicebox_takes_the_right_sum_once_when_a_bill_is_updated() {
    let bank = bank().await;
    alter_all(of_invoicebox(&bank), bank).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invoicebox_moves_money_once_whatever_happens() {
    for kind in [OperationKind::Refund, OperationKind::Capture] {
        let bank = bank().await;
        move_all(kind, of_invoicebox(&bank), bank).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn yookassa_moves_money_once_whatever_happens() {
    for kind in [OperationKind::Refund, OperationKind::Capture] {
        let bank = bank().await;
        move_all(kind, of_yookassa(&bank, kind == OperationKind::Capture), bank).await;
    }
}
