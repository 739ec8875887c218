//! What every payment system's adapter promises, one function each, run against its sandbox. The list is the contract:
//! a provider is one that passes it.

use std::time::Duration;

use super::invoicebox::{self, Invoicebox, Version};
use super::yookassa::{self, Yookassa};
use super::*;
use crate::kernel::time::later;
use crate::kernel::{Clock, Money, Quantity, Secret, Timestamp};
use crate::orders::Number;
use crate::payments::{
    Bill, Customer, Line, Operation, OperationId, OperationKind, OperationState, PaymentId, PaymentMode,
    Receipts, Remote, RemoteOperation, RemoteOperationStatus, RemoteStatus, VatCode,
};
use crate::peer::{ANSWER_BYTES_MAX, Client, leads_home};
use tillgate_lab::sandbox::{Call, Outcome, Sandbox, Setup, Trouble};

/// A provider with the sandbox it speaks to.
trait Stage: Sized {
    async fn set() -> Self;

    fn provider(&self) -> &dyn Provider;

    /// The same provider with credentials that are not right.
    fn stranger(&self) -> Box<dyn Provider>;

    /// The same provider where nobody listens.
    fn alone(&self) -> Box<dyn Provider>;

    /// The same provider, where money is held before it is taken.
    fn holding(&self) -> Box<dyn Provider>;

    fn sandbox(&self) -> &Sandbox;

    fn misbehave(&self, call: Call, trouble: Trouble) {
        self.sandbox().misbehave(call, [trouble]);
    }

    /// How many orders the payment system has, by its own books.
    fn orders(&self) -> usize {
        self.sandbox().ledger().len()
    }

    /// The buyer does something about an order.
    fn acts(&self, remote: &Remote, outcome: Outcome) {
        let ledger = self.sandbox().ledger();
        let order = ledger.iter().find(|order| order.id == remote.id).expect("an order");
        self.sandbox().buyer_acts(&order.container, outcome);
    }

    /// Time goes by.
    fn wait(&self, time: Duration) {
        self.sandbox().setup().clock.advance(time);
    }
}

/// Before anything was made.
const LONG_AGO: Timestamp = Timestamp::UNIX_EPOCH;

/// Where nobody listens: a port that was free a moment ago.
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
    let line = Line::priced("100201".into(), "Молоко 3,2 %".into(), priced.0, priced.1, VatCode::Ten)
        .expect("a line");
    let weighed = (Quantity::from_thousandths(355), Money::from_kopecks(89_900));
    let weighed =
        Line::priced("310077".into(), "Сыр".into(), weighed.0, weighed.1, VatCode::Twenty).expect("a line");
    let customer = Customer { email: Some("anna@example.org".into()), ..Customer::default() };
    let expires_at = later(Clock::System.now(), Duration::from_secs(3600));
    Bill::over("Заказ".into(), vec![line, weighed], customer, expires_at).expect("a bill")
}

fn addresses() -> Addresses {
    let url = |way: &str| format!("https://shop.example/{way}");
    Addresses { success: url("success"), fail: url("fail"), back: url("back"), notice: url("notice") }
}

fn freeze(stage: &impl Stage, id: PaymentId) -> String {
    stage.provider().freeze(id, &bill(12_990), &addresses()).expect("a request")
}

async fn the_same_bill_makes_the_same_bytes(stage: impl Stage) {
    let (one, bill) = (id(1), bill(12_990));
    let freeze = || stage.provider().freeze(one, &bill, &addresses());
    assert_eq!(freeze(), freeze());
}

async fn what_was_asked_for_is_what_is_there(stage: impl Stage) {
    let made = stage.provider().create(&freeze(&stage, id(1))).await.expect("made");
    assert_eq!((made.number.as_str(), made.account.as_str()), ("100000000000-1", stage.provider().account()));
    assert_eq!((made.amount, made.currency.as_str()), (bill(12_990).total, "RUB"));
    assert_eq!(made.status, RemoteStatus::Created);
    assert!(made.url.is_some());
    assert_eq!(stage.provider().read(&made.id).await, Ok(made.clone()));
    assert_eq!(stage.provider().find(id(1), LONG_AGO).await, Ok(vec![made]));
}

