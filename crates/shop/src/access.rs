//! Who may do what: every route, asked by everybody. A route without a line in
//! the table fails the test.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tillgate_identity::Signer;
use tillgate_kernel::Clock;
use tillgate_store::Store;
use tillgate_store::memory::Memory;
use tower_service::Service;

use self::table::{
    AUTH, BILLING, DELIVERY, FRONT, MENU, NOTIFICATION, OPERATOR, ORDER, PAYMENT, STORE,
};
use crate::assertion::{self, Assertions};
use crate::auth::{self, Auth};
use crate::billing::{self, Billing};
use crate::booked::Bookings;
use crate::client_orders::ClientOrders;
use crate::delivery::{self, Delivery};
use crate::front::{self, Front};
use crate::menu::{self, Menu};
use crate::notification::{self, Notification};
use crate::orchestra::{self, Orchestra};
use crate::order::{self, Orders};
use crate::payment::holds::Holds;
use crate::payment::ledger::Ledger;
use crate::payment::{self, Payment};
use crate::prices::Prices;
use crate::seal::MasterKeys;
use crate::service_client::{Routes, ServiceClient};
use crate::sessions::Sessions;
use crate::store::{self, Others, StockKeeper};
use crate::username::{ClientNumber, Username};

const PASSWORD: &str = "tulip-margin-42-boat";

/// What is sent to a route.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sent {
    Nothing,
    Json(&'static str),
    Form(&'static str),
}

/// A route, what is sent to it, and the statuses of the answers to each of
/// [`CALLERS`].
type Line = (&'static str, &'static str, Sent, [u16; 6]);

/// Somebody without a session, the client whose session `{id}` is, another
/// client, members of the staff, and another service.
const CALLERS: [&str; 6] = ["nobody", "client", "other", "picker", "operator", "service"];

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
    money: Arc<Billing>,
    goods: Arc<Menu>,
    billing: Router,
    delivery: Router,
    menu: Router,
    notification: Router,
    order: Router,
    payment: Router,
    store: Router,
    operator: Router,
    front: Router,
    clock: Clock,
    assertions: Assertions,
    /// The cookies of those who have logged in.
    cookies: BTreeMap<&'static str, String>,
    session_of_client: String,
}

