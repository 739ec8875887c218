//! Several database servers: every acknowledged hook is on the server that
//! takes over, and nothing else is acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use tillgate::kernel::{Clock, Secret, Stopwatch};
use tillgate::peer::Client;
use tillgate_lab::demo::marketplace::Marketplace;
use tillgate_lab::sandbox::{Outcome, Setup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::world::database::Server;
use crate::world::till::{API_KEY, Till, order};
use crate::world::{DEADLINE, TOKEN, ask_again_soon, created, random_bytes};

/// The maximum time from a promotion to the first acknowledged hook.
const PROMOTED_MAX: Duration = Duration::from_secs(3);

/// The maximum time from the stop of a primary (SIGSTOP) to the first
/// acknowledged hook on a promoted standby.
const LEFT_MAX: Duration = Duration::from_secs(5);

/// The maximum time until a primary that keeps running is left after a
/// promotion.
const LEFT_ALIVE_MAX: Duration = Duration::from_secs(6);

/// The connections of a receiver: nine, each with one more that waits at the
/// server for its standby, and two for checking the servers.
const CONNECTIONS_MAX: i64 = 2 * 9 + 2;

/// Added for a slow machine.
const MARGIN: Duration = Duration::from_secs(3);

/// A primary, a synchronous standby, and the URL of both.
fn pair() -> (Server, String) {
    let server = Server::start(&[]);
    let standby = server.standby();
    server.order("sync");
    let address = address(&[&server.url, &standby]);
    (server, address)
}

/// A URL of several servers.
fn address(servers: &[&str]) -> String {
    let hosts: Vec<&str> = servers
        .iter()
        .map(|url| url.rsplit('@').next().and_then(|rest| rest.split('/').next()).expect("a host"))
        .collect();
    format!("postgres://postgres@{}/postgres?target_session_attrs=read-write", hosts.join(","))
}

/// Starts a gateway on these servers.
async fn open(address: &str) -> Till {
    let setup = Setup { calls_max: 100_000, ..Setup::default() };
    let store = format!("store = \"{address}\"\n#");
    // The orders of the marketplace are not paid here: those of the site are.
    let unpaid = ("payment = \"link\"\n            vat = \"RUS_VAT10\"", "");
    Till::open_with(setup, &[("store = \"sled:", &store), unpaid], Clock::System).await
}

/// A marketplace that posts one order after another, and a site that places one
/// order after another. A request is repeated until it is acknowledged.
struct Load {
    stop: Arc<AtomicBool>,
    count: watch::Sender<usize>,
    posting: Vec<JoinHandle<Vec<String>>>,
}

/// The pause before a sender repeats a request.
const AGAIN_PAUSE: Duration = Duration::from_millis(20);

impl Load {
    fn start(till: &Till) -> Load {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), watch::Sender::new(0));
        let mut load = Load { stop, count, posting: Vec::new() };
        for client in 0..3 {
            let marketplace =
                Marketplace::new(format!("{}/hooks/sm", till.url()), Secret::new(TOKEN))
                    .expect("a client");
            load.run(format!("H{client}"), async move |id| {
                marketplace.post(created(id).as_bytes()).await.status() == 200
            });
        }
        let (url, client) = (
            format!("{}/v1/orders", till.url()),
            Client::new(DEADLINE, 1 << 20).expect("a client"),
        );
        load.run("S".to_owned(), async move |id| {
            let mut headers = HeaderMap::new();
            let header = |text: &str| HeaderValue::from_str(text).expect("a header");
            headers.insert(header::AUTHORIZATION, header(&format!("Bearer {API_KEY}")));
            headers.insert(header::CONTENT_TYPE, header("application/json"));
            headers.insert("idempotency-key", header(id));
            let placed =
                client.call(Method::POST, &url, headers, order(id).to_string().into_bytes()).await;
            placed.is_ok_and(|reply| reply.status.is_success())
        });
        load
    }

    fn run(&mut self, name: String, mut send: impl AsyncFnMut(&str) -> bool + Send + 'static) {
        let (stop, count) = (Arc::clone(&self.stop), self.count.clone());
        // On its own thread: the future of an `AsyncFnMut` is not known to be
        // `Send`.
        let (sender, posted) = tokio::sync::oneshot::channel();
        let runtime = tokio::runtime::Handle::current();
        std::thread::spawn(move || {
            let posting = async {
                let mut acknowledged = Vec::new();
                'orders: for number in 0_u32.. {
                    let id = format!("{name}-{number}");
                    while !send(&id).await {
                        if stop.load(Ordering::Relaxed) {
                            break 'orders;
                        }
                        tokio::time::sleep(AGAIN_PAUSE).await;
                    }
                    acknowledged.push(id);
                    count.send_modify(|count| *count += 1);
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                acknowledged
            };
            let _ = sender.send(runtime.block_on(posting));
        });
        self.posting.push(tokio::spawn(async move { posted.await.expect("the load runs") }));
    }

    /// Lets the load run for a random number of requests.
    async fn until_some_moment(&self) {
        let [random] = random_bytes::<1>();
        let wanted = *self.count.borrow() + 20 + usize::from(random) / 2;
        let mut count = self.count.subscribe();
        let reached = count.wait_for(|count| *count >= wanted);
        tokio::time::timeout(DEADLINE, reached)
            .await
            .expect("orders are acknowledged")
            .expect("the load runs");
    }

    /// Stops the load, and returns the acknowledged orders.
    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut acknowledged = Vec::new();
        for posting in self.posting {
            acknowledged.extend(posting.await.expect("the load runs"));
        }
        acknowledged
    }
}