async fn nothing_is_found_under_another_number(stage: impl Stage) {
    stage.provider().create(&freeze(&stage, id(1))).await.expect("made");
    assert_eq!(stage.provider().find(id(2), LONG_AGO).await, Ok(Vec::new()));
    assert_eq!(stage.provider().find(id(11), LONG_AGO).await, Ok(Vec::new()));
}

async fn a_stranger_does_not_believe_in_absence(stage: impl Stage) {
    let stranger = stage.stranger();
    for failure in [
        stranger.identify().await.err(),
        stranger.find(id(1), LONG_AGO).await.err(),
        stranger.create(&freeze(&stage, id(1))).await.err(),
    ] {
        assert!(matches!(failure, Some(Failure::NoAccess(_))), "{failure:?}");
    }
    assert_eq!((stage.provider().identify().await, stage.orders()), (Ok(()), 0));
}

async fn what_reached_nobody_was_not_done(stage: impl Stage) {
    let outcome = stage.alone().create(&freeze(&stage, id(1))).await;
    assert!(matches!(outcome, Err(Failure::NotDone { .. })), "{outcome:?}");
}

async fn a_lost_answer_is_unknown_and_the_order_is_found(stage: impl Stage) {
    for (attempt, trouble) in [(1, Trouble::AcceptThenDrop), (2, Trouble::Garbage)] {
        stage.misbehave(Call::Create, trouble);
        let outcome = stage.provider().create(&freeze(&stage, id(attempt))).await;
        assert!(matches!(outcome, Err(Failure::Unknown(_))), "{outcome:?}");
        assert_eq!(stage.provider().find(id(attempt), LONG_AGO).await.map(|found| found.len()), Ok(1));
    }
}

async fn a_fault_over_there_is_unknown(stage: impl Stage) {
    stage.misbehave(Call::Create, Trouble::Broken);
    let outcome = stage.provider().create(&freeze(&stage, id(1))).await;
    assert!(matches!(outcome, Err(Failure::Unknown(_))), "{outcome:?}");
}

async fn being_told_to_wait_is_not_done_and_says_how_long(stage: impl Stage) {
    stage.misbehave(Call::Create, Trouble::TooMany(7));
    let outcome = stage.provider().create(&freeze(&stage, id(1))).await;
    let wish = Some(Duration::from_secs(7));
    assert!(matches!(&outcome, Err(Failure::NotDone { wish: said, .. }) if *said == wish), "{outcome:?}");
    assert_eq!(stage.orders(), 0);
}

async fn a_refusal_says_why(stage: impl Stage) {
    stage.misbehave(Call::Create, Trouble::Refused);
    let outcome = stage.provider().create(&freeze(&stage, id(1))).await;
    assert!(matches!(&outcome, Err(Failure::Refused(why)) if !why.is_empty()), "{outcome:?}");
}

/// The same bytes again are refused as known, or get what is there already: never a second order.
async fn a_number_makes_one_order(stage: impl Stage) {
    let request = freeze(&stage, id(1));
    let made = stage.provider().create(&request).await.expect("made");
    match stage.provider().create(&request).await {
        Ok(again) => assert_eq!(again.id, made.id),
        Err(failure) => assert_eq!(failure, Failure::Duplicate),
    }
    assert_eq!(stage.orders(), 1);
}

/// One that waits for its buyer is called off, or refuses and dies by itself: it is never neither.
async fn what_is_called_off_stays_so(stage: impl Stage) {
    let made = stage.provider().create(&freeze(&stage, id(1))).await.expect("made");
    let status = async || stage.provider().read(&made.id).await.expect("read").status;
    match stage.provider().cancel(&made.id).await {
        Ok(gone) => {
            assert_eq!((gone.status, status().await), (RemoteStatus::Canceled, RemoteStatus::Canceled));
        }
        Err(failure) => {
            assert!(matches!(failure, Failure::Refused(_)), "{failure:?}");
            assert_eq!(status().await, RemoteStatus::Created);
            stage.wait(Duration::from_secs(3600));
            assert_eq!(status().await, RemoteStatus::Expired);
        }
    }
}

