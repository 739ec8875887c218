//! A simulated payment system for tests. It has the Invoicebox API, and
//! YooKassa's under `/yookassa`, shows a payment page, sends and repeats its
//! notifications, keeps its own ledger, and fails on request.
//!
//! - [`api`]: the Invoicebox API for orders;
//! - [`operations`]: the Invoicebox API for refunds and shipments;
//! - [`yookassa`]: the YooKassa API;
//! - [`answer`]: answers calls, with errors on request;
//! - [`page`]: the payment page for the buyer;
//! - [`notifier`]: sends notifications to the merchant;
//! - [`form`]: what Invoicebox's requests and answers have in common;
//! - `ledger`, [`books`]: the orders and operations, and the same over HTTP;
//!   [`cabinet`]: what happens there without the merchant;
//! - [`trouble`]: all kinds of failures, also over HTTP: `POST
//!   /sandbox/troubles`;
//! - [`act`]: the API for tests; [`setup`], [`world`]: the configuration, and
//!   the shared state.

mod act;
mod answer;
mod api;
mod books;
mod cabinet;
mod form;
mod ids;
mod ledger;
mod notifier;
mod operations;
mod overview;
mod page;
mod setup;
mod trouble;
mod world;
mod yookassa;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use ledger::{Done, Entry, Outcome};
pub use setup::{PUBLISHED, Setup};
pub use trouble::{Call, Trouble};

use self::world::World;
use tillgate_peer::{Client, ClientError};
use tillgate_web::server;

/// A running sandbox. It stops when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Sandbox {
    address: SocketAddr,
    world: Arc<World>,
}

/// Why the sandbox cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The sandbox cannot listen on the address.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// The client for calling merchants cannot be built.
    #[error("{0}")]
    Client(#[from] ClientError),
}

/// How long a merchant's answer to a notification may take, in seconds.
const NOTIFICATION_SECONDS_MAX: u64 = 20;

impl Sandbox {
    /// Starts the sandbox.
    pub async fn start(setup: Setup) -> Result<Sandbox, StartError> {
        let listening = async {
            let listener = server::listen(setup.listen).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) =
            listening.await.map_err(|why| StartError::Listen(setup.listen, why))?;
        let client = Client::new(Duration::from_secs(NOTIFICATION_SECONDS_MAX), 64 * 1024)?;
        let stop = CancellationToken::new();
        let world = Arc::new(World {
            setup,
            address,
            ledger: Mutex::default(),
            troubles: Mutex::default(),
            yookassa_notifications: Mutex::default(),
            happened: watch::Sender::new(0),
            client,
            stop: stop.clone(),
        });
        let routes = Router::new()
            .nest("/v3", api::routes().merge(operations::routes()))
            .nest("/l3", api::routes().merge(operations::routes()))
            .nest("/yookassa/v3", yookassa::routes())
            .route("/", get(overview::show))
            .route("/sandbox/click", post(overview::click))
            .route("/order/{container}", get(page::show))
            .route("/order/{container}/{act}", post(page::act))
            .route("/sandbox/troubles", post(books::set_troubles))
            .route("/sandbox/ledger", get(books::show))
            .route("/sandbox/refunds", get(books::show_done).post(books::settle))
            .route("/sandbox/cabinet-refunds", post(books::refund_in_cabinet))
            .route("/sandbox/test-notification", post(notifier::test))
            .with_state(Arc::downgrade(&world));
        tokio::spawn(server::serve(
            listener,
            routes,
            server::Limits::default(),
            stop,
            Duration::ZERO,
        ));
        Ok(Sandbox { address, world })
    }
}
