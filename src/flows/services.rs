//! What the use cases work with: the store, the clock, and what is known of sellers and payment systems.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::{Alarms, ClockSkew, Hints, News, Rates, Resting};
use crate::dedup::Recent;
use crate::kernel::{Clock, PartyName};
use crate::notify::Audience;
use crate::orders::ShopKey;
use crate::payments::{Handover, Terms};
use crate::store::Store;
use crate::texts::Language;
use crate::views::Frame;

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
    pub(super) fn tells_of_refunds(&self, gateway: &PartyName) -> bool {
        let mut sellers = self.sellers.values().filter(|seller| seller.gateway == *gateway);
        sellers.next().is_none_or(|seller| seller.terms.tells_of_refunds)
    }

    /// What views depend on, now.
    #[must_use]
    pub fn frame(&self, language: Language) -> Frame<'_> {
        Frame { public_url: &self.public_url, now: self.clock.now(), language }
    }

    /// What a payment system hears when goods are handed over.
    pub(super) fn handover(&self, gateway: &PartyName) -> Handover {
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
