//! However the payment system answers and wherever the payment worker dies,
//! there are never two payable orders at the payment system, and in the end
//! there is one with the right sum.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tillgate::flows::move_money::{Request, move_money};
use tillgate::flows::place_order::{Placed, Placement, place};
use tillgate::flows::revise_order::{self, Change, RequestedChange, revise};
use tillgate::flows::{
    Alarms, Callbacks, ChangeFeed, ClockSkew, PausedGateways, PaymentProfile, Rates, Services,
    load_record,
};
use tillgate::gateway::{Addresses, Call, Failure, Provider};
use tillgate::kernel::Fingerprint;
use tillgate::kernel::time::later;
use tillgate::kernel::{Clock, ExternalId, Money, PartyName, Quantity, Timestamp};
use tillgate::orders::Number;
use tillgate::orders::Order;
use tillgate::outbox::Lane;
use tillgate::outbox::{Claim, Delivery};
use tillgate::payments::{
    Bill, Checkout, Customer, Line, Operation, OperationKind, OperationState, PaymentId,
    PaymentState, RemoteOperation, RemoteOperationStatus, RemotePayment, RemotePaymentStatus,
    ShipmentReport, SiteUrls, Terms, VatCode,
};
use tillgate::store::memory::Memory;
use tillgate::store::{Batch, Expect, Scan, Store};
use tillgate::workers::payment_worker::PaymentWorker;
use tokio::sync::Notify;

use super::TERMS;

/// What happens in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Done, and the answer arrives.
    Fine,
    /// Not sent.
    NotSent,
    /// Not done, and the caller does not know.
    Broken,
    /// Done, and the answer is lost.
    Lost,
    /// Done, the answer is lost, and the payment system shows the order only
    /// later.
    Late,
    /// Refused.
    Refused,
    /// The process dies before the call is sent.
    DiesBefore,
    /// The call is carried out, and the process dies before the answer arrives.
    DiesAfter,
}

const TURNS: [Turn; 8] = [
    Turn::Fine,
    Turn::NotSent,
    Turn::Broken,
    Turn::Lost,
    Turn::Late,
    Turn::Refused,
    Turn::DiesBefore,
    Turn::DiesAfter,
];

/// After this time the payment system shows an order that was created with
/// `Turn::Late`.
const LATE: Duration = Duration::from_secs(115);

/// A payment system that accepts a number twice, which is the default setting
/// of a shop there.
#[derive(Debug)]
struct Bank {
    clock: Clock,
    books: Mutex<Books>,
    died: Notify,
}

#[derive(Debug, Default)]
struct Books {
    orders: Vec<(RemotePayment, Timestamp)>,
    /// The description that the payer reads, by the id of the order.
    words: BTreeMap<String, String>,
    refunds: Vec<(RemoteOperation, Timestamp)>,
    script: VecDeque<Turn>,
    payable_at_once: usize,
}

impl Bank {
    /// Plays the next turn. `act` carries out the call.
    async fn play<T>(
        &self,
        act: impl Fn(&mut Books, Timestamp) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let now = self.clock.now();
        let turn = self.books.lock().expect("unbroken").script.pop_front().unwrap_or(Turn::Fine);
        let act = |visible_at| {
            let mut books = self.books.lock().expect("unbroken");
            let outcome = act(&mut books, visible_at);
            let payable = books
                .orders
                .iter()
                .filter(|(order, _)| order.status == RemotePaymentStatus::Created)
                .count();
            books.payable_at_once = books.payable_at_once.max(payable);
            outcome
        };
        let lost = || Failure::Unknown("the answer was lost".into());
        match turn {
            Turn::Fine => act(now),
            Turn::NotSent => {
                Err(Failure::NotDone { why: "no connection".into(), retry_after: None })
            }
            Turn::Broken => Err(lost()),
            Turn::Lost => act(now).and_then(|_| Err(lost())),
            Turn::Late => act(later(now, LATE)).and_then(|_| Err(lost())),
            Turn::Refused => Err(Failure::Refused("no".into())),
            Turn::DiesBefore | Turn::DiesAfter => {
                if turn == Turn::DiesAfter {
                    let _ = act(now);
                }
                self.died.notify_one();
                std::future::pending().await
            }
        }
    }
}

impl Provider for Bank {
    fn account(&self) -> &str {
        "shop"
    }

    fn terms(&self) -> Terms {
        TERMS
    }

