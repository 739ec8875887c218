//! What every payment system's adapter promises, one function each, run against its sandbox. The list is the contract:
//! a provider is one that passes it.

use std::time::Duration;

use super::invoicebox::{self, Invoicebox, Version};
use super::sandbox::{Call, Outcome, Sandbox, Setup, Trouble};
use super::*;
use crate::kernel::time::later;
use crate::kernel::{Clock, Money, Number, Quantity, Secret};
use crate::payments::{
    Customer, Line, OperationId, OperationState, RemoteOperationStatus, RemoteStatus, VatCode,
};
use crate::peer::{ANSWER_BYTES_MAX, Client};

/// A provider with the sandbox it speaks to.
trait Stage: Sized {
    async fn set() -> Self;

    fn provider(&self) -> &dyn Provider;

    /// The same provider with credentials that are not right.
    fn stranger(&self) -> Box<dyn Provider>;

    /// The same provider where nobody listens.
    fn alone(&self) -> Box<dyn Provider>;

    fn misbehave(&self, call: Call, trouble: Trouble);

    /// How many orders the payment system has, by its own books.
    fn orders(&self) -> usize;

    /// The buyer pays an order.
    fn pay(&self, remote: &Remote);
}

fn id(attempt: u32) -> PaymentId {
    PaymentId { number: Number::smallest(), attempt }
}

fn bill(kopecks: i64) -> Bill {
    let priced = (Quantity::from_thousandths(3000), Money::from_kopecks(kopecks));
    let line = Line::priced("100201".into(), "Молоко 3,2 %".into(), priced, VatCode::Ten).expect("a line");
    let weighed = (Quantity::from_thousandths(355), Money::from_kopecks(89_900));
    let weighed = Line::priced("310077".into(), "Сыр".into(), weighed, VatCode::Twenty).expect("a line");
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
    assert!(made.url.is_some() && made.expires_at.is_some());
    assert_eq!(stage.provider().read(&made.id).await, Ok(made.clone()));
    assert_eq!(stage.provider().find(id(1)).await, Ok(vec![made]));
}

async fn nothing_is_found_under_another_number(stage: impl Stage) {
    stage.provider().create(&freeze(&stage, id(1))).await.expect("made");
    assert_eq!(stage.provider().find(id(2)).await, Ok(Vec::new()));
    assert_eq!(stage.provider().find(id(11)).await, Ok(Vec::new()));
}

async fn a_stranger_does_not_believe_in_absence(stage: impl Stage) {
    let stranger = stage.stranger();
    for failure in [
        stranger.identify().await.err(),
        stranger.find(id(1)).await.err(),
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
        assert_eq!(stage.provider().find(id(attempt)).await.map(|found| found.len()), Ok(1));
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

async fn a_number_cannot_be_used_twice(stage: impl Stage) {
    let request = freeze(&stage, id(1));
    stage.provider().create(&request).await.expect("made");
    assert_eq!(stage.provider().create(&request).await, Err(Failure::Duplicate));
    assert_eq!(stage.orders(), 1);
}

async fn what_is_called_off_stays_so(stage: impl Stage) {
    let made = stage.provider().create(&freeze(&stage, id(1))).await.expect("made");
    let gone = stage.provider().cancel(&made.id).await.expect("called off");
    assert_eq!(gone.status, RemoteStatus::Canceled);
    assert_eq!(stage.provider().read(&made.id).await.map(|order| order.status), Ok(RemoteStatus::Canceled));
}

async fn what_is_paid_stands_as_paid_and_is_not_called_off(stage: impl Stage) {
    let made = stage.provider().create(&freeze(&stage, id(1))).await.expect("made");
    stage.pay(&made);
    assert_eq!(stage.provider().read(&made.id).await.map(|order| order.status), Ok(RemoteStatus::Completed));
    assert!(stage.provider().cancel(&made.id).await.is_err());
    let found = stage.provider().find(id(1)).await.expect("found");
    assert_eq!(found.first().map(|order| &order.status), Some(&RemoteStatus::Completed));
}

/// Money back of the first line of a paid order.
fn refund(sequence: u32, kopecks: i64) -> Operation {
    operation(OperationKind::Refund, sequence, kopecks)
}

fn operation(kind: OperationKind, sequence: u32, kopecks: i64) -> Operation {
    let priced = (Quantity::from_thousandths(1000), Money::from_kopecks(kopecks));
    let line = Line::priced("100201".into(), "Молоко 3,2 %".into(), priced, VatCode::Ten).expect("a line");
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
        doubtful: false,
        remote_id: None,
    }
}

async fn paid(stage: &impl Stage) -> Remote {
    let made = stage.provider().create(&freeze(stage, id(1))).await.expect("made");
    stage.pay(&made);
    made
}

async fn operate(
    stage: &impl Stage,
    operation: &Operation,
    remote: &Remote,
) -> Result<RemoteOperation, Failure> {
    let request = stage.provider().freeze_operation(operation, &remote.id).expect("a request");
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
    let more = operate(&stage, &refund(2, 2), &paid).await;
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
        let again = operate(&stage, &refund, &paid).await;
        assert_eq!(again, Err(Failure::Duplicate));
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
    let setup =
        invoicebox::Setup { url, version: Version::V3, token, merchant_id, payment_hosts: Vec::new() };
    Invoicebox::new(client, setup)
}

impl Stage for OfInvoicebox {
    async fn set() -> OfInvoicebox {
        let sandbox = Sandbox::start(Setup::default()).await.expect("a sandbox");
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
        // A port that was free a moment ago.
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        Box::new(invoicebox(format!("http://{free}"), self.sandbox.setup().token.clone(), &self.sandbox))
    }

    fn misbehave(&self, call: Call, trouble: Trouble) {
        self.sandbox.misbehave(call, [trouble]);
    }

    fn orders(&self) -> usize {
        self.sandbox.ledger().len()
    }

    fn pay(&self, remote: &Remote) {
        let ledger = self.sandbox.ledger();
        let order = ledger.iter().find(|order| order.id == remote.id).expect("an order");
        self.sandbox.buyer_acts(&order.container, Outcome::Pay);
    }
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
            a_number_cannot_be_used_twice,
            what_is_called_off_stays_so,
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

/// A buyer is sent to the payment system's own hosts and nowhere else.
#[tokio::test]
async fn a_payment_page_elsewhere_is_no_link() {
    let stage = OfInvoicebox::set().await;
    let may = |url: &str, hosts: &[&str], page: &str| {
        let client = Client::new(Duration::from_secs(5), ANSWER_BYTES_MAX).expect("a client");
        let payment_hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let token = stage.sandbox.setup().token.clone();
        let setup = invoicebox::Setup {
            url: url.into(),
            version: Version::L3,
            token,
            merchant_id: "1".into(),
            payment_hosts,
        };
        Invoicebox::new(client, setup).may_lead_to(page)
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
    assert!(matches!(provider.find(id(1)).await, Err(Failure::NoAccess(_))));
}

/// A list that was not narrowed to our number says nothing about it.
#[tokio::test]
async fn a_filter_that_was_not_heeded_proves_no_absence() {
    let stage = OfInvoicebox::set().await;
    let others = r#"{"data":[{"id":"1","merchantId":"m","merchantOrderId":"other","amount":1,"currencyId":"RUB","status":"created"}]}"#;
    let url = parrot(r#"{"data":{"userId":"1"}}"#, others).await;
    let provider = invoicebox(url, Secret::new("token"), &stage.sandbox);
    assert!(matches!(provider.find(id(1)).await, Err(Failure::Unknown(_))));
}
