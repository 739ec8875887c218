//! The contract of a payment system adapter. Each function checks one promise,
//! and every adapter is run through all of them against its sandbox. An adapter
//! that passes the list is a valid [`Provider`].

use std::time::Duration;

use super::invoicebox::{self, Invoicebox, MethodIds, Version};
use super::yookassa::{self, Yookassa};
use super::*;
use crate::kernel::time::later;
use crate::kernel::{Clock, Money, Quantity, Secret, Timestamp};
use crate::orders::Number;
use crate::payments::{
    Bill, Customer, Line, Operation, OperationId, OperationKind, OperationState, PaymentId,
    PaymentMethod, PaymentMode, PaymentWishes, Receipts, RemoteOperation, RemoteOperationStatus,
    RemotePayment, RemotePaymentStatus, VatCode,
};
use crate::peer::{ANSWER_BYTES_MAX, Client, leads_home};
use tillgate_lab::sandbox::{Call, Outcome, Sandbox, Setup, Trouble};

/// A provider together with the sandbox that it calls.
trait Stage: Sized {
    async fn set() -> Self;

    fn provider(&self) -> &dyn Provider;

    /// The same provider with wrong credentials.
    fn stranger(&self) -> Box<dyn Provider>;

    /// The same provider with an address on which nothing listens.
    fn alone(&self) -> Box<dyn Provider>;

    /// The same provider with manual capture: money is held first.
    fn holding(&self) -> Box<dyn Provider>;

    fn sandbox(&self) -> &Sandbox;

    fn misbehave(&self, call: Call, trouble: Trouble) {
        self.sandbox().misbehave(call, [trouble]);
    }

    /// The number of orders in the payment system's own ledger.
    fn orders(&self) -> usize {
        self.sandbox().ledger().len()
    }

    /// Simulates an action of the buyer on an order.
    fn acts(&self, remote: &RemotePayment, outcome: Outcome) {
        let ledger = self.sandbox().ledger();
        let order = ledger.iter().find(|order| order.id == remote.id).expect("an order");
        self.sandbox().buyer_acts(&order.container, outcome);
    }

    /// Advances the sandbox's clock.
    fn wait(&self, time: Duration) {
        self.sandbox().setup().clock.advance(time);
    }
}

/// A time before any order was created.
const LONG_AGO: Timestamp = Timestamp::UNIX_EPOCH;

/// An address on which nothing listens: a port that was free a moment ago.
fn nowhere() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr();
    format!("http://{}", free.expect("an address"))
}

async fn sandbox() -> Sandbox {
    let clock = Clock::manual(Clock::System.now());
    Sandbox::start(Setup { clock, ..Setup::default() }).await.expect("a sandbox")
}

fn id(attempt: u32) -> PaymentId {
    PaymentId { number: Number::smallest(), attempt }
}

fn bill(kopecks: i64) -> Bill {
    let priced = (Quantity::from_thousandths(3000), Money::from_kopecks(kopecks));
    let line =
        Line::priced("100201".into(), "Молоко 3,2 %".into(), priced.0, priced.1, VatCode::Ten)
            .expect("a line");
    let weighed = (Quantity::from_thousandths(355), Money::from_kopecks(89_900));
    let weighed =
        Line::priced("310077".into(), "Сыр".into(), weighed.0, weighed.1, VatCode::Twenty)
            .expect("a line");
    let customer = Customer { email: Some("anna@example.org".into()), ..Customer::default() };
    let expires_at = later(Clock::System.now(), Duration::from_secs(3600));
    Bill::over("Заказ".into(), vec![line, weighed], customer, expires_at).expect("a bill")
}

fn addresses() -> Addresses {
    let url = |path: &str| format!("https://shop.example/{path}");
    Addresses {
        success: url("success"),
        fail: url("fail"),
        back: url("back"),
        notification: url("notification"),
    }
}

fn build_request(stage: &impl Stage, id: PaymentId) -> String {
    stage.provider().build_request(id, &bill(12_990), &addresses()).expect("a request")
}