    fn shipment_report(&self) -> ShipmentReport {
        ShipmentReport::ShipmentOrCapture
    }

    fn build_request(&self, id: PaymentId, bill: &Bill, _: &Addresses) -> Result<String, String> {
        Ok(format!("{id} {} {}", bill.total, bill.description))
    }

    fn identify(&self) -> Call<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn create<'a>(&'a self, request: &'a str) -> Call<'a, RemotePayment> {
        Box::pin(self.play(move |books, visible_at| {
            let mut parts = request.splitn(3, ' ');
            let (number, amount) = (parts.next().expect("a number"), parts.next().expect("a sum"));
            let id = format!("remote-{}", books.orders.len());
            books.words.insert(id.clone(), parts.next().expect("words").to_owned());
            let remote = RemotePayment {
                url: Some(format!("https://pay.example/{id}")),
                id,
                number: number.to_owned(),
                account: "shop".into(),
                amount: amount.parse().expect("a sum"),
                currency: "RUB".into(),
                status: RemotePaymentStatus::Created,
                expires_at: None,
            };
            books.orders.push((remote.clone(), visible_at));
            Ok(remote)
        }))
    }

    fn find(&self, id: PaymentId, _: Timestamp) -> Call<'_, Vec<RemotePayment>> {
        Box::pin(self.play(move |books, _| {
            let now = self.clock.now();
            let visible = books
                .orders
                .iter()
                .filter(|(order, at)| order.number == id.to_string() && *at <= now);
            Ok(visible.map(|(order, _)| order.clone()).collect())
        }))
    }

    fn read<'a>(&'a self, remote_id: &'a str) -> Call<'a, RemotePayment> {
        Box::pin(self.play(move |books, _| {
            let found = books.orders.iter().find(|(order, _)| order.id == remote_id);
            found
                .map(|(order, _)| order.clone())
                .ok_or_else(|| Failure::Refused("not found".into()))
        }))
    }

    fn cancel<'a>(&'a self, remote_id: &'a str) -> Call<'a, RemotePayment> {
        Box::pin(self.play(move |books, _| {
            let found = books.orders.iter_mut().find(|(order, _)| order.id == remote_id);
            let (order, _) = found.ok_or_else(|| Failure::Refused("not found".into()))?;
            order.status = RemotePaymentStatus::Canceled;
            Ok(order.clone())
        }))
    }

    fn update<'a>(&'a self, remote_id: &'a str, bill: &'a Bill) -> Option<Call<'a, RemotePayment>> {
        Some(Box::pin(self.play(move |books, _| {
            let found = books.orders.iter().find(|(order, _)| order.id == remote_id);
            let (order, _) = found.ok_or_else(|| Failure::Refused("not found".into()))?;
            assert_eq!(
                (order.status.clone(), order.amount),
                (RemotePaymentStatus::Created, bill.total)
            );
            books.words.insert(remote_id.to_owned(), bill.description.clone());
            Ok(order.clone())
        })))
    }

    fn build_operation_request(
        &self,
        operation: &Operation,
        _: &Bill,
        _: &str,
    ) -> Result<String, String> {
        Ok(format!("{} {}", operation.id, operation.total))
    }

    fn operate<'a>(&'a self, _: OperationKind, request: &'a str) -> Call<'a, RemoteOperation> {
        Box::pin(self.play(move |books, visible_at| {
            let (number, amount) = request.split_once(' ').expect("a request");
            let refund = RemoteOperation {
                id: format!("refund-{}", books.refunds.len()),
                number: number.to_owned(),
                amount: amount.parse().expect("a sum"),
                status: RemoteOperationStatus::Completed,
            };
            books.refunds.push((refund.clone(), visible_at));
            Ok(refund)
        }))
    }

    fn refunds<'a>(&'a self, _: &'a str) -> Call<'a, Vec<RemoteOperation>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn find_operation<'a>(
        &'a self,
        operation: &'a Operation,
        _: &'a str,
    ) -> Call<'a, Vec<RemoteOperation>> {
        Box::pin(self.play(move |books, _| {
            let (now, number) = (self.clock.now(), operation.id.to_string());
            let visible =
                books.refunds.iter().filter(|(refund, at)| refund.number == number && *at <= now);
            Ok(visible.map(|(refund, _)| refund.clone()).collect())
        }))
    }
}

