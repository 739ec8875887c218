//! The shop's services in processes of their own.

use std::path::Path;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};
use tempfile::TempDir;
use tillgate::peer::{Client, Reply};
use tillgate_lab::mailbox::Mailbox;

use super::operation::Process;
use super::shop::{Browser, EMAIL, PASSWORD, page, registers};
use crate::world::DEADLINE;
use crate::world::database::Server;

const KEY: &str = "key = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"";

/// A folder with these settings.
fn folder(store: &str, shop: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = format!(
        "listen = \"127.0.0.1:0\"\nidle_drain_seconds = 0\nstore = \"{store}\"\n[shop]\n{KEY}\n{shop}"
    );
    std::fs::write(folder.path().join("tillgate.toml"), settings).expect("written");
    folder
}

fn start(folder: &Path, services: &str) -> Process {
    let started = Process::start_as(folder, &["--services", services], &[]);
    started.unwrap_or_else(|code| {
        let log = std::fs::read_to_string(folder.join("log")).expect("a log");
        panic!("it ended with {code:?}: {log}")
    })
}

async fn call(method: Method, url: &str, cookie: &str, body: &str) -> Reply {
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if !cookie.is_empty() {
        headers.insert(header::COOKIE, HeaderValue::from_str(cookie).expect("a cookie"));
    }
    client.call(method, url, headers, body.into()).await.expect("an answer")
}

/// What a reply says: the status, the body without what differs each time, and
/// the session's cookie.
fn said(reply: &Reply) -> (u16, Value, String) {
    let body = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
    let cookies = reply.headers.get_all(header::SET_COOKIE).iter();
    let cookies: Vec<&str> = cookies.map(|cookie| cookie.to_str().expect("text")).collect();
    let session = cookies.iter().find(|cookie| cookie.starts_with("sessionId="));
    let session = session.and_then(|cookie| cookie.split(';').next()).unwrap_or_default();
    (reply.status.as_u16(), body, session.to_owned())
}

/// Plays the examples of the contract of `auth` against a server. Returns the
/// statuses and the bodies.
async fn play(url: &str) -> Vec<(u16, Value)> {
    let mut seen = Vec::new();
    let registration = json!({"email": "string@example.org", "firstName": "string",
        "lastName": "string", "phone": "+7 999 000-00-00", "username": "string",
        "password": PASSWORD});
    let credentials = json!({"password": PASSWORD, "username": "string"});
    let mut session = String::new();
    for (method, path, body) in [
        (Method::POST, "/login", json!({"username": "string"})),
        (Method::POST, "/login", credentials.clone()),
        (Method::POST, "/register", json!({"username": "string"})),
        (Method::POST, "/register", registration.clone()),
        (Method::POST, "/register", registration),
        (Method::GET, "/auth", Value::Null),
        (Method::POST, "/login", credentials.clone()),
        (Method::GET, "/auth", Value::Null),
        (Method::GET, "/auth?role=picker", Value::Null),
        (Method::GET, "/logout", Value::Null),
        (Method::GET, "/auth", Value::Null),
    ] {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = call(method, &format!("{url}{path}"), &session, &body).await;
        let (status, body, new) = said(&reply);
        if path == "/logout" {
            assert_eq!(new, "sessionId=", "an empty session");
        } else if !new.is_empty() {
            session = new;
        }
        seen.push((status, body));
    }
    seen
}

#[tokio::test]
async fn the_contract_of_auth_is_the_same_alone_and_in_one_process() {
    let together = folder("memory:", "");
    let together = Process::start(together.path());
    let expected = play(&format!("{}/shop/auth", together.url)).await;
    let statuses: Vec<u16> = expected.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [400, 401, 400, 200, 409, 200, 200, 200, 403, 200, 401]);
    let client = json!({"email": "string@example.org", "firstName": "string",
        "lastName": "string", "phone": "79990000000", "username": "string"});
    for place in [3, 5, 6, 7] {
        assert_eq!(expected[place].1, client, "{place}");
    }
    for (status, body) in expected.iter().filter(|(status, _)| *status >= 400) {
        assert!(body["errorMessage"].is_string(), "{status}: {body}");
    }

    // Alone it answers at the paths of the contract, and at the gateway's.
    for prefix in ["", "/shop/auth"] {
        let alone = folder(&Server::shared().new_database().await, "");
        let alone = start(alone.path(), "auth");
        assert_eq!(play(&format!("{}{prefix}", alone.url)).await, expected, "{prefix}");
        let reply = call(Method::GET, &format!("{}/account", alone.url), "", "").await;
        assert_eq!(reply.status, 404, "it has no pages");
        let reply = call(Method::POST, &format!("{}/hooks/sm", alone.url), "", "{}").await;
        assert!(reply.status.is_client_error(), "it takes no hooks");
    }
}

