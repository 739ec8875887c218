//! Records are deleted after their retention time; everything in use stays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tillgate::dedup::key::HookKey;
use tillgate::dedup::{JournalEntry, Verdict};
use tillgate::flows::effects::CALLBACKS;
use tillgate::flows::parked_orders::PARKED_ORDERS_MAX;
use tillgate::flows::quotas::Quotas;
use tillgate::flows::receive_hook::receive;
use tillgate::flows::recognise_hook::recognise;
use tillgate::flows::settle_delivery::send_test;
use tillgate::flows::share_counts::share_counts;
use tillgate::flows::sweep::{Progress, Retention, sweep_step};
use tillgate::flows::{Callbacks, Hook, PaymentProfile, Rates, Received, Services};
use tillgate::kernel::Document;
use tillgate::kernel::{Clock, Kind, PartyName};
use tillgate::notify::Audience;
use tillgate::orders::{Order, State, listing};
use tillgate::outbox::{Claim, Settlement, message_key};
use tillgate::payments::{Checkout, VatCode};
use tillgate::store::memory::Memory;
use tillgate::store::sled::Sled;
use tillgate::store::{Batch, Scan, Store, Unavailable};
use tillgate::webhooks::sm::Sm;
use tillgate::webhooks::{Authentic, Inbound, Protocol};

use crate::laws::TERMS;
use crate::world::{DEADLINE, ask_again_soon, created, hook};

const DAY: Duration = Duration::from_secs(86_400);

pub fn services() -> Services {
    let chats = BTreeMap::from([("default".to_owned(), "chat".to_owned())]);
    let clock = Clock::manual("2026-11-22T09:00:00Z".parse().expect("a time"));
    Services {
        store: Store::Memory(Arc::new(Memory::new(clock.clone()))),
        clock,
        audience: Audience { chats, ..Audience::default() },
        recent: Arc::default(),
        parties: Arc::new(["sm", "site"].map(PartyName::new).into()),
        listeners: Arc::default(),
        stock_holders: Arc::default(),
        merchants: Arc::default(),
        shipment_reports: Arc::default(),
        public_url: "http://localhost".into(),
        change_feed: tillgate::flows::ChangeFeed::default(),
        quotas: tillgate::flows::quotas::Quotas::default(),
        parked_orders: tillgate::flows::parked_orders::ParkedOrders::default(),
        alarms: tillgate::flows::Alarms::default(),
        hints: tillgate::flows::Hints::default(),
        shop_key: std::sync::Arc::default(),
        clock_skew: tillgate::flows::ClockSkew::default(),
        paused_gateways: tillgate::flows::PausedGateways::default(),
    }
}

fn retention() -> Retention {
    Retention { sources: BTreeMap::from([(PartyName::new("sm"), 90 * DAY)]), otherwise: 90 * DAY }
}

pub async fn deliver(services: &Services, body: &str) -> Received {
    try_to_deliver(services, body).await.expect("a store that answers")
}

async fn try_to_deliver(services: &Services, body: &str) -> Result<Received, Unavailable> {
    let sm = Sm { zone: None };
    let readable = Authentic::from_journal(body.as_bytes()).readable();
    let Ok(Inbound::Order(identity, reading)) = sm.read(&readable) else { panic!("a usable hook") };
    let source = PartyName::new("sm");
    let key = HookKey::of(&source, body.as_bytes(), None);
    let hook = Hook::of(source, identity, body.to_owned().into(), key);
    if let Some(received) = recognise(services, &hook).await? {
        return Ok(received);
    }
    receive(services, &hook, reading.report(), &sm, None).await
}

async fn sweep(services: &Services) -> usize {
    let mut swept = 0;
    let mut progress = Some(Progress::begin(services).await.expect("a store that answers"));
    while let Some(at) = progress {
        let (more, next) =
            sweep_step(services, &retention(), at).await.expect("a store that answers");
        swept += more;
        progress = next;
    }
    swept
}

/// The number of journal entries, in their lists and in their partitions.
async fn entries(services: &Services) -> usize {
    let lists = Verdict::ALL.map(|verdict| JournalEntry::list(&PartyName::new("sm"), verdict));
    let scan = Scan::Lists { lists: lists.into(), newest_first: true, after: None, limit: 10_000 };
    let listed = services.store.scan(&scan).await.expect("a store that answers").items.len();
    assert_eq!(listed, stored(services, JournalEntry::KIND).await);
    listed
}