fn bill(kopecks: i64, clock: &Clock) -> Bill {
    let one = (Quantity::from_thousandths(1000), Money::from_kopecks(kopecks));
    let line = Line::priced("1".into(), "Чай".into(), one.0, one.1, VatCode::Ten).expect("a line");
    let expires_at = later(clock.now(), Duration::from_secs(30 * 24 * 3600));
    Bill::over("Заказ".into(), vec![line], Customer::default(), expires_at).expect("a bill")
}

struct World {
    payment_worker: PaymentWorker,
    bank: Arc<Bank>,
    number: Number,
}

impl World {
    async fn new(script: impl IntoIterator<Item = Turn>) -> World {
        let clock = Clock::manual("2026-11-22T09:00:00Z".parse().expect("a time"));
        let (merchant, gateway) = (PartyName::new("site"), PartyName::new("bank"));
        let profile = PaymentProfile {
            gateway: gateway.clone(),
            account: "shop".into(),
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
            public_url: "http://localhost".into(),
            change_feed: ChangeFeed::default(),
            quotas: tillgate::flows::quotas::Quotas::default(),
            parked_orders: tillgate::flows::parked_orders::ParkedOrders::default(),
            alarms: Alarms::default(),
            hints: tillgate::flows::Hints::default(),
            shop_key: Arc::default(),
            clock_skew: ClockSkew::default(),
            paused_gateways: PausedGateways::default(),
        };
        let books = Mutex::new(Books { script: script.into_iter().collect(), ..Books::default() });
        let bank = Arc::new(Bank { clock: clock.clone(), books, died: Notify::new() });
        let placement = Placement {
            merchant,
            merchant_order_id: ExternalId::parse("A-1").expect("a number"),
            bill: bill(10_000, &clock),
            urls: SiteUrls::default(),
            body: "{}".into(),
        };
        let Placed::Known(number) = place(&services, &profile, &placement).await.expect("placed")
        else {
            panic!("a new order is placed")
        };
        let provider: Arc<dyn Provider> = bank.clone();
        let payment_worker = PaymentWorker {
            services,
            gateways: Arc::new(BTreeMap::from([(gateway, provider)])),
            breakers: Arc::default(),
        };
        World { payment_worker, bank, number }
    }

    /// Runs one task of the payment worker, which may die in it. Returns
    /// whether there was a task.
    async fn step(&self) -> bool {
        self.step_in(tillgate::payments::LANE).await
    }

