//! The service over its HTTP contract.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tillgate_kernel::{Clock, Fingerprint};
use tillgate_store::Store;
use tillgate_store::memory::Memory;
use tillgate_web::server::Peer;
use tower_service::Service;

use super::client::Client;
use super::{Auth, Settings, api};
use crate::bus::inbox::Inbox;
use crate::bus::{self, Consumer, Format, Incoming, NotTaken};
use crate::formats::{AccountLetter, Contacts, Letter};
use crate::seal::MasterKeys;
use crate::username::{ClientNumber, Username};

mod ends;
mod fields;
mod letters;
mod timing;

const URL: &str = "https://shop.example";
const PASSWORD: &str = "верный конь везёт сено";

/// The service on a store, with a clock that does not run by itself.
struct World {
    store: Store,
    clock: Clock,
    routes: Router,
    /// For the operator, who has been authenticated.
    operator: Router,
    inbox: Inbox<Auth>,
    letters: Inbox<Letters>,
}

/// Keeps the letters that are to be sent, by cause.
#[derive(Default)]
struct Letters(Mutex<BTreeMap<Fingerprint, AccountLetter>>);

impl Consumer for Letters {
    const SERVICE: bus::Service = bus::Service::Notification;

    async fn take(&self, message: &Incoming<'_>) -> Result<(), NotTaken> {
        if message.envelope.format == Contacts::NUMBER {
            message.read::<Contacts>()?;
            return Ok(());
        }
        let letter: AccountLetter = message.read()?;
        let known = self.0.lock().expect("no panic").insert(letter.cause, letter.clone());
        assert!(known.is_none_or(|known| known == letter), "one cause, one letter");
        Ok(())
    }
}

impl World {
    fn new() -> World {
        let clock = Clock::manual("2026-11-30T10:00:00Z".parse().expect("a time"));
        World::on(Store::Memory(Arc::new(Memory::new(clock.clone()))), clock)
    }

    fn on(store: Store, clock: Clock) -> World {
        let settings = Settings {
            keys: MasterKeys::new([7; 32], []),
            public_url: URL.into(),
            trusted_proxies: Vec::new(),
            has_sms: true,
        };
        let auth = Arc::new(Auth::new(settings, store.clone(), clock.clone()));
        let operator = api::routes_for_operator(Arc::clone(&auth));
        let routes = api::routes(Arc::clone(&auth));
        let keys = MasterKeys::new([7; 32], []);
        let inbox = Inbox { consumer: auth, store: store.clone(), keys: keys.clone() };
        let letters = Inbox { consumer: Arc::default(), store: store.clone(), keys };
        World { store, clock, routes, operator, inbox, letters }
    }

    /// Does what is to be done after the answers. Returns the letters that
    /// were sent to this address meanwhile, as text.
    async fn letters_to(&self, to: &str) -> Vec<Letter> {
        self.inbox.take_all_twice().await;
        self.letters.take_all_twice().await;
        let letters = std::mem::take(&mut *self.letters.consumer.0.lock().expect("no panic"));
        let ours = letters.into_values().filter(|letter| letter.to.expose() == to);
        ours.map(|letter| letter.letter).collect()
    }

    /// Another node, or the same one after a restart.
    fn another_node(&self) -> World {
        World::on(self.store.clone(), self.clock.clone())
    }

    fn operator(&self) -> Browser {
        Browser { routes: self.operator.clone(), ..self.browser() }
    }

    fn browser(&self) -> Browser {
        Browser {
            routes: self.routes.clone(),
            address: "203.0.113.7",
            headers: vec![("accept-language", "ru")],
            cookies: BTreeMap::new(),
        }
    }
}

/// A browser, or a program with cookies.
#[derive(Clone)]
struct Browser {
    routes: Router,
    address: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    cookies: BTreeMap<String, String>,
}

struct Reply {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Value,
}

impl Browser {
    async fn send(&mut self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Reply {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(path);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let peer = Peer(Some(self.address.parse().expect("an address")));
        let request = request.extension(peer).body(Body::from(body)).expect("a request");
        let response = self.routes.call(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        for cookie in head.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            let (pair, _) = cookie.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            self.cookies.remove(name);
            if !value.is_empty() {
                self.cookies.insert(name.into(), value.into());
            }
        }
        let body = body.collect().await.expect("a body").to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Reply { status: head.status, headers: head.headers, body }
    }

    async fn post(&mut self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, "application/json", body.to_string().into()).await
    }

