//! The peers that we call, as configured.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::StartError;
use crate::config::{Merchant, Outgoing, Payment, Settings};
use crate::flows::{Callbacks, PaymentProfile, Rates};
use crate::gateway::{Gateway, Provider};
use crate::kernel::{Clock, PartyName};
use crate::marketplace::Sm;
use crate::payments::VatCode;
use crate::peer::Client;
use crate::workers::callback_sender::CallbackEndpoint;
use crate::workers::update_sender;

/// The most bytes of a marketplace's answer that are read: a page of a hundred
/// orders.
const SHIPMENTS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The payment systems of the settings.
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

/// The marketplaces that receive fulfilment updates.
pub fn marketplaces_to_update(
    settings: &Settings,
    clock: &Clock,
) -> Result<BTreeMap<PartyName, Sm>, StartError> {
    marketplaces(settings, clock, |outgoing| Some(outgoing.url.clone()))
}

/// The marketplaces whose lists of orders are searched for lost hooks.
pub fn asked_marketplaces(
    settings: &Settings,
    clock: &Clock,
) -> Result<BTreeMap<PartyName, Sm>, StartError> {
    marketplaces(settings, clock, |outgoing| outgoing.shipments_url.clone())
}

/// The marketplaces, at the address that `url` selects. The configuration was
/// checked, so each has credentials.
pub(super) fn marketplaces(
    settings: &Settings,
    clock: &Clock,
    url: impl Fn(&Outgoing) -> Option<String>,
) -> Result<BTreeMap<PartyName, Sm>, StartError> {
    let mut marketplaces = BTreeMap::new();
    for (name, source) in &settings.sources {
        let Some(outgoing) = &source.outgoing else { continue };
        let (Ok(access), Some(url)) = (outgoing.access(), url(outgoing)) else { continue };
        let client =
            Client::new(Duration::from_secs(update_sender::TELL_SECONDS_MAX), SHIPMENTS_BYTES_MAX)?;
        marketplaces
            .insert(PartyName::new(name.clone()), Sm::new(client, url, access, clock.clone()));
    }
    Ok(marketplaces)
}

/// The payment profiles of the parties whose orders are paid through us. The
/// configuration was checked, so each has its payment system.
pub(super) fn merchants(
    settings: &Settings,
    gateways: &BTreeMap<PartyName, Arc<dyn Provider>>,
) -> BTreeMap<PartyName, PaymentProfile> {
    let profile = |named: Option<&str>, rates, callbacks| {
        let (name, gateway) = settings.gateway_of(named).ok()?;
        let (name, account) = (PartyName::new(name), gateway.account().to_owned());
        let terms = gateways.get(&name)?.terms();
        let waiting_max = None; // until all are known: see below
        Some(PaymentProfile { gateway: name, account, rates, callbacks, terms, waiting_max })
    };
    let marketplaces =
        settings.sources.iter().filter(|(_, source)| source.payment == Payment::Link);
    let marketplaces = marketplaces.filter_map(|(name, source)| {
        let rates =
            Rates { goods: source.vat, delivery: source.delivery_vat.unwrap_or(source.vat) };
        Some((
            PartyName::new(name.clone()),
            profile(source.gateway.as_deref(), rates, Callbacks::None)?,
        ))
    });
    let merchants = settings.merchants.iter().filter_map(|(name, merchant)| {
        let callbacks = match (&merchant.callback_url, &merchant.callback_secret) {
            (Some(_), _) => Callbacks::Always,
            (None, Some(_)) => Callbacks::WhereNamed,
            (None, None) => Callbacks::None,
        };
        // A site sends the rate of each line.
        let rates = Rates { goods: VatCode::None, delivery: VatCode::None };
        let profile = profile(merchant.gateway.as_deref(), rates, callbacks)?;
        Some((PartyName::new(name.clone()), profile))
    });
    let mut profiles: BTreeMap<PartyName, PaymentProfile> = marketplaces.chain(merchants).collect();
    let accounts: Vec<(PartyName, String)> = profiles
        .values()
        .map(|profile| (profile.gateway.clone(), profile.account.clone()))
        .collect();
    for profile in profiles.values_mut() {
        let is_same = |(gateway, account): &&(PartyName, String)| {
            *gateway == profile.gateway && *account == profile.account
        };
        if accounts.iter().filter(is_same).nth(1).is_some() {
            let allowance = gateways.get(&profile.gateway).and_then(|known| known.allowance());
            profile.waiting_max = allowance.map(|allowance| allowance.part_within(WAITING_TIME));
        }
    }
    profiles
}

/// How long the last of a merchant's waiting orders may have to wait for its
/// link, if others share the rate limit of the payment system.
const WAITING_TIME: Duration = Duration::from_secs(60);

/// Where merchants receive callbacks.
pub(super) fn endpoints(settings: &Settings) -> BTreeMap<PartyName, CallbackEndpoint> {
    let endpoint = |(name, merchant): (&String, &Merchant)| {
        let (url, secret) = (merchant.callback_url.clone(), merchant.callback_secret.clone()?);
        Some((PartyName::new(name.clone()), CallbackEndpoint { url, secret }))
    };
    settings.merchants.iter().filter_map(endpoint).collect()
}
