//! Unauthenticated clients, sites and senders cannot exhaust memory,
//! connections or storage, and cannot block others.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tillgate::kernel::{Clock, Stopwatch};
use tillgate::payments::Checkout;
use tillgate::peer::Client;
use tillgate::store::{Batch, Expect};
use tillgate_lab::sandbox::Setup;

use super::operation::{BINARY, Process, configure};
use crate::world::till::{API_KEY, Till, json_of, order, text};
use crate::world::{ADMIN_TOKEN, DEADLINE, TOKEN, ask_again_soon, created};

/// The resident memory of a process, in MiB.
fn memory_mebibytes(process: &Process) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("its status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
    line.split_whitespace()
        .nth(1)
        .and_then(|kibibytes| kibibytes.parse::<u64>().ok())
        .expect("a number")
        / 1024
}

fn gateway() -> (Process, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    (Process::start(folder.path()), folder)
}

/// Requests an address over a new connection, as a client that has nothing to
/// do with the attack. Returns the status.
fn status_of(address: &str, path: &str) -> u16 {
    let mut peer = TcpStream::connect(address).expect("a connection");
    peer.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    write!(peer, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .expect("it is sent");
    let mut answer = String::new();
    peer.read_to_string(&mut answer).expect("an answer");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

/// The longest time that another client may wait during an attack.
const SERVED_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn unread_responses_keep_neither_memory_nor_a_connection() {
    let (gateway, _folder) = gateway();
    let mut peer = TcpStream::connect(gateway.address()).expect("a connection");
    peer.set_write_timeout(Some(Duration::from_millis(500))).expect("a time-out");
    let requests = b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20_000);
    let mut sent = 0;
    let mut stuck: Option<Stopwatch> = None;
    let cut = loop {
        match peer.write(&requests[sent % requests.len()..]) {
            Ok(count) => sent += count,
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                assert!(memory_mebibytes(&gateway) < 100, "{} MiB", memory_mebibytes(&gateway));
                let since = stuck.get_or_insert_with(Stopwatch::start);
                assert!(since.elapsed() < Duration::from_secs(15), "the connection is still open");
            }
            Err(_) => break stuck.is_some(),
        }
    };
    assert!(cut, "the gateway never closed the connection: {sent} bytes");
    assert!(memory_mebibytes(&gateway) < 100, "{} MiB", memory_mebibytes(&gateway));
    assert_eq!(status_of(gateway.address(), "/healthz"), 200);
    gateway.kill();
}

#[test]
fn silent_connections_lock_nobody_out() {
    let most = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: most.maximum, maximum: most.maximum })
        .expect("a higher limit");
    let (gateway, _folder) = gateway();
    let silent: Vec<TcpStream> =
        (0..4096).map(|_| TcpStream::connect(gateway.address()).expect("a connection")).collect();
    let watch = Stopwatch::start();
    for _ in 0..20 {
        assert_eq!(status_of(gateway.address(), "/healthz"), 200);
    }
    assert!(watch.elapsed() < SERVED_WITHIN, "{:?}", watch.elapsed());
    drop(silent);
    gateway.kill();
}

#[test]
fn an_unread_log_does_not_delay_hooks() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let settings = std::fs::read_to_string(folder.path().join("tillgate.toml")).expect("settings");
    let site = format!(
        "[gateways.bank]\nprotocol = \"invoicebox\"\nurl = \"http://127.0.0.1:9\"\ntoken = \"t\"\n\
        merchant_id = \"m\"\nsigning_key = \"k\"\n[merchants.site]\napi_key = \"{API_KEY}\"\n\
            requests_per_minute_max = 1000000\n"
    );
    std::fs::write(folder.path().join("tillgate.toml"), format!("{settings}{site}"))
        .expect("written");
    let mut child = Command::new(BINARY)
        .args(["serve", "--config", "tillgate.toml"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped()) // never read
        .spawn()
        .expect("it starts");
    let mut stdout = std::io::BufReader::new(child.stdout.take().expect("its output"));
    let mut address = String::new();
    loop {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut line).expect("text");
        if let Some((_, found)) = line.trim_end().split_once(" listens on http://") {
            found.clone_into(&mut address);
        }
        if line.trim_end() == "ready" {
            break;
        }
    }
    // Each request writes a line; the pipe and the queue before it hold about
    // nine thousand.
    let mut peer = TcpStream::connect(&address).expect("a connection");
    peer.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    let one =
        format!("GET /v1/orders/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n\r\n");
    let mut reader = peer.try_clone().expect("the same connection");
    let reading = std::thread::spawn(move || {
        let status = b"HTTP/1.1 404";
        let (mut answered, mut piece, mut unread) = (0, [0; 65536], Vec::new());
        while answered < 12_000 {
            let count = reader.read(&mut piece).expect("answers");
            assert!(count > 0, "the connection was closed after {answered} answers");
            unread.extend_from_slice(&piece[..count]);
            answered += unread.windows(status.len()).filter(|window| window == status).count();
            // The end may be the beginning of another status.
            unread.drain(..unread.len().saturating_sub(status.len() - 1));
        }
    });
    for _ in 0..120 {
        peer.write_all(one.repeat(100).as_bytes()).expect("it is sent");
    }
    reading.join().expect("all are answered");
    let hook = created("L-1");
    write!(
        peer,
        "POST /hooks/sm HTTP/1.1\r\nHost: x\r\nClient-Token: {TOKEN}\r\nContent-Length: {}\r\n\r\n\
         {hook}",
        hook.len()
    )
    .expect("it is sent");
    let mut piece = [0; 4096];
    let count = peer.read(&mut piece).expect("an answer");
    assert!(
        piece[..count].starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&piece[..count])
    );
    child.kill().expect("killed");
    child.wait().expect("gone");
}