    async fn get(&mut self, path: &str) -> Reply {
        self.send(Method::GET, path, "", Vec::new()).await
    }

    async fn log_in(&mut self, name: &str, password: &str) -> Reply {
        self.post("/login", &json!({"username": name, "password": password})).await
    }

    fn without_cookies(&self) -> Browser {
        Browser { cookies: BTreeMap::new(), ..self.clone() }
    }
}

fn anna() -> Value {
    json!({"email": "anna@example.org", "firstName": "Анна", "lastName": "Иванова",
        "phone": "+7 999 000-00-00", "username": "buyer7", "password": PASSWORD})
}

fn kind(reply: &Reply) -> &str {
    reply.body["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default()
}

#[tokio::test]
async fn a_client_registers_leaves_and_comes_back_on_another_device() {
    let world = World::new();
    let mut phone = world.browser();
    let reply = phone.post("/register", &anna()).await;
    let shown = json!({"email": "anna@example.org", "firstName": "Анна", "lastName": "Иванова",
        "phone": "79990000000", "username": "buyer7"});
    assert_eq!((reply.status, &reply.body), (StatusCode::OK, &shown));
    for cookie in reply.headers.get_all(header::SET_COOKIE) {
        let cookie = cookie.to_str().expect("text");
        assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
        assert!(cookie.contains("; Path=/; Max-Age="), "{cookie}");
    }
    let reply = phone.get("/auth").await;
    assert_eq!((reply.status, &reply.body), (StatusCode::OK, &shown));
    assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");

    let stolen = phone.clone();
    let reply = phone.get("/logout").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(!phone.cookies.contains_key("sessionId"));
    for mut browser in [phone.clone(), stolen] {
        let reply = browser.get("/auth").await;
        assert_eq!((reply.status, kind(&reply)), (StatusCode::UNAUTHORIZED, "unauthorized"));
    }

    let mut other = world.another_node().browser();
    let reply = other.log_in("Buyer7", PASSWORD).await;
    assert_eq!((reply.status, &reply.body), (StatusCode::OK, &shown));
    assert_eq!(other.get("/auth").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_log_in_ends_the_session_of_the_request_and_takes_none_from_it() {
    let world = World::new();
    let mut browser = world.browser();
    assert_eq!(browser.post("/register", &anna()).await.status, StatusCode::OK);
    let first = browser.clone();
    assert_eq!(browser.log_in("buyer7", PASSWORD).await.status, StatusCode::OK);
    assert_ne!(first.cookies["sessionId"], browser.cookies["sessionId"]);
    assert_eq!(first.clone().get("/auth").await.status, StatusCode::UNAUTHORIZED);

    // The seed's name for the cookie.
    let mut old = browser.clone();
    let session = old.cookies.remove("sessionId").expect("a session");
    old.cookies.insert("oldSessionId".into(), session);
    assert_eq!(old.log_in("buyer7", PASSWORD).await.status, StatusCode::OK);
    assert_eq!(browser.get("/auth").await.status, StatusCode::UNAUTHORIZED);

    // A session that an attacker has chosen is not taken over.
    let mut fixed = world.browser();
    let chosen = "A".repeat(43);
    fixed.cookies.insert("sessionId".into(), chosen.clone());
    assert_eq!(fixed.log_in("buyer7", PASSWORD).await.status, StatusCode::OK);
    assert_ne!(fixed.cookies["sessionId"], chosen);
}

#[tokio::test]
async fn a_session_ends_by_itself() {
    let world = World::new();
    let mut browser = world.browser();
    assert_eq!(browser.post("/register", &anna()).await.status, StatusCode::OK);
    let day = Duration::from_secs(24 * 3600);
    world.clock.advance(day * 13);
    assert_eq!(browser.get("/auth").await.status, StatusCode::OK);
    world.clock.advance(day * 13);
    assert_eq!(browser.get("/auth").await.status, StatusCode::OK, "it was used on day 13");
    world.clock.advance(day * 14);
    assert_eq!(browser.get("/auth").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_username_belongs_to_one_client() {
    let world = World::new();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut browser = world.browser();
        all.spawn(async move { browser.post("/register", &anna()).await.status });
    }
    let mut statuses = all.join_all().await;
    statuses.sort();
    assert_eq!(statuses[0], StatusCode::OK);
    assert!(statuses[1..].iter().all(|status| *status == StatusCode::CONFLICT), "{statuses:?}");
    let mut again = anna();
    again["username"] = json!("BUYER7");
    let reply = world.browser().post("/register", &again).await;
    assert_eq!((reply.status, kind(&reply)), (StatusCode::CONFLICT, "login-taken"));
    assert_eq!(reply.body["errorMessage"], reply.body["detail"]);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_answered_alike() {
    let world = World::new();
    assert_eq!(world.browser().post("/register", &anna()).await.status, StatusCode::OK);
    let known = world.browser().log_in("buyer7", "неверный пароль").await;
    let unknown = world.browser().log_in("nobody", "неверный пароль").await;
    let address = world.browser().log_in("anna@example.org", "неверный пароль").await;
    for reply in [&known, &unknown, &address] {
        assert_eq!((reply.status, kind(reply)), (StatusCode::UNAUTHORIZED, "wrong-login"));
        assert_eq!(reply.body, known.body);
    }
    for name in ["buyer7", "nobody"] {
        let reply = world.browser().log_in(name, "").await;
        assert_eq!((reply.status, kind(&reply)), (StatusCode::BAD_REQUEST, "bad-request"));
    }
}

#[tokio::test]
async fn guesses_are_slowed_and_the_owner_gets_in_on_a_known_device() {
    let world = World::new();
    let mut owner = world.browser();
    assert_eq!(owner.post("/register", &anna()).await.status, StatusCode::OK);
    let start = world.clock.now();
    let mut slowed = 0;
    for guess in 0..100 {
        // Every attempt from another network and on another node.
        let mut attacker = world.another_node().browser();
        attacker.address = ["198.51.100.1", "192.0.2.1", "2001:db8::1", "203.0.113.1"][guess % 4];
        let reply = attacker.log_in("buyer7", &format!("догадка {guess}")).await;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(kind(&reply), "too-many-attempts");
            let seconds = reply.headers[header::RETRY_AFTER].to_str().expect("text");
            slowed += 1;
            world.clock.advance(Duration::from_secs(seconds.parse().expect("seconds")));
            let again = attacker.log_in("buyer7", &format!("догадка {guess}")).await;
            assert_eq!(again.status, StatusCode::UNAUTHORIZED);
        } else {
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        }
    }
    let took = tillgate_kernel::time::between(start, world.clock.now());
    assert!(slowed >= 90 && took > Duration::from_secs(3600), "{slowed} in {took:?}");

    // The right password from an unknown device is slowed too.
    let unknown = world.browser().log_in("buyer7", PASSWORD).await;
    assert_eq!(unknown.status, StatusCode::TOO_MANY_REQUESTS);
    owner.cookies.remove("sessionId");
    assert_eq!(owner.log_in("buyer7", PASSWORD).await.status, StatusCode::OK);
    // Another account's device helps nobody.
    let mut thief = world.browser();
    let mut other = anna();
    other["username"] = json!("thief");
    assert_eq!(thief.post("/register", &other).await.status, StatusCode::OK);
    assert_eq!(thief.log_in("buyer7", PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_success_forgets_the_failures() {
    let world = World::new();
    assert_eq!(world.browser().post("/register", &anna()).await.status, StatusCode::OK);
    for _ in 0..4 {
        for _ in 0..4 {
            let reply = world.browser().log_in("buyer7", "неверный пароль").await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(world.browser().log_in("buyer7", PASSWORD).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn one_network_registers_a_limited_number() {
    let world = World::new();
    for client in 0..30 {
        let mut registration = anna();
        registration["username"] = json!(format!("buyer{client}"));
        let reply = world.browser().post("/register", &registration).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    }
    let mut registration = anna();
    registration["username"] = json!("one-more");
    let reply = world.browser().post("/register", &registration).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(reply.headers[header::RETRY_AFTER], "3600");
    let mut elsewhere = world.browser();
    elsewhere.address = "198.51.100.1";
    assert_eq!(elsewhere.post("/register", &registration).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_change_from_another_site_is_refused() {
    let world = World::new();
    let foreign: [&[(&'static str, &'static str)]; 4] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", "https://other.example")],
    ];
    for headers in foreign {
        let mut browser = world.browser();
        assert_eq!(browser.log_in("x1", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
        browser.headers = headers.to_vec();
        for (method, path) in
            [(Method::POST, "/login"), (Method::POST, "/register"), (Method::GET, "/logout")]
        {
            let reply =
                browser.send(method, path, "application/json", anna().to_string().into()).await;
            assert_eq!((reply.status, kind(&reply)), (StatusCode::FORBIDDEN, "cross-site"));
        }
    }
    let mut own = world.browser();
    own.headers = vec![("origin", URL), ("sec-fetch-site", "same-origin")];
    assert_eq!(own.post("/register", &anna()).await.status, StatusCode::OK);
}

/// Every field of every request, and everything that can be wrong with it.
#[tokio::test]
async fn every_fault_of_a_field_is_reported_at_the_field() {
    let world = World::new();
    let long = "д".repeat(300);
    let wrong = |field: &str| -> Vec<(Value, StatusCode)> {
        let mut cases: Vec<Value> = vec![json!(7), json!(true), json!([]), json!({"a": 1})];
        if field != "password" {
            cases.extend([json!(long), json!("a\u{0}b"), json!("a\u{202e}b"), json!("a\nb")]);
        }
        cases.into_iter().map(|value| (value, StatusCode::BAD_REQUEST)).collect()
    };
    let requests = [
        (
            "/login",
            json!({"username": "buyer7", "password": PASSWORD}),
            &["username", "password"][..],
        ),
        ("/register", anna(), &["username", "password", "email"]),
    ];
    for (path, right, required) in requests {
        let fields: Vec<String> = right.as_object().expect("an object").keys().cloned().collect();
        for field in &fields {
            for (value, status) in wrong(field) {
                let mut body = right.clone();
                body[field] = value;
                let reply = world.browser().post(path, &body).await;
                assert_eq!(reply.status, status, "{path} {body}: {}", reply.body);
                assert_eq!(reply.body["errors"][0]["pointer"], format!("/{field}"), "{body}");
            }
        }
        for field in required {
            for absent in [None, Some(json!(null)), Some(json!(""))] {
                let mut body = right.clone();
                body.as_object_mut().expect("an object").remove(*field);
                if let Some(absent) = absent {
                    body[*field] = absent;
                }
                let reply = world.browser().post(path, &body).await;
                assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path} {body}");
                let expected =
                    json!([{"pointer": format!("/{field}"), "detail": "Заполните это поле"}]);
                assert_eq!(reply.body["errors"], expected);
            }
        }
        let mut unknown = right.clone();
        unknown["colour"] = json!("red");
        let reply = world.browser().post(path, &unknown).await;
        assert_eq!((reply.status, kind(&reply)), (StatusCode::BAD_REQUEST, "bad-request"));
        let text = right.to_string();
        let twice = format!("{},\"username\":\"other\"}}", &text[..text.len() - 1]);
        let bodies: [(&str, Vec<u8>, StatusCode); 6] = [
            ("application/json", twice.into(), StatusCode::BAD_REQUEST),
            ("application/json", text[..10].into(), StatusCode::BAD_REQUEST),
            ("application/json", b"[]".to_vec(), StatusCode::BAD_REQUEST),
            ("application/json", b"{\"username\": \"\xcf\xe5\"}".to_vec(), StatusCode::BAD_REQUEST),
            ("text/plain", text.clone().into(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
            ("application/json", vec![b' '; 70_000], StatusCode::PAYLOAD_TOO_LARGE),
        ];
        for (content_type, body, status) in bodies {
            let reply = world.browser().send(Method::POST, path, content_type, body).await;
            assert_eq!(reply.status, status, "{path} {content_type}: {}", reply.body);
            assert_eq!(reply.body["errorMessage"], reply.body["detail"]);
        }
    }
}

#[tokio::test]
async fn a_weak_password_is_refused_with_the_reason() {
    let world = World::new();
    for (password, reason) in [
        ("qwerty1234", "легко подобрать"),
        ("коротк", "Не меньше 8"),
        ("buyer7-buyer7", "своё имя"),
    ] {
        let mut body = anna();
        body["password"] = json!(password);
        let reply = world.browser().post("/register", &body).await;
        assert_eq!((reply.status, kind(&reply)), (StatusCode::BAD_REQUEST, "weak-password"));
        assert!(reply.body["detail"].to_string().contains(reason), "{}", reply.body);
        assert_eq!(reply.body["errors"][0]["pointer"], "/password");
    }
}

#[tokio::test]
async fn a_role_is_needed_where_one_is_asked_for() {
    let world = World::new();
    let mut browser = world.browser();
    assert_eq!(browser.get("/auth?role=picker").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.post("/register", &anna()).await.status, StatusCode::OK);
    for role in ["picker", "operator", "king"] {
        let reply = browser.get(&format!("/auth?role={role}")).await;
        assert_eq!((reply.status, kind(&reply)), (StatusCode::FORBIDDEN, "forbidden"));
    }
    assert_eq!(browser.without_cookies().get("/auth").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_client_logs_in_by_address_and_number_too() {
    let world = World::new();
    assert_eq!(world.browser().post("/register", &anna()).await.status, StatusCode::OK);
    world.inbox.take_all_twice().await;
    for name in ["anna@example.org", "Anna@Example.ORG", "8 (999) 000-00-00", "+79990000000"] {
        let reply = world.browser().log_in(name, PASSWORD).await;
        assert_eq!((reply.status, &reply.body["username"]), (StatusCode::OK, &json!("buyer7")));
    }
    // A client who registers with the same address later does not take it.
    let mut other = anna();
    other["username"] = json!("other");
    other["password"] = json!("tulip-margin-42-boat");
    assert_eq!(world.browser().post("/register", &other).await.status, StatusCode::OK);
    world.inbox.take_all_twice().await;
    let reply = world.browser().log_in("anna@example.org", PASSWORD).await;
    assert_eq!(reply.body["username"], "buyer7");
}

#[tokio::test]
async fn a_client_corrects_the_own_data() {
    let world = World::new();
    let mut browser = world.browser();
    let correction = json!({"firstName": "Аня", "phone": "+7 901 111-22-33"});
    let body = correction.to_string();
    let send = async |browser: &mut Browser| {
        browser.send(Method::PATCH, "/me", "application/json", body.clone().into()).await
    };
    assert_eq!(send(&mut browser).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(browser.post("/register", &anna()).await.status, StatusCode::OK);
    assert_eq!(send(&mut browser).await.status, StatusCode::OK);
    let shown = browser.get("/me").await.body;
    assert_eq!((&shown["firstName"], &shown["lastName"]), (&json!("Аня"), &json!("Иванова")));
    assert_eq!(shown["phone"], "79011112233");
    world.inbox.take_all_twice().await;
    assert_eq!(world.browser().log_in("+7 901 111-22-33", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_change_of_the_password_ends_all_other_sessions() {
    let world = World::new();
    let mut browser = world.browser();
    assert_eq!(browser.post("/register", &anna()).await.status, StatusCode::OK);
    let mut other = world.browser();
    assert_eq!(other.log_in("buyer7", PASSWORD).await.status, StatusCode::OK);
    let stolen = browser.clone();
    let new = "tulip-margin-42-boat";
    let wrong = json!({"password": "неверный пароль", "newPassword": new});
    assert_eq!(browser.post("/password", &wrong).await.status, StatusCode::UNAUTHORIZED);
    let weak = json!({"password": PASSWORD, "newPassword": "qwerty1234"});
    assert_eq!(kind(&browser.post("/password", &weak).await), "weak-password");
    let right = json!({"password": PASSWORD, "newPassword": new});
    assert_eq!(browser.post("/password", &right).await.status, StatusCode::OK);
    assert_eq!(browser.get("/auth").await.status, StatusCode::OK);
    for mut ended in [other, stolen] {
        assert_eq!(ended.get("/auth").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(world.browser().log_in("buyer7", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.browser().log_in("buyer7", new).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_sees_and_ends_the_own_sessions_alone() {
    let world = World::new();
    let mut phone = world.browser();
    phone.headers.push(("user-agent", "Phone 7"));
    assert_eq!(phone.post("/register", &anna()).await.status, StatusCode::OK);
    let mut laptop = world.browser();
    laptop.headers.push(("user-agent", "Laptop 3"));
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(laptop.log_in("buyer7", PASSWORD).await.status, StatusCode::OK);
    let shown = laptop.get("/me/sessions").await.body;
    let devices: Vec<_> = shown["items"].as_array().expect("a list").iter().collect();
    assert_eq!(devices.len(), 2, "{shown}");
    assert_eq!(
        (&devices[0]["device"], &devices[0]["isCurrent"]),
        (&json!("Laptop 3"), &json!(true))
    );
    assert_eq!(
        (&devices[1]["device"], &devices[1]["isCurrent"]),
        (&json!("Phone 7"), &json!(false))
    );
    let path = format!("/me/sessions/{}", devices[1]["id"].as_str().expect("an id"));

    let mut thief = world.browser();
    let mut other = anna();
    other["username"] = json!("thief");
    assert_eq!(thief.post("/register", &other).await.status, StatusCode::OK);
    let reply = thief.send(Method::DELETE, &path, "", Vec::new()).await;
    assert_eq!((reply.status, kind(&reply)), (StatusCode::NOT_FOUND, "not-found"));
    assert_eq!(phone.get("/auth").await.status, StatusCode::OK);

    let reply = laptop.send(Method::DELETE, &path, "", Vec::new()).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert_eq!(phone.get("/auth").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(laptop.get("/auth").await.status, StatusCode::OK);
    let again = laptop.send(Method::DELETE, &path, "", Vec::new()).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    for id in ["x", "00", "../me"] {
        let path = format!("/me/sessions/{id}");
        let reply = laptop.send(Method::DELETE, &path, "", Vec::new()).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{id}");
    }
}

#[tokio::test]
async fn a_consent_is_kept_with_its_version_and_time() {
    let world = World::new();
    let mut registration = anna();
    registration["consent"] = json!("2026-11-30");
    assert_eq!(world.browser().post("/register", &registration).await.status, StatusCode::OK);
    let username = Username::parse("buyer7").expect("a username");
    let key = Client::key_of(ClientNumber::of(&username));
    let client = world.store.read::<Client>(key).await.expect("readable").expect("there");
    let kept: Vec<_> =
        client.consents.iter().map(|kept| (kept.version.as_str(), kept.at)).collect();
    assert_eq!(kept, [("2026-11-30", world.clock.now())]);
}

#[tokio::test]
async fn the_operator_gives_and_takes_roles() {
    let world = World::new();
    let mut browser = world.browser();
    assert_eq!(browser.post("/register", &anna()).await.status, StatusCode::OK);
    let mut operator = world.operator();
    let put = operator.send(Method::PUT, "/staff/BUYER7/picker", "", Vec::new()).await;
    assert_eq!((put.status, &put.body["roles"]), (StatusCode::OK, &json!(["picker"])));
    assert_eq!(browser.get("/auth").await.status, StatusCode::UNAUTHORIZED, "a new log-in is due");
    assert_eq!(browser.log_in("buyer7", PASSWORD).await.status, StatusCode::OK);
    assert_eq!(browser.get("/auth?role=picker").await.status, StatusCode::OK);
    assert_eq!(browser.get("/auth?role=courier").await.status, StatusCode::FORBIDDEN);
    // The same again changes nothing.
    let put = operator.send(Method::PUT, "/staff/buyer7/picker", "", Vec::new()).await;
    assert_eq!(put.status, StatusCode::OK);
    assert_eq!(browser.get("/auth").await.status, StatusCode::OK);
    let listed = operator.get("/staff").await.body;
    assert_eq!(listed["items"], json!([{"username": "buyer7", "roles": ["picker"]}]));

    let taken = operator.send(Method::DELETE, "/staff/buyer7/picker", "", Vec::new()).await;
    assert_eq!((taken.status, &taken.body["roles"]), (StatusCode::OK, &json!([])));
    assert_eq!(browser.get("/auth").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(operator.get("/staff").await.body["items"], json!([]));
    for path in ["/staff/nobody/picker", "/staff/buyer7/king", "/staff/a@b/picker"] {
        let reply = operator.send(Method::PUT, path, "", Vec::new()).await;
        assert_eq!((reply.status, kind(&reply)), (StatusCode::NOT_FOUND, "not-found"), "{path}");
    }
    let mut client = world.browser();
    assert_eq!(
        client.get("/staff").await.status,
        StatusCode::NOT_FOUND,
        "clients have no such route"
    );
}
