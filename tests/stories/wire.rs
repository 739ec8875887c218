//! Requests byte by byte: what is no HTTP, or could be read in two ways, reaches nobody, through nginx and without.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::cluster;
use super::operation::{Process, configure};
use crate::world::{ADMIN_TOKEN, TOKEN, created};

/// What comes back, status by status; `closed` stands at the end where the connection was ended.
fn statuses(address: &str, request: &[u8], ends_writing: bool) -> Vec<String> {
    let mut peer = TcpStream::connect(address).expect("a connection");
    peer.set_read_timeout(Some(Duration::from_millis(700))).expect("a time-out");
    // Whoever has answered already may not read all of it.
    let _ = peer.write_all(request);
    if ends_writing {
        let _ = peer.shutdown(Shutdown::Write);
    }
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    let is_closed = loop {
        match peer.read(&mut piece) {
            Ok(0) => break true,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(why) => {
                break !matches!(why.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
            }
        }
    };
    let text = String::from_utf8_lossy(&answer);
    let lines = text.split("HTTP/1.").skip(1).filter_map(|line| line.get(2..5));
    lines.map(str::to_owned).chain(is_closed.then(|| "closed".to_owned())).collect()
}

/// A request, what comes of it without nginx, and what comes of it through nginx.
struct Case {
    name: &'static str,
    request: Vec<u8>,
    ends_writing: bool,
    direct: &'static [&'static str],
    proxied: &'static [&'static str],
}

fn case(
    name: &'static str,
    request: impl Into<Vec<u8>>,
    direct: &'static [&'static str],
    proxied: &'static [&'static str],
) -> Case {
    Case { name, request: request.into(), ends_writing: false, direct, proxied }
}

fn table() -> Vec<Case> {
    const OK: &[&str] = &["200"];
    const BAD: &[&str] = &["400", "closed"];
    let get = |more: &str| format!("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n");
    let hook = created("W-1");
    let head = format!("POST /hooks/sm HTTP/1.1\r\nHost: 127.0.0.1\r\nClient-Token: {TOKEN}\r\n");
    let whole = format!("{head}Content-Length: {}\r\n\r\n{hook}", hook.len());
    let chunked = |pieces: &[&str]| {
        let pieces: String = pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len())).collect();
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{pieces}0\r\n\r\n")
    };
    let bytes: Vec<String> = hook.chars().map(String::from).collect();
    let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
    let admin = format!(
        "GET /admin/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n"
    );
    let mut cases = vec![
        case("an ordinary request", get(""), OK, OK),
        case("no Host", "GET /healthz HTTP/1.1\r\n\r\n", BAD, BAD),
        case("two Hosts", "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n", BAD, BAD),
        case("a Host that is none", "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", BAD, BAD),
        case("another name", "GET /healthz HTTP/1.1\r\nHost: shop.example\r\n\r\n", OK, &["closed"]),
        case(
            "HTTP/1.0",
            "GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n",
            &["200", "closed"],
            &["200", "closed"],
        ),
        case("the absolute form", "GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", OK, OK),
        case("two at once", get("") + &get(""), &["200", "200"], &["200", "200"]),
        case("a hook and one behind it", whole.clone() + &get(""), &["200", "200"], &["200", "200"]),
        case("a hook in chunks of a byte", chunked(&bytes), OK, OK),
        case(
            "a hook in chunks, and a request behind",
            chunked(&[&hook]) + &get(""),
            &["200", "200"],
            &["200", "200"],
        ),
        case(
            "a length and chunks",
            format!("{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{}", get("")),
            BAD,
            BAD,
        ),
        case("two lengths", format!("{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"), BAD, BAD),
        case("a length with a sign", format!("{head}Content-Length: +5\r\n\r\nhello"), BAD, BAD),
        case("a length below zero", format!("{head}Content-Length: -1\r\n\r\n"), BAD, BAD),
        case(
            "a length beyond all numbers",
            format!("{head}Content-Length: 99999999999999999999999\r\n\r\n"),
            BAD,
            BAD,
        ),
        case(
            "an encoding that is not chunked",
            format!("{head}Transfer-Encoding: identity\r\n\r\n"),
            BAD,
            &["501", "closed"],
        ),
        case(
            "chunked and not the last",
            format!("{head}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
            BAD,
            &["501", "closed"],
        ),
        case(
            "chunked twice",
            format!("{head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            BAD,
            BAD,
        ),
        case(
            "a chunk whose length is none",
            format!("{head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
            BAD,
            BAD,
        ),
        case("a folded header", "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\r\n c\r\n\r\n", BAD, BAD),
        case("a space before the colon", "GET /healthz HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n", BAD, BAD),
        case(
            "a zero byte in a header",
            "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: \0\r\n\r\n",
            BAD,
            BAD,
        ),
        case("no version", "GET /healthz\r\n\r\n", BAD, &["closed"]),
        case("HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &["closed"], BAD),
        case(
            "a method that nobody knows",
            "FOO /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            &["405"],
            &["405"],
        ),
        case(
            "the operator's API by another way",
            "GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Original-URL: /admin/v1/orders\r\n\r\n",
            OK,
            OK,
        ),
        // A request within a body stays there.
        case(
            "a request in a hook's body",
            format!("{head}Content-Length: {}\r\n\r\n{admin}", admin.len()),
            &["400"],
            &["400"],
        ),
    ];
    cases.push(Case {
        ends_writing: true,
        ..case("one that has ended writing", whole, &["200", "closed"], &["200", "closed"])
    });
    cases
}

/// All that differs from the table.
fn wrong(address: &str, of: impl Fn(&Case) -> &'static [&'static str]) -> Vec<String> {
    let came = |case: &Case| statuses(address, &case.request, case.ends_writing);
    let differs = |case: &Case| {
        let (came, due) = (came(case), of(case));
        (came != due).then(|| format!("{}: {due:?} was due, {came:?} came", case.name))
    };
    table().iter().filter_map(differs).collect()
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let gateway = Process::start(folder.path());
    assert_eq!(wrong(gateway.address(), |case| case.direct), Vec::<String>::new());
    gateway.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_be_read_in_two_ways_is_refused_through_nginx() {
    let shop = cluster::Shop::open(crate::world::database::Server::shared(), 1, true).await;
    let address = shop.address();
    let wrong =
        tokio::task::spawn_blocking(move || wrong(&address, |case| case.proxied)).await.expect("it ends");
    assert_eq!(wrong, Vec::<String>::new());
}
