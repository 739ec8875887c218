//! What is measured of the shop, which a build with it can: payments from
//! wallets, goods that are held, searches and pages.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use hyper::body::Bytes;
use tillgate_kernel::Fingerprint;

/// A wallet: its owner and its number.
pub type Wallet = (String, u64);

/// Pays what a request says. False if that has failed.
pub type Pay = Arc<dyn Fn(Bytes) -> Later<bool> + Send + Sync>;

pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A request to measure.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub cookie: String,
    pub body: Bytes,
}

/// The request that a connection makes after so many others.
pub type Requests = Arc<dyn Fn(usize, u64) -> Asked + Send + Sync>;

/// Takes an order of the shop to its end, after so many others of this
/// connection. Returns how long it took from the button to the end, or why it
/// did not come to it.
pub type Orders = Arc<dyn Fn(usize, u64) -> Later<Result<Duration, String>> + Send + Sync>;

/// What a connection does with the shop.
#[derive(Clone)]
pub enum Asks {
    Requests(Requests),
    Orders(Orders),
}

/// What a running shop is filled with, and asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goods {
    /// Holds of pieces, spread over so many articles, for so many orders.
    Holds { articles: usize, orders: usize },
    /// Searches among so many products.
    Searches { products: usize },
    /// Pages of so many products.
    Pages { products: usize },
    /// Orders of so many products that are placed, paid and agreed on.
    Orders { products: usize },
}

/// What to ask for, when the shop is filled.
type Filled = Later<Result<Asks, String>>;

/// The wallets, when they are open.
type Opened = Later<Result<Vec<Wallet>, String>>;

/// What the shop does for the bench, which does not know it.
#[derive(Clone, Copy)]
pub struct Shop {
    /// What the configuration of a gateway with the shop has in addition.
    pub settings: &'static str,
    /// The path of the operation that is measured.
    pub path: &'static str,
    /// Opens so many full wallets in a store that nobody uses yet.
    pub open: fn(String, usize) -> Opened,
    /// The header by which the service knows its caller, for the next minute.
    pub header: fn() -> (&'static str, String),
    /// Fills the shop of receivers at these addresses, with the operator's
    /// token. Returns what to measure.
    pub fill: fn(Vec<String>, String, Goods) -> Filled,
    /// Opens a wallet whose balance is a part of its document: what the ledger
    /// is compared with.
    pub by_version: fn(String) -> Later<Result<Pay, String>>,
}

impl fmt::Debug for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shop").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Who pays in turn.
#[derive(Debug, Clone, Default)]
pub struct Payers(Arc<Vec<Wallet>>);

impl Payers {
    pub fn new(wallets: Vec<Wallet>) -> Payers {
        Payers(Arc::new(wallets))
    }

    /// The payment that a connection makes after `count` others: of a kopeck,
    /// for an order of its own.
    pub fn payment(&self, run: u32, connection: usize, count: u64) -> Bytes {
        let payment = format!("b{run:08x}-{connection}-{count}");
        let digest = Fingerprint::of(&[payment.as_bytes()]).get();
        let order = digest % 1_000_000_000_000;
        let place = (digest >> 64) as usize % self.0.len().max(1);
        let nobody = (String::new(), 0);
        let (client, wallet) = self.0.get(place).unwrap_or(&nobody);
        let text = format!(
            r#"{{"operation":"HOLD","paymentId":"{payment}","orderId":"{order:012}","username":"{client}","tokenId":{wallet},"amount":0.01}}"#
        );
        Bytes::from(text)
    }
}
