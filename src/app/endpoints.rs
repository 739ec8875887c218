//! Those who call us, as the configuration names them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Gateway, GatewayProtocol, Merchant, Settings, Source, SourceProtocol};
use crate::dedup::retention;
use crate::flows::sweep::Retention;
use crate::http::SourceEndpoint;
use crate::http::api::{MerchantDoor, Pace};
use crate::kernel::chance::random_bytes;
use crate::kernel::{PartyName, Secret, Tokens};
use crate::webhooks::{self, Protocol, Verifier};

/// Those who send us something, by name: sources of orders, and payment systems.
pub(super) fn source_endpoints(settings: &Settings, key: [u8; 32]) -> BTreeMap<String, Arc<SourceEndpoint>> {
    let source = |(name, source): (&String, &Source)| {
        let (verifier, protocol) = source_protocol(source, key);
        let endpoint =
            SourceEndpoint { source: PartyName::new(name.clone()), account: None, verifier, protocol };
        (name.clone(), Arc::new(endpoint))
    };
    let gateway = |(name, gateway): (&String, &Gateway)| {
        let (verifier, protocol) = (notice_verifier(gateway), notice_protocol(gateway));
        let account = Some(gateway.merchant_id.clone());
        let endpoint = SourceEndpoint { source: PartyName::new(name.clone()), account, verifier, protocol };
        (name.clone(), Arc::new(endpoint))
    };
    settings.sources.iter().map(source).chain(settings.gateways.iter().map(gateway)).collect()
}

pub(super) fn source_protocol(source: &Source, key: [u8; 32]) -> (Verifier, Arc<dyn Protocol>) {
    match source.protocol {
        SourceProtocol::Sm => {
            let protocol = webhooks::sm::Sm { zone: source.time_zone.clone() };
            (webhooks::sm::verifier(Tokens::new(source.tokens(), key)), Arc::new(protocol))
        }
    }
}

pub(super) fn notice_verifier(gateway: &Gateway) -> Verifier {
    match gateway.protocol {
        GatewayProtocol::Invoicebox => {
            // The configuration has checked that it is there; without it nothing must verify.
            let nobodys = || Secret::new(u128::from_be_bytes(random_bytes()).to_string());
            let key = gateway.signing_key.clone().unwrap_or_else(nobodys);
            webhooks::invoicebox::verifier(key, gateway.signing_algorithm)
        }
        GatewayProtocol::Yookassa => webhooks::yookassa::verifier(gateway.notice_networks()),
    }
}

pub(super) fn notice_protocol(gateway: &Gateway) -> Arc<dyn Protocol> {
    match gateway.protocol {
        GatewayProtocol::Invoicebox => Arc::new(webhooks::invoicebox::Invoicebox),
        GatewayProtocol::Yookassa => Arc::new(webhooks::yookassa::Yookassa),
    }
}

pub(super) fn merchant_of(name: &str, merchant: &Merchant, key: [u8; 32]) -> MerchantDoor {
    MerchantDoor {
        name: PartyName::new(name),
        keys: Tokens::new(merchant.api_keys(), key),
        pace: Pace::per_minute(merchant.requests_per_minute_max),
    }
}

pub(super) fn retention_of(settings: &Settings) -> Retention {
    let days = |source: &Source| retention::days(source.retention_days);
    let sources: BTreeMap<_, _> =
        settings.sources.iter().map(|(name, source)| (PartyName::new(name.clone()), days(source))).collect();
    let longest = sources.values().max().copied();
    let otherwise = longest.unwrap_or_else(|| retention::days(retention::RETENTION_DAYS_DEFAULT));
    Retention { sources, otherwise }
}