async fn the_same_bill_makes_the_same_bytes(stage: impl Stage) {
    let (one, bill) = (id(1), bill(12_990));
    let build_request = || stage.provider().build_request(one, &bill, &addresses());
    assert_eq!(build_request(), build_request());
}

async fn the_created_order_is_the_requested_one(stage: impl Stage) {
    let made = stage.provider().create(&build_request(&stage, id(1))).await.expect("made");
    assert_eq!(
        (made.number.as_str(), made.account.as_str()),
        ("100000000000-1", stage.provider().account())
    );
    assert_eq!((made.amount, made.currency.as_str()), (bill(12_990).total, "RUB"));
    assert_eq!(made.status, RemotePaymentStatus::Created);
    assert!(made.url.is_some());
    assert_eq!(stage.provider().read(&made.id).await, Ok(made.clone()));
    assert_eq!(stage.provider().find(id(1), LONG_AGO).await, Ok(vec![made]));
}

async fn nothing_is_found_under_another_number(stage: impl Stage) {
    stage.provider().create(&build_request(&stage, id(1))).await.expect("made");
    assert_eq!(stage.provider().find(id(2), LONG_AGO).await, Ok(Vec::new()));
    assert_eq!(stage.provider().find(id(11), LONG_AGO).await, Ok(Vec::new()));
}

async fn wrong_credentials_never_prove_absence(stage: impl Stage) {
    let stranger = stage.stranger();
    for failure in [
        stranger.identify().await.err(),
        stranger.find(id(1), LONG_AGO).await.err(),
        stranger.create(&build_request(&stage, id(1))).await.err(),
    ] {
        assert!(matches!(failure, Some(Failure::NoAccess(_))), "{failure:?}");
    }
    assert_eq!((stage.provider().identify().await, stage.orders()), (Ok(()), 0));
}

async fn a_request_that_was_not_sent_was_not_done(stage: impl Stage) {
    let outcome = stage.alone().create(&build_request(&stage, id(1))).await;
    assert!(matches!(outcome, Err(Failure::NotDone { .. })), "{outcome:?}");
}

async fn a_lost_answer_is_unknown_and_the_order_is_found(stage: impl Stage) {
    for (attempt, trouble) in [(1, Trouble::AcceptThenDrop), (2, Trouble::Garbage)] {
        stage.misbehave(Call::Create, trouble);
        let outcome = stage.provider().create(&build_request(&stage, id(attempt))).await;
        assert!(matches!(outcome, Err(Failure::Unknown(_))), "{outcome:?}");
        assert_eq!(
            stage.provider().find(id(attempt), LONG_AGO).await.map(|found| found.len()),
            Ok(1)
        );
    }
}

async fn a_server_error_is_unknown(stage: impl Stage) {
    stage.misbehave(Call::Create, Trouble::Broken);
    let outcome = stage.provider().create(&build_request(&stage, id(1))).await;
    assert!(matches!(outcome, Err(Failure::Unknown(_))), "{outcome:?}");
}

async fn a_rate_limited_call_is_not_done_and_says_how_long_to_wait(stage: impl Stage) {
    stage.misbehave(Call::Create, Trouble::TooMany(7));
    let outcome = stage.provider().create(&build_request(&stage, id(1))).await;
    let retry_after = Some(Duration::from_secs(7));
    assert!(
        matches!(&outcome, Err(Failure::NotDone { retry_after: got, .. }) if *got == retry_after),
        "{outcome:?}"
    );
    assert_eq!(stage.orders(), 0);
}

async fn a_refusal_says_why(stage: impl Stage) {
    stage.misbehave(Call::Create, Trouble::Refused);
    let outcome = stage.provider().create(&build_request(&stage, id(1))).await;
    assert!(matches!(&outcome, Err(Failure::Refused(why)) if !why.is_empty()), "{outcome:?}");
}

/// The same bytes sent again are refused as a duplicate, or return the existing
/// order. They never create a second one.
async fn a_number_makes_one_order(stage: impl Stage) {
    let request = build_request(&stage, id(1));
    let made = stage.provider().create(&request).await.expect("made");
    match stage.provider().create(&request).await {
        Ok(again) => assert_eq!(again.id, made.id),
        Err(failure) => assert_eq!(failure, Failure::Duplicate),
    }
    assert_eq!(stage.orders(), 1);
}

