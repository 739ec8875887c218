//! Several receivers on one database: hooks may reach any of them, and any of
//! them may die.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};
use tillgate::kernel::{Secret, Stopwatch};
use tillgate::peer::Client;
use tillgate_lab::cluster::{Cluster, Plan};
use tillgate_lab::demo::chat::{Chat, Trouble};
use tillgate_lab::demo::marketplace::{Attempt, Marketplace};
use tillgate_lab::demo::public::{ApiClient, try_all};
use tillgate_lab::sandbox::{Sandbox, Setup};
use tokio::sync::watch;

use super::operation::BINARY;
use crate::world::database::Server;
use crate::world::till::API_KEY;
use crate::world::{ADMIN_TOKEN, DEADLINE, TOKEN, ask_again_soon, created, hook, random_bytes};

/// Receivers on a new database.
pub struct Services {
    cluster: Cluster,
    database: String,
    chat: Chat,
    bank: Sandbox,
    client: Client,
    folder: tempfile::TempDir,
}

impl Services {
    pub async fn open(server: &Server, receivers: usize, with_nginx: bool) -> Services {
        let (folder, chat) = (folder(), Chat::start().await.expect("a chat"));
        let database = server.new_database().await;
        let bank = Sandbox::start(Setup::default()).await.expect("a payment system");
        let cluster = start(folder.path(), &database, (&chat, &bank), receivers, with_nginx);
        let client = Client::new(DEADLINE, 64 << 20).expect("a client");
        Services { cluster, database, chat, bank, client, folder }
    }

    /// The address for hooks, for example `127.0.0.1:8080`.
    pub fn address(&self) -> String {
        self.cluster.address().to_string()
    }

    fn url(&self) -> String {
        format!("http://{}", self.cluster.address())
    }

