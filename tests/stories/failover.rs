//! Several database servers: what was acknowledged is on the one that takes over, and nothing is acknowledged that might not be.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tillgate::demo::marketplace::Marketplace;
use tillgate::kernel::{Clock, Secret, Stopwatch};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::world::database::Server;
use crate::world::{DEADLINE, Shop, TOKEN, created};

/// How long after a promotion hooks are acknowledged again, at the latest.
const PROMOTED_MAX: Duration = Duration::from_secs(3);

/// How long after it froze a primary is left, at the latest, once another has been promoted.
const LEFT_MAX: Duration = Duration::from_secs(5);

/// For a machine that does other things too.
const MARGIN: Duration = Duration::from_secs(3);

/// A primary, a standby that it waits for, and the address of both.
fn pair() -> (Server, String) {
    let server = Server::start(&[]);
    let standby = server.standby();
    server.order("sync");
    let address = address(&[&server.url, &standby]);
    (server, address)
}

/// One address for servers that have one each.
fn address(servers: &[&str]) -> String {
    let hosts: Vec<&str> = servers
        .iter()
        .map(|url| url.rsplit('@').next().and_then(|rest| rest.split('/').next()).expect("a host"))
        .collect();
    format!("postgres://postgres@{}/postgres?target_session_attrs=read-write", hosts.join(","))
}