impl World {
    fn new() -> World {
        let clock = Clock::manual("2026-11-30T10:00:00Z".parse().expect("a time"));
        let keys = MasterKeys::new([7; 32], []);
        let assertions = Assertions::new(&keys);
        let settings = auth::Settings {
            keys,
            public_url: "https://shop.example".into(),
            trusted_proxies: Vec::new(),
            has_sms: true,
        };
        let store = Store::Memory(Arc::new(Memory::new(clock.clone())));
        let (keys, letter_keys) = (settings.keys.clone(), settings.keys.clone());
        let keys_of_store = settings.keys.clone();
        let letters = store.clone();
        let service = Arc::new(Auth::new(settings, store.clone(), clock.clone()));
        let operator = auth::api::routes_for_operator(Arc::clone(&service));
        let auth = auth::api::routes(service);
        let service = Arc::new(Billing::new(
            store,
            clock.clone(),
            keys,
            Sessions { auth: ServiceClient::of(auth.clone(), "billing") },
            "https://shop.example".into(),
        ));
        let operator = operator.merge(billing::api::routes_for_operator(Arc::clone(&service)));
        let billing = billing::api::routes(Arc::clone(&service));
        let goods = Arc::new(Menu::new(
            letters.clone(),
            clock.clone(),
            &letter_keys,
            "https://shop.example".into(),
            TimeZone::UTC,
        ));
        let operator = operator.merge(menu::api::routes_for_operator(Arc::clone(&goods)));
        let menu = menu::api::routes(Arc::clone(&goods));
        let late_delivery = Routes::default();
        let order = order::api::routes(Arc::new(Orders::new(
            letters.clone(),
            clock.clone(),
            letter_keys.clone(),
            order::Others {
                sessions: Sessions { auth: ServiceClient::of(auth.clone(), "order") },
                prices: Prices { menu: ServiceClient::of(menu.clone(), "order") },
                bookings: Bookings { delivery: late_delivery.client("order") },
            },
            order::Settings { unpaid_max: 20, public_url: "https://shop.example".into() },
        )));
        let sessions = Sessions { auth: ServiceClient::of(auth.clone(), "notification") };
        let letters = Notification { store: letters, clock: clock.clone(), keys: letter_keys };
        let others = Others {
            sessions: Sessions { auth: ServiceClient::of(auth.clone(), "store") },
            prices: Prices { menu: ServiceClient::of(menu.clone(), "store") },
            orders: ClientOrders { order: ServiceClient::of(order.clone(), "store") },
        };
        let url = "https://shop.example".to_owned();
        let hold_for = Duration::from_secs(900);
        let keeper = StockKeeper::new(
            letters.store.clone(),
            clock.clone(),
            hold_for,
            &keys_of_store,
            others,
            url,
        );
        let keeper = Arc::new(keeper);
        let operator = operator.merge(store::api::routes_for_operator(Arc::clone(&keeper)));
        let shelves = store::api::routes(keeper);
        let delivery = Arc::new(Delivery::new(
            letters.store.clone(),
            clock.clone(),
            keys_of_store,
            Sessions { auth: ServiceClient::of(auth.clone(), "delivery") },
            ClientOrders { order: ServiceClient::of(order.clone(), "delivery") },
            delivery::Settings {
                hold_for,
                time_zone: jiff::tz::TimeZone::UTC,
                public_url: "https://shop.example".into(),
            },
        ));
        let operator = operator.merge(delivery::api::routes_for_operator(Arc::clone(&delivery)));
        let delivery = delivery::api::routes(delivery);
        late_delivery.put(delivery.clone());
        let called = |routes: &Router| ServiceClient::of(routes.clone(), "payment");
        let others = payment::Others {
            sessions: Sessions { auth: called(&auth) },
            orders: ClientOrders { order: called(&order) },
            bookings: Bookings { delivery: called(&delivery) },
            prices: Prices { menu: called(&menu) },
            holds: Holds { store: called(&shelves), delivery: called(&delivery) },
            ledger: Ledger { billing: called(&billing) },
            gateway: None,
        };
        let settings = payment::Settings {
            public_url: "https://shop.example".into(),
            pay_for: hold_for,
            confirm_wait: hold_for,
            vat: "VATNONE".into(),
            description: String::new(),
            delivery: String::new(),
            callback_keys: Vec::new(),
        };
        let keys = letters.keys.clone();
        let payment =
            Payment::new(letters.store.clone(), clock.clone(), keys.clone(), others, settings);
        let payment = Arc::new(payment);
        let operator = operator.merge(payment::api::routes_for_operator(Arc::clone(&payment)));
        let payment = payment::api::routes(payment);
        let orchestra = Orchestra { store: letters.store.clone(), clock: clock.clone(), keys };
        let operator = operator.merge(orchestra::api::routes_for_operator(Arc::new(orchestra)));
        let letters = notification::api::Api::new(letters, sessions, "https://shop.example".into());
        let notification = notification::api::routes(Arc::new(letters));
        let front = Front {
            name: String::new(),
            public_url: "https://shop.example".into(),
            language: tillgate_kernel::Language::Ru,
            time_zone: jiff::tz::TimeZone::UTC,
            auth: ServiceClient::of(auth.clone(), "front"),
            billing: ServiceClient::of(billing.clone(), "front"),
            delivery: ServiceClient::of(delivery.clone(), "front"),
            store: ServiceClient::of(shelves.clone(), "front"),
            menu: ServiceClient::of(menu.clone(), "front"),
            order: ServiceClient::of(order.clone(), "front"),
            payment: ServiceClient::of(payment.clone(), "front"),
            notification: ServiceClient::of(notification.clone(), "front"),
            has_sms: true,
            forms: Signer::new(&[7; 32], "form"),
            adding: Signer::new(&[7; 32], "add"),
        };
        World {
            auth,
            money: service,
            goods,
            billing,
            delivery,
            menu,
            notification,
            order,
            payment,
            store: shelves,
            operator,
            front: front::routes(Arc::new(front)),
            clock,
            assertions,
            cookies: BTreeMap::new(),
            session_of_client: String::new(),
        }
    }

