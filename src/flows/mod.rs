//! What tillgate does, one use case a file: read, decide, stage a batch, commit; when something has changed
//! meanwhile, from the beginning.
//!
//! Flows are given a store and a clock and nothing that could call out: what the outside must hear goes into
//! the outbox with the rest of the batch, and the workers take it from there.

pub mod accept_hook;
pub mod alarm;
pub mod alias;
pub mod bill_order;
pub mod charge;
pub mod clock_skew;
pub mod effects;
pub mod endpoint;
pub mod hints;
pub mod judge_money;
pub mod marketplace_update;
pub mod move_money;
pub mod note_copies;
pub mod open_payment;
pub mod outside_refund;
pub mod place_order;
pub mod receive_hook;
pub mod receive_notice;
pub mod record;
pub mod reject_hook;
pub mod resting;
pub mod revise_order;
pub mod see_order;
pub mod set_stock;
pub mod shop_key;
pub mod spend_budget;
pub mod stored;
pub mod sweep;
pub mod tell_marketplace;
pub mod tend_delivery;
pub mod tend_operation;
pub mod tend_payment;
pub mod transaction;

mod news;

pub use alarm::Alarms;
pub use charge::Rates;
pub use clock_skew::ClockSkew;
pub use hints::Hints;
pub use news::{Listener, News};
pub use record::{BilledOrder, OrderRecord, checkout_of, find_record, load_record, receipt_key};
use record::{fetch_bill, load_kept_receipt, load_kept_record, load_receipt};
pub use resting::Resting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use tokio::sync::OnceCell;

use crate::dedup::{Answer, Reason, Recent, Verdict, key};
use crate::kernel::{Clock, ExternalId, HookId, PartyName};
use crate::notify::Audience;
use crate::orders::EventKind;
use crate::orders::{Number, ShopKey};
use crate::payments::{Handover, Terms};
use crate::store::Store;
use crate::texts::Language;
use crate::views::Frame;
use crate::webhooks::Identity;

/// What every flow works with.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Where things are kept.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Whom to tell.
    pub audience: Audience,
    /// What came lately.
    pub recent: Arc<Recent>,
    /// The sources that hear how far their orders are.
    pub listeners: Arc<BTreeSet<PartyName>>,
    /// Whose orders are paid through us, by the name of their source or merchant.
    pub sellers: Arc<BTreeMap<PartyName, Seller>>,
    /// What the payment systems hear when goods are handed over.
    pub handovers: Arc<BTreeMap<PartyName, Handover>>,
    /// How browsers and peers reach us.
    pub public_url: Arc<str>,
    /// Which orders have just changed.
    pub news: News,
    /// What a person has heard about sources lately.
    pub alarms: Alarms,
    /// How far this machine's clock is from the store's.
    pub clock_skew: ClockSkew,
    /// The payment systems that are left alone.
    pub resting: Resting,
    /// What is about to be looked at because somebody has said so.
    pub hints: Hints,
    /// The key of the shop, once it was needed.
    pub shop_key: Arc<OnceCell<ShopKey>>,
}

impl Shop {
    /// Whether a payment system notifies of refunds.
    fn tells_of_refunds(&self, gateway: &PartyName) -> bool {
        let mut sellers = self.sellers.values().filter(|seller| seller.gateway == *gateway);
        sellers.next().is_none_or(|seller| seller.terms.tells_of_refunds)
    }

    /// What views depend on, now.
    #[must_use]
    pub fn frame(&self, language: Language) -> Frame<'_> {
        Frame { public_url: &self.public_url, now: self.clock.now(), language }
    }

    /// What a payment system hears when goods are handed over.
    fn handover(&self, gateway: &PartyName) -> Handover {
        self.handovers.get(gateway).copied().unwrap_or(Handover::ShipmentOrCapture)
    }
}

/// One whose orders are paid through us: a merchant's site, or a marketplace that leaves it to us.
#[derive(Debug, Clone)]
pub struct Seller {
    /// The configured payment system.
    pub gateway: PartyName,
    /// Who it is there.
    pub account: String,
    /// The rates of lines that do not name one.
    pub rates: Rates,
    /// Whether it hears of its orders.
    pub callbacks: Callbacks,
    /// What the payment system asks of a bill.
    pub terms: Terms,
}

/// Whether a seller hears of its orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callbacks {
    /// It does not.
    None,
    /// Of those that name an address.
    WhereNamed,
    /// Of all.
    Always,
}

/// A hook whose sender is proved and whose envelope was read.
#[derive(Debug, Clone)]
pub struct Hook {
    source: PartyName,
    event_type: String,
    kind: Option<EventKind>,
    external_id: Option<ExternalId>,
    body: Bytes,
    /// Its id if no other order holds its order's first number, as good as always.
    first_id: HookId,
}

impl Hook {
    /// A hook of `source`: its kind in the sender's word and, if it concerns us, in ours; the sender's order
    /// number; and the bytes as they came.
    #[must_use]
    pub fn new(
        source: PartyName,
        event_type: String,
        kind: Option<EventKind>,
        external_id: Option<ExternalId>,
        body: Bytes,
    ) -> Hook {
        let first_id = match &external_id {
            Some(external_id) => {
                key::of_order(Number::derive(&source, external_id, 0), &source, &event_type, &body)
            }
            None => key::orphan(&source, &body),
        };
        Hook { source, event_type, kind, external_id, body, first_id }
    }

    /// A hook that was read as far as its envelope. `delivery_id` is the sender's own id of the delivery, where it gives
    /// one that is verified: then that tells it from others, and not its bytes.
    #[must_use]
    pub fn of(source: PartyName, identity: Identity, body: Bytes, delivery_id: Option<&str>) -> Hook {
        let Identity { event_type, kind, external_id } = identity;
        let hook = Hook::new(source, event_type, kind, external_id, body);
        let Some(delivery_id) = delivery_id else { return hook };
        let fingerprint = key::of_delivery(&hook.source, delivery_id);
        let first_id = match hook.external_id {
            Some(_) => HookId { fingerprint, ..hook.first_id },
            None => HookId::of_name(fingerprint),
        };
        Hook { first_id, ..hook }
    }

    /// The same, kept under an id that other bytes gave it.
    #[must_use]
    pub fn known_as(self, id: HookId) -> Hook {
        let first_id = match self.external_id {
            Some(_) => HookId { fingerprint: id.fingerprint, ..self.first_id },
            None => id,
        };
        Hook { first_id, ..self }
    }

    /// Who sent it.
    #[must_use]
    pub fn source(&self) -> &PartyName {
        &self.source
    }

    /// The kind, in the sender's word.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// The kind in ours; none for kinds that do not concern us.
    #[must_use]
    pub fn kind(&self) -> Option<EventKind> {
        self.kind
    }

    /// The sender's order number.
    #[must_use]
    pub fn external_id(&self) -> Option<&ExternalId> {
        self.external_id.as_ref()
    }
}

/// What became of a hook.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its id.
    pub id: HookId,
    /// The verdict.
    pub verdict: Verdict,
    /// Why: all that holds.
    pub reasons: Vec<Reason>,
    /// Our number of its order.
    pub number: Option<Number>,
    /// The answer for its sender.
    pub answer: Answer,
    /// Whether these very bytes had come before: nothing new was kept of this delivery.
    pub is_copy: bool,
}