/// A marketplace that posts order after order, each until it is acknowledged.
struct Load {
    stop: Arc<AtomicBool>,
    posting: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(shop: &Shop) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let posting = (0..4)
            .map(|client| {
                let (stop, url) = (Arc::clone(&stop), format!("{}/hooks/sm", shop.url()));
                tokio::spawn(async move {
                    let marketplace = Marketplace::new(url, Secret::new(TOKEN)).expect("a client");
                    let mut acknowledged = Vec::new();
                    for count in 0_u32.. {
                        let id = format!("F{client}-{count}");
                        let body = created(&id);
                        while !stop.load(Ordering::Relaxed) {
                            if marketplace.post(body.as_bytes()).await.status() == 200 {
                                acknowledged.push(id);
                                break;
                            }
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        Load { stop, posting }
    }

    /// Ends it, and returns the orders that were acknowledged.
    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut acknowledged = Vec::new();
        for posting in self.posting {
            acknowledged.extend(posting.await.expect("it posts"));
        }
        acknowledged
    }
}

/// Waits until an order is acknowledged, and returns how long that took.
async fn until_acknowledged(shop: &Shop, id: &str) -> Duration {
    let since = Stopwatch::start();
    let body = created(id);
    let waiting = async {
        while shop.post(&body).await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("it is acknowledged in the end");
    since.elapsed()
}

/// Every order that was acknowledged is there, once.
async fn nothing_is_missing(shop: &Shop, acknowledged: &[String]) {
    let mut there = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = shop.get(&format!("/orders?limit=500{cursor}")).await;
        let items = page["items"].as_array().expect("orders");
        there.extend(items.iter().map(|order| order["external_id"].as_str().expect("an id").to_owned()));
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    let once: BTreeSet<&String> = there.iter().collect();
    assert_eq!(once.len(), there.len(), "an order is there twice");
    let missing: Vec<&String> = acknowledged.iter().filter(|id| !once.contains(id)).collect();
    assert!(missing.is_empty(), "{} of {} are lost: {missing:?}", missing.len(), acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_loses_nothing_that_was_acknowledged() {
    let (server, address) = pair();
    let shop = Shop::open_on(&address, Clock::System).await;
    let load = Load::start(&shop);
    until_acknowledged(&shop, "before").await;
    server.order("stop 1");
    server.order("promote 2");
    let took = until_acknowledged(&shop, "after").await;
    assert!(took <= PROMOTED_MAX + MARGIN, "{took:?} after the promotion");
    let mut acknowledged = load.end().await;
    acknowledged.extend(["before".to_owned(), "after".to_owned()]);
    nothing_is_missing(&shop, &acknowledged).await;
    shop.close().await;
}

/// It accepts connections and says nothing on them; when it wakes up it is not written to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_primary_is_left_and_not_gone_back_to() {
    let (server, address) = pair();
    let shop = Shop::open_on(&address, Clock::System).await;
    let load = Load::start(&shop);
    until_acknowledged(&shop, "before").await;
    server.order("freeze 1");
    server.order("promote 2");
    let took = until_acknowledged(&shop, "after").await;
    assert!(took <= LEFT_MAX + MARGIN, "{took:?} after it froze");
    server.order("thaw 1");
    until_acknowledged(&shop, "later").await;
    let mut acknowledged = load.end().await;
    acknowledged.extend(["before", "after", "later"].map(str::to_owned));
    // A receiver that begins now finds the new one too.
    shop.close().await;
    let again = Shop::open_on(&address, Clock::System).await;
    nothing_is_missing(&again, &acknowledged).await;
    again.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_say_nothing_do_not_hide_the_one_that_does() {
    let server = Server::start(&[]);
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(TcpListener::bind("127.0.0.1:0").await.expect("a port"));
    }
    let urls: Vec<String> = silent
        .iter()
        .map(|listener| format!("postgres://postgres@{}/x", listener.local_addr().expect("an address")))
        .collect();
    let since = Stopwatch::start();
    let shop = Shop::open_on(&address(&[&urls[0], &urls[1], &server.url]), Clock::System).await;
    until_acknowledged(&shop, "H1").await;
    assert!(since.elapsed() < Duration::from_secs(2) + MARGIN, "{:?}", since.elapsed());
    shop.close().await;
}

/// A commit that somebody told the primary to wait for no longer is on no standby: it is not acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_the_standby_that_was_cancelled_acknowledges_nothing() {
    let (server, address) = pair();
    let shop = Shop::open_on(&address, Clock::System).await;
    until_acknowledged(&shop, "before").await;
    server.order("stop 2");
    let (operator, connection) =
        tokio_postgres::connect(&server.url, tokio_postgres::NoTls).await.expect("the primary answers");
    let connection = tokio::spawn(connection);
    let load = Load::start(&shop);
    let cancelled = async {
        let mut cancelled = 0_i64;
        while cancelled < 5 {
            let text =
                "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            cancelled += operator.query_one(text, &[]).await.expect("an answer").get::<_, i64>(0);
        }
    };
    tokio::time::timeout(DEADLINE, cancelled).await.expect("commits wait for the standby");
    let mut acknowledged = load.end().await;
    assert_eq!(acknowledged, [""; 0], "nothing of it is on the standby");
    drop(operator);
    connection.await.expect("no panic").expect("it ends in order");
    server.order("stop 1");
    server.order("start 2");
    server.order("promote 2");
    acknowledged.push("before".into());
    until_acknowledged(&shop, "after").await;
    nothing_is_missing(&shop, &acknowledged).await;
    shop.close().await;
}

/// After a crash a primary shows what it had written down and no standby has: a repeat is not answered from that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_restarted_primary_shows_is_believed_when_its_standby_has_it() {
    let (server, address) = pair();
    let shop = Shop::open_on(&address, Clock::System).await;
    until_acknowledged(&shop, "before").await;
    server.order("stop 2");
    assert_eq!(shop.post(created("H1")).await.status(), 503, "the standby does not have it");
    server.order("stop 1");
    server.order("start 1");
    for _ in 0..5 {
        assert_eq!(shop.post(created("H1")).await.status(), 503, "nor now");
    }
    server.order("stop 1");
    server.order("start 2");
    server.order("promote 2");
    until_acknowledged(&shop, "H1").await;
    nothing_is_missing(&shop, &["before".into(), "H1".into()]).await;
    shop.close().await;
}
