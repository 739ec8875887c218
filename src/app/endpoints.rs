//! The peers that call us, as configured.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::config::{Merchant, Settings, Source};
use crate::dedup::retention;
use crate::flows::sweep::Retention;
use crate::gateway::Gateway;
use crate::http::Shop;
use crate::http::api::{MerchantAccess, RateLimit};
use crate::http::{SenderKind, SourceEndpoint};
use crate::kernel::{PartyName, Tokens};
use crate::telemetry::metrics::HookMetrics;
use crate::webhooks::verify::Networks;
use crate::webhooks::{Protocol, Verifier};

/// The senders of hooks and notifications by name: sources of orders, and
/// payment systems.
pub(super) fn source_endpoints(
    settings: &Settings,
    key: [u8; 32],
) -> BTreeMap<String, Arc<SourceEndpoint>> {
    let source = |(name, source): (&String, &Source)| {
        let (verifier, protocol) = source_protocol(source, key);
        let endpoint = SourceEndpoint {
            source: PartyName::new(name.clone()),
            kind: SenderKind::Marketplace { metrics: HookMetrics::of(name) },
            verifier,
            protocol,
        };
        (name.clone(), Arc::new(endpoint))
    };
    let gateway = |(name, gateway): (&String, &Gateway)| {
        let (verifier, protocol) = (gateway.verifier(), gateway.protocol());
        let kind = SenderKind::PaymentSystem { account: gateway.account().to_owned() };
        let endpoint =
            SourceEndpoint { source: PartyName::new(name.clone()), kind, verifier, protocol };
        (name.clone(), Arc::new(endpoint))
    };
    settings.sources.iter().map(source).chain(settings.gateways.iter().map(gateway)).collect()
}

pub(super) fn source_protocol(source: &Source, key: [u8; 32]) -> (Verifier, Arc<dyn Protocol>) {
    let tokens = || Tokens::new(source.tokens(), key);
    let verifier = match &source.verify {
        Some(verify) => verify.verifier(tokens, key).ok(),
        None => source.protocol.verifier.map(|own| own(tokens())),
    };
    // The configuration was checked, so there is one. If there were none, no
    // address would be trusted.
    let verifier = verifier.unwrap_or(Verifier::Networks(Networks::default()));
    (verifier, (source.protocol.protocol)(source.time_zone.clone()))
}

pub(super) fn merchant_of(name: &str, merchant: &Merchant, key: [u8; 32]) -> MerchantAccess {
    MerchantAccess {
        name: PartyName::new(name),
        keys: Tokens::new(merchant.api_keys(), key),
        rate_limit: RateLimit::per_minute(merchant.requests_per_minute_max),
    }
}

/// How buyers' pages call a merchant.
pub(super) fn shop_of(name: &str, merchant: &Merchant) -> (PartyName, Shop) {
    let shown = merchant.name.clone().unwrap_or_else(|| name.to_owned());
    (PartyName::new(name), Shop { name: shown, logo: merchant.logo.clone() })
}

/// How many bytes of each source and merchant may be stored on a day.
pub(super) fn quotas_of(settings: &Settings) -> BTreeMap<PartyName, u64> {
    let sources =
        settings.sources.iter().map(|(name, source)| (name, source.megabytes_per_day_max));
    let merchants =
        settings.merchants.iter().map(|(name, merchant)| (name, merchant.megabytes_per_day_max));
    let quota = |(name, megabytes): (&String, NonZeroU32)| {
        (PartyName::new(name.clone()), u64::from(megabytes.get()) * 1_000_000)
    };
    sources.chain(merchants).map(quota).collect()
}

/// The sources whose open orders hold stock.
pub(super) fn stock_holders_of(settings: &Settings) -> BTreeSet<PartyName> {
    let holders = settings.sources.iter().filter(|(_, source)| source.holds_stock);
    holders.map(|(name, _)| PartyName::new(name.clone())).collect()
}

pub(super) fn retention_of(settings: &Settings) -> Retention {
    let days = |source: &Source| retention::days(source.retention_days);
    let sources: BTreeMap<_, _> = settings
        .sources
        .iter()
        .map(|(name, source)| (PartyName::new(name.clone()), days(source)))
        .collect();
    let longest = sources.values().max().copied();
    let otherwise = longest.unwrap_or_else(|| retention::days(retention::RETENTION_DAYS_DEFAULT));
    Retention { sources, otherwise }
}