/// Where something can be said anew, it is said of the same order, for the same sum, and only while that waits for its buyer.
async fn what_waits_is_altered_and_stays_itself(stage: impl Stage) {
    let made = stage.provider().create(&freeze(&stage, id(1))).await.expect("made");
    let customer = Customer { email: Some("olga@example.org".into()), ..Customer::default() };
    let expires_at = later(Clock::System.now(), Duration::from_secs(7200));
    let bill = Bill { description: "Иной заказ".into(), customer, expires_at, ..bill(12_990) };
    let Some(call) = stage.provider().alter(&made.id, &bill) else { return };
    let altered = call.await.expect("altered");
    assert_eq!(altered.expires_at.map(Timestamp::as_second), Some(expires_at.as_second()));
    assert_eq!(Remote { expires_at: made.expires_at, ..altered.clone() }, made);
    assert_eq!(stage.provider().read(&made.id).await, Ok(altered));
    assert_eq!((stage.orders(), stage.sandbox().ledger()[0].description.as_str()), (1, "Иной заказ"));
    // Told again it is what it is; an answer that is lost proves nothing, and a stranger alters nothing.
    let alter = async |bill: &Bill| stage.provider().alter(&made.id, bill).expect("it can be told").await;
    for trouble in [Trouble::AcceptThenDrop, Trouble::Garbage, Trouble::Broken] {
        stage.misbehave(Call::Update, trouble);
        assert!(matches!(alter(&bill).await, Err(Failure::Unknown(_))), "{trouble:?}");
    }
    let stranger = stage.stranger();
    let strangers = stranger.alter(&made.id, &bill).expect("it can be told").await;
    assert!(matches!(strangers, Err(Failure::NoAccess(_))), "{strangers:?}");
    assert!(alter(&bill).await.is_ok());
    stage.acts(&made, Outcome::Pay);
    let late = alter(&bill).await;
    assert!(matches!(late, Err(Failure::Refused(_))), "{late:?}");
}

async fn what_is_held_is_let_go(stage: impl Stage) {
    let held = held(&stage).await;
    let gone = stage.holding().cancel(&held.id).await.expect("let go");
    assert_eq!(gone.status, RemoteStatus::Canceled);
    assert_eq!(stage.provider().read(&held.id).await.map(|order| order.status), Ok(RemoteStatus::Canceled));
}

async fn what_is_held_is_taken_in_part_and_the_rest_let_go(stage: impl Stage) {
    let held = held(&stage).await;
    let capture = operation(OperationKind::Capture, 1, 12_990);
    assert_eq!(stage.provider().find_operation(&capture, &held.id).await, Ok(Vec::new()));
    let made = operate(&stage, &capture, &held).await.expect("taken");
    assert_eq!((made.number.as_str(), made.amount), ("100000000000-1-1", Money::from_kopecks(12_990)));
    assert_eq!(stage.provider().find_operation(&capture, &held.id).await, Ok(vec![made]));
    assert_eq!(stage.provider().read(&held.id).await.map(|order| order.status), Ok(RemoteStatus::Completed));
    // Of what was let go nothing can be paid back.
    let more = operate(&stage, &refund(2, 12_991), &held).await;
    assert!(matches!(more, Err(Failure::Refused(_))), "{more:?}");
}

async fn what_is_paid_stands_as_paid_and_is_not_called_off(stage: impl Stage) {
    let made = stage.provider().create(&freeze(&stage, id(1))).await.expect("made");
    stage.acts(&made, Outcome::Pay);
    assert_eq!(stage.provider().read(&made.id).await.map(|order| order.status), Ok(RemoteStatus::Completed));
    assert!(stage.provider().cancel(&made.id).await.is_err());
    let found = stage.provider().find(id(1), LONG_AGO).await.expect("found");
    assert_eq!(found.first().map(|order| &order.status), Some(&RemoteStatus::Completed));
}

/// Money back of the first line of a paid order.
fn refund(sequence: u32, kopecks: i64) -> Operation {
    operation(OperationKind::Refund, sequence, kopecks)
}