/// The size of all files in a folder, in bytes.
fn size_of(folder: &Path) -> u64 {
    let entries =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| {
            if path.is_dir() {
                size_of(&path)
            } else {
                path.metadata().map_or(0, |file| file.len())
            }
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_notifications_are_counted_and_not_kept() {
    let till =
        Till::open_yookassa("notification_networks = [\"127.0.0.0/8\"]", Clock::System).await;
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let before = size_of(&till.folder().join("data"));
    for count in 0..30 {
        let made_up = json!({"type": "notification", "event": "payment.succeeded",
            "object": {"id": format!("made-up-{count}"),
            "status": "succeeded", "paid": true, "amount": {"value": "1.00", "currency": "RUB"},
                "padding": "x".repeat(900_000)}});
        let url = format!("{}/hooks/bank", till.url());
        let body = made_up.to_string().into_bytes();
        let reply =
            client.call(Method::POST, &url, HeaderMap::new(), body).await.expect("an answer");
        assert!(reply.status == 200 || reply.status == 404, "{}", reply.status);
    }
    let grown = size_of(&till.folder().join("data")).saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} bytes of forged notifications are kept");
    assert_eq!(till.admin("/hooks").await["items"], json!([]));
    till.close().await;
}

/// The shortest time in which an address is answered, over several tries.
async fn quickest(till: &Till, path: &str, tries: usize) -> Duration {
    let mut least = DEADLINE;
    for _ in 0..tries {
        let watch = Stopwatch::start();
        assert_eq!(till.browse(Method::GET, path).await.0, 404);
        least = least.min(watch.elapsed());
    }
    least
}

/// A client that does not know a buyer's address learns nothing by guessing,
/// not even how large the order is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_address_costs_the_same_whether_or_not_there_is_an_order() {
    let till = Till::open().await;
    let mut large = order("LARGE");
    let item = large["items"][0].clone();
    large["items"] = json!(vec![item; 500]);
    large.as_object_mut().expect("an object").remove("total");
    let reply =
        till.call(Method::POST, "/v1/orders", API_KEY, Some("LARGE"), &large.to_string()).await;
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    let number = text(&json_of(&reply)["number"]);
    let there = quickest(&till, &format!("/pay/{number}-x"), 200).await;
    let not_there = quickest(&till, "/pay/123456789012-x", 200).await;
    assert!(
        there <= not_there * 2,
        "{there:?} with an order of 500 lines, {not_there:?} without one"
    );
    till.close().await;
}