#[tokio::test]
async fn the_pages_run_in_one_process_and_the_services_in_others() {
    let mailbox = Mailbox::open().await.expect("a mail server");
    let store = Server::shared().new_database().await;
    let letters =
        format!("[shop.mail]\nurl = \"{}\"\nfrom = \"shop@shop.example\"\n", mailbox.url());
    let auth = folder(&store, "");
    let auth = start(auth.path(), "auth");
    let urls = format!("[shop.service_urls]\nauth = \"{}\"\n", auth.url);
    let letters = format!("public_url = \"https://shop.example\"\n{letters}{urls}");
    let letters = folder(&store, &letters);
    let letters = start(letters.path(), "notification");
    let billing = folder(&store, &urls);
    let billing = start(billing.path(), "billing");
    let urls = format!("{urls}billing = \"{}\"\n", billing.url);
    let goods = folder(&store, &urls);
    let goods = start(goods.path(), "delivery,menu,order,store,payment,orchestra");
    let more = ["delivery", "menu", "order", "store", "payment"];
    let more = more.map(|name| format!("{name} = \"{}\"\n", goods.url)).concat();
    let urls = format!("{urls}{more}");
    let urls = format!("{urls}notification = \"{}\"\n", letters.url);
    let front = folder("memory:", &format!("name = \"Лавка\"\n{urls}"));
    let front_process = start(front.path(), "front");
    let mut browser = Browser::new(&front_process.url);
    registers(&mut browser).await;
    let letter = mailbox.letter_to(EMAIL, 1, DEADLINE).await.expect("a letter");
    assert!(letter.text.contains("https://shop.example/verify/"), "{}", letter.text);
    let token = letter.link().and_then(|link| link.rsplit('/').next()).expect("a token");
    let reply = browser.fill(&format!("/verify/{token}"), &[]).await;
    assert_eq!(reply.status, 200, "{}", page(&reply));
    let account = browser.open("/account").await;
    assert!(!account.contains("не подтверждён") && account.contains("0,00\u{a0}₽"), "{account}");
    assert!(browser.open("/account/wallet").await.contains("Операций пока нет"));

    assert!(browser.open("/cart").await.contains("В корзине ничего нет"));
    assert!(browser.open("/search").await.contains("Ничего не нашлось"));

    // The client wants no letters about the wallet.
    assert!(browser.open("/account/notifications").await.contains("value=\"yes\" checked"));
    assert_eq!(browser.fill("/account/notifications", &[]).await.status, 303);
    assert!(!browser.open("/account/notifications").await.contains("checked"));

    // Without the wallets the account is shown all the same.
    assert_eq!(billing.terminate(), Some(0));
    assert!(browser.open("/account").await.contains("Баланс сейчас не узнать"));
    assert_eq!(browser.send(Method::GET, "/account/wallet", &[]).await.status, 503);

    // The service is away: the pages say so, and nobody is logged out.
    assert_eq!(auth.terminate(), Some(0));
    let reply = browser.send(Method::GET, "/account", &[]).await;
    assert_eq!(reply.status, 503);
    assert!(reply.headers.contains_key(header::RETRY_AFTER));
    assert!(page(&reply).contains("<h1>Не получилось</h1>"), "{}", page(&reply));
    let reply = browser.fill("/login", &[("username", EMAIL), ("password", PASSWORD)]).await;
    assert_eq!(reply.status, 503);
    assert!(page(&reply).contains("ничего не изменено"), "{}", page(&reply));
}

/// The shop's own address has nothing of the gateway, and the gateway's nothing
/// of the shop.
#[tokio::test]
async fn a_shop_with_an_address_of_its_own_is_only_there() {
    let folder = folder("memory:", "listen = \"127.0.0.1:0\"\n");
    let process = Process::start(folder.path());
    let shop = process.said("  shop       ").expect("the address of the shop");
    let at = async |url: &str, path: &str| {
        call(Method::GET, &format!("{url}{path}"), "", "").await.status.as_u16()
    };
    for path in ["/register", "/shop/openapi.json", "/shop/docs", "/assets/docs.css"] {
        assert_eq!(at(&shop, path).await, 200, "{path}");
    }
    for path in ["/register", "/shop/openapi.json", "/shop/auth/me"] {
        assert_eq!(at(&process.url, path).await, 404, "{path}");
    }
    for path in ["/openapi.json", "/metrics", "/admin/v1/orders", "/v1/orders", "/embed.js"] {
        assert_eq!(at(&shop, path).await, 404, "{path}");
    }
    for path in ["/openapi.json", "/metrics", "/healthz"] {
        assert_eq!(at(&process.url, path).await, 200, "{path}");
    }
    assert_eq!(at(&shop, "/healthz").await, 200);
}

/// What cannot work is refused with what to do.
#[test]
fn services_that_cannot_run_apart_do_not_start() {
    for (store, services, why) in [
        ("memory:", "auth", "payment, orchestra write to each other through the store"),
        ("memory:", "front", "front calls auth: run it here too, or set shop.service_urls.auth"),
        ("memory:", "auth,notification", "set shop.public_url"),
        (
            "memory:",
            "auth,front",
            "front calls billing: run it here too, or set shop.service_urls.billing",
        ),
        ("memory:", "billing", "billing calls auth: run it here too"),
        ("memory:", "front,kitchen", "there is no service \"kitchen\": use gateway, auth"),
    ] {
        let folder = folder(store, "");
        let code = Process::start_as(folder.path(), &["--services", services], &[]).err();
        assert_eq!(code, Some(Some(2)), "{services}");
        let log = std::fs::read_to_string(folder.path().join("log")).expect("a log");
        assert!(log.contains(why), "{services}: {log}");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = "listen = \"127.0.0.1:0\"\nstore = \"memory:\"\n";
    std::fs::write(folder.path().join("tillgate.toml"), settings).expect("written");
    let code = Process::start_as(folder.path(), &["--services", "auth"], &[]).err();
    assert_eq!(code, Some(Some(2)));
    let log = std::fs::read_to_string(folder.path().join("log")).expect("a log");
    assert!(log.contains("auth is a part of the shop: add a section [shop]"), "{log}");
}
