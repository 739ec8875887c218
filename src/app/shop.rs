//! The shop's services, if the settings have a shop.

use std::sync::Arc;

use tillgate_identity::Signer;
use tillgate_shop::auth::{self, Auth};
use tillgate_shop::front::{self, Front};
use tillgate_shop::seal::MasterKeys;
use tillgate_shop::service_client::ServiceClient;

use crate::config::Settings;
use crate::http::{Mount, Mounts};
use crate::kernel::Clock;
use crate::store::Store;

/// The services' routes, each under its path.
pub fn mounts(settings: &Settings, own_url: &str, store: &Store, clock: &Clock) -> Mounts {
    let Some(shop) = &settings.shop else { return Mounts::default() };
    let mut keys = shop.key_bytes().into_iter();
    // The check of the settings has found a key.
    let Some(current) = keys.next() else { return Mounts::default() };
    let public_url = shop.public_url.as_deref().unwrap_or(own_url);
    let settings = auth::Settings {
        keys: MasterKeys::new(current, keys),
        public_url: public_url.trim_end_matches('/').to_owned(),
        trusted_proxies: settings.trusted_proxies.0.clone(),
    };
    let (forms, public_url) = (settings.keys.derive("forms"), settings.public_url.clone());
    let auth = Arc::new(Auth::new(settings, store.clone(), clock.clone()));
    let staff = auth::api::routes_for_operator(Arc::clone(&auth));
    let auth = auth::api::routes(auth);
    let front = Front {
        name: shop.name.clone(),
        public_url,
        auth: ServiceClient::of(auth.clone()),
        forms: Signer::new(&forms, "form"),
    };
    Mounts {
        public: vec![
            Mount { path: "/shop/auth", routes: auth },
            Mount { path: "", routes: front::routes(Arc::new(front)) },
        ],
        operator: vec![Mount { path: "/shop", routes: staff }],
    }
}
