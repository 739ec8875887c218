//! Who may do what: every route, asked by everybody. A route without a line in
//! the table fails the test.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tillgate_identity::Signer;
use tillgate_kernel::Clock;
use tillgate_store::Store;
use tillgate_store::memory::Memory;
use tower_service::Service;

use crate::auth::{self, Auth};
use crate::front::{self, Front};
use crate::seal::MasterKeys;
use crate::service_client::ServiceClient;

const PASSWORD: &str = "tulip-margin-42-boat";

/// What is sent to a route.
#[derive(Debug, Clone, Copy)]
enum Sent {
    Nothing,
    Json(&'static str),
    Form(&'static str),
}

/// A route, what is sent to it, and the statuses of the answers to somebody
/// without a session, to the client whose session `{id}` is, to another client,
/// and to a picker.
type Line = (&'static str, &'static str, Sent, [u16; 4]);

const AUTH: &[Line] = &[
    ("POST", "/login", Sent::Json(r#"{"username":"x1","password":"wrong"}"#), [401, 401, 401, 401]),
    ("POST", "/register", Sent::Json("{}"), [400, 400, 400, 400]),
    ("GET", "/logout", Sent::Nothing, [200, 200, 200, 200]),
    ("POST", "/logout", Sent::Nothing, [200, 200, 200, 200]),
    ("GET", "/auth", Sent::Nothing, [401, 200, 200, 200]),
    ("GET", "/auth?role=picker", Sent::Nothing, [401, 403, 403, 200]),
    ("GET", "/auth?role=operator", Sent::Nothing, [401, 403, 403, 403]),
    ("GET", "/auth?rol=picker", Sent::Nothing, [400, 400, 400, 400]),
    ("GET", "/me", Sent::Nothing, [401, 200, 200, 200]),
    ("PATCH", "/me", Sent::Json(r#"{"firstName":"Anna"}"#), [401, 200, 200, 200]),
    (
        "POST",
        "/password",
        Sent::Json(r#"{"password":"tulip-margin-42-boat","newPassword":"lantern-copper-77-road"}"#),
        [401, 200, 200, 200],
    ),
    ("POST", "/verify", Sent::Json(r#"{"token":"x"}"#), [422, 422, 422, 422]),
    ("POST", "/verify/send", Sent::Nothing, [401, 204, 204, 204]),
    ("POST", "/reset", Sent::Json(r#"{"username":"x1"}"#), [204, 204, 204, 204]),
    (
        "POST",
        "/reset/confirm",
        Sent::Json(r#"{"token":"x","password":"lantern-copper-77-road"}"#),
        [422, 422, 422, 422],
    ),
    ("GET", "/me/sessions", Sent::Nothing, [401, 200, 200, 200]),
    ("DELETE", "/me/sessions/{id}", Sent::Nothing, [401, 204, 404, 404]),
];

const FRONT: &[Line] = &[
    ("GET", "/register", Sent::Nothing, [200, 200, 200, 200]),
    ("POST", "/register", Sent::Form("username=x1"), [403, 403, 403, 403]),
    ("GET", "/login", Sent::Nothing, [200, 200, 200, 200]),
    ("POST", "/login", Sent::Form("username=x1&password=wrong"), [403, 403, 403, 403]),
    ("POST", "/logout", Sent::Form("form_token=forged"), [303, 303, 303, 303]),
    ("GET", "/account", Sent::Nothing, [303, 200, 200, 200]),
    ("POST", "/account/sessions", Sent::Form("id=x"), [303, 303, 303, 303]),
    ("POST", "/account/verify", Sent::Form("form_token=forged"), [303, 303, 303, 303]),
    ("GET", "/account/data", Sent::Nothing, [303, 200, 200, 200]),
    ("POST", "/account/data", Sent::Form("firstName=x"), [303, 303, 303, 303]),
    ("GET", "/account/password", Sent::Nothing, [303, 200, 200, 200]),
    ("POST", "/account/password", Sent::Form("password=x"), [303, 303, 303, 303]),
    ("GET", "/verify/{token}", Sent::Nothing, [200, 200, 200, 200]),
    ("POST", "/verify/{token}", Sent::Form("form_token=forged"), [403, 403, 403, 403]),
    ("GET", "/reset", Sent::Nothing, [200, 200, 200, 200]),
    ("POST", "/reset", Sent::Form("username=x1"), [403, 403, 403, 403]),
    ("GET", "/reset/{token}", Sent::Nothing, [200, 200, 200, 200]),
    ("POST", "/reset/{token}", Sent::Form("password=x"), [403, 403, 403, 403]),
    ("GET", "/assets/shop.css", Sent::Nothing, [200, 200, 200, 200]),
    ("GET", "/assets/shop.js", Sent::Nothing, [200, 200, 200, 200]),
];

/// The routes in the source of a router.
fn routes_in(source: &str) -> BTreeSet<(String, String)> {
    let (_, source) = source.split_once("pub fn routes(").expect("a router");
    let (source, _) = source.split_once(".with_state(").expect("its end");
    let mut found = BTreeSet::new();
    for route in source.split(".route(\"").skip(1) {
        let (path, methods) = route.split_once('"').expect("a path");
        for method in ["get", "post", "put", "patch", "delete"] {
            if methods.contains(&format!("{method}(")) {
                found.insert((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    found
}

struct World {
    auth: Router,
    operator: Router,
    front: Router,
}

impl World {
    fn new() -> World {
        let clock = Clock::manual("2026-11-30T10:00:00Z".parse().expect("a time"));
        let settings = auth::Settings {
            keys: MasterKeys::new([7; 32], []),
            public_url: "https://shop.example".into(),
            trusted_proxies: Vec::new(),
        };
        let store = Store::Memory(Arc::new(Memory::new(clock.clone())));
        let service = Arc::new(Auth::new(settings, store, clock));
        let operator = auth::api::routes_for_operator(Arc::clone(&service));
        let auth = auth::api::routes(service);
        let front = Front {
            name: String::new(),
            public_url: "https://shop.example".into(),
            auth: ServiceClient::of(auth.clone()),
            forms: Signer::new(&[7; 32], "form"),
        };
        World { auth, operator, front: front::routes(Arc::new(front)) }
    }

    /// The cookies of a client who has registered and logged in.
    async fn client(&self, name: &str, role: Option<&str>) -> String {
        let body = json!({"username": name, "password": PASSWORD, "email": "a@example.org"});
        let json = |path| (Method::POST, path, Some(("application/json", body.to_string())));
        let (status, _, _) = send(&self.auth, json("/register"), "").await;
        assert_eq!(status, StatusCode::OK);
        if let Some(role) = role {
            let path = format!("/staff/{name}/{role}");
            let (status, _, _) = send(&self.operator, (Method::PUT, &path, None), "").await;
            assert_eq!(status, StatusCode::OK);
        }
        let login = json!({"username": name, "password": PASSWORD}).to_string();
        let request = (Method::POST, "/login", Some(("application/json", login)));
        let (status, cookies, _) = send(&self.auth, request, "").await;
        assert_eq!(status, StatusCode::OK);
        cookies
    }
}

type Asked<'a> = (Method, &'a str, Option<(&'static str, String)>);

async fn send(routes: &Router, asked: Asked<'_>, cookies: &str) -> (StatusCode, String, Value) {
    let (method, path, content) = asked;
    let mut request = Request::builder().method(method).uri(path).header(header::COOKIE, cookies);
    let mut body = Body::empty();
    if let Some((kind, content)) = content {
        request = request.header(header::CONTENT_TYPE, kind);
        body = Body::from(content);
    }
    let request = request.body(body).expect("a request");
    let Ok(response) = routes.clone().call(request).await;
    let (head, body) = response.into_parts();
    let set = head.headers.get_all(header::SET_COOKIE).iter();
    let pairs = set.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    let cookies = pairs.collect::<Vec<_>>().join("; ");
    let body = body.collect().await.expect("a body").to_bytes();
    (head.status, cookies, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn hold(lines: &[Line], is_front: bool) {
    for (method, path, sent, expected) in lines {
        for (caller, status) in ["nobody", "client", "other", "picker"].iter().zip(expected) {
            let world = World::new();
            let client = world.client("client", None).await;
            let cookies = match *caller {
                "nobody" => String::new(),
                "client" => client.clone(),
                "other" => world.client("other", None).await,
                _ => world.client("picker", Some("picker")).await,
            };
            let sessions = (Method::GET, "/me/sessions", None);
            let (_, _, sessions) = send(&world.auth, sessions, &client).await;
            let id = sessions["items"][0]["id"].as_str().expect("an id");
            let path = path.replace("{id}", id);
            let content = match sent {
                Sent::Nothing => None,
                Sent::Json(text) => Some(("application/json", (*text).to_owned())),
                Sent::Form(text) => Some(("application/x-www-form-urlencoded", (*text).to_owned())),
            };
            let routes = if is_front { &world.front } else { &world.auth };
            let method = method.parse().expect("a method");
            let (got, _, body) = send(routes, (method, &path, content), &cookies).await;
            assert_eq!(got.as_u16(), *status, "{caller}: {path}: {body}");
        }
    }
}

fn listed(lines: &[Line]) -> BTreeSet<(String, String)> {
    let path = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
    lines.iter().map(|(method, route, _, _)| ((*method).to_owned(), path(route))).collect()
}

#[test]
fn every_route_is_in_the_table() {
    let routes = routes_in(include_str!("auth/api.rs"));
    assert_eq!(routes, listed(AUTH));
    let described = auth::contract::contract().operations.into_iter();
    let described = described.map(|one| (one.method.to_owned(), one.path.to_owned())).collect();
    assert_eq!(routes, described, "the contract describes every route");
    assert_eq!(routes_in(include_str!("front/mod.rs")), listed(FRONT));
}

#[tokio::test]
async fn everybody_may_do_what_the_table_says() {
    hold(AUTH, false).await;
    hold(FRONT, true).await;
}
