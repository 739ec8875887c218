//! The stored state of an order: its document and its checkout, read together.

use super::Services;
use super::transaction::{Transaction, Versioned};
use crate::kernel::{DocKey, Document, ExternalId, PartyName, Timestamp};
use crate::orders::Number;
use crate::orders::Order;
use crate::payments::PastBill;
use crate::payments::{Checkout, PaymentId};
use crate::store::{Batch, Cursor, Expect, Page, Scan, Store, Stored, Unavailable};

/// An order with its payments.
#[derive(Debug, Clone)]
pub struct OrderRecord {
    pub order: Versioned<Order>,
    /// Its payments, if it is paid through tillgate.
    pub checkout: Option<Versioned<Checkout>>,
}

/// An order that is paid through tillgate, with its payments.
#[derive(Debug, Clone)]
pub struct BilledOrder {
    pub order: Versioned<Order>,
    pub checkout: Versioned<Checkout>,
}

impl OrderRecord {
    /// Converts the record of an order that is paid through tillgate. `None`
    /// for any other order.
    pub(super) fn billed(self) -> Option<BilledOrder> {
        let OrderRecord { order, checkout } = self;
        checkout.map(|checkout| BilledOrder { order, checkout })
    }
}

impl BilledOrder {
    /// Stages the order and its checkout.
    pub(super) fn write(&self, tx: &mut Transaction<'_>) {
        self.order.stage(tx.batch());
        self.checkout.stage(tx.batch());
    }
}

/// Reads an order with its payments.
pub async fn load_record(
    store: &Store,
    number: Number,
) -> Result<Option<OrderRecord>, Unavailable> {
    record_of(&store.load(&keys(number)).await?)
}

/// Reads an order with its payments as they are durable, for an answer that
/// relies on them without a commit of its own.
pub(super) async fn load_kept_record(
    store: &Store,
    number: Number,
) -> Result<Option<OrderRecord>, Unavailable> {
    record_of(&store.load_kept(&keys(number)).await?)
}

fn keys(number: Number) -> [DocKey; 2] {
    [Order::key(number), Checkout::key(number)]
}

fn record_of(found: &[Option<Stored>]) -> Result<Option<OrderRecord>, Unavailable> {
    let [Some(order), checkout] = found else { return Ok(None) };
    let checkout = checkout.as_ref().map(Versioned::of).transpose()?;
    Ok(Some(OrderRecord { order: Versioned::of(order)?, checkout }))
}

/// An order that a list has, through its own document or that of its payments.
#[derive(Debug, Clone)]
pub struct ListedOrder {
    /// The document in the list.
    pub key: DocKey,
    /// Its position.
    pub at: Cursor,
    pub record: OrderRecord,
}

/// How many orders of a page are decoded before other work of the thread has
/// its turn.
const DECODED_AT_ONCE_MAX: usize = 4;

/// Reads the orders of a page of lists, with their payments.
pub async fn list_records(store: &Store, scan: &Scan) -> Result<Page<ListedOrder>, Unavailable> {
    let Page { items, next } = store.scan_keys(scan).await?;
    let both = |key: &DocKey| [Order::KIND, Checkout::KIND].map(|kind| DocKey { kind, ..*key });
    let keys: Vec<DocKey> = items.iter().flat_map(both).collect();
    let found = store.load_readable(&keys).await?;
    let mut listed = Vec::with_capacity(items.len());
    for (key, found) in items.into_iter().zip(found.chunks(2)) {
        if listed.len() % DECODED_AT_ONCE_MAX == DECODED_AT_ONCE_MAX - 1 {
            tokio::task::yield_now().await;
        }
        let place = usize::from(key.kind == Checkout::KIND);
        let Some(stored) = &found[place] else { continue }; // deleted meanwhile, or damaged
        let at = Cursor::at(stored.body.listed_at, key);
        listed.extend(record_of(found)?.map(|record| ListedOrder { key, at, record }));
    }
    Ok(Page { items: listed, next })
}

/// Reads an order by its sender's number.
pub async fn find_record(
    services: &Services,
    source: &PartyName,
    external_id: &ExternalId,
) -> Result<Option<OrderRecord>, Unavailable> {
    for slot in 0..Number::SLOTS_MAX {
        let number = services.number_in(source, external_id, slot).await?;
        match load_record(&services.store, number).await? {
            Some(found)
                if found.order.source == *source && found.order.external_id == *external_id =>
            {
                return Ok(Some(found));
            }
            Some(_) => {} // another order has this number: try the next one
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// Reads the checkout of an order.
pub async fn checkout_of(
    services: &Services,
    number: Number,
) -> Result<Option<Checkout>, Unavailable> {
    let stored = services.store.load(&[Checkout::key(number)]).await?.pop().flatten();
    Ok(stored.map(|stored| stored.document()).transpose()?)
}

/// Loads the bill of a payment that is over, if it is stored separately: money
/// has come for it, or may have come.
pub(super) async fn fetch_bill(
    store: &Store,
    record: &mut OrderRecord,
    id: PaymentId,
) -> Result<(), Unavailable> {
    let Some(checkout) = &mut record.checkout else { return Ok(()) };
    if checkout.lacks_bill(id) {
        let stored = store.load(&[PastBill::key(id.number, id.attempt)]).await?.pop().flatten();
        if let Some(stored) = stored {
            checkout.put_back(stored.document()?);
        }
    }
    Ok(())
}

/// Stages a checkout, and moves its past bills into separate documents.
pub(super) fn stage_without_past(
    checkout: &mut Versioned<Checkout>,
    batch: &mut Batch,
    now: Timestamp,
) {
    for past in checkout.take_past_bills() {
        let key = PastBill::key(checkout.number, past.payment.attempt);
        batch.put(key, Expect::Absent, &past, now);
    }
    checkout.stage(batch);
}