    /// A world in which everybody has logged in who can.
    async fn with_everybody() -> World {
        let mut world = World::new();
        let (client, other) = (world.client("client", None), world.client("other", None));
        let picker = world.client("picker", Some("picker"));
        let operator = world.client("operator", Some("operator"));
        let cookies = [
            ("client", client.await),
            ("other", other.await),
            ("picker", picker.await),
            ("operator", operator.await),
        ];
        let sessions = (Method::GET, "/me/sessions", None);
        let (_, _, sessions) = send(&world.auth, sessions, &cookies[0].1).await;
        let id = sessions["items"][0]["id"].as_str().expect("an id").to_owned();
        world.cookies = cookies.into();
        world.session_of_client = id;
        let username = Username::parse("client").expect("a username");
        world.goods.refresh().await.expect("a catalogue");
        world.money.open_wallet(ClientNumber::of(&username)).await.expect("a wallet");
        world
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
    send_as(routes, asked, cookies, None).await
}

/// The same from a service, with its assertion.
async fn send_as(
    routes: &Router,
    asked: Asked<'_>,
    cookies: &str,
    assertion: Option<String>,
) -> (StatusCode, String, Value) {
    let (method, path, content) = asked;
    let mut request = Request::builder().method(method).uri(path).header(header::COOKIE, cookies);
    if let Some(assertion) = assertion {
        request = request.header(assertion::HEADER, assertion);
    }
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

/// Sends the request of a line as a caller.
async fn ask(world: &World, routes: &Router, line: &Line, caller: &str) -> StatusCode {
    let (method, path, sent, _) = line;
    let cookies = world.cookies.get(caller).map_or("", String::as_str);
    let path = path.replace("{id}", &world.session_of_client);
    let content = match sent {
        Sent::Nothing => None,
        Sent::Json(text) => Some(("application/json", (*text).to_owned())),
        Sent::Form(text) => Some(("application/x-www-form-urlencoded", (*text).to_owned())),
    };
    let method = method.parse().expect("a method");
    let (service, audience) = if BILLING.contains(line) {
        ("payment", "billing")
    } else if STORE.contains(line) {
        ("orchestra", "store")
    } else if DELIVERY.contains(line) {
        ("orchestra", "delivery")
    } else if PAYMENT.contains(line) {
        ("orchestra", "payment")
    } else {
        ("front", "auth")
    };
    let assertion = world.assertions.make(service, audience, None, None, world.clock.now());
    let assertion = (caller == "service").then_some(assertion);
    let (status, _, _) = send_as(routes, (method, &path, content), cookies, assertion).await;
    status
}

async fn hold(lines: &[Line], routes: impl Fn(&World) -> &Router) {
    for line in lines {
        let world = World::with_everybody().await;
        // The client comes last, and may end the own session.
        for place in [0, 2, 3, 4, 5, 1] {
            let (caller, expected) = (CALLERS[place], line.3[place]);
            let status = ask(&world, routes(&world), line, caller).await;
            assert_eq!(status.as_u16(), expected, "{caller}: {} {}", line.0, line.1);
            // The limits of attempts are not what is tried here.
            world.clock.advance(Duration::from_secs(3600));
        }
    }
}

fn listed(lines: &[Line]) -> BTreeSet<(String, String)> {
    let path = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
    lines.iter().map(|(method, route, _, _)| ((*method).to_owned(), path(route))).collect()
}

#[test]
fn every_route_is_in_the_table() {
    for (source, lines, contract) in [
        (include_str!("auth/api/mod.rs"), AUTH, auth::contract::contract()),
        (include_str!("billing/api/mod.rs"), BILLING, billing::contract::contract()),
        (include_str!("menu/api.rs"), MENU, menu::contract::contract()),
        (include_str!("order/api.rs"), ORDER, order::contract::contract()),
        (include_str!("payment/api.rs"), PAYMENT, payment::contract::contract()),
        (include_str!("store/api.rs"), STORE, store::contract::contract()),
        (include_str!("delivery/api.rs"), DELIVERY, delivery::contract::contract()),
        (include_str!("notification/api.rs"), NOTIFICATION, notification::contract::contract()),
    ] {
        let routes = routes_in(source);
        assert_eq!(routes, listed(lines));
        let described = contract.operations.into_iter();
        let described = described.map(|one| (one.method.to_owned(), one.path.to_owned())).collect();
        assert_eq!(routes, described, "the contract describes every route");
    }
    assert_eq!(routes_in(include_str!("front/routes.rs")), listed(FRONT));
}

#[tokio::test]
async fn everybody_may_do_what_the_table_says() {
    hold(AUTH, |world| &world.auth).await;
    hold(BILLING, |world| &world.billing).await;
    hold(MENU, |world| &world.menu).await;
    hold(ORDER, |world| &world.order).await;
    hold(PAYMENT, |world| &world.payment).await;
    hold(STORE, |world| &world.store).await;
    hold(DELIVERY, |world| &world.delivery).await;
    hold(NOTIFICATION, |world| &world.notification).await;
    hold(OPERATOR, |world| &world.auth).await;
    hold(OPERATOR, |world| &world.billing).await;
    hold(OPERATOR, |world| &world.menu).await;
    hold(OPERATOR, |world| &world.store).await;
    hold(OPERATOR, |world| &world.delivery).await;
    hold(OPERATOR, |world| &world.payment).await;
    hold(FRONT, |world| &world.front).await;
}
