//! A payment system to try things on: it speaks the Invoicebox API, and YooKassa's under `/yookassa`, shows a payment page,
//! sends and repeats its notifications, keeps a ledger of its own, and misbehaves when told to.
//!
//! - [`api`]: what a merchant of Invoicebox calls;
//! - [`operations`]: what it does with money that came: refunds, shipments;
//! - [`yookassa`]: what a merchant of YooKassa calls;
//! - [`answer`]: how calls are answered;
//! - [`page`]: what a buyer sees;
//! - [`notifier`]: what the merchant hears;
//! - [`form`]: what requests and answers of Invoicebox have in common;
//! - `ledger`, [`books`]: what it has, and the same over HTTP; [`cabinet`]: what happens there without the merchant;
//! - [`trouble`]: how all of it can go wrong, over HTTP too: `POST /sandbox/troubles`;
//! - [`act`]: what a test makes it do, and sees of it; [`setup`], [`world`]: how it is set up, and what its parts share.

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

/// A running sandbox. It ends with the last handle.
#[derive(Debug, Clone)]
pub struct Sandbox {
    address: SocketAddr,
    world: Arc<World>,
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// Merchants cannot be called.
    #[error("{0}")]
    Client(#[from] ClientError),
}

/// How long a merchant's answer to a notification may take, in seconds.
const NOTICE_SECONDS_MAX: u64 = 20;

impl Sandbox {
    /// Starts it.
    pub async fn start(setup: Setup) -> Result<Sandbox, StartError> {
        let listening = async {
            let listener = server::listen(setup.listen).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = listening.await.map_err(|why| StartError::Listen(setup.listen, why))?;
        let client = Client::new(Duration::from_secs(NOTICE_SECONDS_MAX), 64 * 1024)?;
        let stop = CancellationToken::new();
        let world = Arc::new(World {
            setup,
            address,
            ledger: Mutex::default(),
            troubles: Mutex::default(),
            yookassa_notices: Mutex::default(),
            happened: watch::Sender::new(0),
            client,
            stop: stop.clone(),
        });
        let routes = Router::new()
            .nest("/v3", api::routes().merge(operations::routes()))
            .nest("/l3", api::routes().merge(operations::routes()))
            .nest("/yookassa/v3", yookassa::routes())
            .route("/order/{container}", get(page::show))
            .route("/order/{container}/{act}", post(page::act))
            .route("/sandbox/troubles", post(books::set_troubles))
            .route("/sandbox/ledger", get(books::show))
            .route("/sandbox/refunds", get(books::show_done).post(books::settle))
            .route("/sandbox/cabinet-refunds", post(books::refund_in_cabinet))
            .route("/sandbox/test-notice", post(notifier::test))
            .with_state(Arc::downgrade(&world));
        tokio::spawn(server::serve(listener, routes, server::Limits::default(), stop, Duration::ZERO));
        Ok(Sandbox { address, world })
    }
}
