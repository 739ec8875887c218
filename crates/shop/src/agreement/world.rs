//! A shop in memory with one client, whose order is paid from a wallet. The
//! messages of its services are taken in any order that a test chooses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt;
use jiff::civil::time;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tillgate_kernel::outbox::{Claim, MessageId, Settlement};
use tillgate_kernel::{Clock, Money};
use tillgate_store::memory::Memory;
use tillgate_store::{Batch, CounterChange, Store};
use tower_service::Service as _;

use crate::billing::{self, Billing};
use crate::booked::Bookings;
use crate::bus::inbox::Inbox;
use crate::bus::{Consumer, Envelope, NotTaken, Service};
use crate::client_orders::ClientOrders;
use crate::delivery::part::Part;
use crate::delivery::plan::{Area, CourierTime, Zone};
use crate::delivery::{self, Delivery};
use crate::menu::categories::{Categories, Category};
use crate::menu::category_id::CategoryId;
use crate::menu::keep::Changes;
use crate::menu::product::Offer;
use crate::menu::{self, Menu};
use crate::orchestra::Orchestra;
use crate::order::{self, Orders};
use crate::order_id::OrderId;
use crate::outlets::{Outlet, Outlets};
use crate::payment::holds::Holds;
use crate::payment::ledger::Ledger;
use crate::payment::{self, Payment};
use crate::prices::Prices;
use crate::seal::MasterKeys;
use crate::service_client::{Routes, ServiceClient};
use crate::sessions::Sessions;
use crate::stock_levels::{PIECE, on_hand};
use crate::store::{self, StockKeeper};
use crate::username::{ClientNumber, Username};

const URL: &str = "https://shop.example";

/// What the wallet holds at first, what the order costs, and how many pieces
/// there are.
pub const WALLET: i64 = 100_000;
pub const TOTAL: i64 = 39_900;
pub const PIECES: i64 = 5;

/// A message on its way.
#[derive(Debug, Clone)]
pub struct OnItsWay {
    pub to: Service,
    pub id: MessageId,
    pub envelope: Envelope,
}

/// What a call of the ledger has instead of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// Which call, from 1.
    pub call: u32,
    /// Whether it is carried out all the same.
    pub done: bool,
}