/// An order that waits for its buyer is either cancelled, or the payment system
/// refuses to cancel it and it expires by itself.
async fn a_cancelled_order_stays_cancelled(stage: impl Stage) {
    let made = stage.provider().create(&build_request(&stage, id(1))).await.expect("made");
    let status = async || stage.provider().read(&made.id).await.expect("read").status;
    match stage.provider().cancel(&made.id).await {
        Ok(cancelled) => {
            assert_eq!(
                (cancelled.status, status().await),
                (RemotePaymentStatus::Canceled, RemotePaymentStatus::Canceled)
            );
        }
        Err(failure) => {
            assert!(matches!(failure, Failure::Refused(_)), "{failure:?}");
            assert_eq!(status().await, RemotePaymentStatus::Created);
            stage.wait(Duration::from_secs(3600));
            assert_eq!(status().await, RemotePaymentStatus::Expired);
        }
    }
}

/// Where a payment system supports updates, an update changes the same order,
/// keeps its sum, and works only while the order waits for its buyer.
async fn a_waiting_order_is_updated_and_keeps_its_identity(stage: impl Stage) {
    let made = stage.provider().create(&build_request(&stage, id(1))).await.expect("made");
    let customer = Customer { email: Some("olga@example.org".into()), ..Customer::default() };
    let expires_at = later(Clock::System.now(), Duration::from_secs(7200));
    let bill =
        Bill { description: "Иной заказ".into(), customer, expires_at, ..bill(12_990) };
    let Some(call) = stage.provider().update(&made.id, &bill) else { return };
    let updated = call.await.expect("updated");
    assert_eq!(updated.expires_at.map(Timestamp::as_second), Some(expires_at.as_second()));
    assert_eq!(RemotePayment { expires_at: made.expires_at, ..updated.clone() }, made);
    assert_eq!(stage.provider().read(&made.id).await, Ok(updated));
    assert_eq!(
        (stage.orders(), stage.sandbox().ledger()[0].description.as_str()),
        (1, "Иной заказ")
    );
    // Repeating an update changes nothing, the outcome of a lost answer is
    // unknown, and a caller with wrong credentials cannot update anything.
    let update =
        async |bill: &Bill| stage.provider().update(&made.id, bill).expect("updatable").await;
    for trouble in [Trouble::AcceptThenDrop, Trouble::Garbage, Trouble::Broken] {
        stage.misbehave(Call::Update, trouble);
        assert!(matches!(update(&bill).await, Err(Failure::Unknown(_))), "{trouble:?}");
    }
    let stranger = stage.stranger();
    let strangers = stranger.update(&made.id, &bill).expect("updatable").await;
    assert!(matches!(strangers, Err(Failure::NoAccess(_))), "{strangers:?}");
    assert!(update(&bill).await.is_ok());
    stage.acts(&made, Outcome::Pay);
    let late = update(&bill).await;
    assert!(matches!(late, Err(Failure::Refused(_))), "{late:?}");
}

/// The payment system gets what the payer pays with, and the payment mode of
/// the receipt. SBP takes the money at once, also where cards are held.
async fn the_payer_pays_with_what_was_asked_for(stage: impl Stage) {
    assert_eq!(stage.provider().terms().methods, PaymentMethod::ALL);
    for (sequence, method) in (1..).zip(PaymentMethod::ALL) {
        let wishes = PaymentWishes { method: Some(method), mode: Some(PaymentMode::Advance) };
        let bill = Bill { wishes, ..bill(12_990) };
        let request = stage.holding().build_request(id(sequence), &bill, &addresses());
        let made = stage.holding().create(&request.expect("a request")).await.expect("made");
        let ledger = stage.sandbox().ledger();
        let entry = ledger.iter().find(|entry| entry.id == made.id).expect("an order");
        assert_eq!(entry.method.as_deref(), Some(method.as_str()));
        assert!(entry.request.contains("\"advance\""), "{}", entry.request);
        stage.acts(&made, Outcome::Hold);
        let expected = match method {
            PaymentMethod::BankCard => RemotePaymentStatus::Held,
            PaymentMethod::Sbp => RemotePaymentStatus::Completed,
        };
        let read = stage.holding().read(&made.id).await.map(|order| order.status);
        assert_eq!(read, Ok(expected), "{method:?}");
    }
}