/// Waits until an order is acknowledged, and returns how long that took.
async fn until_acknowledged(till: &Till, id: &str) -> Duration {
    let since = Stopwatch::start();
    let body = created(id);
    let waiting = async {
        while till.hook(&body).await.status() != 200 {
            tokio::time::sleep(AGAIN_PAUSE).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("it is acknowledged in time");
    since.elapsed()
}

/// Every acknowledged order exists once. Each order of the site is at the
/// payment system once. Buyers pay, and each payment counts once and causes one
/// callback.
async fn nothing_is_missing(till: &Till, acknowledged: &[String]) {
    let mut there = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = till.admin(&format!("/orders?limit=500{cursor}")).await;
        for order in page["items"].as_array().expect("orders") {
            let text = |name: &str| order[name].as_str().expect("a text").to_owned();
            assert_eq!(
                there.insert(text("external_id"), text("number")),
                None,
                "an order is listed twice"
            );
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let missing: Vec<&String> = acknowledged.iter().filter(|id| !there.contains_key(*id)).collect();
    assert!(
        missing.is_empty(),
        "{} of {} are lost: {missing:?}",
        missing.len(),
        acknowledged.len()
    );

    let placed: Vec<&String> =
        acknowledged.iter().filter(|id| id.starts_with('S')).map(|id| &there[id]).collect();
    for number in &placed {
        till.order_in(number, "linked").await;
        assert!(till.bank.buyer_acts(&till.remote(number).container, Outcome::Pay), "{number}");
    }
    for number in &placed {
        till.order_in(number, "paid").await;
    }
    till.nothing_waits_in("callback").await;
    // A callback that was being sent when the database went away is sent again,
    // under the same id.
    let callbacks: BTreeSet<(String, String)> = till
        .site
        .callbacks()
        .iter()
        .map(|callbacks| (callbacks.id.clone(), callbacks.body["data"]["id"].to_string()))
        .collect();
    for number in placed {
        let of_this =
            callbacks.iter().filter(|(_, order)| *order == format!("\"{number}\"")).count();
        assert_eq!(of_this, 1, "{number} was paid once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_loses_nothing_that_was_acknowledged() {
    let (server, address) = pair();
    let till = open(&address).await;
    let load = Load::start(&till);
    load.until_some_moment().await;
    server.order("stop 1");
    server.order("promote 2");
    let took = until_acknowledged(&till, "after").await;
    assert!(took <= PROMOTED_MAX + MARGIN, "{took:?} after the promotion");
    load.until_some_moment().await;
    nothing_is_missing(&till, &load.end().await).await;
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_shuts_down_loses_nothing_that_was_acknowledged() {
    let (server, address) = pair();
    let till = open(&address).await;
    let load = Load::start(&till);
    load.until_some_moment().await;
    server.order("halt 1");
    server.order("promote 2");
    let took = until_acknowledged(&till, "after").await;
    assert!(took <= PROMOTED_MAX + MARGIN, "{took:?} after the promotion");
    nothing_is_missing(&till, &load.end().await).await;
    till.close().await;
}

/// A stopped primary accepts connections and does not answer. When it
/// continues, it is not written to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_primary_is_left_and_not_used_again() {
    let (server, address) = pair();
    let till = open(&address).await;
    let load = Load::start(&till);
    load.until_some_moment().await;
    server.order("freeze 1");
    server.order("promote 2");
    let took = until_acknowledged(&till, "after").await;
    assert!(took <= LEFT_MAX + MARGIN, "{took:?} after it was stopped");
    server.order("thaw 1");
    load.until_some_moment().await;
    let mut acknowledged = load.end().await;
    acknowledged.push("after".into());
    // A receiver that is started now also uses the new primary.
    let till = till.restart().await;
    nothing_is_missing(&till, &acknowledged).await;
    till.close().await;
}

/// An old primary that comes back writable is not written to, neither by a
/// running receiver nor by one that is started later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_that_comes_back_is_not_written_to() {
    let (server, address) = pair();
    let till = open(&address).await;
    let load = Load::start(&till);
    load.until_some_moment().await;
    server.order("stop 1");
    server.order("promote 2");
    until_acknowledged(&till, "after").await;
    server.order("start 1");
    load.until_some_moment().await;
    let mut acknowledged = load.end().await;
    acknowledged.push("after".into());
    let till = till.restart().await;
    nothing_is_missing(&till, &acknowledged).await;
    // When the new primary is away, the old one is not used.
    server.order("stop 2");
    for _ in 0..5 {
        assert_eq!(till.hook(&created("late")).await.status(), 503);
    }
    server.order("start 2");
    until_acknowledged(&till, "late").await;
    till.close().await;
}

/// Two standbys of one primary were promoted: each lacks what is written to the
/// other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_two_primaries_nothing_is_written_until_one_is_stopped() {
    let server = Server::start(&[]);
    let (second, third) = (server.standby(), server.standby());
    server.order("sync");
    let till = open(&address(&[&server.url, &second, &third])).await;
    until_acknowledged(&till, "before").await;
    server.order("stop 1");
    server.order("promote 2");
    // What is acknowledged from now on is on the second one: were it the third,
    // nothing could go on without that.
    until_acknowledged(&till, "between").await;
    server.order("promote 3");
    until_refused(&till, "both take writes, on the same timeline").await;
    assert_eq!(till.hook(&created("meanwhile")).await.status(), 503);
    server.order("halt 3");
    until_acknowledged(&till, "meanwhile").await;
    nothing_is_missing(&till, &["before", "between", "meanwhile"].map(String::from)).await;
    till.close().await;
}

async fn read(till: &Till, path: &str) -> (u16, String) {
    let reply = till.call(Method::GET, path, "", None, "").await;
    (reply.status.as_u16(), String::from_utf8_lossy(&reply.body).into_owned())
}

/// Waits until `/readyz` answers 200, and returns its text.
async fn ready(till: &Till) -> String {
    let waiting = async {
        loop {
            match read(till, "/readyz").await {
                (200, says) => return says,
                _ => ask_again_soon().await,
            }
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("it is ready in time")
}

/// Starts a fake server. It accepts connections and answers byte by byte, more
/// slowly than any timeout, or not at all.
async fn nearly_a_server(is_slow: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("postgres://postgres@{}/x", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            if !is_slow {
                open.push(connection);
                continue;
            }
            tokio::spawn(async move {
                let _ = connection.read_u8().await;
                // "No SSL", followed by the beginning of an authentication
                // message.
                for byte in b"NR\0\0\0\x08\0\0\0\0" {
                    if connection.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_and_slow_servers_do_not_hide_a_working_one() {
    let server = Server::start(&[]);
    let (silent, slow) = (nearly_a_server(false).await, nearly_a_server(true).await);
    let real = server.url.as_str();
    let places = [
        [silent.as_str(), silent.as_str(), real],
        [silent.as_str(), real, slow.as_str()],
        [real, slow.as_str(), silent.as_str()],
        [slow.as_str(), silent.as_str(), real],
    ];
    for (round, place) in places.into_iter().enumerate() {
        let since = Stopwatch::start();
        let till = open(&address(&place)).await;
        until_acknowledged(&till, &format!("H{round}")).await;
        assert!(
            since.elapsed() < Duration::from_secs(2) + MARGIN,
            "{place:?}: {:?}",
            since.elapsed()
        );
        till.close().await;
    }
}

/// Without its synchronous standby a primary acknowledges nothing, and
/// continues when the standby is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_standby_is_away_nothing_is_acknowledged() {
    let (server, address) = pair();
    let till = open(&address).await;
    let load = Load::start(&till);
    load.until_some_moment().await;
    server.order("stop 2");
    // By then, the commits that were confirmed just before have been answered.
    assert_eq!(till.hook(&created("first")).await.status(), 503);
    let before = *load.count.borrow();
    assert_eq!(till.hook(&created("second")).await.status(), 503);
    assert_eq!(*load.count.borrow(), before, "nothing else was acknowledged either");
    until_refused(&till, "and no such standby is connected: nothing is acknowledged until one is")
        .await;
    assert_eq!(read(&till, "/metrics").await.0, 200, "metrics are served in this state");
    // However many requests come meanwhile, few wait at the server, as its
    // number of connections is limited.
    for count in 0..200 {
        assert_eq!(till.hook(&created(&format!("W{count}"))).await.status(), 503);
    }
    let operator = Operator::at(&server).await;
    let text = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tillgate'";
    let backends = operator.count(text).await;
    assert!(backends <= CONNECTIONS_MAX, "{backends} backends");
    operator.leave().await;
    server.order("start 2");
    until_acknowledged(&till, "first").await;
    load.until_some_moment().await;
    ready(&till).await;
    nothing_is_missing(&till, &load.end().await).await;
    till.close().await;
}

/// An operator's own connection to the first server.
struct Operator {
    client: tokio_postgres::Client,
    connection: JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Operator {
    async fn at(server: &Server) -> Operator {
        let connected = tokio_postgres::connect(&server.url, tokio_postgres::NoTls).await;
        let (client, connection) = connected.expect("the primary answers");
        Operator { client, connection: tokio::spawn(connection) }
    }

    async fn run(&self, text: &str) {
        self.client.batch_execute(text).await.expect("the statement succeeds");
    }

    /// The count that a statement returns.
    async fn count(&self, text: &str) -> i64 {
        self.client.query_one(text, &[]).await.expect("an answer").get(0)
    }

    async fn leave(self) {
        drop(self.client);
        self.connection.await.expect("no panic").expect("the connection closes without an error");
    }
}

/// Waits until the receiver has seen a server on this timeline.
async fn until_seen(till: &Till, timeline: u32) {
    let is_seen = async {
        while till.app.store().servers_seen().and_then(|seen| seen.timeline) != Some(timeline) {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, is_seen).await.expect("the timeline is seen");
}

/// Opens all connections for reads, so that none of them is opened later.
async fn warm_up(till: &Arc<Till>, number: &str) {
    let reading: Vec<JoinHandle<()>> = (0..32)
        .map(|_| {
            let (till, path) = (Arc::clone(till), format!("/orders/{number}"));
            tokio::spawn(async move { drop(till.admin(&path).await) })
        })
        .collect();
    for read in reading {
        read.await.expect("the order is read");
    }
}

/// Runs `text`, which ends waiting commits and counts them, until it has ended
/// at least five.
async fn end_five(server: &Server, text: &str) {
    let operator = Operator::at(server).await;
    let ended = async {
        let mut ended = 0_i64;
        while ended < 5 {
            ended += operator.count(text).await;
        }
    };
    tokio::time::timeout(DEADLINE, ended).await.expect("commits wait for the standby");
    operator.leave().await;
}

/// A commit whose connection was terminated while it waited for the standby is
/// on the primary and on no standby. A repeated hook is not answered from it,
/// neither by the same receiver nor by another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_connection_was_terminated_does_not_count() {
    let (server, address) = pair();
    let till = Arc::new(open(&address).await);
    until_acknowledged(&till, "before").await;
    let number =
        till.admin("/orders").await["items"][0]["number"].as_str().expect("a number").to_owned();
    warm_up(&till, &number).await;
    let other = Arc::new(open(&address).await);
    warm_up(&other, &number).await;
    server.order("stop 2");
    // Both receivers get the same hooks.
    let (load, other_load) = (Load::start(&till), Load::start(&other));
    let waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    end_five(&server, &format!("SELECT count(pg_terminate_backend(pid)) {waits}")).await;
    // Then the commits that the receivers have given up.
    let old = "AND query_start < clock_timestamp() - interval '2.3 s'";
    end_five(&server, &format!("SELECT count(pg_cancel_backend(pid)) {waits} {old}")).await;
    assert_eq!(load.end().await, [""; 0], "the standby has none of these orders");
    assert_eq!(other_load.end().await, [""; 0], "the other receiver acknowledges none either");
    Arc::into_inner(other).expect("the last reference").close().await;
    server.order("stop 1");
    server.order("start 2");
    server.order("promote 2");
    until_acknowledged(&till, "after").await;
    nothing_is_missing(&till, &["before".into(), "after".into()]).await;
    Arc::into_inner(till).expect("the last reference").close().await;
}

/// One receiver has written a commit to the primary alone, and given up.
/// Another receiver reads it there, and does not answer from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_of_another_receiver_counts_once_the_standby_has_it() {
    let (server, address) = pair();
    let (till, other) = (Arc::new(open(&address).await), Arc::new(open(&address).await));
    until_acknowledged(&till, "before").await;
    let number =
        till.admin("/orders").await["items"][0]["number"].as_str().expect("a number").to_owned();
    warm_up(&other, &number).await;
    server.order("stop 2");
    assert_eq!(till.hook(&created("H1")).await.status(), 503, "the standby does not have it");
    let operator = Operator::at(&server).await;
    let text =
        "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    assert!(operator.count(text).await > 0, "the commit waits for the standby");
    operator.leave().await;
    for _ in 0..3 {
        assert_eq!(other.hook(&created("H1")).await.status(), 503);
    }
    server.order("start 2");
    until_acknowledged(&other, "H1").await;
    nothing_is_missing(&till, &["before".into(), "H1".into()]).await;
    Arc::into_inner(other).expect("the last reference").close().await;
    Arc::into_inner(till).expect("the last reference").close().await;
}

/// A primary that keeps running is left as well when a standby is promoted,
/// both for writes and for reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_primary_is_left_when_another_is_promoted() {
    let (server, address) = pair();
    let till = Arc::new(open(&address).await);
    until_acknowledged(&till, "before").await;
    let number =
        till.admin("/orders").await["items"][0]["number"].as_str().expect("a number").to_owned();
    warm_up(&till, &number).await;
    server.order("promote 2");
    let all: Vec<String> = (0..5).map(|count| format!("A{count}")).collect();
    let took = until_acknowledged(&till, &all[0]).await;
    assert!(took <= LEFT_ALIVE_MAX + MARGIN, "{took:?} after the promotion");
    for id in &all {
        until_acknowledged(&till, id).await;
    }
    let answer: serde_json::Value =
        serde_json::from_str(till.hook(&created("A0")).await.body()).expect("an answer");
    let number = answer["number"].as_str().expect("a number").to_owned();
    until_seen(&till, 2).await;
    assert_eq!(
        till.admin(&format!("/orders/{number}")).await["external_id"],
        "A0",
        "it is read from the new primary"
    );
    nothing_is_missing(&till, &all).await;
    Arc::into_inner(till).expect("the last reference").close().await;
}

/// The same while the old primary has another standby that confirms its
/// commits. Once the new primary is known, nothing more is written to the old
/// one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_with_a_standby_is_left_when_another_is_promoted() {
    let server = Server::start(&[]);
    let (second, third) = (server.standby(), server.standby());
    server.order("sync");
    let till = open(&address(&[&server.url, &second, &third])).await;
    until_acknowledged(&till, "before").await;
    server.order("promote 2");
    until_seen(&till, 2).await;
    let all: Vec<String> = (0..5).map(|count| format!("A{count}")).collect();
    for id in &all {
        until_acknowledged(&till, id).await;
    }
    server.order("stop 1");
    let till = till.restart().await;
    nothing_is_missing(&till, &all).await;
    till.close().await;
}

/// The same with a new primary that is slow to answer: its late greeting
/// counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_primary_that_is_far_away_is_found() {
    let server = Server::start(&[]);
    let standby = server.standby();
    server.order("sync");
    let till = open(&address(&[&server.url, &far_away(&standby).await])).await;
    until_acknowledged(&till, "before").await;
    server.order("promote 2");
    until_acknowledged(&till, "after").await;
    let till = till.restart().await;
    until_acknowledged(&till, "restarted").await;
    nothing_is_missing(&till, &["before".into(), "after".into(), "restarted".into()]).await;
    till.close().await;
}

/// A proxy to the server that delays each packet, as if the server were on
/// another continent.
async fn far_away(server: &str) -> String {
    let host = server
        .rsplit('@')
        .next()
        .and_then(|rest| rest.split('/').next())
        .expect("a host")
        .to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("postgres://postgres@{}/x", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = tokio::net::TcpStream::connect(&host).await else { continue };
            let ((mut near_read, mut near_write), (mut far_read, mut far_write)) =
                (near.into_split(), far.into_split());
            tokio::spawn(async move { carry(&mut near_read, &mut far_write).await });
            tokio::spawn(async move { carry(&mut far_read, &mut near_write).await });
        }
    });
    url
}

/// Forwards bytes, each after a delay of `FAR`.
async fn carry(
    from: &mut tokio::net::tcp::OwnedReadHalf,
    to: &mut tokio::net::tcp::OwnedWriteHalf,
) {
    const FAR: Duration = Duration::from_millis(60);
    let mut bytes = vec![0; 65536];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        tokio::time::sleep(FAR).await;
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

/// A standby that is promoted after the new primary is on the same timeline,
/// and lacks what was written to the new primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_promoted_next_to_the_new_primary_gets_no_writes() {
    let server = Server::start(&[]);
    let (second, third) = (server.standby(), server.standby());
    server.order("sync");
    let till = open(&address(&[&server.url, &second, &third])).await;
    until_acknowledged(&till, "before").await;
    server.order("stop 1");
    server.order("promote 2");
    until_acknowledged(&till, "after").await;
    server.order("promote 3");
    // No open connection breaks, so the receiver has to check the servers.
    until_refused(&till, "both take writes, on the same timeline").await;
    server.order("stop 2");
    until_refused(&till, "on which another server was written to").await;
    assert_eq!(till.hook(&created("meanwhile")).await.status(), 503);
    server.order("halt 3");
    server.order("start 2");
    until_acknowledged(&till, "meanwhile").await;
    nothing_is_missing(&till, &["before".into(), "after".into(), "meanwhile".into()]).await;
    till.close().await;
}

async fn until_refused(till: &Till, why: &str) {
    let is_refused = async {
        loop {
            let (status, says) = read(till, "/readyz").await;
            if status == 503 && says.contains(why) {
                return;
            }
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, is_refused).await.expect("/readyz gives the reason");
}

/// A commit that was cancelled while it waited for the standby is on no
/// standby: it is not acknowledged, even if the user's defaults suppress
/// warnings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_wait_for_the_standby_acknowledges_nothing() {
    let (server, address) = pair();
    let operator = Operator::at(&server).await;
    operator.run("ALTER ROLE postgres SET client_min_messages = error").await;
    operator.leave().await;
    let till = open(&address).await;
    until_acknowledged(&till, "before").await;
    server.order("stop 2");
    let load = Load::start(&till);
    let text =
        "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    end_five(&server, text).await;
    assert_eq!(load.end().await, [""; 0], "the standby has none of these orders");
    server.order("stop 1");
    server.order("start 2");
    server.order("promote 2");
    until_acknowledged(&till, "after").await;
    nothing_is_missing(&till, &["before".into(), "after".into()]).await;
    till.close().await;
}

/// After a crash, a primary shows commits that no standby has: a repeated hook
/// is not answered from them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_of_a_restarted_primary_counts_once_its_standby_has_it() {
    let (server, address) = pair();
    let till = open(&address).await;
    until_acknowledged(&till, "before").await;
    server.order("stop 2");
    assert_eq!(till.hook(&created("H1")).await.status(), 503, "the standby does not have it");
    server.order("stop 1");
    server.order("start 1");
    for _ in 0..5 {
        assert_eq!(
            till.hook(&created("H1")).await.status(),
            503,
            "the standby still does not have it"
        );
    }
    server.order("stop 1");
    server.order("start 2");
    server.order("promote 2");
    until_acknowledged(&till, "H1").await;
    nothing_is_missing(&till, &["before".into(), "H1".into()]).await;
    till.close().await;
}

/// The primary dies while a group of commits is in progress. The outcome of the
/// group is unknown, and each of its hooks counts once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_commits_during_a_promotion_counts_once() {
    let (server, address) = pair();
    let till = Arc::new(open(&address).await);
    until_acknowledged(&till, "before").await;
    let operator = Operator::at(&server).await;
    // The group has written its orders, and waits for the lock on the lists.
    operator.run("BEGIN; LOCK tillgate.lists").await;
    let hooks: Vec<JoinHandle<u16>> = (0..8)
        .map(|count| {
            let till = Arc::clone(&till);
            tokio::spawn(async move { till.hook(&created(&format!("G{count}"))).await.status() })
        })
        .collect();
    let waits = async {
        let text = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        while operator.count(text).await == 0 {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, waits).await.expect("a group waits");
    server.order("stop 1");
    server.order("promote 2");
    drop(operator); // its connection is broken, as the server was stopped
    for (count, hook) in hooks.into_iter().enumerate() {
        let status = hook.await.expect("an answer");
        assert!([200, 503].contains(&status), "G{count}: {status}");
        until_acknowledged(&till, &format!("G{count}")).await;
    }
    let all: Vec<String> =
        (0..8).map(|count| format!("G{count}")).chain(["before".into()]).collect();
    nothing_is_missing(&till, &all).await;
    Arc::into_inner(till).expect("the last reference").close().await;
}

/// In the middle of a failover there are only standbys. A receiver that is
/// started then answers 503, and works when a standby has been promoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_finds_only_standbys_waits_for_a_primary() {
    let (server, address) = pair();
    let till = open(&address).await;
    until_acknowledged(&till, "before").await;
    let till = till.stopped().await;
    server.order("stop 1");
    let till = till.started().await;
    assert!(
        till.app.waits_for().is_some_and(|why| why.contains("a standby, which takes no writes"))
    );
    assert_eq!(till.hook(&created("during")).await.status(), 503);
    let (status, says) = read(&till, "/readyz").await;
    assert_eq!((status, says.contains("a standby, which takes no writes")), (503, true), "{says}");
    server.order("promote 2");
    let took = until_acknowledged(&till, "during").await;
    assert!(took <= PROMOTED_MAX + MARGIN, "{took:?} after the promotion");
    let says = ready(&till).await;
    assert!(says.contains("is the primary, on timeline 2"), "{says}");
    assert!(
        says.contains("missing: several servers are named, and commits wait for none"),
        "{says}"
    );
    nothing_is_missing(&till, &["before".into(), "during".into()]).await;
    till.close().await;
}