    fn marketplace(&self) -> Marketplace {
        marketplace(&self.url())
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let url = format!("{}/admin/v1{path}{cursor}", self.url());
            let mut headers = HeaderMap::new();
            let bearer = HeaderValue::from_str(&format!("Bearer {ADMIN_TOKEN}")).expect("a header");
            headers.insert(header::AUTHORIZATION, bearer);
            let reply =
                self.client.call(Method::GET, &url, headers, Vec::new()).await.expect("an answer");
            assert_eq!(reply.status, 200, "{url}");
            let page: Value = serde_json::from_slice(&reply.body).expect("json");
            items.extend(page["items"].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// Orders by external id. No order may be listed twice.
    async fn orders(&self) -> BTreeMap<String, Value> {
        let mut orders = BTreeMap::new();
        for order in self.list("/orders?limit=500").await {
            let external_id = order["external_id"].as_str().expect("their number").to_owned();
            assert!(
                orders.insert(external_id.clone(), order).is_none(),
                "{external_id} is listed twice"
            );
        }
        orders
    }
}

/// nginx runs as another user and must be able to read this folder.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn start(
    folder: &Path,
    database: &str,
    peers: (&Chat, &Sandbox),
    receivers: usize,
    with_nginx: bool,
) -> Cluster {
    let (chat, bank) = peers;
    let settings = format!(
        "store = \"{database}\"\nadmin_token = \"{ADMIN_TOKEN}\"\n\
         [sources.sm]\nprotocol = \"sm\"\ntoken = \"{TOKEN}\"\n\
         [gateways.bank]\nprotocol = \"invoicebox\"\nurl = \"{}\"\ntoken = \"{}\"\nmerchant_id = \
             \"{}\"\n\
         signing_key = \"{}\"\n\
         [merchants.site]\napi_key = \"{API_KEY}\"\n\
         [notify.telegram]\nurl = \"{}\"\ntoken = \"bot\"\ngap_milliseconds = 1\n\
         [notify.telegram.chats]\ndefault = \"everyone\"\n",
        bank.url(),
        bank.setup().token.expose(),
        bank.setup().merchant_id,
        bank.setup().signing_key.expose(),
        chat.url()
    );
    let plan =
        Plan { binary: BINARY.into(), folder: folder.to_owned(), settings, receivers, with_nginx };
    Cluster::start(&plan).expect("the receivers start")
}

fn marketplace(url: &str) -> Marketplace {
    Marketplace::new(format!("{url}/hooks/sm"), Secret::new(TOKEN)).expect("a client")
}

/// The statuses in nginx's log, with how often each occurs.
fn statuses(log: &str) -> BTreeMap<u64, u64> {
    let mut statuses = BTreeMap::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        *statuses.entry(line["status"].as_u64().expect("a status")).or_insert(0) += 1;
    }
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_duplicates_over_three_receivers_are_one_order_each() {
    const ORDERS: usize = 1000;
    const COPIES: usize = 64;
    let services = Services::open(Server::shared(), 3, true).await;
    let together = Arc::new(tokio::sync::Barrier::new(COPIES));
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..COPIES {
        let (marketplace, together) = (services.marketplace(), Arc::clone(&together));
        senders.spawn(async move {
            let mut answers = Vec::with_capacity(ORDERS);
            for order in 0..ORDERS {
                let body = created(&format!("H{order}"));
                together.wait().await;
                let attempt = marketplace.post(body.as_bytes()).await;
                assert_eq!(attempt.status(), 200, "H{order}: {:?}", attempt.answer);
                answers.push(attempt.body().to_owned());
            }
            answers
        });
    }
    let answers = senders.join_all().await;
    for order in 0..ORDERS {
        let different: BTreeSet<&str> =
            answers.iter().map(|of_sender| of_sender[order].as_str()).collect();
        assert_eq!(different.len(), 1, "H{order} was answered in several ways: {different:?}");
    }
    assert_eq!(services.orders().await.len(), ORDERS);
    let log = services.cluster.nginx_log().expect("nginx logs");
    let statuses = statuses(&log);
    assert!(statuses.keys().all(|status| *status < 500), "{statuses:?}");
    for address in services.cluster.addresses() {
        assert!(log.contains(&format!("\"upstream\":\"{address}\"")), "{address} got nothing");
    }
}

/// What nginx lets through, and what it answers while a receiver does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_lets_through_what_it_should_and_answers_for_receivers_that_do_not() {
    let services = Services::open(Server::shared(), 1, true).await;
    let ask = async |method: Method, path: &str, body: Vec<u8>| {
        let mut headers = HeaderMap::new();
        headers.insert("client-token", HeaderValue::from_static(TOKEN));
        headers.insert("x-request-id", HeaderValue::from_static("made-up"));
        services
            .client
            .call(method, &format!("{}{path}", services.url()), headers, body)
            .await
            .expect("an answer")
    };
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(ask(method, "/hooks/sm", Vec::new()).await.status, 405);
    }
    for (path, status) in
        [("/", 404), ("/wp-admin", 404), ("/healthz", 200), ("/readyz", 200), ("/hooks/other", 404)]
    {
        let method = if path.starts_with("/hooks") { Method::POST } else { Method::GET };
        assert_eq!(ask(method, path, Vec::new()).await.status, status, "{path}");
    }
    // A path that could mean another address is refused.
    for path in
        ["/v1%2f..%2fadmin/v1/orders", "/pay/x%2e%2e/admin/v1/orders", "/pay/..%5Cadmin/v1/orders"]
    {
        assert_eq!(ask(Method::GET, path, Vec::new()).await.status, 400, "{path}");
    }
    assert_eq!(ask(Method::GET, "/healthz?next=%2Fadmin", Vec::new()).await.status, 200);
    assert_eq!(ask(Method::GET, "/pay/123456789012-secret", Vec::new()).await.status, 404);
    assert_eq!(
        ask(Method::GET, "/return/123456789012-secret/events", Vec::new()).await.status,
        404
    );
    assert_eq!(ask(Method::PUT, "/pay/nothing", Vec::new()).await.status, 405);
    assert_eq!(ask(Method::POST, "/pay/nothing", Vec::new()).await.status, 404);
    for path in ["/embed.js", "/pay/nothing/status", "/return/nothing", "/assets/buyer.css"] {
        assert_eq!(ask(Method::POST, path, Vec::new()).await.status, 405, "{path}");
    }
    assert_eq!(ask(Method::POST, "/v1/orders", b"{}".to_vec()).await.status, 401);
    // A body over the limit for hooks is refused by the receiver, which keeps
    // its beginning; a larger one is refused by nginx.
    let long = ask(Method::POST, "/hooks/sm", vec![b' '; 1_500_000]).await;
    assert!(
        long.status == 413 && String::from_utf8_lossy(&long.body).contains("1048576"),
        "{long:?}"
    );
    assert_eq!(ask(Method::POST, "/hooks/sm", vec![b' '; 3_000_000]).await.status, 413);

    // The receiver is stopped: nginx answers in time, in the format of the
    // sender.
    services.cluster.signal(0, "STOP").expect("it is stopped");
    let watch = Stopwatch::start();
    let (sm, invoicebox, page) = tokio::join!(
        ask(Method::POST, "/hooks/sm", created("H1").into_bytes()),
        tokio::time::timeout(DEADLINE, ask(Method::POST, "/hooks/invoicebox", b"{}".to_vec())),
        ask(Method::GET, "/pay/123456789012-secret", Vec::new()),
    );
    assert_eq!(page.status, 504);
    services.cluster.signal(0, "CONT").expect("it continues");
    assert_eq!((sm.status.as_u16(), sm.headers.contains_key("retry-after")), (503, true));
    let invoicebox = invoicebox.expect("in time");
    assert_eq!(
        (invoicebox.status.as_u16(), invoicebox.body.as_slice()),
        (200, br#"{"status":"error","code":"out_of_service"}"#.as_slice())
    );
    assert!(watch.elapsed() < Duration::from_secs(20), "{:?}", watch.elapsed());
    let log = services.cluster.nginx_log().expect("nginx logs");
    assert!(
        log.contains("\"/pay/...\"") && !log.contains("secret"),
        "a buyer's address is a key: {log}"
    );
    let errors = services.cluster.nginx_error_log().expect("nginx logs");
    assert!(errors.contains("/hooks/sm") && !errors.contains("secret"), "{errors}");
    // Hooks that were sent meanwhile are processed when the receiver continues,
    // and their duplicates are recognised.
    until_acknowledged(&services.marketplace(), &created("H1")).await;
    assert_eq!(services.orders().await.len(), 1);
}