/// The number of documents of a kind.
async fn stored(services: &Services, kind: Kind) -> usize {
    let partitions = services.store.partitions(None, 10_000).await.expect("partitions");
    let mut stored = 0;
    for partition in partitions {
        let scan = Scan::Partition { partition, kind };
        stored += services.store.scan(&scan).await.expect("a store that answers").items.len();
    }
    stored
}

async fn send_everything(services: &Services) {
    let claim = Claim {
        lane: tillgate::notify::LANE,
        lease: DAY,
        limit: 9,
        limit_of_queue: 1,
        paused_queues: Vec::new(),
        after_queue: String::new(),
    };
    loop {
        let claimed = services.store.claim(&claim).await.expect("a store that answers");
        if claimed.is_empty() {
            return;
        }
        for message in claimed {
            let mut batch = Batch::new();
            batch.settle(message.ticket, Settlement::Sent);
            services.store.commit(batch).await.expect("committed");
        }
    }
}

#[tokio::test]
async fn idempotency_records_expire_and_the_order_is_still_recognised() {
    let services = services();
    let first = deliver(&services, &created("H1")).await;
    deliver(&services, &hook("courier.assigned", None, serde_json::json!({}))).await;
    send_everything(&services).await;
    services.clock.advance(89 * DAY);
    assert_eq!(sweep(&services).await, 0, "nothing is old enough");
    deliver(&services, &created("H2")).await;
    services.clock.advance(2 * DAY);
    assert_eq!(sweep(&services).await, 3, "two idempotency records and a sent message");
    assert_eq!((entries(&services).await, stored(&services, Order::KIND).await), (1, 2));

    // Years later a duplicate is recognised by its order, although its
    // idempotency record is deleted.
    services.clock.advance(1000 * DAY);
    sweep(&services).await;
    let again = deliver(&services, &created("H1")).await;
    assert_eq!((again.answer, again.number), (first.answer, first.number));
    assert_eq!(stored(&services, Order::KIND).await, 2);
    let claim = Claim {
        lane: tillgate::notify::LANE,
        lease: DAY,
        limit: 9,
        limit_of_queue: 1,
        paused_queues: Vec::new(),
        after_queue: String::new(),
    };
    let claimed = services.store.claim(&claim).await.expect("a store that answers");
    assert_eq!(claimed.len(), 1, "only H2's message, which is still pending: {claimed:?}");
}