    async fn step_in(&self, lane: Lane) -> bool {
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
            () = self.bank.died.notified() => {}
        }
        true
    }

    /// Advances the clock until no task is left.
    async fn rest(&self) {
        let services = &self.payment_worker.services;
        for _ in 0..200 {
            while self.step().await {}
            let pending = services
                .store
                .scan(&Scan::Outbox {
                    lane: tillgate::payments::LANE,
                    dead: false,
                    queue: None,
                    after: None,
                    limit: 1,
                })
                .await
                .expect("a store");
            if pending.items.is_empty() {
                return;
            }
            services.clock.advance(Duration::from_secs(30));
        }
        panic!("tasks are still pending: {:?}", self.bank.books.lock());
    }

    /// Changes the total of the order.
    async fn change(&self, kopecks: i64) {
        let services = &self.payment_worker.services;
        let record =
            load_record(&services.store, self.number).await.expect("a store").expect("an order");
        let mut checkout = record.checkout.expect("a checkout");
        let now = services.clock.now();
        let tend = checkout.set_bill(Some((2, bill(kopecks, &services.clock))), now);
        let mut order = record.order;
        let mut batch = Batch::new();
        for payment in tend {
            order.messages += 1;
            let id = tillgate::outbox::MessageId {
                subject: self.number.partition(),
                sequence: order.messages,
            };
            let body = serde_json::json!({"task": "payment", "payment": payment}).to_string();
            batch.send(tillgate::outbox::Message {
                id,
                lane: tillgate::payments::LANE,
                queue: "bank".into(),
                body,
                created_at: now,
                wait: Duration::ZERO,
            });
        }
        batch.put(Order::key(self.number), Expect::At(order.version()), &*order, now);
        batch.put(Checkout::key(self.number), Expect::At(checkout.version()), &*checkout, now);
        services.store.commit(batch).await.expect("committed");
    }

    /// Changes the description that the payer reads.
    async fn update(&self, description: &str) {
        let change = Change { description: Some(description.to_owned()), ..Change::default() };
        let request = revise_order::Request {
            merchant: PartyName::new("site"),
            number: self.number,
            change: RequestedChange::Change(Box::new(change)),
            tag: None,
            body: "{}".into(),
        };
        let updated = revise(&self.payment_worker.services, &request).await.expect("a store");
        assert!(updated.is_ok(), "{updated:?}");
    }

    async fn checkout(&self) -> Checkout {
        let record =
            load_record(&self.payment_worker.services.store, self.number).await.expect("a store");
        record.expect("an order").checkout.expect("a checkout").into_document()
    }

    /// Advances the clock until the payment system has got every update, or has
    /// refused it for good.
    async fn tell_all(&self) -> Checkout {
        for _ in 0..200 {
            self.rest().await;
            while self.step_in(tillgate::payments::WATCH_LANE).await {}
            let checkout = self.checkout().await;
            if !checkout.has_pending_update() {
                return checkout;
            }
            self.payment_worker.services.clock.advance(Duration::from_secs(30));
        }
        panic!("an update is still pending: {:?}", self.bank.books.lock());
    }

    /// Checks the invariants when no task is left.
    async fn judge(&self, total: i64, history: &dyn std::fmt::Debug) {
        let checkout = self.checkout().await;
        let scan = Scan::Outbox {
            lane: tillgate::payments::WATCH_LANE,
            dead: false,
            queue: None,
            after: None,
            limit: 50,
        };
        let looks = self.payment_worker.services.store.scan(&scan).await.expect("a store").items;
        let is_watched = |id: PaymentId| {
            looks.iter().any(|(_, stored)| {
                let look: Delivery = stored.document().expect("readable");
                look.body.contains(&format!("\"{id}\"")) && !look.body.contains("alteration")
            })
        };
        let books = self.bank.books.lock().expect("unbroken");
        assert!(
            books.payable_at_once <= 1,
            "two payable orders at once: {history:?}\n{books:?}\n{checkout:?}"
        );
        let payable: Vec<&RemotePayment> = books
            .orders
            .iter()
            .map(|(order, _)| order)
            .filter(|order| order.status == RemotePaymentStatus::Created)
            .collect();
        let current = checkout.current().expect("a payment");
        match (&current.state, payable.as_slice()) {
            (PaymentState::Linked { .. }, [order]) => {
                assert_eq!(order.amount, Money::from_kopecks(total), "{history:?}");
                assert_eq!(
                    current.remote.as_ref().map(|remote| &remote.id),
                    Some(&order.id),
                    "{history:?}"
                );
                assert!(current.link(self.bank.clock.now()).is_some(), "{history:?}");
                assert!(
                    is_watched(current.id),
                    "{history:?}: nobody checks this payment if its notification is lost\n{looks:?}"
                );
            }
            // A refusal before anything was sent is final, and the order needs
            // attention.
            (PaymentState::Refused { .. }, []) => {
                assert!(!checkout.attention.is_empty(), "{history:?}")
            }
            (state, payable) => panic!("{history:?}: {state:?} with {payable:?}\n{checkout:?}"),
        }
    }
}

fn scripts(length: u32) -> impl Iterator<Item = Vec<Turn>> {
    let count = TURNS.len();
    (0..count.pow(length)).map(move |mut place| {
        let mut script = Vec::new();
        for _ in 0..length {
            script.push(TURNS[place % count]);
            place /= count;
        }
        script
    })
}

#[tokio::test]
async fn there_is_one_payable_link_however_calls_end_and_processes_die() {
    for script in scripts(5) {
        let world = World::new(script.clone()).await;
        world.rest().await;
        world.judge(10_000, &script).await;
    }
}

#[tokio::test]
async fn a_changed_order_has_one_payable_link_at_any_moment() {
    for script in scripts(4) {
        for moment in 0..4 {
            let world = World::new(script.clone()).await;
            for _ in 0..moment {
                world.step().await;
            }
            world.change(20_000).await;
            world.rest().await;
            world.judge(20_000, &(&script, moment)).await;
        }
    }
}