/// Hooks with an invalid token and long bodies arrive together with genuine
/// ones over nginx's keep-alive connections: no genuine hook is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_hooks_break_no_connection_of_genuine_ones() {
    const GENUINE: usize = 5000;
    let services = Services::open(Server::shared(), 2, true).await;
    let over = Arc::<AtomicBool>::default();
    let url = format!("{}/hooks/sm", services.url());
    let mut forgers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (over, url) = (Arc::clone(&over), url.clone());
        forgers.spawn(async move {
            let client = Client::new(DEADLINE, 1 << 20).expect("a client");
            let (mut forged, body) = (0_usize, vec![b' '; 300_000]);
            while !over.load(Ordering::Relaxed) {
                let reply = client.call(Method::POST, &url, HeaderMap::new(), body.clone()).await;
                forged += usize::from(reply.is_ok_and(|reply| reply.status == 403));
            }
            forged
        });
    }
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..8 {
        let marketplace = services.marketplace();
        senders.spawn(async move {
            let mut lost = Vec::new();
            for count in 0..GENUINE / 8 {
                let answer =
                    marketplace.post(created(&format!("G-{sender}-{count}")).as_bytes()).await;
                if !answer.is_acknowledged() {
                    lost.push(format!("{} {}", answer.status(), answer.body()));
                }
            }
            lost
        });
    }
    let lost = senders.join_all().await.concat();
    over.store(true, Ordering::Relaxed);
    let forged: usize = forgers.join_all().await.into_iter().sum();
    assert!(forged > 1000, "only {forged} forged hooks were sent meanwhile");
    assert_eq!(lost, Vec::<String>::new(), "with {forged} forged hooks at the same time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pay_button_and_every_public_address_are_reached_through_nginx() {
    let services = Services::open(Server::shared(), 1, true).await;
    let address = services.cluster.address().to_string();
    let api = ApiClient { address: &address, source: "sm", token: TOKEN, api_key: API_KEY };
    let tried = try_all(api).await.expect("an order is placed");
    let wrong: Vec<_> = tried.iter().filter(|one| !one.is_right()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Killed receivers are only restarted by the process that holds their sockets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_killed_makes_no_hook_wait_a_second_and_refuses_none_after_the_first() {
    const SENDERS: usize = 8;
    const EACH: usize = 625;
    let services = Services::open(Server::shared(), 3, true).await;
    let (watch, sent) = (Stopwatch::start(), watch::Sender::new(0));
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        let (marketplace, sent, watch) = (services.marketplace(), sent.clone(), watch);
        senders.spawn(async move {
            let mut hooks = Vec::with_capacity(EACH);
            for count in 0..EACH {
                let body = created(&format!("V-{sender}-{count}"));
                let (began, first) = (watch.elapsed(), marketplace.post(body.as_bytes()).await);
                hooks.push((began, watch.elapsed() - began, first.status()));
                if !first.is_acknowledged() {
                    until_acknowledged(&marketplace, &body).await;
                }
                sent.send_modify(|sent| *sent += 1);
            }
            hooks
        });
    }
    let mut kills = Vec::new();
    for victim in 0..3 {
        let enough = SENDERS * EACH * (victim + 1) / 4;
        let mut sent = sent.subscribe();
        let waiting = sent.wait_for(|sent| *sent >= enough);
        tokio::time::timeout(DEADLINE, waiting).await.expect("hooks are taken").expect("senders");
        let process = services.cluster.process_id(victim);
        kills.push(watch.elapsed());
        services.cluster.signal(victim, "KILL").expect("it dies");
        services.cluster.wait_for_successor(victim, process).expect("it is started again");
    }
    let hooks = senders.join_all().await.concat();
    assert_eq!(hooks.len(), SENDERS * EACH);
    let is_soon_after_a_kill = |began: Duration, took: Duration, soon: Duration| {
        kills.iter().any(|kill| began + took >= *kill && began < *kill + soon)
    };
    // Times without a kill nearby show how slow the machine itself is.
    let elsewhere = hooks
        .iter()
        .filter(|(began, took, _)| !is_soon_after_a_kill(*began, *took, Duration::from_secs(2)));
    let usual = elsewhere.map(|(_, took, _)| *took).max().expect("hooks before the first kill");
    for (began, took, status) in hooks {
        assert!(
            took < Duration::from_secs(1) + usual,
            "{took:?}, {began:?} after the beginning; elsewhere at most {usual:?}; killed at \
             {kills:?}"
        );
        let is_in_first_second = is_soon_after_a_kill(began, took, Duration::from_secs(1));
        assert!(status == 200 || is_in_first_second, "{status} at {began:?}; killed at {kills:?}");
    }
    assert_eq!(services.orders().await.len(), SENDERS * EACH, "each once");
}

/// Sends new orders, each followed by `order.received`, until it is stopped. A
/// hook that fails is sent again, as marketplaces do.
struct Load {
    stop: Arc<AtomicBool>,
    ledger: Arc<Mutex<BTreeMap<String, String>>>,
    acknowledged: watch::Sender<u64>,
    senders: tokio::task::JoinSet<()>,
}

impl Load {
    fn start(marketplace: &Marketplace, name: &str) -> Load {
        let (stop, acknowledged) = (Arc::<AtomicBool>::default(), watch::Sender::new(0));
        let ledger = Arc::<Mutex<BTreeMap<String, String>>>::default();
        let mut senders = tokio::task::JoinSet::new();
        for sender in 0..8 {
            let (stop, acknowledged) = (Arc::clone(&stop), acknowledged.clone());
            let (ledger, marketplace) = (Arc::clone(&ledger), marketplace.clone());
            let name = name.to_owned();
            senders.spawn(async move {
                for count in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let external_id = format!("{name}-{sender}-{count}");
                    let answer = until_acknowledged(&marketplace, &created(&external_id)).await;
                    ledger
                        .lock()
                        .expect("the ledger")
                        .insert(external_id.clone(), answer.body().to_owned());
                    let payload = json!({"originalOrderId": external_id});
                    let received =
                        hook("order.received", Some("2026-11-22T13:00:00+03:00"), payload);
                    until_acknowledged(&marketplace, &received).await;
                    acknowledged.send_modify(|count| *count += 1);
                }
            });
        }
        Load { stop, ledger, acknowledged, senders }
    }

    /// Waits until `more` further orders are acknowledged.
    async fn goes_on(&self, more: u64) {
        let enough = *self.acknowledged.borrow() + more;
        let mut acknowledged = self.acknowledged.subscribe();
        let waiting = acknowledged.wait_for(|count| *count >= enough);
        tokio::time::timeout(DEADLINE, waiting)
            .await
            .expect("hooks are acknowledged")
            .expect("senders");
    }

    async fn end(self) -> BTreeMap<String, String> {
        self.stop.store(true, Ordering::SeqCst);
        self.senders.join_all().await;
        std::mem::take(&mut *self.ledger.lock().expect("the ledger"))
    }
}