/// Hooks about orders that are never created fill the store only to a ceiling,
/// and go in the end. Hooks about all other orders are accepted meanwhile.
#[tokio::test]
async fn orders_that_are_never_created_have_a_ceiling_and_go_with_their_hooks() {
    let services = services();
    let about = |kind: &str, order: usize| {
        hook(kind, None, serde_json::json!({"originalOrderId": format!("H{order}")}))
    };
    for order in 0..PARKED_ORDERS_MAX {
        let parked = deliver(&services, &about("order.paid", order)).await;
        assert_eq!(parked.verdict, Verdict::Parked);
    }
    let refused = try_to_deliver(&services, &about("order.paid", PARKED_ORDERS_MAX)).await;
    assert!(matches!(refused, Err(Unavailable::TooManyParked { .. })), "{refused:?}");
    assert_eq!(stored(&services, Order::KIND).await, PARKED_ORDERS_MAX);
    let more = deliver(&services, &about("order.received", 0)).await;
    assert_eq!(more.verdict, Verdict::Parked, "it is about an order that already waits");
    assert_eq!(deliver(&services, &created("new")).await.verdict, Verdict::Applied);
    assert_eq!(deliver(&services, &created("H1")).await.verdict, Verdict::Applied);

    services.clock.advance(361 * DAY);
    sweep(&services).await;
    let lists = vec![listing::parked(&PartyName::new("sm"))];
    let scan = Scan::Lists { lists, newest_first: true, after: None, limit: 9 };
    assert!(services.store.scan(&scan).await.expect("a store that answers").items.is_empty());
    // Their numbers stay taken, and their orders can still be created.
    assert_eq!(deliver(&services, &created("H2")).await.verdict, Verdict::Applied);
    // The count of what waits is a second old at most.
    let admitted = async {
        while try_to_deliver(&services, &about("order.paid", PARKED_ORDERS_MAX)).await.is_err() {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, admitted).await.expect("there is room again");
}

/// Of a paid source's order that is never created, not even the buyer's contact
/// stays; and it can still be created after that.
#[tokio::test]
async fn a_swept_order_of_a_paid_source_can_still_be_created() {
    let profile = PaymentProfile {
        gateway: PartyName::new("bank"),
        account: "shop".into(),
        rates: Rates { goods: VatCode::None, delivery: VatCode::None },
        callbacks: Callbacks::None,
        terms: TERMS,
        waiting_max: None,
    };
    let merchants = Arc::new(BTreeMap::from([(PartyName::new("sm"), profile)]));
    let services = Services { merchants, ..services() };
    let contact = serde_json::json!({
        "originalOrderId": "H1", "customer": {"phone": "79990000001", "email": "anna@example.org"},
    });
    let parked = deliver(&services, &hook("order.changed", None, contact)).await;
    assert_eq!(parked.verdict, Verdict::Parked);
    assert_eq!(stored(&services, Checkout::KIND).await, 1);
    services.clock.advance(361 * DAY);
    sweep(&services).await;
    assert_eq!(stored(&services, Checkout::KIND).await, 0);
    let again = deliver(&services, &created("H1")).await;
    assert_eq!((again.verdict, again.number), (Verdict::Applied, parked.number));
    assert_eq!(stored(&services, Checkout::KIND).await, 1, "its bill");
}

/// A source that has used up its quota loses no order: an alarm is raised, and
/// only hooks about orders that were not created are refused.
#[tokio::test]
async fn a_source_over_its_quota_is_reported_and_loses_no_order() {
    let quotas = Quotas::of(BTreeMap::from([(PartyName::new("sm"), 1000)]));
    let services = Services { quotas, ..services() };
    let paid =
        |order: &str| hook("order.paid", None, serde_json::json!({"originalOrderId": order}));
    assert_eq!(deliver(&services, &paid("unknown")).await.verdict, Verdict::Parked);
    for order in ["H1", "H2", "H3"] {
        assert_eq!(deliver(&services, &created(order)).await.verdict, Verdict::Applied);
    }
    assert_eq!(deliver(&services, &paid("H1")).await.verdict, Verdict::Applied);
    let refused = try_to_deliver(&services, &paid("nobody's")).await;
    assert!(matches!(refused, Err(Unavailable::QuotaUsedUp { .. })), "{refused:?}");
    let list = JournalEntry::list(&PartyName::new("sm"), Verdict::Ignored);
    let scan = Scan::Lists { lists: vec![list], newest_first: true, after: None, limit: 9 };
    let alarms = services.store.scan(&scan).await.expect("a store that answers").items;
    let alarm: JournalEntry = alarms[0].1.document().expect("an entry");
    assert_eq!((alarms.len(), alarm.event_type.as_deref()), (1, Some("tillgate.quota_used_up")));

    services.clock.advance(DAY);
    assert_eq!(deliver(&services, &paid("nobody's")).await.verdict, Verdict::Parked);
}

/// Receivers count together.
#[tokio::test]
async fn receivers_share_the_counts_of_quotas() {
    let sm = PartyName::new("sm");
    let bytes_max = 4 * created("H1").len() as u64;
    let quotas = || Quotas::of(BTreeMap::from([(sm.clone(), bytes_max)]));
    let one = Services { quotas: quotas(), ..services() };
    let other = Services { quotas: quotas(), ..one.clone() };
    for (receiver, order) in [(&one, "H1"), (&other, "H2"), (&one, "H3"), (&other, "H4")] {
        deliver(receiver, &created(order)).await;
    }
    let now = one.clock.now();
    assert!(!one.quotas.is_used_up(&sm, now) && !other.quotas.is_used_up(&sm, now));
    for receiver in [&one, &other, &one] {
        share_counts(receiver).await.expect("a store that answers");
    }
    assert!(one.quotas.is_used_up(&sm, now) && other.quotas.is_used_up(&sm, now));
}

/// A test event of callbacks has a message, and belongs to no order.
#[tokio::test]
async fn a_test_of_callbacks_goes_with_its_message() {
    let services = services();
    let merchant = PartyName::new("site");
    let id = send_test(&services, &merchant, None).await.expect("a store that answers");
    services.clock.advance(91 * DAY);
    assert_eq!(sweep(&services).await, 0, "the message is pending");
    let claim = Claim {
        lane: CALLBACKS,
        lease: DAY,
        limit: 9,
        limit_of_queue: 1,
        paused_queues: Vec::new(),
        after_queue: String::new(),
    };
    for message in services.store.claim(&claim).await.expect("a store that answers") {
        let mut batch = Batch::new();
        batch.settle(message.ticket, Settlement::Sent);
        services.store.commit(batch).await.expect("committed");
    }
    assert_eq!(sweep(&services).await, 2, "the message and its journal entry");
    let found = services.store.load(&[message_key(id)]).await.expect("a store that answers");
    assert_eq!(found, [None]);
}

#[tokio::test]
async fn pending_messages_and_parked_hooks_are_not_swept() {
    let services = services();
    let change = hook("order.paid", None, serde_json::json!({"originalOrderId": "H-parked"}));
    deliver(&services, &change).await;
    deliver(&services, &created("H1")).await; // its message stays pending
    services.clock.advance(300 * DAY);
    assert_eq!(
        sweep(&services).await,
        0,
        "a parked hook, and the record of a hook with a pending message"
    );
    send_everything(&services).await;
    assert_eq!(sweep(&services).await, 2, "the message is sent, and it is deleted with its record");
    assert_eq!(entries(&services).await, 1);
    deliver(&services, &created("H-parked")).await;
    let lists = State::ALL.map(|state| listing::in_state(&PartyName::new("sm"), state));
    let scan = Scan::Lists { lists: lists.into(), newest_first: true, after: None, limit: 9 };
    let orders = services.store.scan(&scan).await.expect("a store that answers").items;
    let parked: tillgate::orders::Order = orders[0].1.document().expect("an order");
    assert_eq!(parked.events.len(), 2, "the parked payment has found its order");
}

/// Sweeping first rewrites data and frees space afterwards: the store does not
/// grow by more than a tenth, or by three segments if it is small.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweeping_grows_the_store_by_no_more_than_a_tenth() {
    const ORDERS: usize = 3000;
    // sled allocates and frees space in segments.
    const SEGMENTS: u64 = 3 * 4 * 1024 * 1024;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    // Without chats: messages to pickers are sent one after another, which is
    // slow.
    let mut services = Services { audience: Audience::default(), ..services() };
    let engine =
        Sled::open_in_time(&data, 16 << 20, &services.clock).await.expect("the store opens");
    services.store = Store::Sled(Arc::new(engine));
    let mut orders = tokio::task::JoinSet::new();
    for sender in 0..64 {
        let services = services.clone();
        orders.spawn(async move {
            for order in (sender..ORDERS).step_by(64) {
                let id = format!("H{order}");
                deliver(&services, &created(&id)).await;
                deliver(
                    &services,
                    &hook("order.paid", None, serde_json::json!({"originalOrderId": id})),
                )
                .await;
            }
        });
    }
    orders.join_all().await;
    let size = || {
        let files = std::fs::read_dir(&data).expect("the store's files");
        let blocks = |file: std::fs::DirEntry| {
            std::os::unix::fs::MetadataExt::blocks(&file.metadata().expect("a file")) * 512
        };
        files.map(|file| blocks(file.expect("a file"))).sum::<u64>()
    };
    let before = size();
    services.clock.advance(91 * DAY);
    let (mut largest, mut swept, mut progress) =
        (0, 0, Some(Progress::begin(&services).await.expect("a store that answers")));
    while let Some(at) = progress {
        let (more, next) =
            sweep_step(&services, &retention(), at).await.expect("a store that answers");
        swept += more;
        progress = next;
        largest = largest.max(size());
    }
    assert!(swept >= 2 * ORDERS, "{swept}");
    assert!(
        largest <= before + (before / 10).max(SEGMENTS),
        "{before} bytes before, at most {largest} meanwhile"
    );
    services.store.close().await;
}
