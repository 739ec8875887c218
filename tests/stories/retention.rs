//! What has been kept for its time goes; what the shop lives by stays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tillgate::dedup::JournalEntry;
use tillgate::flows::effects::CALLBACKS;
use tillgate::flows::receive_hook::{receive, recognise};
use tillgate::flows::sweep::{Progress, Retention, sweep_step};
use tillgate::flows::tend_delivery::send_test;
use tillgate::flows::{Hook, Received, Shop};
use tillgate::kernel::Document;
use tillgate::kernel::{Clock, Kind, PartyName};
use tillgate::notify::Audience;
use tillgate::orders::Order;
use tillgate::outbox::{Claim, Settlement, message_key};
use tillgate::store::memory::Memory;
use tillgate::store::sled::Sled;
use tillgate::store::{Batch, Scan, Store};
use tillgate::webhooks::sm::Sm;
use tillgate::webhooks::{Authentic, Inbound, Protocol};

use crate::world::{created, hook};

const DAY: Duration = Duration::from_secs(86_400);

pub fn shop() -> Shop {
    let chats = BTreeMap::from([("default".to_owned(), "chat".to_owned())]);
    let clock = Clock::manual("2026-11-22T09:00:00Z".parse().expect("a time"));
    Shop {
        store: Store::Memory(Arc::new(Memory::new(clock.clone()))),
        clock,
        audience: Audience { chats, ..Audience::default() },
        recent: Arc::default(),
        listeners: Arc::default(),
        sellers: Arc::default(),
        handovers: Arc::default(),
        public_url: "http://localhost".into(),
        news: tillgate::flows::News::default(),
        alarms: tillgate::flows::Alarms::default(),
        hints: tillgate::flows::Hints::default(),
        shop_key: std::sync::Arc::default(),
        clock_skew: tillgate::flows::ClockSkew::default(),
        resting: tillgate::flows::Resting::default(),
    }
}

fn retention() -> Retention {
    Retention { sources: BTreeMap::from([(PartyName::new("sm"), 90 * DAY)]), otherwise: 90 * DAY }
}

pub async fn deliver(shop: &Shop, body: &str) -> Received {
    let sm = Sm { zone: None };
    let readable = Authentic::from_journal(body.as_bytes()).readable();
    let Ok(Inbound::Order(identity, reading)) = sm.read(&readable) else { panic!("a usable hook") };
    let hook = Hook::of(PartyName::new("sm"), identity, body.to_owned().into(), None);
    if let Some(received) = recognise(shop, &hook).await.expect("a store that answers") {
        return received;
    }
    receive(shop, &hook, reading.report(), &sm, None).await.expect("a store that answers")
}

async fn sweep(shop: &Shop) -> usize {
    let mut swept = 0;
    let mut progress = Some(Progress::default());
    while let Some(at) = progress {
        let (more, next) = sweep_step(shop, &retention(), at).await.expect("a store that answers");
        swept += more;
        progress = next;
    }
    swept
}

async fn count(shop: &Shop, kind: Kind) -> usize {
    let scan = Scan::Listed { kind, newest_first: true, after: None, limit: 10_000 };
    shop.store.scan(&scan).await.expect("a store that answers").items.len()
}

async fn send_everything(shop: &Shop) {
    let claim = Claim { lane: tillgate::notify::LANE, lease: DAY, limit: 9, resting: Vec::new() };
    loop {
        let claimed = shop.store.claim(&claim).await.expect("a store that answers");
        if claimed.is_empty() {
            return;
        }
        for message in claimed {
            let mut batch = Batch::new();
            batch.settle(message.ticket, Settlement::Sent);
            shop.store.commit(batch).await.expect("committed");
        }
    }
}

