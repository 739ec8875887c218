//! Requests byte by byte: invalid or ambiguous HTTP is refused, with nginx and
//! without.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::cluster;
use super::operation::{Process, configure};
use crate::world::{ADMIN_TOKEN, TOKEN, created};

/// The statuses of the answers; `closed` is at the end if the connection was
/// closed.
fn statuses(address: &str, request: &[u8], ends_writing: bool) -> Vec<String> {
    let mut peer = TcpStream::connect(address).expect("a connection");
    peer.set_read_timeout(Some(Duration::from_millis(700))).expect("a time-out");
    // A server that has already answered may not read everything.
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
                break !matches!(
                    why.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                );
            }
        }
    };
    let text = String::from_utf8_lossy(&answer);
    let lines = text.split("HTTP/1.").skip(1).filter_map(|line| line.get(2..5));
    lines.map(str::to_owned).chain(is_closed.then(|| "closed".to_owned())).collect()
}

/// A request, with the statuses without nginx and through nginx.
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
        let pieces: String =
            pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len())).collect();
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{pieces}0\r\n\r\n")
    };
    let bytes: Vec<String> = hook.chars().map(String::from).collect();
    let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
    let admin = format!(
        "GET /admin/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \
         {ADMIN_TOKEN}\r\n\r\n"
    );
    let mut cases = vec![
        case("an ordinary request", get(""), OK, OK),
        case("no Host", "GET /healthz HTTP/1.1\r\n\r\n", BAD, BAD),
        case(
            "two Hosts",
            "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n",
            BAD,
            BAD,
        ),
        case("an invalid Host", "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", BAD, BAD),
        case(
            "another name",
            "GET /healthz HTTP/1.1\r\nHost: shop.example\r\n\r\n",
            OK,
            &["closed"],
        ),
        case(
            "HTTP/1.0",
            "GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n",
            &["200", "closed"],
            &["200", "closed"],
        ),
        case(
            "the absolute form",
            "GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            OK,
            OK,
        ),
        case("two at once", get("") + &get(""), &["200", "200"], &["200", "200"]),
        case(
            "a hook and a request after it",
            whole.clone() + &get(""),
            &["200", "200"],
            &["200", "200"],
        ),
        case("a hook in chunks of a byte", chunked(&bytes), OK, OK),
        case(
            "a hook in chunks, and a request after it",
            chunked(&[&hook]) + &get(""),
            &["200", "200"],
            &["200", "200"],
        ),
        case(
            "a length and chunks",
            format!(
                "{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{}",
                get("")
            ),
            BAD,
            BAD,
        ),
        case(
            "two lengths",
            format!("{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
            BAD,
            BAD,
        ),
        case("a length with a sign", format!("{head}Content-Length: +5\r\n\r\nhello"), BAD, BAD),
        case("a length below zero", format!("{head}Content-Length: -1\r\n\r\n"), BAD, BAD),
        case(
            "a length that is too large for an integer",
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
            "chunked, but not as the last encoding",
            format!("{head}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
            BAD,
            &["501", "closed"],
        ),
        case(
            "chunked twice",
            format!(
                "{head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
            BAD,
            BAD,
        ),
        case(
            "a chunk with an invalid length",
            format!("{head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
            BAD,
            BAD,
        ),
        case(
            "a folded header",
            "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\r\n c\r\n\r\n",
            BAD,
            BAD,
        ),
        case(
            "a space before the colon",
            "GET /healthz HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
            BAD,
            BAD,
        ),
        case(
            "a zero byte in a header",
            "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: \0\r\n\r\n",
            BAD,
            BAD,
        ),
        case("no version", "GET /healthz\r\n\r\n", BAD, &["closed"]),
        case("HTTP/2 without negotiation", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &["closed"], BAD),
        case(
            "an unknown method",
            "FOO /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            &["405"],
            &["405"],
        ),
        case(
            "the admin API by a rewriting header",
            "GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Original-URL: \
             /admin/v1/orders\r\n\r\n",
            OK,
            OK,
        ),
        // A request inside a body is part of the body.
        case(
            "a request in a hook's body",
            format!("{head}Content-Length: {}\r\n\r\n{admin}", admin.len()),
            &["400"],
            &["400"],
        ),
    ];
    cases.push(Case {
        ends_writing: true,
        ..case("a client that has shut down writing", whole, &["200", "closed"], &["200", "closed"])
    });
    cases
}

/// All differences from the table.
fn wrong(address: &str, of: impl Fn(&Case) -> &'static [&'static str]) -> Vec<String> {
    let came = |case: &Case| statuses(address, &case.request, case.ends_writing);
    let differs = |case: &Case| {
        let (came, expected) = (came(case), of(case));
        (came != expected).then(|| format!("{}: expected {expected:?}, got {came:?}", case.name))
    };
    table().iter().filter_map(differs).collect()
}

#[test]
fn ambiguous_requests_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let gateway = Process::start(folder.path());
    assert_eq!(wrong(gateway.address(), |case| case.direct), Vec::<String>::new());
    gateway.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguous_requests_are_refused_through_nginx() {
    let services = cluster::Services::open(crate::world::database::Server::shared(), 1, true).await;
    let address = services.address();
    let wrong = tokio::task::spawn_blocking(move || wrong(&address, |case| case.proxied))
        .await
        .expect("it ends");
    assert_eq!(wrong, Vec::<String>::new());
}
