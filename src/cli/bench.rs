//! What `tillgate bench` measures of the shop: wallets, [`goods`] and
//! [`sagas`].

mod caller;
mod goods;
mod sagas;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tillgate_lab::bench::{Pay, Shop, Wallet};
use tillgate_shop::assertion::{Assertions, HEADER};
use tillgate_shop::billing::Billing;
use tillgate_shop::billing::credit::Credit;
use tillgate_shop::form::Form;
use tillgate_shop::seal::MasterKeys;
use tillgate_shop::service_client::ServiceClient;
use tillgate_shop::sessions::Sessions;
use tillgate_shop::username::{ClientNumber, Username};

use crate::app::open_store;
use crate::config::{self, Settings};
use crate::kernel::document::{self, Keyed};
use crate::kernel::{Clock, DocKey, Document, Fingerprint, Kind, Partition, Unreadable};
use crate::store::unit::{Run, run};
use crate::store::{Batch, CommitError, Expect, Store, Unavailable, Versioned};

/// The shop of the bench.
pub const SHOP: Shop = Shop {
    settings: "[shop]\nkey = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n\
               unpaid_orders_max = 100000000\n",
    path: "/shop/billing/token/charge",
    open: |store, count| Box::pin(open(store, count)),
    header,
    fill: |urls, token, goods| Box::pin(goods::fill(urls, token, goods)),
    by_version: |store| Box::pin(open_purse(store)),
};

/// The key of the settings.
const KEY: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

/// What each wallet holds, in roubles.
const ROUBLES: u32 = 90_000_000;

/// How many wallets are opened at the same time.
const OPENED_AT_ONCE: usize = 64;

fn header() -> (&'static str, String) {
    header_of(KEY)
}

/// The header of the service that takes payments, in a shop with this key.
pub fn header_of(key: [u8; 32]) -> (&'static str, String) {
    let assertions = Assertions::new(&MasterKeys::new(key, []));
    (HEADER, assertions.make("payment", "billing", None, None, Clock::System.now()))
}

async fn store_at(url: &str) -> Result<Store, String> {
    let store = url.parse().map_err(|why| format!("{url}: {why}"))?;
    let settings =
        config::parse(Path::new("bench"), "", std::iter::empty()).map_err(|why| why.to_string())?;
    let settings = Settings { store, store_migrate: true, ..settings };
    open_store(&settings, &Clock::System).await.map_err(|why| why.to_string())
}

async fn open(url: String, count: usize) -> Result<Vec<Wallet>, String> {
    let store = store_at(&url).await?;
    let keys = MasterKeys::new(KEY, []);
    let billing = Arc::new(Billing::new(
        store.clone(),
        Clock::System,
        keys,
        Sessions { auth: ServiceClient::of(Router::new(), "billing") },
        String::new(),
    ));
    let mut wallets = Vec::with_capacity(count);
    for first in (0..count).step_by(OPENED_AT_ONCE) {
        let some = (first..count.min(first + OPENED_AT_ONCE)).map(|number| {
            let billing = Arc::clone(&billing);
            tokio::spawn(async move { open_one(&billing, number).await })
        });
        for opened in some.collect::<Vec<_>>() {
            wallets.push(opened.await.map_err(|why| why.to_string())??);
        }
    }
    store.close().await;
    Ok(wallets)
}

async fn open_one(billing: &Billing, number: usize) -> Result<Wallet, String> {
    let refused = |why| format!("a wallet could not be opened: {why:?}");
    let name = format!("bench{number}");
    let username = Username::parse(&name).ok_or_else(|| format!("{name}: not a username"))?;
    let wallet = billing.open_wallet(ClientNumber::of(&username)).await.map_err(refused)?;
    let body = format!("{{\"amount\":{ROUBLES},\"reason\":\"bench\"}}");
    let form = Form::of_json(body.as_bytes()).map_err(|why| format!("{why:?}"))?;
    let credit = Credit::read(form).map_err(refused)?;
    billing.credit(&name, &format!("bench{number}"), credit).await.map_err(refused)?;
    Ok((name, wallet.id.get()))
}

/// A wallet whose balance is a part of its document: who pays reads it, and
/// writes it at the version that was read.
#[derive(Debug, Serialize, Deserialize)]
struct Purse {
    kopecks: u64,
    number: u64,
}

impl Document for Purse {
    const KIND: Kind = Kind::new(255, "purses of the bench");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Purse, Unreadable> {
        document::decode(schema, bytes)
    }
}

impl Keyed for Purse {
    fn key(&self) -> DocKey {
        let partition = Partition::of_name(Fingerprint::of(&[b"purse"]));
        DocKey { partition, kind: Purse::KIND, id: u128::from(self.number) }
    }
}

/// Opens the purse. Returns what pays from it.
async fn open_purse(url: String) -> Result<Pay, String> {
    let store = store_at(&url).await?;
    let purse = Purse { kopecks: u64::from(ROUBLES) * 100, number: 0 };
    let mut batch = Batch::new();
    batch.put(purse.key(), Expect::Absent, &purse, Clock::System.now());
    match store.commit(batch).await {
        // A database may have it from the measurement before.
        Ok(()) | Err(CommitError::Conflict) => {}
        Err(why) => return Err(why.to_string()),
    }
    Ok(Arc::new(move |request: Bytes| {
        let store = store.clone();
        Box::pin(async move {
            let payment = Fingerprint::of(&[&request]).get() as u64 | 1;
            pay(&store, payment).await.is_ok()
        })
    }))
}

async fn pay(store: &Store, payment: u64) -> Result<(), CommitError> {
    let key = Purse { kopecks: 0, number: 0 }.key();
    let work = |_| async move {
        let Some(mut purse) = store.read::<Purse>(key).await? else { return Ok(Run::Again) };
        purse.kopecks = purse.kopecks.saturating_sub(1);
        let now = Clock::System.now();
        let mut batch = Batch::new();
        purse.stage(&mut batch);
        Versioned::new(Purse { kopecks: 1, number: payment }, now).stage(&mut batch);
        Ok(Run::Commit(batch, ()))
    };
    // Many pay at once: who has lost every attempt begins again.
    loop {
        match run(store, work).await {
            Err(CommitError::Unavailable(Unavailable::Crowded)) => {}
            outcome => return outcome.map(|_| ()),
        }
    }
}