/// The idempotency keys of orders and refunds are separate: a refund is not
/// answered with an order whose key contains the refund's address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_different_requests_never_meet() {
    let till = Till::open().await;
    let first = text(&till.place("A-1", "A-1").await["number"]);
    let body = order("A-2").to_string();
    let key = format!("{first}/refund/zz");
    let placed = till.call(Method::POST, "/v1/orders", API_KEY, Some(&key), &body).await;
    assert_eq!(placed.status, 201);
    let refund = till
        .call(Method::POST, &format!("/v1/orders/{first}/refunds"), API_KEY, Some("zz"), &body)
        .await;
    assert!(
        !refund.headers.contains_key("idempotent-replayed"),
        "{}",
        String::from_utf8_lossy(&refund.body)
    );
    assert_ne!(refund.status, 201);
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_changed_fifty_times_and_no_more() {
    let till = Till::open().await;
    let number = text(&till.place("C-1", "C-1").await["number"]);
    for count in 1..=50 {
        let reply =
            till.change_as(&number, &json!({"description": format!("change {count}")})).await;
        assert_eq!(reply.status, 200, "{count}: {}", String::from_utf8_lossy(&reply.body));
    }
    let items = json!([order("C-1")["items"][0].clone()]);
    for refused in [
        till.change_as(&number, &json!({"description": "once more"})).await,
        till.change(&number, None, &items).await,
    ] {
        let problem = json_of(&refused);
        assert_eq!(
            (refused.status.as_u16(), &problem["type"]),
            (409, &json!("urn:tillgate:problem:too-many-changes")),
            "{problem}"
        );
    }
    // A change to the current value is not counted, and the order can be
    // cancelled.
    assert_eq!(till.change_as(&number, &json!({"description": "change 50"})).await.status, 200);
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sixth_page_of_an_order_reloads_itself_and_hinders_no_other() {
    let till = Till::open_with(Setup::default(), &[], Clock::System).await;
    let token = |placed: &Value| {
        text(&placed["payment"]["url"]).rsplit('/').next().expect("a token").to_owned()
    };
    let (one, other) =
        (token(&till.place("P-1", "P-1").await), token(&till.place("P-2", "P-2").await));
    let follow = |token: &str| {
        let mut peer = TcpStream::connect(till.app.address()).expect("a connection");
        peer.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        write!(peer, "GET /return/{token}/events HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is sent");
        let mut piece = [0; 1024];
        let count = peer.read(&mut piece).expect("an answer");
        let head = String::from_utf8_lossy(&piece[..count]).into_owned();
        (head.split(' ').nth(1).expect("a status").to_owned(), peer)
    };
    // Pages with a buyer's order are not stored in the cache of a shared
    // computer.
    for page in ["", "/status", "/qr.svg", "/slip"] {
        let reply = till.call(Method::GET, &format!("/pay/{one}{page}"), "", None, "").await;
        assert_eq!(reply.headers["cache-control"], "no-store", "{page}");
    }
    let held: Vec<_> = (0..5).map(|_| follow(&one)).collect();
    assert!(held.iter().all(|(status, _)| status == "200"));
    assert_ne!(follow(&one).0, "200");
    assert_eq!(follow(&other).0, "200");
    till.close().await;
}

#[test]
fn the_operators_side_has_an_address_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let settings = std::fs::read_to_string(folder.path().join("tillgate.toml")).expect("settings");
    std::fs::write(
        folder.path().join("tillgate.toml"),
        format!("admin_listen = \"unix:admin.sock\"\n{settings}"),
    )
    .expect("written");
    std::fs::write(folder.path().join("token"), format!("{ADMIN_TOKEN}\n")).expect("written");
    let gateway = Process::start(folder.path());
    for (path, status) in [
        ("/admin/v1/orders", 404),
        ("/metrics", 404),
        ("/docs", 200),
        ("/openapi.json", 200),
        ("/healthz", 200),
        ("/readyz", 200),
    ] {
        assert_eq!(status_of(gateway.address(), path), status, "{path}");
    }
    let run = |arguments: &[&str]| {
        let output = Command::new(BINARY)
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .expect("it runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let of_socket =
        run(&["orders", "list", "--server", "unix:admin.sock", "--admin-token-file", "token"]);
    assert_eq!(of_socket.0, Some(0), "{}", of_socket.1);
    let found = run(&["orders", "list"]);
    assert_eq!(found.0, Some(0), "the socket is the default: {}", found.1);
    let public = run(&["orders", "list", "--server", &gateway.url, "--admin-token-file", "token"]);
    assert_eq!(public.0, Some(1), "{}", public.1);
    gateway.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unauthorized_requests_are_counted_and_log_one_line_a_second() {
    let (gateway, _folder) = gateway();
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let ask = async |method: Method, path: &str, headers: HeaderMap| {
        client
            .call(method, &format!("{}{path}", gateway.url), headers, Vec::new())
            .await
            .expect("an answer")
    };
    let watch = Stopwatch::start();
    for _ in 0..300 {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer guessed-by-an-attacker"));
        assert_eq!(ask(Method::GET, "/admin/v1/orders", headers.clone()).await.status, 401);
        assert_eq!(ask(Method::POST, "/hooks/sm", headers).await.status, 403);
    }
    let seconds = watch.elapsed().as_secs() + 1;
    let metrics = ask(Method::GET, "/metrics", HeaderMap::new()).await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("tillgate_unauthorized_total{api=\"admin\"} 300"), "{metrics}");
    let lines = gateway.log().lines().filter(|line| line.contains("were refused")).count() as u64;
    assert!((2..=2 * seconds).contains(&lines), "{lines} lines in {seconds} s");
    gateway.kill();
}

/// Each authenticated request writes one line: who, what, the outcome, and the
/// id that is in the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_of_a_site_and_of_the_operator_is_in_the_log() {
    let (gateway, _folder) = gateway();
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let mut headers = HeaderMap::new();
    headers.insert(
        "authorization",
        HeaderValue::from_str(&format!("Bearer {ADMIN_TOKEN}")).expect("a header"),
    );
    let url = format!("{}/admin/v1/orders", gateway.url);
    let reply = client.call(Method::GET, &url, headers, Vec::new()).await.expect("an answer");
    let id = reply.headers["x-request-id"].to_str().expect("ascii").to_owned();
    assert_eq!(reply.headers["cache-control"], "no-store");
    let line = async {
        loop {
            if let Some(line) = gateway.log().lines().find(|line| line.contains(&id)) {
                return serde_json::from_str::<BTreeMap<String, Value>>(line)
                    .expect("a line of JSON");
            }
            ask_again_soon().await;
        }
    };
    let line = tokio::time::timeout(DEADLINE, line).await.expect("a line");
    assert_eq!(
        (&line["status"], &line["route"]),
        (&json!(200), &json!("/admin/v1/orders")),
        "{line:?}"
    );
    assert!(line["duration_ms"].is_number(), "{line:?}");
    gateway.kill();
}

/// Requests that could mean another order, or two orders, are refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_has_one_number_and_one_tag() {
    let till = Till::open().await;
    let number = text(&till.place("N-1", "N-1").await["number"]);
    for spelled in [format!("+{number}"), format!("000{number}")] {
        assert_eq!(
            till.call(Method::GET, &format!("/v1/orders/{spelled}"), API_KEY, None, "")
                .await
                .status,
            400,
            "{spelled}"
        );
        assert_eq!(
            till.call(Method::GET, &format!("/admin/v1/orders/{spelled}"), ADMIN_TOKEN, None, "")
                .await
                .status,
            400
        );
    }
    let mut peer = TcpStream::connect(till.app.address()).expect("a connection");
    let body = r#"{"description":"x"}"#;
    write!(
        peer,
        "PATCH /v1/orders/{number} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n\
         If-Match: *\r\nIf-Match: \"77\"\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .expect("it is sent");
    let mut answer = String::new();
    peer.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    for invisible in ["N-1\u{202e}", "N-1\u{200b}", "N\u{feff}-1"] {
        let reply = till
            .call(
                Method::POST,
                "/v1/orders",
                API_KEY,
                Some("invisible"),
                &order(invisible).to_string(),
            )
            .await;
        let problem = json_of(&reply);
        assert!(
            reply.status == 422 && text(&problem["detail"]).contains("invisible character"),
            "{problem}"
        );
    }
    till.close().await;
}

/// Write access to the store is not enough to redirect buyers to another site.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_to_a_foreign_host_in_the_store_is_not_followed() {
    let till = Till::open().await;
    let placed = till.place("T-1", "T-1").await;
    let number = text(&placed["number"]);
    till.order_in(&number, "linked").await;
    let key = Checkout::key(number.parse().expect("a number"));
    let stored = till.app.store().load(&[key]).await.expect("read").remove(0).expect("a checkout");
    let mut checkout: Checkout = stored.document().expect("a checkout");
    let remote = checkout.payments[0].remote.as_mut().expect("it is there");
    remote.url = Some("https://thief.example/pay".into());
    let mut batch = Batch::new();
    batch.put(key, Expect::At(stored.version), &checkout, stored.body.listed_at);
    till.app.store().commit(batch).await.expect("written");
    let (status, location, page) = till.browse(Method::GET, &text(&placed["payment"]["url"])).await;
    assert_eq!((status, location.as_str()), (200, ""), "{page}");
    assert!(!page.contains("thief"), "{page}");
    till.close().await;
}