pub struct World {
    pub store: Store,
    pub clock: Clock,
    keys: MasterKeys,
    pub billing: Arc<Billing>,
    pub orders: Arc<Orders>,
    pub keeper: Arc<StockKeeper>,
    pub delivery: Arc<Delivery>,
    pub payment: Arc<Payment>,
    pub orchestra: Arc<Orchestra>,
    routes: [(&'static str, Router); 4],
    pub order: OrderId,
    pub client: ClientNumber,
    /// What was sent to the client: format 2 and 3.
    pub letters: Vec<MessageId>,
}

/// An `auth` that takes the session for the name.
fn auth() -> Router {
    async fn whose(headers: HeaderMap) -> Response {
        match crate::cookie::find(&headers, "sessionId") {
            Some(name) => axum::Json(json!({"username": name})).into_response(),
            None => StatusCode::UNAUTHORIZED.into_response(),
        }
    }
    Router::new().route("/auth", get(whose))
}

/// A ledger of which one call is not answered.
fn silenced(routes: Router, silence: Option<Silence>) -> Router {
    let Some(silence) = silence else { return routes };
    let calls = Arc::new(AtomicU32::new(0));
    routes.layer(from_fn(move |request: Request, next: Next| {
        let calls = Arc::clone(&calls);
        async move {
            let is_charge = request.uri().path() == "/token/charge";
            let is_it = is_charge && calls.fetch_add(1, Ordering::Relaxed) + 1 == silence.call;
            if is_it && !silence.done {
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
            let answer = next.run(request).await;
            if is_it { StatusCode::SERVICE_UNAVAILABLE.into_response() } else { answer }
        }
    }))
}

impl World {
    /// A world in which Anna has an order in her basket, with goods and a
    /// courier's time held for it.
    pub async fn new(silence: Option<Silence>) -> World {
        let clock = Clock::manual("2026-11-30T07:30:00Z".parse().expect("a time"));
        let store = Store::Memory(Arc::new(Memory::new(clock.clone())));
        let keys = MasterKeys::new([7; 32], []);
        let client = |routes: &Router, caller| ServiceClient::of(routes.clone(), caller);
        let auth = auth();
        let sessions = |caller| Sessions { auth: ServiceClient::of(auth.clone(), caller) };
        let goods = Menu::new(store.clone(), clock.clone(), &keys, URL.into(), TimeZone::UTC);
        let goods = Arc::new(goods);
        let menu = menu::api::routes(Arc::clone(&goods));
        let billing = Billing::new(
            store.clone(),
            clock.clone(),
            keys.clone(),
            sessions("billing"),
            URL.into(),
        );
        let billing = Arc::new(billing);
        let ledger = silenced(billing::api::routes(Arc::clone(&billing)), silence);
        let late_delivery = Routes::default();
        let others = order::Others {
            sessions: sessions("order"),
            prices: Prices { menu: client(&menu, "order") },
            bookings: Bookings { delivery: late_delivery.client("order") },
        };
        let settings = order::Settings { unpaid_max: 20, public_url: URL.into() };
        let orders = Orders::new(store.clone(), clock.clone(), keys.clone(), others, settings);
        let orders = Arc::new(orders);
        let order = order::api::routes(Arc::clone(&orders));
        let others = store::Others {
            sessions: sessions("store"),
            prices: Prices { menu: client(&menu, "store") },
            orders: ClientOrders { order: client(&order, "store") },
        };
        let hold_for = Duration::from_secs(900);
        let keeper = Arc::new(StockKeeper::new(
            store.clone(),
            clock.clone(),
            hold_for,
            &keys,
            others,
            URL.into(),
        ));
        let shelves = store::api::routes(Arc::clone(&keeper));
        let settings =
            delivery::Settings { hold_for, time_zone: TimeZone::UTC, public_url: URL.into() };
        let delivery = Arc::new(Delivery::new(
            store.clone(),
            clock.clone(),
            keys.clone(),
            sessions("delivery"),
            ClientOrders { order: client(&order, "delivery") },
            settings,
        ));
        let couriers = delivery::api::routes(Arc::clone(&delivery));
        late_delivery.put(couriers.clone());
        let others = payment::Others {
            sessions: sessions("payment"),
            orders: ClientOrders { order: client(&order, "payment") },
            bookings: Bookings { delivery: client(&couriers, "payment") },
            prices: Prices { menu: client(&menu, "payment") },
            holds: Holds {
                store: client(&shelves, "payment"),
                delivery: client(&couriers, "payment"),
            },
            ledger: Ledger { billing: client(&ledger, "payment") },
            gateway: None,
        };
        let settings = payment::Settings {
            public_url: URL.into(),
            pay_for: Duration::from_secs(1200),
            confirm_wait: hold_for,
            vat: "VATNONE".into(),
            description: "Order".into(),
            delivery: "Delivery".into(),
            callback_keys: Vec::new(),
        };
        let payment = Payment::new(store.clone(), clock.clone(), keys.clone(), others, settings);
        let payment = Arc::new(payment);
        let routes = [
            ("order", order),
            ("store", shelves),
            ("delivery", couriers),
            ("payment", payment::api::routes(Arc::clone(&payment))),
        ];
        let orchestra =
            Orchestra { store: store.clone(), clock: clock.clone(), keys: keys.clone() };
        let username = Username::parse("anna").expect("a username");
        let mut world = World {
            store,
            clock,
            keys,
            billing,
            orders,
            keeper,
            delivery,
            payment,
            orchestra: Arc::new(orchestra),
            routes,
            order: OrderId::parse("000000000000").expect("a number"),
            client: ClientNumber::of(&username),
            letters: Vec::new(),
        };
        world.furnish(&goods).await;
        world.fill_basket().await;
        world
    }

    /// Goods, couriers and money.
    async fn furnish(&self, goods: &Menu) {
        let category = CategoryId::new(1).expect("a number");
        let all = vec![Category { id: category, parent: None, name: "Food".into() }];
        let offer = Offer {
            article: "milk".into(),
            name: "Milk".into(),
            category,
            price: Money::from_kopecks(10_000),
            old_price: None,
            vat: None,
            vendor: None,
            vendor_code: None,
            barcodes: Vec::new(),
            description: String::new(),
            pictures: Vec::new(),
            is_available: true,
        };
        let categories = Some(Categories { all });
        let changes = Changes { offers: vec![offer], categories, ..Changes::default() };
        goods.keep(changes).await.expect("kept");
        let outlet =
            Outlet { id: 1, name: "One".into(), address: "Street".into(), stock: "s1".into() };
        self.keeper.set_outlets(Outlets { all: vec![outlet] }).await.expect("set");
        self.ship_elsewhere(-PIECES).await;
        let zone = Zone {
            company: "Couriers".into(),
            areas: vec![Area::Place("Moscow".into())],
            cost: Money::from_kopecks(19_900),
            days: 0,
        };
        let hours = CourierTime {
            company: "Couriers".into(),
            weekdays: vec![1, 2, 3, 4, 5, 6, 7],
            begin: time(9, 0, 0, 0),
            end: time(21, 0, 0, 0),
            capacity: 1,
        };
        for part in [Part::Zones(vec![zone]), Part::Times(vec![hours])] {
            self.delivery.set(part).await.expect("set");
        }
        let wallet = self.billing.open_wallet(self.client).await.expect("a wallet");
        let mut batch = Batch::new();
        // As if the operator had given it.
        for (account, kopecks) in
            [(format!("wallet:{}", wallet.id), WALLET), ("given".to_owned(), -WALLET)]
        {
            batch.bump(
                tillgate_store::CounterKey::internal("ledger", account),
                CounterChange::Add(kopecks),
            );
        }
        self.store.commit(batch).await.expect("committed");
    }

    /// A marketplace ships so many pieces.
    pub async fn ship_elsewhere(&self, pieces: i64) {
        let mut batch = Batch::new();
        batch.bump(on_hand("s1", "milk"), CounterChange::Add(-pieces * PIECE));
        self.store.commit(batch).await.expect("committed");
    }

    async fn fill_basket(&mut self) {
        let wanted = json!({"orderItems": [{"product": {"id":
            crate::product_id::ProductId::of_article("milk")}, "quantity": 2}]});
        let placed = self.send("order", Method::POST, "/place", &wanted).await;
        let id = placed["id"].as_str().expect("an order").to_owned();
        self.order = OrderId::parse(&id).expect("a number");
        let body = json!({"orderId": id, "version": 0, "storeId": 1});
        let held = self.send("store", Method::POST, "/reserve", &body).await;
        assert!(held["until"].is_string(), "{held}");
        let body = json!({"orderId": id, "version": 0, "address": "Moscow, Street 1",
            "companyName": "Couriers", "deliveryDate": "01.12.2026",
            "timeSlot": {"beginTime": "09:00", "endTime": "21:00"}, "cost": 199.00});
        let booked = self.send("delivery", Method::POST, "/book", &body).await;
        assert!(booked["until"].is_string(), "{booked}");
    }

    /// Pays from the wallet.
    pub async fn pay(&self) -> Value {
        let wallet = self.billing.open_wallet(self.client).await.expect("a wallet");
        let body = json!({"orderId": self.order.to_string(), "version": 0, "tokenId": wallet.id});
        self.send("payment", Method::POST, "/pay", &body).await
    }

    pub async fn process(&self) -> Value {
        let body = json!({"id": self.order.to_string(), "version": 0});
        self.send("order", Method::PUT, "/process", &body).await
    }

    pub async fn send(&self, to: &str, method: Method, path: &str, body: &Value) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, "sessionId=anna")
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", "k1")
            .body(Body::from(body.to_string()))
            .expect("a request");
        let (_, routes) = self.routes.iter().find(|(name, _)| *name == to).expect("a service");
        let Ok(answer) = routes.clone().call(request).await;
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        serde_json::from_slice(&body).unwrap_or(Value::Null)
    }

    /// The messages that were sent since.
    pub async fn collect(&mut self) -> Vec<OnItsWay> {
        let mut found = Vec::new();
        for to in [
            Service::Order,
            Service::Orchestra,
            Service::Store,
            Service::Delivery,
            Service::Payment,
            Service::Notification,
        ] {
            let claim = Claim {
                lane: to.lane(),
                lease: Duration::from_secs(60),
                limit: 32,
                limit_of_queue: 32,
                paused_queues: Vec::new(),
                after_queue: String::new(),
            };
            loop {
                let claimed = self.store.claim(&claim).await.expect("a claim");
                if claimed.is_empty() {
                    break;
                }
                for claimed in claimed {
                    let mut batch = Batch::new();
                    batch.settle(claimed.ticket, Settlement::Sent);
                    self.store.commit(batch).await.expect("settled");
                    let (id, body) = (claimed.delivery.id, &claimed.delivery.body);
                    if to == Service::Notification {
                        self.letters.push(id);
                        continue;
                    }
                    let envelope = Envelope::parse(body).expect("an envelope");
                    found.push(OnItsWay { to, id, envelope });
                }
            }
        }
        found
    }

    /// Takes a message.
    pub async fn take(&self, message: &OnItsWay) -> Result<(), NotTaken> {
        match message.to {
            Service::Order => self.take_by(&self.orders, message).await,
            Service::Orchestra => self.take_by(&self.orchestra, message).await,
            Service::Store => self.take_by(&self.keeper, message).await,
            Service::Delivery => self.take_by(&self.delivery, message).await,
            Service::Payment => self.take_by(&self.payment, message).await,
            Service::Auth | Service::Billing | Service::Notification => Ok(()),
        }
    }

    async fn take_by<C: Consumer>(
        &self,
        consumer: &Arc<C>,
        message: &OnItsWay,
    ) -> Result<(), NotTaken> {
        let (store, keys) = (self.store.clone(), self.keys.clone());
        let inbox = Inbox { consumer: Arc::clone(consumer), store, keys };
        inbox.take_one(message.id, &message.envelope).await
    }
}