#[tokio::test]
async fn receipts_go_after_their_time_and_the_order_is_still_the_same_order() {
    let shop = shop();
    let first = deliver(&shop, &created("H1")).await;
    deliver(&shop, &hook("courier.assigned", None, serde_json::json!({}))).await;
    send_everything(&shop).await;
    shop.clock.advance(89 * DAY);
    assert_eq!(sweep(&shop).await, 0, "too young");
    deliver(&shop, &created("H2")).await;
    shop.clock.advance(2 * DAY);
    assert_eq!(sweep(&shop).await, 3, "two receipts and a message that was sent");
    assert_eq!((count(&shop, JournalEntry::KIND).await, count(&shop, Order::KIND).await), (1, 2));

    // Years later, a copy: the order knows it, although its receipt is gone.
    shop.clock.advance(1000 * DAY);
    sweep(&shop).await;
    let again = deliver(&shop, &created("H1")).await;
    assert_eq!((again.answer, again.number), (first.answer, first.number));
    assert_eq!(count(&shop, Order::KIND).await, 2);
    let claim = Claim { lane: tillgate::notify::LANE, lease: DAY, limit: 9, resting: Vec::new() };
    let claimed = shop.store.claim(&claim).await.expect("a store that answers");
    assert_eq!(claimed.len(), 1, "only H2's message, which nobody has sent: {claimed:?}");
}

/// A test of callbacks has a message, and no order that leads to it.
#[tokio::test]
async fn a_test_of_callbacks_goes_with_its_message() {
    let shop = shop();
    let merchant = PartyName::new("site");
    let id = send_test(&shop, &merchant, None).await.expect("a store that answers");
    shop.clock.advance(91 * DAY);
    assert_eq!(sweep(&shop).await, 0, "it waits");
    let claim = Claim { lane: CALLBACKS, lease: DAY, limit: 9, resting: Vec::new() };
    for message in shop.store.claim(&claim).await.expect("a store that answers") {
        let mut batch = Batch::new();
        batch.settle(message.ticket, Settlement::Sent);
        shop.store.commit(batch).await.expect("committed");
    }
    assert_eq!(sweep(&shop).await, 2, "the message and its entry");
    let found = shop.store.load(&[message_key(id)]).await.expect("a store that answers");
    assert_eq!(found, [None]);
}

#[tokio::test]
async fn what_waits_is_not_swept() {
    let shop = shop();
    let change = hook("order.paid", None, serde_json::json!({"originalOrderId": "H-parked"}));
    deliver(&shop, &change).await;
    deliver(&shop, &created("H1")).await; // its message stays pending
    shop.clock.advance(300 * DAY);
    assert_eq!(sweep(&shop).await, 0, "a parked hook, and the receipt that leads to a waiting message");
    send_everything(&shop).await;
    assert_eq!(sweep(&shop).await, 2, "the message is sent: it and its receipt go");
    assert_eq!(count(&shop, JournalEntry::KIND).await, 1);
    deliver(&shop, &created("H-parked")).await;
    let scan = Scan::Listed { kind: Order::KIND, newest_first: true, after: None, limit: 9 };
    let orders = shop.store.scan(&scan).await.expect("a store that answers").items;
    let parked: tillgate::orders::Order = orders[0].1.document().expect("an order");
    assert_eq!(parked.events.len(), 2, "the parked payment has found its order");
}

/// What is swept is rewritten first, and makes room only then: the store does not grow by more than a tenth for it, or
/// by three segments where it is small.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweeping_grows_the_store_by_no_more_than_a_tenth() {
    const ORDERS: usize = 3000;
    // sled takes and gives back space by the segment.
    const SEGMENTS: u64 = 3 * 4 * 1024 * 1024;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    // Nobody is told: what pickers hear waits in one line, and is sent one after another.
    let mut shop = Shop { audience: Audience::default(), ..shop() };
    let engine = Sled::open_in_time(&data, 16 << 20, &shop.clock).await.expect("the store opens");
    shop.store = Store::Sled(Arc::new(engine));
    let mut orders = tokio::task::JoinSet::new();
    for sender in 0..64 {
        let shop = shop.clone();
        orders.spawn(async move {
            for order in (sender..ORDERS).step_by(64) {
                let id = format!("H{order}");
                deliver(&shop, &created(&id)).await;
                deliver(&shop, &hook("order.paid", None, serde_json::json!({"originalOrderId": id}))).await;
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
    shop.clock.advance(91 * DAY);
    let (mut largest, mut swept, mut progress) = (0, 0, Some(Progress::default()));
    while let Some(at) = progress {
        let (more, next) = sweep_step(&shop, &retention(), at).await.expect("a store that answers");
        swept += more;
        progress = next;
        largest = largest.max(size());
    }
    assert!(swept >= 2 * ORDERS, "{swept}");
    assert!(largest <= before + (before / 10).max(SEGMENTS), "{before} bytes before, {largest} at most");
    shop.store.close().await;
}