fn operation(kind: OperationKind, sequence: u32, kopecks: i64) -> Operation {
    let priced = (Quantity::from_thousandths(1000), Money::from_kopecks(kopecks));
    let line = Line::priced("100201".into(), "Молоко 3,2 %".into(), priced.0, priced.1, VatCode::Ten)
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
        asked: None,
        request: None,
        outcome_unknown: false,
        remote_id: None,
    }
}

async fn held(stage: &impl Stage) -> Remote {
    let holding = stage.holding();
    let request = holding.freeze(id(1), &bill(12_990), &addresses()).expect("a request");
    let made = holding.create(&request).await.expect("made");
    stage.acts(&made, Outcome::Hold);
    assert_eq!(holding.read(&made.id).await.map(|order| order.status), Ok(RemoteStatus::Held));
    made
}

async fn paid(stage: &impl Stage) -> Remote {
    let made = stage.provider().create(&freeze(stage, id(1))).await.expect("made");
    stage.acts(&made, Outcome::Pay);
    made
}

async fn operate(
    stage: &impl Stage,
    operation: &Operation,
    remote: &Remote,
) -> Result<RemoteOperation, Failure> {
    let request = stage.provider().freeze_operation(operation, &bill(12_990), &remote.id).expect("a request");
    stage.provider().operate(operation.kind, &request).await
}

async fn money_goes_back_in_parts_and_is_found_by_its_number(stage: impl Stage) {
    let paid = paid(&stage).await;
    for (sequence, kopecks) in [(1, 12_990), (2, 1)] {
        let refund = refund(sequence, kopecks);
        let made = operate(&stage, &refund, &paid).await.expect("made");
        assert_eq!((made.number, made.amount), (refund.id.to_string(), Money::from_kopecks(kopecks)));
        assert_eq!(made.status, RemoteOperationStatus::Completed);
        let found = stage.provider().find_operation(&refund, &paid.id).await.expect("found");
        assert_eq!(found.iter().map(|refund| refund.id.as_str()).collect::<Vec<_>>(), [made.id.as_str()]);
    }
    assert_eq!(stage.provider().find_operation(&refund(3, 1), &paid.id).await, Ok(Vec::new()));
    let stranger = stage.stranger().find_operation(&refund(1, 12_990), &paid.id).await;
    assert!(matches!(stranger, Err(Failure::NoAccess(_))), "{stranger:?}");
}

async fn no_more_goes_back_than_came(stage: impl Stage) {
    let paid = paid(&stage).await;
    operate(&stage, &refund(1, 3 * 12_990 - 1), &paid).await.expect("made");
    // Some count by line and some by sum: this is too much for both.
    let more = operate(&stage, &refund(2, bill(12_990).total.kopecks()), &paid).await;
    assert!(matches!(more, Err(Failure::Refused(_))), "{more:?}");
    let unpaid = stage.provider().create(&freeze(&stage, id(2))).await.expect("made");
    let nothing = operate(&stage, &refund(3, 1), &unpaid).await;
    assert!(matches!(nothing, Err(Failure::Refused(_))), "{nothing:?}");
}