async fn a_held_payment_is_released(stage: impl Stage) {
    let held = held(&stage).await;
    let released = stage.holding().cancel(&held.id).await.expect("released");
    assert_eq!(released.status, RemotePaymentStatus::Canceled);
    assert_eq!(
        stage.provider().read(&held.id).await.map(|order| order.status),
        Ok(RemotePaymentStatus::Canceled)
    );
}

async fn a_held_payment_is_captured_in_part_and_the_rest_is_released(stage: impl Stage) {
    let held = held(&stage).await;
    let capture = operation(OperationKind::Capture, 1, 12_990);
    assert_eq!(stage.provider().find_operation(&capture, &held.id).await, Ok(Vec::new()));
    let made = operate(&stage, &capture, &held).await.expect("captured");
    assert_eq!(
        (made.number.as_str(), made.amount),
        ("100000000000-1-1", Money::from_kopecks(12_990))
    );
    assert_eq!(stage.provider().find_operation(&capture, &held.id).await, Ok(vec![made]));
    assert_eq!(
        stage.provider().read(&held.id).await.map(|order| order.status),
        Ok(RemotePaymentStatus::Completed)
    );
    // The released part cannot be refunded.
    let more = operate(&stage, &refund(2, 12_991), &held).await;
    assert!(matches!(more, Err(Failure::Refused(_))), "{more:?}");
}

async fn a_paid_order_is_shown_as_paid_and_cannot_be_cancelled(stage: impl Stage) {
    let made = stage.provider().create(&build_request(&stage, id(1))).await.expect("made");
    stage.acts(&made, Outcome::Pay);
    assert_eq!(
        stage.provider().read(&made.id).await.map(|order| order.status),
        Ok(RemotePaymentStatus::Completed)
    );
    assert!(stage.provider().cancel(&made.id).await.is_err());
    let found = stage.provider().find(id(1), LONG_AGO).await.expect("found");
    assert_eq!(found.first().map(|order| &order.status), Some(&RemotePaymentStatus::Completed));
}

/// A refund of the first line of a paid order.
fn refund(sequence: u32, kopecks: i64) -> Operation {
    operation(OperationKind::Refund, sequence, kopecks)
}

fn operation(kind: OperationKind, sequence: u32, kopecks: i64) -> Operation {
    let priced = (Quantity::from_thousandths(1000), Money::from_kopecks(kopecks));
    let line =
        Line::priced("100201".into(), "Молоко 3,2 %".into(), priced.0, priced.1, VatCode::Ten)
            .expect("a line");
    Operation {
        id: OperationId { payment: id(1), sequence },
        kind,
        total: line.total,
        vat: line.vat,
        lines: vec![line],
        reason: Some("Разбито".into()),
        state: OperationState::Planned,
        created_at: Clock::System.now(),
        request_fingerprint: None,
        request: None,
        outcome_unknown: false,
        remote_id: None,
    }
}

async fn held(stage: &impl Stage) -> RemotePayment {
    let holding = stage.holding();
    let request = holding.build_request(id(1), &bill(12_990), &addresses()).expect("a request");
    let made = holding.create(&request).await.expect("made");
    stage.acts(&made, Outcome::Hold);
    assert_eq!(
        holding.read(&made.id).await.map(|order| order.status),
        Ok(RemotePaymentStatus::Held)
    );
    made
}

async fn paid(stage: &impl Stage) -> RemotePayment {
    let made = stage.provider().create(&build_request(stage, id(1))).await.expect("made");
    stage.acts(&made, Outcome::Pay);
    made
}

async fn operate(
    stage: &impl Stage,
    operation: &Operation,
    remote: &RemotePayment,
) -> Result<RemoteOperation, Failure> {
    let request = stage
        .provider()
        .build_operation_request(operation, &bill(12_990), &remote.id)
        .expect("a request");
    stage.provider().operate(operation.kind, &request).await
}

