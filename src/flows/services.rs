//! What the use cases work with: the store, the clock, and the configuration of
//! merchants and payment systems.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::parked_orders::ParkedOrders;
use super::quotas::Quotas;
use super::{Alarms, ChangeFeed, ClockSkew, Hints, PausedGateways, Rates};
use crate::dedup::Recent;
use crate::kernel::{Clock, PartyName};
use crate::notify::Audience;
use crate::orders::ShopKey;
use crate::payments::{ShipmentReport, Terms};
use crate::store::Store;
use crate::texts::Language;
use crate::views::Frame;

/// The context of every flow.
#[derive(Debug, Clone)]
pub struct Services {
    /// The store of all documents and messages.
    pub store: Store,
    /// The clock of this process.
    pub clock: Clock,
    /// The pickers' chats, and the language of their messages.
    pub audience: Audience,
    /// The answers to recent hooks, kept in memory.
    pub recent: Arc<Recent>,
    /// The names of the sources, merchants and payment systems.
    pub parties: Arc<BTreeSet<PartyName>>,
    /// The sources that receive fulfilment updates.
    pub listeners: Arc<BTreeSet<PartyName>>,
    /// The sources whose open orders hold stock: the shop does not sell what
    /// they want.
    pub stock_holders: Arc<BTreeSet<PartyName>>,
    /// The payment profiles, by the name of the source or merchant whose orders
    /// are paid through tillgate.
    pub merchants: Arc<BTreeMap<PartyName, PaymentProfile>>,
    /// How each payment system is informed that goods were handed over.
    pub shipment_reports: Arc<BTreeMap<PartyName, ShipmentReport>>,
    /// The public address of this installation, for browsers and peers.
    pub public_url: Arc<str>,
    /// Publishes which partitions have just changed.
    pub change_feed: ChangeFeed,
    /// The alarms about sources that were raised recently.
    pub alarms: Alarms,
    /// The difference between this machine's clock and the store's clock.
    pub clock_skew: ClockSkew,
    /// How many bytes of each party may be stored on a day.
    pub quotas: Quotas,
    /// How many orders of each source wait for their creation.
    pub parked_orders: ParkedOrders,
    /// The payment systems that are paused at the moment.
    pub paused_gateways: PausedGateways,
    /// The look-ups at payment systems that unauthenticated notifications have
    /// triggered.
    pub hints: Hints,
    /// The secret key of this installation, loaded at its first use.
    pub shop_key: Arc<OnceCell<ShopKey>>,
}

impl Services {
    /// Whether a payment system sends notifications about refunds.
    pub(super) fn notifies_of_refunds(&self, gateway: &PartyName) -> bool {
        let mut merchants = self.merchants.values().filter(|profile| profile.gateway == *gateway);
        merchants.next().is_none_or(|profile| profile.terms.notifies_of_refunds)
    }

    /// Whether at most one of the configured merchants and marketplaces has an
    /// account at a payment system.
    #[must_use]
    pub fn is_alone_at(&self, gateway: &PartyName, account: &str) -> bool {
        let has_account =
            |profile: &&PaymentProfile| profile.gateway == *gateway && profile.account == account;
        self.merchants.values().filter(has_account).nth(1).is_none()
    }

    /// What the views depend on, with the current time.
    #[must_use]
    pub fn frame(&self, language: Language) -> Frame<'_> {
        Frame { public_url: &self.public_url, now: self.clock.now(), language }
    }

    /// How a payment system is informed that goods were handed over.
    pub(super) fn shipment_report(&self, gateway: &PartyName) -> ShipmentReport {
        self.shipment_reports.get(gateway).copied().unwrap_or(ShipmentReport::ShipmentOrCapture)
    }
}

/// The payment settings of a merchant's site, or of a marketplace whose orders
/// are paid through tillgate.
#[derive(Debug, Clone)]
pub struct PaymentProfile {
    /// The name of the configured payment system.
    pub gateway: PartyName,
    /// Its account at the payment system.
    pub account: String,
    /// The tax rates of lines that do not state one.
    pub rates: Rates,
    /// Whether it receives callbacks about its orders.
    pub callbacks: Callbacks,
    /// The requirements of the payment system for a bill.
    pub terms: Terms,
    /// How many of its orders may wait for the payment system; `None` if it
    /// shares the account's rate limit with nobody.
    pub waiting_max: Option<usize>,
}

/// Which orders a merchant receives callbacks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callbacks {
    /// No callbacks are sent.
    None,
    /// Orders that name an address.
    WhereNamed,
    /// All orders.
    Always,
}
