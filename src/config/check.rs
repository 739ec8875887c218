//! Checks of the sections, by themselves and together.

use super::{Merchant, Payment, Settings, Source, Telegram, secrets};
use crate::dedup::retention::RETENTION_DAYS_MIN;
use crate::kernel::setting::http_url;

/// The longest drain that may be configured: service managers give up after 90
/// seconds.
const IDLE_DRAIN_SECONDS_MAX: u32 = 60;

/// The smallest cache of the embedded store.
const CACHE_MEBIBYTES_MIN: u32 = 16;

pub fn check(settings: &Settings) -> Result<(), String> {
    for name in settings.gateways.keys() {
        check_gateway(settings, name)?;
    }
    for (name, source) in &settings.sources {
        usable_name("sources", "source", name)?;
        check_source(settings, source).map_err(|why| format!("sources.{name}{why}"))?;
    }
    for (name, merchant) in &settings.merchants {
        usable_name("merchants", "merchant", name)?;
        if settings.sources.contains_key(name) || settings.gateways.contains_key(name) {
            return Err(format!(
                "merchants.{name}: a source or a gateway has this name; choose another"
            ));
        }
        check_merchant(settings, merchant).map_err(|why| format!("merchants.{name}{why}"))?;
    }
    secrets::check(settings)?;
    if let Some(url) = &settings.public_url {
        http_url("public_url", url)?;
    }
    settings.notify.telegram.as_ref().map_or(Ok(()), check_telegram)?;
    if let Some(shop) = &settings.shop {
        shop.check().map_err(|why| format!("shop{why}"))?;
        if let Some(name) = &shop.merchant
            && !settings.merchants.contains_key(name)
        {
            return Err(format!(
                "shop.merchant: there is no section [merchants.{name}]. Add one with an api_key, or \
                 leave shop.merchant out: then only wallets pay"
            ));
        }
    }
    if settings.idle_drain_seconds > IDLE_DRAIN_SECONDS_MAX {
        return Err(format!("idle_drain_seconds: at most {IDLE_DRAIN_SECONDS_MAX}"));
    }
    if settings.store_cache_mebibytes < CACHE_MEBIBYTES_MIN {
        return Err(format!("store_cache_mebibytes: at least {CACHE_MEBIBYTES_MIN}"));
    }
    Ok(())
}

fn check_gateway(settings: &Settings, name: &str) -> Result<(), String> {
    usable_name("gateways", "gateway", name)?;
    if settings.sources.contains_key(name) {
        return Err(format!(
            "gateways.{name}: a source has this name, and both would be at /hooks/{name}"
        ));
    }
    let checked = settings.gateways.get(name).map_or(Ok(()), |gateway| gateway.check());
    checked.map_err(|why| format!("gateways.{name}.{why}"))
}

/// Checks a source. The error continues the section's name.
fn check_source(settings: &Settings, source: &Source) -> Result<(), String> {
    if source.payment == Payment::Link {
        settings.gateway_of(source.gateway.as_deref()).map_err(|why| format!(": {why}"))?;
    } else if source.gateway.is_some() || source.delivery_vat.is_some() {
        let key = if source.gateway.is_some() { "gateway" } else { "delivery_vat" };
        return Err(format!(".{key}: it is used with payment = \"link\" only"));
    }
    if let Some(outgoing) = &source.outgoing {
        http_url(".outgoing.url", &outgoing.url)?;
        if let Some(url) = &outgoing.shipments_url {
            http_url(".outgoing.shipments_url", url)?;
        }
        if !source.protocol.is_told {
            return Err(".outgoing has no effect: this protocol has no fulfilment updates".into());
        }
        outgoing.access().map_err(|why| format!(".outgoing: {why}"))?;
    }
    source.check_proof()?;
    if source.retention_days < RETENTION_DAYS_MIN {
        return Err(format!(
            ".retention_days: at least {RETENTION_DAYS_MIN}, so that late retries are recognised"
        ));
    }
    Ok(())
}

/// Checks a merchant. The error continues the section's name.
fn check_merchant(settings: &Settings, merchant: &Merchant) -> Result<(), String> {
    if merchant.api_keys().is_empty() {
        return Err(
            ": no api_key. Make one with \"openssl rand -hex 24\" and give it to the site".into()
        );
    }
    settings.gateway_of(merchant.gateway.as_deref()).map_err(|why| format!(": {why}"))?;
    if let Some(url) = &merchant.callback_url {
        http_url(".callback_url", url)?;
    }
    if merchant.callback_url.is_some() && merchant.callback_secret.is_none() {
        return Err(
            ".callback_secret is missing: make one with: echo whsec_$(openssl rand -base64 24)"
                .into(),
        );
    }
    Ok(())
}

fn check_telegram(telegram: &Telegram) -> Result<(), String> {
    http_url("notify.telegram.url", &telegram.url)?;
    if telegram.token.expose().trim().is_empty() {
        return Err("notify.telegram.token is empty: @BotFather gives one".into());
    }
    if telegram.chats.is_empty() {
        return Err(
            "notify.telegram.chats is empty: add [notify.telegram.chats] with default = \"<chat \
             id>\""
                .into(),
        );
    }
    Ok(())
}

fn usable_name(section: &str, what: &str, name: &str) -> Result<(), String> {
    let usable =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if name.is_empty() || !name.bytes().all(usable) {
        return Err(format!(
            "{section}.{name}: a {what}'s name is part of its address: use a-z, 0-9, - and _"
        ));
    }
    Ok(())
}