async fn a_payment_is_refunded_in_parts_and_each_refund_is_found_by_its_number(stage: impl Stage) {
    let paid = paid(&stage).await;
    for (sequence, kopecks) in [(1, 12_990), (2, 1)] {
        let refund = refund(sequence, kopecks);
        let made = operate(&stage, &refund, &paid).await.expect("made");
        assert_eq!(
            (made.number, made.amount),
            (refund.id.to_string(), Money::from_kopecks(kopecks))
        );
        assert_eq!(made.status, RemoteOperationStatus::Completed);
        let found = stage.provider().find_operation(&refund, &paid.id).await.expect("found");
        assert_eq!(
            found.iter().map(|refund| refund.id.as_str()).collect::<Vec<_>>(),
            [made.id.as_str()]
        );
    }
    assert_eq!(stage.provider().find_operation(&refund(3, 1), &paid.id).await, Ok(Vec::new()));
    let stranger = stage.stranger().find_operation(&refund(1, 12_990), &paid.id).await;
    assert!(matches!(stranger, Err(Failure::NoAccess(_))), "{stranger:?}");
}

async fn no_more_is_refunded_than_was_paid(stage: impl Stage) {
    let paid = paid(&stage).await;
    operate(&stage, &refund(1, 3 * 12_990 - 1), &paid).await.expect("made");
    // Some payment systems check refunds by line, others by sum. This one
    // exceeds both.
    let more = operate(&stage, &refund(2, bill(12_990).total.kopecks()), &paid).await;
    assert!(matches!(more, Err(Failure::Refused(_))), "{more:?}");
    let unpaid = stage.provider().create(&build_request(&stage, id(2))).await.expect("made");
    let nothing = operate(&stage, &refund(3, 1), &unpaid).await;
    assert!(matches!(nothing, Err(Failure::Refused(_))), "{nothing:?}");
}

async fn a_refund_with_a_lost_answer_is_unknown_and_is_found(stage: impl Stage) {
    let paid = paid(&stage).await;
    for (sequence, trouble) in [(1, Trouble::AcceptThenDrop), (2, Trouble::Garbage)] {
        stage.misbehave(Call::Operate, trouble);
        let refund = refund(sequence, 100);
        let outcome = operate(&stage, &refund, &paid).await;
        assert!(matches!(outcome, Err(Failure::Unknown(_))), "{outcome:?}");
        match operate(&stage, &refund, &paid).await {
            Ok(again) => assert_eq!(again.number, refund.id.to_string()),
            Err(failure) => assert_eq!(failure, Failure::Duplicate),
        }
        let found = stage.provider().find_operation(&refund, &paid.id).await;
        assert_eq!(found.map(|found| found.len()), Ok(1));
    }
}

async fn a_shipment_is_recorded_and_found_by_its_number(stage: impl Stage) {
    let paid = paid(&stage).await;
    let shipment = operation(OperationKind::Shipment, 1, 12_990);
    let made = operate(&stage, &shipment, &paid).await.expect("made");
    assert_eq!(
        (made.number.as_str(), made.amount),
        ("100000000000-1-1", Money::from_kopecks(12_990))
    );
    assert_eq!(stage.provider().find_operation(&shipment, &paid.id).await, Ok(vec![made]));
}

async fn sums_are_exact_to_the_kopeck(stage: impl Stage) {
    for (attempt, kopecks) in (1..).zip([1, 29, 57, 101, 999, 12_345, 100_001, 33_333_333]) {
        let (id, bill) = (id(attempt), bill(kopecks));
        let request = stage.provider().build_request(id, &bill, &addresses()).expect("a request");
        let made = stage
            .provider()
            .create(&request)
            .await
            .unwrap_or_else(|why| panic!("{kopecks}: {why}"));
        assert_eq!(made.amount, bill.total);
    }
}

struct OfInvoicebox {
    sandbox: Sandbox,
    provider: Invoicebox,
}