async fn a_refunds_lost_answer_is_unknown_and_it_is_found(stage: impl Stage) {
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

async fn a_shipment_is_put_down_and_found_by_its_number(stage: impl Stage) {
    let paid = paid(&stage).await;
    let shipment = operation(OperationKind::Shipment, 1, 12_990);
    let made = operate(&stage, &shipment, &paid).await.expect("made");
    assert_eq!((made.number.as_str(), made.amount), ("100000000000-1-1", Money::from_kopecks(12_990)));
    assert_eq!(stage.provider().find_operation(&shipment, &paid.id).await, Ok(vec![made]));
}

async fn sums_are_exact_to_the_kopeck(stage: impl Stage) {
    for (attempt, kopecks) in (1..).zip([1, 29, 57, 101, 999, 12_345, 100_001, 33_333_333]) {
        let (id, bill) = (id(attempt), bill(kopecks));
        let request = stage.provider().freeze(id, &bill, &addresses()).expect("a request");
        let made = stage.provider().create(&request).await.unwrap_or_else(|why| panic!("{kopecks}: {why}"));
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

fn yookassa(url: &str, secret_key: Secret, two_steps: bool, sandbox: &Sandbox) -> Yookassa {
    let client = Client::new(Duration::from_secs(5), 1024 * 1024).expect("a client");
    let setup = yookassa::Setup {
        url: format!("{url}/yookassa"),
        shop_id: sandbox.setup().merchant_id.clone(),
        secret_key,
        two_steps,
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
        Box::new(yookassa(&self.sandbox.url(), self.sandbox.setup().token.clone(), true, &self.sandbox))
    }

    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
}

/// What was made is found though it does not stand on the first page.
#[tokio::test]
async fn a_payment_is_found_behind_a_hundred_others() {
    let stage = OfYookassa::set().await;
    stage.provider.create(&freeze(&stage, id(1))).await.expect("made");
    for attempt in 2..=90 {
        stage.provider.create(&freeze(&stage, id(attempt))).await.expect("made");
    }
    // The limit on calls.
    stage.wait(Duration::from_secs(60));
    for attempt in 91..=120 {
        stage.provider.create(&freeze(&stage, id(attempt))).await.expect("made");
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

/// The list, for a provider on its stage.
macro_rules! on {
    ($module:ident, $stage:ty) => {
        promises!(
            $module, $stage:
            the_same_bill_makes_the_same_bytes,
            what_was_asked_for_is_what_is_there,
            nothing_is_found_under_another_number,
            a_stranger_does_not_believe_in_absence,
            what_reached_nobody_was_not_done,
            a_lost_answer_is_unknown_and_the_order_is_found,
            a_fault_over_there_is_unknown,
            being_told_to_wait_is_not_done_and_says_how_long,
            a_refusal_says_why,
            a_number_makes_one_order,
            what_is_called_off_stays_so,
            what_waits_is_altered_and_stays_itself,
            what_is_held_is_let_go,
            what_is_held_is_taken_in_part_and_the_rest_let_go,
            what_is_paid_stands_as_paid_and_is_not_called_off,
            money_goes_back_in_parts_and_is_found_by_its_number,
            no_more_goes_back_than_came,
            a_refunds_lost_answer_is_unknown_and_it_is_found,
            a_shipment_is_put_down_and_found_by_its_number,
            sums_are_exact_to_the_kopeck,
        );
    };
}

on!(of_invoicebox, OfInvoicebox);
on!(of_yookassa, OfYookassa);

/// A buyer is sent to the payment system's own hosts and nowhere else.
#[test]
fn a_payment_page_elsewhere_is_no_link() {
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

/// A payment system that answers two questions, always the same.
async fn parrot(identity: &'static str, list: &'static str) -> String {
    let routes = axum::Router::new()
        .route("/v3/security/api/auth/auth", axum::routing::get(move || async move { identity }))
        .route("/v3/filter/api/order/order", axum::routing::get(move || async move { list }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(axum::serve(listener, routes).into_future()); // ends with the test
    url
}

/// To whom it does not know the payment system may answer with 200: nobody asks, and nothing is there.
#[tokio::test]
async fn who_is_not_known_believes_in_no_absence() {
    let stage = OfInvoicebox::set().await;
    let url = parrot(r#"{"data":{"userId":null}}"#, r#"{"data":[]}"#).await;
    let provider = invoicebox(url, Secret::new("token"), &stage.sandbox);
    assert!(matches!(provider.find(id(1), LONG_AGO).await, Err(Failure::NoAccess(_))));
}

/// A list that was not narrowed to our number says nothing about it.
#[tokio::test]
async fn a_filter_that_was_not_heeded_proves_no_absence() {
    let stage = OfInvoicebox::set().await;
    let others = r#"{"data":[{"id":"1","merchantId":"m","merchantOrderId":"other","amount":1,"currencyId":"RUB","status":"created"}]}"#;
    let url = parrot(r#"{"data":{"userId":"1"}}"#, others).await;
    let provider = invoicebox(url, Secret::new("token"), &stage.sandbox);
    assert!(matches!(provider.find(id(1), LONG_AGO).await, Err(Failure::Unknown(_))));
}
