//! Those whom we call, as the configuration names them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::StartError;
use crate::config::{Merchant, Outgoing, Payment, Settings};
use crate::flows::{Callbacks, Rates, Seller};
use crate::gateway::{Gateway, Provider};
use crate::kernel::{Clock, PartyName};
use crate::marketplace::Sm;
use crate::payments::VatCode;
use crate::peer::Client;
use crate::workers::envoy;
use crate::workers::herald::Ear;

/// The most of a marketplace's answer that is read, in bytes: a page of a hundred orders.
const SHIPMENTS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The payment systems that the settings name.
pub fn gateways(settings: &Settings) -> Result<BTreeMap<PartyName, Arc<dyn Provider>>, StartError> {
    let mut gateways: BTreeMap<PartyName, Arc<dyn Provider>> = BTreeMap::new();
    for (name, gateway) in &settings.gateways {
        gateways.insert(PartyName::new(name.clone()), gateway.provider()?);
    }
    Ok(gateways)
}

pub(super) fn payment_pages(name: &str, gateway: &Gateway) -> (PartyName, (String, Vec<String>)) {
    (PartyName::new(name), (gateway.url().to_owned(), gateway.payment_hosts()))
}

/// The marketplaces that hear how far their orders are.
pub fn told_marketplaces(settings: &Settings, clock: &Clock) -> Result<BTreeMap<PartyName, Sm>, StartError> {
    marketplaces(settings, clock, |outgoing| Some(outgoing.url.clone()))
}

/// The marketplaces whose lists of orders are looked through.
pub fn asked_marketplaces(settings: &Settings, clock: &Clock) -> Result<BTreeMap<PartyName, Sm>, StartError> {
    marketplaces(settings, clock, |outgoing| outgoing.shipments_url.clone())
}

/// The marketplaces that are told or asked, at the address that `url` picks. The configuration has checked how we prove
/// ourselves.
pub(super) fn marketplaces(
    settings: &Settings,
    clock: &Clock,
    url: impl Fn(&Outgoing) -> Option<String>,
) -> Result<BTreeMap<PartyName, Sm>, StartError> {
    let mut marketplaces = BTreeMap::new();
    for (name, source) in &settings.sources {
        let Some(outgoing) = &source.outgoing else { continue };
        let (Ok(access), Some(url)) = (outgoing.access(), url(outgoing)) else { continue };
        let client = Client::new(Duration::from_secs(envoy::TELL_SECONDS_MAX), SHIPMENTS_BYTES_MAX)?;
        marketplaces.insert(PartyName::new(name.clone()), Sm::new(client, url, access, clock.clone()));
    }
    Ok(marketplaces)
}

/// Whose orders are paid through us. The configuration has checked that each has its payment system.
pub(super) fn sellers(
    settings: &Settings,
    gateways: &BTreeMap<PartyName, Arc<dyn Provider>>,
) -> BTreeMap<PartyName, Seller> {
    let seller = |named: Option<&str>, rates, callbacks| {
        let (name, gateway) = settings.gateway_of(named).ok()?;
        let (name, account) = (PartyName::new(name), gateway.account().to_owned());
        let terms = gateways.get(&name)?.terms();
        Some(Seller { gateway: name, account, rates, callbacks, terms })
    };
    let marketplaces = settings.sources.iter().filter(|(_, source)| source.payment == Payment::Link);
    let marketplaces = marketplaces.filter_map(|(name, source)| {
        let rates = Rates { goods: source.vat, delivery: source.delivery_vat.unwrap_or(source.vat) };
        Some((PartyName::new(name.clone()), seller(source.gateway.as_deref(), rates, Callbacks::None)?))
    });
    let merchants = settings.merchants.iter().filter_map(|(name, merchant)| {
        let callbacks = match (&merchant.callback_url, &merchant.callback_secret) {
            (Some(_), _) => Callbacks::Always,
            (None, Some(_)) => Callbacks::WhereNamed,
            (None, None) => Callbacks::None,
        };
        // A site names the rate of each line.
        let rates = Rates { goods: VatCode::None, delivery: VatCode::None };
        let seller = seller(merchant.gateway.as_deref(), rates, callbacks)?;
        Some((PartyName::new(name.clone()), seller))
    });
    marketplaces.chain(merchants).collect()
}

/// Where merchants want to hear of their orders.
pub(super) fn ears(settings: &Settings) -> BTreeMap<PartyName, Ear> {
    let ear = |(name, merchant): (&String, &Merchant)| {
        let (url, secret) = (merchant.callback_url.clone(), merchant.callback_secret.clone()?);
        Some((PartyName::new(name.clone()), Ear { url, secret }))
    };
    settings.merchants.iter().filter_map(ear).collect()
}