fn invoicebox(url: String, token: Secret, sandbox: &Sandbox) -> Invoicebox {
    let client = Client::new(Duration::from_secs(5), ANSWER_BYTES_MAX).expect("a client");
    let merchant_id = sandbox.setup().merchant_id.clone();
    let setup = invoicebox::Setup {
        url,
        version: Version::V3,
        token,
        merchant_id,
        payment_hosts: Vec::new(),
        receipts: Receipts::Own,
        payment_mode: PaymentMode::default(),
        methods: MethodIds { bank_card: Some(1), sbp: Some(2) },
    };
    Invoicebox::new(client, setup)
}

impl Stage for OfInvoicebox {
    async fn set() -> OfInvoicebox {
        let sandbox = sandbox().await;
        let provider = invoicebox(sandbox.url(), sandbox.setup().token.clone(), &sandbox);
        OfInvoicebox { sandbox, provider }
    }

    fn provider(&self) -> &dyn Provider {
        &self.provider
    }

    fn stranger(&self) -> Box<dyn Provider> {
        Box::new(invoicebox(self.sandbox.url(), Secret::new("another token"), &self.sandbox))
    }

    fn alone(&self) -> Box<dyn Provider> {
        Box::new(invoicebox(nowhere(), self.sandbox.setup().token.clone(), &self.sandbox))
    }

    fn holding(&self) -> Box<dyn Provider> {
        Box::new(invoicebox(self.sandbox.url(), self.sandbox.setup().token.clone(), &self.sandbox))
    }

    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
}

struct OfYookassa {
    sandbox: Sandbox,
    provider: Yookassa,
}

fn yookassa(url: &str, secret_key: Secret, manual_capture: bool, sandbox: &Sandbox) -> Yookassa {
    let client = Client::new(Duration::from_secs(5), 1024 * 1024).expect("a client");
    let setup = yookassa::Setup {
        url: format!("{url}/yookassa"),
        shop_id: sandbox.setup().merchant_id.clone(),
        secret_key,
        manual_capture,
        receipts: Receipts::Own,
        payment_mode: PaymentMode::default(),
        tax_system_code: None,
        payment_hosts: Vec::new(),
    };
    Yookassa::new(client, setup)
}

impl Stage for OfYookassa {
    async fn set() -> OfYookassa {
        let sandbox = sandbox().await;
        let provider = yookassa(&sandbox.url(), sandbox.setup().token.clone(), false, &sandbox);
        OfYookassa { sandbox, provider }
    }

    fn provider(&self) -> &dyn Provider {
        &self.provider
    }

    fn stranger(&self) -> Box<dyn Provider> {
        Box::new(yookassa(&self.sandbox.url(), Secret::new("another key"), false, &self.sandbox))
    }

    fn alone(&self) -> Box<dyn Provider> {
        Box::new(yookassa(&nowhere(), self.sandbox.setup().token.clone(), false, &self.sandbox))
    }

    fn holding(&self) -> Box<dyn Provider> {
        Box::new(yookassa(
            &self.sandbox.url(),
            self.sandbox.setup().token.clone(),
            true,
            &self.sandbox,
        ))
    }

    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
}

/// A payment is found even if it is not on the first page of the list.
#[tokio::test]
async fn a_payment_is_found_behind_a_hundred_others() {
    let stage = OfYookassa::set().await;
    stage.provider.create(&build_request(&stage, id(1))).await.expect("made");
    for attempt in 2..=90 {
        stage.provider.create(&build_request(&stage, id(attempt))).await.expect("made");
    }
    // Let the sandbox's rate limit recover.
    stage.wait(Duration::from_secs(60));
    for attempt in 91..=120 {
        stage.provider.create(&build_request(&stage, id(attempt))).await.expect("made");
    }
    let found = stage.provider.find(id(1), LONG_AGO).await.expect("found");
    assert_eq!(found.len(), 1);
    let since = later(stage.sandbox.setup().clock.now(), Duration::from_secs(3600));
    assert_eq!(stage.provider.find(id(1), since).await, Ok(Vec::new()));
}

macro_rules! promises {
    ($module:ident, $stage:ty: $($promise:ident),+ $(,)?) => {
        mod $module {
            use super::*;
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$promise(<$stage>::set().await).await;
                }
            )+
        }
    };
}

