//! The process is killed again and again under load. Every acknowledged hook is
//! kept, and counts once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tillgate::kernel::Secret;
use tillgate_lab::demo::marketplace::Marketplace;

use super::operation::{Process, configure};
use crate::world::{ask_again_soon, created, hook};

/// How often the process is killed in the ordinary test run.
const CYCLES: u32 = 50;

/// Hooks that are acknowledged before each kill. This is enough for several to
/// be in flight at that moment.
const ACKNOWLEDGED_PER_CYCLE: usize = 60;

/// Acknowledged hooks, kept outside the gateway: the answer by the external id
/// of the order.
type Ledger = Arc<Mutex<BTreeMap<String, String>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_hooks_survive_every_kill_and_count_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let ledger = Ledger::default();
    let received = Ledger::default();
    let mut gateway = Process::start(folder.path());
    for cycle in 0..CYCLES {
        let url = format!("{}/hooks/sm", gateway.url);
        let stop = Arc::new(AtomicBool::new(false));
        let mut senders = tokio::task::JoinSet::new();
        let before = ledger.lock().expect("the ledger").len();
        for sender in 0..8 {
            let marketplace =
                Marketplace::new(&url, Secret::new("token-of-the-marketplace")).expect("a client");
            let (ledger, received, stop) =
                (Arc::clone(&ledger), Arc::clone(&received), Arc::clone(&stop));
            senders.spawn(async move {
                send(&marketplace, cycle, sender, &ledger, &received, &stop).await
            });
        }
        let enough = async {
            while ledger.lock().expect("the ledger").len() < before + ACKNOWLEDGED_PER_CYCLE {
                ask_again_soon().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), enough)
            .await
            .expect("hooks are acknowledged");
        gateway.kill();
        stop.store(true, Ordering::SeqCst);
        senders.join_all().await;
        gateway = Process::start(folder.path());
    }

    // Every order is sent once more, as by a marketplace that never got the
    // answer.
    let marketplace = Marketplace::new(
        format!("{}/hooks/sm", gateway.url),
        Secret::new("token-of-the-marketplace"),
    );
    let marketplace = marketplace.expect("a client");
    let ledger = ledger.lock().expect("the ledger").clone();
    for (external_id, answer) in &ledger {
        let again = marketplace.post(created(external_id).as_bytes()).await;
        assert_eq!(
            again.body(),
            answer,
            "{external_id} was acknowledged and now gets a different answer"
        );
    }

    let orders = gateway.json(&["orders", "list", "--json", "--limit", "0"]);
    let orders = orders.as_array().expect("a list");
    let mut listed: BTreeMap<&str, &serde_json::Value> = BTreeMap::new();
    for order in orders {
        let external_id = order["external_id"].as_str().expect("their number");
        assert!(listed.insert(external_id, order).is_none(), "{external_id} is listed twice");
    }
    let missing: Vec<&String> =
        ledger.keys().filter(|id| !listed.contains_key(id.as_str())).collect();
    assert!(missing.is_empty(), "acknowledged and missing: {missing:?}");
    assert!(ledger.len() >= CYCLES as usize * ACKNOWLEDGED_PER_CYCLE);

    // Each order ships two pieces, and the stock level must match the orders.
    let received = received.lock().expect("the ledger").clone();
    for external_id in received.keys() {
        assert_eq!(
            listed[external_id.as_str()]["state"],
            "shipped",
            "{external_id} was acknowledged as received"
        );
    }
    let shipped = orders.iter().filter(|order| order["state"] == "shipped").count();
    let stock = gateway.json(&["stock", "show", "--json"]);
    assert_eq!(stock[0]["quantity"], format!("-{}", shipped * 2));
    assert_eq!(gateway.terminate(), Some(0));
}

/// Sends orders, and `order.received` for every other one, until the gateway is
/// gone.
async fn send(
    marketplace: &Marketplace,
    cycle: u32,
    sender: u32,
    ledger: &Ledger,
    received: &Ledger,
    stop: &AtomicBool,
) {
    for count in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let external_id = format!("H{cycle}-{sender}-{count}");
        let attempt = marketplace.post(created(&external_id).as_bytes()).await;
        if !attempt.is_acknowledged() {
            return;
        }
        ledger.lock().expect("the ledger").insert(external_id.clone(), attempt.body().to_owned());
        if count % 2 == 0 {
            let body = hook(
                "order.received",
                Some("2026-11-22T13:00:00+03:00"),
                json!({"originalOrderId": external_id}),
            );
            let attempt = marketplace.post(body.as_bytes()).await;
            if attempt.is_acknowledged() {
                received.lock().expect("the ledger").insert(external_id, attempt.body().to_owned());
            }
        }
    }
}
