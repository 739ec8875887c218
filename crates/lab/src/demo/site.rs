//! A simulated merchant's site that receives callbacks: it checks their
//! signatures, stores them, and fails on request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use tillgate_kernel::secret::webhook_key;
use tillgate_kernel::signature::sign_standard;
use tillgate_kernel::{Secret, Timestamp};
use tillgate_web::server;

/// A callback that has arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Callback {
    /// The id. A site uses it to recognise a repeated callback.
    pub id: String,
    /// Whether the signature is right.
    pub is_signed: bool,
    /// The content of the callback.
    pub body: Value,
}

/// A running site.
#[derive(Debug, Clone)]
pub struct Site {
    address: SocketAddr,
    world: Arc<World>,
}

#[derive(Debug)]
struct World {
    secret: Secret,
    callbacks: watch::Sender<Vec<Callback>>,
    failures: AtomicU32,
    /// The status and `Retry-After` of all further answers.
    answer: Mutex<Option<(StatusCode, Option<String>)>>,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Site {
    /// Starts the site on a free port. Callbacks are signed with `secret`.
    pub async fn start(secret: Secret) -> std::io::Result<Site> {
        let listener = server::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let (callbacks, failures) = (watch::Sender::default(), AtomicU32::new(0));
        let world = Arc::new(World {
            secret,
            callbacks,
            failures,
            answer: Mutex::default(),
            stop: stop.clone(),
        });
        let routes = Router::new()
            .route("/callback", post(called))
            .route("/ok", get(|| async { Html("<h1>Спасибо за заказ!</h1>") }))
            .route("/fail", get(|| async { Html("<h1>Заказ ждёт оплаты</h1>") }))
            .route("/cart", get(|| async { Html("<h1>Корзина</h1>") }))
            .with_state(Arc::downgrade(&world));
        tokio::spawn(server::serve(
            listener,
            routes,
            server::Limits::default(),
            stop,
            Duration::ZERO,
        ));
        Ok(Site { address, world })
    }

    /// The address of the site.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next `count` callbacks with 500.
    pub fn fails(&self, count: u32) {
        self.world.failures.store(count, Ordering::Relaxed);
    }

    /// Answers all further callbacks with `status` and optionally a
    /// `Retry-After`. With `None` it answers with 204 again.
    pub fn answers(&self, status: Option<u16>, retry_after: Option<&str>) {
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        *self.world.answer.lock().unwrap_or_else(PoisonError::into_inner) =
            status.map(|status| (status, retry_after.map(str::to_owned)));
    }

    /// All callbacks that have arrived so far, including those answered with an
    /// error.
    #[must_use]
    pub fn callbacks(&self) -> Vec<Callback> {
        self.world.callbacks.borrow().clone()
    }

    /// Waits until `count` callbacks have arrived, and returns all of them.
    pub async fn wait_for(
        &self,
        count: usize,
        deadline: Duration,
    ) -> Result<Vec<Callback>, Vec<Callback>> {
        let mut callbacks = self.world.callbacks.subscribe();
        let enough = callbacks.wait_for(|callbacks| callbacks.len() >= count);
        match tokio::time::timeout(deadline, enough).await {
            Ok(Ok(callbacks)) => Ok(callbacks.clone()),
            Ok(Err(_)) | Err(_) => Err(self.callbacks()),
        }
    }
}

async fn called(State(world): State<Weak<World>>, headers: HeaderMap, body: String) -> Response {
    let Some(world) = world.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let text = |name: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let id = text("webhook-id");
    let at = text("webhook-timestamp")
        .parse()
        .ok()
        .and_then(|second| Timestamp::from_second(second).ok());
    let right =
        at.and_then(|at| sign_standard(&webhook_key(&world.secret)?, &id, at, body.as_bytes()));
    let is_signed = right.is_some_and(|right| right == text("webhook-signature"));
    let callback =
        Callback { id, is_signed, body: serde_json::from_str(&body).unwrap_or_default() };
    world.callbacks.send_modify(|callbacks| callbacks.push(callback));
    if let Some((status, retry_after)) =
        world.answer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    {
        let wish = retry_after.map(|wish| [(header::RETRY_AFTER, wish)]);
        return match wish {
            Some(wish) => (status, wish).into_response(),
            None => status.into_response(),
        };
    }
    let fails = |left: u32| left.checked_sub(1);
    match world.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fails) {
        Ok(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Err(_) => StatusCode::NO_CONTENT.into_response(),
    }
}