/// Several updates, one of them back to the first description. The link stays
/// payable, is never one of two, and in the end the payer reads the last
/// description, or the order has an attention that says that the payment system
/// refused it.
#[tokio::test]
async fn an_updated_bill_arrives_or_the_order_needs_attention() {
    let mut arrived = 0;
    for script in scripts(4) {
        for moment in 0..4 {
            let world = World::new(script.clone()).await;
            for _ in 0..moment {
                world.step().await;
            }
            world.update("Чай").await;
            world.step().await;
            world.step_in(tillgate::payments::WATCH_LANE).await;
            world.update("Заказ").await;
            world.update("Зелёный чай").await;
            let history = (&script, moment);
            let checkout = world.tell_all().await;
            world.judge(10_000, &history).await;
            let current = checkout.current().expect("a payment");
            assert_eq!(current.bill.description, "Зелёный чай", "{history:?}: {checkout:?}");
            let books = world.bank.books.lock().expect("unbroken");
            let read = current.remote.as_ref().and_then(|remote| books.words.get(&remote.id));
            if read.is_some_and(|words| words == "Зелёный чай") {
                arrived += 1;
            } else {
                assert!(!checkout.attention.is_empty(), "{history:?}: {checkout:?}\n{books:?}");
            }
        }
    }
    assert!(arrived > 10_000, "{arrived}");
}

/// The process dies in a call and is restarted without the gateway in its
/// configuration. What it may have sent is not forgotten.
#[tokio::test]
async fn a_gateway_that_is_missing_for_a_while_makes_no_second_link() {
    let mut world = World::new([Turn::DiesAfter]).await;
    world.step().await;
    let gateways = std::mem::take(&mut world.payment_worker.gateways);
    for _ in 0..5 {
        world.payment_worker.services.clock.advance(Duration::from_secs(130));
        world.step().await;
    }
    world.payment_worker.gateways = gateways;
    world.rest().await;
    world.judge(10_000, &"a missing gateway").await;
}

/// However the payment system answers a refund or a capture and wherever the
/// payment worker dies, the money moves once, or not at all if the payment
/// system refused it before it could move. The payment system would do it twice
/// if it were asked twice.
#[tokio::test]
async fn money_moves_once_however_calls_end_and_processes_die() {
    for script in scripts(4) {
        moves_once(OperationKind::Refund, &script).await;
        moves_once(OperationKind::Capture, &script).await;
    }
}

async fn moves_once(kind: OperationKind, script: &[Turn]) {
    let world = World::new([]).await;
    world.rest().await;
    let services = world.payment_worker.services.clone();
    let record =
        load_record(&services.store, world.number).await.expect("a store").expect("an order");
    let mut checkout = record.checkout.expect("a checkout");
    let at = services.clock.now();
    let is_capture = kind == OperationKind::Capture;
    checkout.payments[0].state =
        if is_capture { PaymentState::Held { at } } else { PaymentState::Paid { at } };
    let mut batch = Batch::new();
    batch.put(Checkout::key(world.number), Expect::At(checkout.version()), &*checkout, at);
    services.store.commit(batch).await.expect("committed");

    world.bank.books.lock().expect("unbroken").script = script.iter().copied().collect();
    let request = Request {
        merchant: PartyName::new("site"),
        number: world.number,
        kind,
        payment: None,
        parts: Vec::new(),
        reason: None,
        request_fingerprint: Fingerprint::of(&[b"a request"]),
    };
    for _ in 0..2 {
        let planned = move_money(&services, &request).await.expect("a store");
        // The second request finds the operation.
        assert!(planned.is_ok(), "{script:?}: {planned:?}");
    }
    world.rest().await;

    let record =
        load_record(&services.store, world.number).await.expect("a store").expect("an order");
    let checkout = record.checkout.expect("a checkout").into_document();
    let books = world.bank.books.lock().expect("unbroken");
    let [operation] = checkout.operations.as_slice() else { panic!("{script:?}: {checkout:?}") };
    let state_of_payment = &checkout.payments[0].state;
    match (&operation.state, books.refunds.as_slice()) {
        (OperationState::Done { .. }, [(made, _)]) => {
            assert_eq!(made.amount, Money::from_kopecks(10_000), "{script:?}");
            let back = if is_capture { Money::ZERO } else { made.amount };
            assert_eq!(checkout.refunded(operation.id.payment), back, "{script:?}");
            assert!(
                matches!(state_of_payment, PaymentState::Paid { .. }),
                "{script:?}: {checkout:?}"
            );
        }
        (OperationState::Refused { .. }, []) => {
            assert!(!checkout.attention.is_empty(), "{script:?}");
            assert_eq!(checkout.payments[0].is_held(), is_capture, "{script:?}");
        }
        (state, made) => panic!("{script:?}: {state:?} with {made:?}"),
    }
}
