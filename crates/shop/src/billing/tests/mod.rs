//! The service over its HTTP contract, and its books under random programs.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tillgate_kernel::Clock;
use tillgate_store::Store;
use tillgate_store::memory::Memory;
use tower_service::Service;

use super::api;
use super::books::{Added, Books, Fault};
use super::{Billing, token_id::TokenId};
use crate::assertion::HEADER;
use crate::seal::MasterKeys;
use crate::service_client::ServiceClient;
use crate::sessions::Sessions;
use crate::username::{ClientNumber, Username};

mod cards;
mod fields;
mod verbs;

const ORDER: &str = "482993011752";

pub fn client(name: &str) -> ClientNumber {
    ClientNumber::of(&Username::parse(name).expect("a username"))
}

/// The service on a store.
pub struct World {
    pub billing: Arc<Billing>,
    routes: Router,
    operator: Router,
}

impl World {
    fn new() -> World {
        World::on(Store::Memory(Arc::new(Memory::new(Clock::System))))
    }

    fn on(store: Store) -> World {
        let keys = MasterKeys::new([7; 32], []);
        let billing = Arc::new(Billing::new(
            store,
            Clock::System,
            keys,
            Sessions { auth: ServiceClient::of(Router::new(), "billing") },
            "https://shop.example".into(),
        ));
        let routes = api::routes(Arc::clone(&billing));
        let operator = api::routes_for_operator(Arc::clone(&billing));
        World { billing, routes, operator }
    }

    async fn send(&self, path: &str, body: Option<&str>) -> (StatusCode, Value) {
        let assertion = self.billing.assertions.make(
            "payment",
            "billing",
            None,
            None,
            self.billing.clock.now(),
        );
        let mut request = Request::builder()
            .uri(path)
            .header(HEADER, assertion)
            .header(header::ACCEPT_LANGUAGE, "ru");
        if body.is_some() {
            request = request.method("POST").header(header::CONTENT_TYPE, "application/json");
        }
        let body = Body::from(body.unwrap_or_default().to_owned());
        answer(&self.routes, request.body(body).expect("a request")).await
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.send(path, Some(&body.to_string())).await
    }

    async fn charge(&self, body: &Value) -> (StatusCode, Value) {
        self.post("/token/charge", body).await
    }

    /// A wallet that holds so much.
    async fn wallet(&self, name: &str, kopecks: i64) -> TokenId {
        let wallet = self.billing.open_wallet(client(name)).await.expect("a wallet");
        if kopecks > 0 {
            let (status, _) = self.credit(name, &format!("first-{name}"), kopecks).await;
            assert_eq!(status, StatusCode::OK);
        }
        wallet.id
    }

    async fn credit(&self, name: &str, key: &str, kopecks: i64) -> (StatusCode, Value) {
        let amount = tillgate_kernel::Money::from_kopecks(kopecks);
        let body = format!("{{\"amount\":{amount},\"reason\":\"За долгое ожидание\"}}");
        let request = Request::post(format!("/wallets/{name}/credits"))
            .header("idempotency-key", key)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body));
        answer(&self.operator, request.expect("a request")).await
    }

    /// What the books give, after they were compared with every balance.
    async fn books(&self) -> (Books, Vec<super::audit::Balance>) {
        let mut books = Books::new(Clock::System.now());
        let mut after = None;
        loop {
            let page = self.billing.transfers(after).await.expect("a page");
            page.items.iter().for_each(|transfer| books.add(transfer, &mut Added::default()));
            after = page.cursor.map(|cursor| cursor.parse().expect("a cursor"));
            if page.is_last {
                break;
            }
        }
        let mut balances = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.billing.all_balances(after.as_deref()).await.expect("a page");
            after = page.items.last().map(|balance| balance.account.to_string());
            balances.extend(page.items);
            if page.is_last {
                break;
            }
        }
        balances.iter().for_each(|balance| books.judge(balance));
        (books, balances)
    }

    /// The books are right, and all accounts together are zero.
    async fn is_right(&self) -> Vec<super::audit::Balance> {
        let (books, balances) = self.books().await;
        assert_eq!(books.differing(&balances), []);
        assert_eq!(books.faults(), [] as [Fault; 0]);
        let sum: i128 = balances.iter().map(|balance| i128::from(balance.kopecks)).sum();
        assert_eq!(sum, 0, "{balances:?}");
        balances
    }

    async fn holds(&self, account: &str) -> i64 {
        let account: super::account_name::AccountName = account.parse().expect("an account");
        self.billing.balance(&account).await.expect("a balance").kopecks()
    }
}

async fn answer(routes: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let Ok(response) = routes.clone().call(request).await;
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn hold(payment: &str, wallet: TokenId, amount: &str) -> Value {
    json!({"operation": "HOLD", "paymentId": payment, "orderId": ORDER, "username": "anna",
        "tokenId": wallet, "amount": sum(amount)})
}

/// A sum with its digits.
fn sum(amount: &str) -> Value {
    serde_json::from_str(amount).expect("a number")
}