/// Runs the whole list of promises against one provider.
macro_rules! on {
    ($module:ident, $stage:ty) => {
        promises!(
            $module, $stage:
            the_same_bill_makes_the_same_bytes,
            the_created_order_is_the_requested_one,
            nothing_is_found_under_another_number,
            wrong_credentials_never_prove_absence,
            a_request_that_was_not_sent_was_not_done,
            a_lost_answer_is_unknown_and_the_order_is_found,
            a_server_error_is_unknown,
            a_rate_limited_call_is_not_done_and_says_how_long_to_wait,
            a_refusal_says_why,
            a_number_makes_one_order,
            a_cancelled_order_stays_cancelled,
            a_waiting_order_is_updated_and_keeps_its_identity,
            the_payer_pays_with_what_was_asked_for,
            a_held_payment_is_released,
            a_held_payment_is_captured_in_part_and_the_rest_is_released,
            a_paid_order_is_shown_as_paid_and_cannot_be_cancelled,
            a_payment_is_refunded_in_parts_and_each_refund_is_found_by_its_number,
            no_more_is_refunded_than_was_paid,
            a_refund_with_a_lost_answer_is_unknown_and_is_found,
            a_shipment_is_recorded_and_found_by_its_number,
            sums_are_exact_to_the_kopeck,
        );
    };
}

on!(of_invoicebox, OfInvoicebox);
on!(of_yookassa, OfYookassa);

/// Buyers are sent only to the payment system's own hosts.
#[test]
fn a_payment_page_on_a_foreign_host_is_rejected() {
    let may = |api: &str, hosts: &[&str], page: &str| {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        leads_home(api, &hosts, page)
    };
    let (api, hosts) = ("https://api.invoicebox.ru", ["pay.invoicebox.ru"].as_slice());
    assert!(may(api, hosts, "https://pay.invoicebox.ru/order/1"));
    assert!(may(api, hosts, "https://api.invoicebox.ru/order/1"));
    for page in [
        "http://pay.invoicebox.ru/order/1",
        "https://pay.invoicebox.ru.evil.example/order/1",
        "https://evil.example/pay.invoicebox.ru",
        "https://pay.invoicebox.ru@evil.example/",
        "https://user@pay.invoicebox.ru/",
        "javascript:alert(1)",
        "//pay.invoicebox.ru/",
        "",
    ] {
        assert!(!may(api, hosts, page), "{page}");
    }
    assert!(may("http://127.0.0.1:8090", &[], "http://127.0.0.1:8090/order/1"));
}

/// A fake payment system that gives fixed answers to two requests.
async fn parrot(identity: &'static str, list: &'static str) -> String {
    let routes = axum::Router::new()
        .route("/v3/security/api/auth/auth", axum::routing::get(move || async move { identity }))
        .route("/v3/filter/api/order/order", axum::routing::get(move || async move { list }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    // The runtime stops the server when the test ends.
    tokio::spawn(axum::serve(listener, routes).into_future());
    url
}

/// The payment system may answer 200 to an unknown caller: with no user and an
/// empty list. That does not prove that an order is absent.
#[tokio::test]
async fn an_empty_list_for_an_unknown_caller_proves_no_absence() {
    let stage = OfInvoicebox::set().await;
    let url = parrot(r#"{"data":{"userId":null}}"#, r#"{"data":[]}"#).await;
    let provider = invoicebox(url, Secret::new("token"), &stage.sandbox);
    assert!(matches!(provider.find(id(1), LONG_AGO).await, Err(Failure::NoAccess(_))));
}

/// A list that was not filtered by our number proves nothing about it.
#[tokio::test]
async fn an_ignored_filter_proves_no_absence() {
    let stage = OfInvoicebox::set().await;
    let others = concat!(
        r#"{"data":[{"id":"1","merchantId":"m","merchantOrderId":"other","#,
        r#""amount":1,"currencyId":"RUB","status":"created"}]}"#,
    );
    let url = parrot(r#"{"data":{"userId":"1"}}"#, others).await;
    let provider = invoicebox(url, Secret::new("token"), &stage.sandbox);
    assert!(matches!(provider.find(id(1), LONG_AGO).await, Err(Failure::Unknown(_))));
}
