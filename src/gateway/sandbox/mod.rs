//! A payment system to try things on: it speaks the Invoicebox API, and YooKassa's under `/yookassa`, shows a payment page,
//! sends and repeats its notifications, keeps a ledger of its own, and misbehaves when told to.
//!
//! - [`api`]: what a merchant of Invoicebox calls;
//! - [`operations`]: what it does with money that came: refunds, shipments;
//! - [`yookassa`]: what a merchant of YooKassa calls;
//! - [`answer`]: how calls are answered;
//! - [`page`]: what a buyer sees;
//! - [`notifier`]: what the merchant hears;
//! - [`trouble`]: how all of it can go wrong, over HTTP too: `POST /sandbox/troubles`.

mod answer;
mod api;
mod ledger;
mod notifier;
mod operations;
mod page;
mod trouble;
mod yookassa;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use ledger::{Done, Entry, Outcome};
pub use trouble::{Call, Trouble};

use self::ledger::Ledger;
use self::trouble::Troubles;
use crate::http::server;
use crate::kernel::{Clock, Money, Secret};
use crate::peer::{Client, ClientError};
use crate::webhooks::verify::{Algorithm, sign_body};

/// How the sandbox is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The token that a merchant calls with.
    pub token: Secret,
    /// The merchant's shop.
    pub merchant_id: String,
    /// The key that notifications are signed with.
    pub signing_key: Secret,
    /// The hash in the signature.
    pub algorithm: Algorithm,
    /// Whether a number can be used once only, which is a setting of the shop.
    pub unique_numbers: bool,
    /// Calls within 30 seconds.
    pub calls_max: usize,
    /// Before a notification is sent for the second time. Each further pause is twice as long.
    pub first_pause: Duration,
    /// What time it is.
    pub clock: Clock,
}

/// What a sandbox is opened with and signs with unless it is told otherwise. Everybody can read it here.
pub const PUBLISHED: [&str; 2] = ["b1946ac92492d2347c6235b4d2611184", "sandbox-signing-key"];

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: Secret::new(PUBLISHED[0]),
            merchant_id: "018f0000-0000-7000-8000-000000000001".into(),
            signing_key: Secret::new(PUBLISHED[1]),
            algorithm: Algorithm::Sha1,
            unique_numbers: true,
            calls_max: 100,
            first_pause: Duration::from_secs(1),
            clock: Clock::System,
        }
    }
}

/// A running sandbox. It ends with the last handle.
#[derive(Debug, Clone)]
pub struct Sandbox {
    address: SocketAddr,
    world: Arc<World>,
}

#[derive(Debug)]
struct World {
    setup: Setup,
    address: SocketAddr,
    ledger: Mutex<Ledger>,
    troubles: Mutex<Troubles>,
    /// Where YooKassa's notifications go: over there the shop's cabinet says so.
    yookassa_notices: Mutex<Option<String>>,
    /// Counts what has happened, for those who wait.
    happened: watch::Sender<u64>,
    client: Client,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
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
            .nest("/v3", api::routes())
            .nest("/l3", api::routes())
            .nest("/yookassa/v3", yookassa::routes())
            .route("/order/{container}", get(page::show))
            .route("/order/{container}/{act}", post(page::act))
            .route("/sandbox/troubles", post(trouble::set))
            .route("/sandbox/ledger", get(ledger::show))
            .route("/sandbox/refunds", get(ledger::show_done).post(ledger::settle))
            .route("/sandbox/cabinet-refunds", post(ledger::refund_in_cabinet))
            .route("/sandbox/test-notice", post(notifier::test))
            .with_state(Arc::downgrade(&world));
        tokio::spawn(server::serve(listener, routes, server::Limits::default(), stop, Duration::ZERO));
        Ok(Sandbox { address, world })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How it was set up.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.world.setup
    }

    /// Sends YooKassa's notifications to `url` from now on.
    pub fn notify_yookassa_at(&self, url: impl Into<String>) {
        *self.world.yookassa_notices.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.into());
    }

    /// Makes the next calls of a kind go wrong, one trouble each.
    pub fn misbehave(&self, call: Call, troubles: impl IntoIterator<Item = Trouble>) {
        self.world.troubles().next(call, troubles);
    }

    /// Makes every call of a kind go wrong from now on, or none.
    pub fn misbehave_always(&self, call: Call, trouble: Option<Trouble>) {
        self.world.troubles().always(call, trouble);
    }

    /// Ends all trouble, that which is still to come too.
    pub fn forget_troubles(&self) {
        *self.world.troubles() = Troubles::default();
    }

    /// The orders that it has under a number.
    #[must_use]
    pub fn orders(&self, number: &str) -> Vec<Entry> {
        self.world.ledger().entries().iter().filter(|entry| entry.number == number).cloned().collect()
    }

    /// All orders, oldest first.
    #[must_use]
    pub fn ledger(&self) -> Vec<Entry> {
        self.world.ledger().entries().to_vec()
    }

    /// What merchants did with paid orders, oldest first.
    #[must_use]
    pub fn done(&self) -> Vec<Done> {
        self.world.ledger().done().to_vec()
    }

    /// Ends the refunds that were only taken in: `completed` or `canceled`.
    pub fn settle_refunds(&self, status: &str) {
        operations::settle(&self.world, status);
    }

    /// Pays money of an order back as somebody does in the cabinet: under no number of the merchant's. YooKassa notifies of it.
    pub fn refund_in_cabinet(&self, id: &str, amount: Money) -> bool {
        operations::refund_in_cabinet(&self.world, id, amount)
    }

    /// Acts as the buyer on the payment page of an order.
    pub fn buyer_acts(&self, container: &str, outcome: Outcome) -> bool {
        page::settle(&self.world, container, outcome).is_some()
    }

    /// Waits until `ready` says so of the ledger, or for `deadline`.
    pub async fn wait_until(&self, deadline: Duration, ready: impl Fn(&[Entry]) -> bool) -> bool {
        let mut happened = self.world.happened.subscribe();
        let waiting = happened.wait_for(|_| ready(self.world.ledger().entries()));
        matches!(tokio::time::timeout(deadline, waiting).await, Ok(Ok(_)))
    }

    /// The signature of a notification's bytes.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        sign_body(&self.world.setup.signing_key, self.world.setup.algorithm, body)
    }

    /// The bytes of a notification about an order, and their signature.
    #[must_use]
    pub fn notice(&self, id: &str) -> Option<(Vec<u8>, String)> {
        notifier::compose(&self.world, id)
    }
}

impl World {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn something_happened(&self) {
        self.happened.send_modify(|count| *count += 1);
    }
}