async fn until_acknowledged(marketplace: &Marketplace, body: &str) -> Attempt {
    let sending = async {
        loop {
            let attempt = marketplace.post(body.as_bytes()).await;
            if attempt.is_acknowledged() {
                return attempt;
            }
        }
    };
    tokio::time::timeout(DEADLINE, sending).await.expect("it is acknowledged in time")
}

/// Every acknowledged order exists once and gets the same answer as before, and
/// the stock matches.
async fn nothing_is_missing_or_doubled(services: &Services, ledger: &BTreeMap<String, String>) {
    let orders = services.orders().await;
    assert_eq!(orders.keys().collect::<Vec<_>>(), ledger.keys().collect::<Vec<_>>());
    for (external_id, answer) in ledger {
        assert_eq!(orders[external_id]["state"], "shipped", "{external_id}");
        let again = services.marketplace().post(created(external_id).as_bytes()).await;
        assert_eq!(again.body(), answer, "{external_id} got a different answer before");
    }
    let stock = services.list("/stock?limit=500").await;
    assert_eq!(stock[0]["quantity"], format!("-{}", orders.len() * 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_that_are_killed_lose_and_double_nothing() {
    const CYCLES: usize = 100;
    let services = Services::open(Server::shared(), 3, true).await;
    let load = Load::start(&services.marketplace(), "K");
    for _ in 0..CYCLES {
        load.goes_on(5).await;
        let [victim] = random_bytes::<1>();
        services.cluster.kill_and_start(usize::from(victim) % 3).expect("another starts");
    }
    let ledger = load.end().await;
    assert!(ledger.len() >= CYCLES * 5);
    nothing_is_missing_or_doubled(&services, &ledger).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_that_are_restarted_answer_every_hook() {
    const RESTARTS: usize = 50;
    let mut services = Services::open(Server::shared(), 3, true).await;
    let load = Load::start(&services.marketplace(), "R");
    for restart in 0..RESTARTS {
        load.goes_on(5).await;
        services.cluster.restart(restart % 3).expect("another starts");
    }
    load.goes_on(20).await;
    let ledger = load.end().await;
    let exits = services.cluster.drained().expect("they end");
    assert_eq!(exits.len(), RESTARTS);
    assert!(exits.iter().all(std::process::ExitStatus::success), "{exits:?}");
    let log = services.cluster.nginx_log().expect("nginx logs");
    let statuses = statuses(&log);
    assert_eq!(statuses.keys().collect::<Vec<_>>(), [&200], "{statuses:?}");
    nothing_is_missing_or_doubled(&services, &ledger).await;
}

/// The database goes away and comes back: senders get an error in time, and
/// everything recovers by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unavailable_database_is_reported_in_time_and_found_again() {
    let server = Server::start(&[]);
    let services = Services::open(&server, 2, true).await;
    let marketplace = services.marketplace();
    let first = until_acknowledged(&marketplace, &created("before")).await;
    for (round, how) in ["halt", "stop"].into_iter().enumerate() {
        server.order(how);
        for copy in 0..3 {
            let url = format!("{}/hooks/sm", services.url());
            let mut headers = HeaderMap::new();
            headers.insert("client-token", HeaderValue::from_static(TOKEN));
            let body = created(&format!("away {round} {copy}")).into_bytes();
            let watch = Stopwatch::start();
            let reply =
                services.client.call(Method::POST, &url, headers, body).await.expect("an answer");
            assert_eq!(reply.status, 503, "{how}: {}", String::from_utf8_lossy(&reply.body));
            assert!(reply.headers.contains_key("retry-after"), "{how}");
            assert!(watch.elapsed() < Duration::from_secs(3), "{how}: {:?}", watch.elapsed());
        }
        server.order("start");
        for copy in 0..3 {
            until_acknowledged(&marketplace, &created(&format!("away {round} {copy}"))).await;
        }
    }
    let again = until_acknowledged(&marketplace, &created("before")).await;
    assert_eq!(again.body(), first.body());
    assert_eq!(services.orders().await.len(), 7);
}

/// A receiver is stopped while it sends a message. Another one sends it
/// instead. When the first continues, it is too late for it to write anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_slept_through_its_lease_writes_nothing() {
    let services = Services::open(Server::shared(), 1, false).await;
    services.chat.misbehave([Trouble::DeliveredLate(500)]);
    until_acknowledged(&services.marketplace(), &created("H1")).await;
    services.chat.wait_for(1, DEADLINE).await.expect("the first is sending");
    services.cluster.signal(0, "STOP").expect("it is stopped");
    // The leases expire.
    let (client, connection) = tokio_postgres::connect(&services.database, tokio_postgres::NoTls)
        .await
        .expect("the database answers");
    tokio::spawn(connection);
    let leased =
        client.execute("UPDATE tillgate.outbox SET leased_until = 1 WHERE fence <> 0", &[]).await;
    assert_eq!(leased.expect("updated"), 1);
    let folder = folder();
    let other =
        start(folder.path(), &services.database, (&services.chat, &services.bank), 1, false);
    services.chat.wait_for(2, DEADLINE).await.expect("the second sends it");
    let settled = async {
        while client
            .query_one("SELECT count(*) FROM tillgate.outbox", &[])
            .await
            .expect("a count")
            .get::<_, i64>(0)
            > 0
        {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, settled).await.expect("the second settles it");

    services.cluster.signal(0, "CONT").expect("it continues");
    let logged = async {
        while !services.cluster.log(0).expect("a log").contains("a message was not settled") {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, logged).await.expect("the first logs that it is too late");
    let messages = services.chat.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[0], messages[1], "one message under one number, sent at most twice");
    drop(other);
    drop(services.folder);
}
