//! The shop's services, if the settings have a shop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use tillgate_identity::Signer;
use tillgate_shop::assertion::Assertions;
use tillgate_shop::auth::{self, Auth};
use tillgate_shop::billing::{self, Billing};
use tillgate_shop::booked::Bookings;
use tillgate_shop::bus::Consumer;
use tillgate_shop::bus::inbox::Inbox;
use tillgate_shop::client_orders::ClientOrders;
use tillgate_shop::delivery::{self, Delivery};
use tillgate_shop::front::{self, Front};
use tillgate_shop::menu::{self, Menu};
use tillgate_shop::notification::letter::Sender;
use tillgate_shop::notification::mailer::{MailServer, Mailer, MailerError};
use tillgate_shop::notification::sender::{Channel, LetterSender};
use tillgate_shop::notification::sms::{Sms, SmsProvider};
use tillgate_shop::notification::{self, Notification};
use tillgate_shop::openapi;
use tillgate_shop::orchestra::{self, Orchestra};
use tillgate_shop::order::{self, Orders};
use tillgate_shop::payment::gateway::Gateway;
use tillgate_shop::payment::holds::Holds;
use tillgate_shop::payment::ledger::Ledger;
use tillgate_shop::payment::{self, Payment};
use tillgate_shop::prices::Prices;
use tillgate_shop::seal::MasterKeys;
use tillgate_shop::service_client::{Routes, ServiceClient};
use tillgate_shop::sessions::Sessions;
use tillgate_shop::store::{self, StockKeeper};
use tillgate_shop::sweeper::Sweeper;

use super::{StartError, Workers};
use crate::config::{self, ServiceName, Settings};
use crate::http::{Mount, Mounts, docs};
use crate::kernel::{Clock, Language, Secret};
use crate::peer::ClientError;
use crate::store::Store;

/// What the services of a shop share.
struct Ground<'a> {
    settings: &'a Settings,
    shop: &'a config::Shop,
    keys: MasterKeys,
    public_url: String,
    store: Store,
    clock: Clock,
    /// The address of the gateway's API.
    gateway_url: String,
    /// Where the routes of this process's services will be.
    routes: BTreeMap<ServiceName, Routes>,
}

impl Ground<'_> {
    fn auth(&self) -> Arc<Auth> {
        let settings = auth::Settings {
            keys: self.keys.clone(),
            public_url: self.public_url.clone(),
            trusted_proxies: self.settings.trusted_proxies.0.clone(),
            has_sms: self.shop.sms.is_some(),
        };
        Arc::new(Auth::new(settings, self.store.clone(), self.clock.clone()))
    }

    /// A service, for another one: in this process, or where the settings say.
    fn client(
        &self,
        service: ServiceName,
        caller: ServiceName,
    ) -> Result<ServiceClient, StartError> {
        let (name, caller) = (service.as_str(), caller.as_str());
        match (self.routes.get(&service), self.shop.service_urls.get(name)) {
            (Some(routes), _) => Ok(routes.client(caller)),
            (None, Some(url)) => {
                let assertions = Assertions::new(&self.keys);
                let clock = self.clock.clone();
                Ok(ServiceClient::at(url, name, caller, assertions, clock)?)
            }
            // The choice of the services was checked.
            (None, None) => Ok(Routes::default().client(caller)),
        }
    }

    fn sessions(&self, caller: ServiceName) -> Result<Sessions, StartError> {
        Ok(Sessions { auth: self.client(ServiceName::Auth, caller)? })
    }

    fn prices(&self, caller: ServiceName) -> Result<Prices, StartError> {
        Ok(Prices { menu: self.client(ServiceName::Menu, caller)? })
    }

    fn client_orders(&self, caller: ServiceName) -> Result<ClientOrders, StartError> {
        Ok(ClientOrders { order: self.client(ServiceName::Order, caller)? })
    }

    fn bookings(&self, caller: ServiceName) -> Result<Bookings, StartError> {
        Ok(Bookings { delivery: self.client(ServiceName::Delivery, caller)? })
    }

    fn billing(&self) -> Result<Arc<Billing>, StartError> {
        Ok(Arc::new(Billing::new(
            self.store.clone(),
            self.clock.clone(),
            self.keys.clone(),
            self.sessions(ServiceName::Billing)?,
            self.public_url.clone(),
        )))
    }

    fn front(&self) -> Result<Router, StartError> {
        let client = |service| self.client(service, ServiceName::Front);
        Ok(front::routes(Arc::new(Front {
            name: self.shop.name.clone(),
            public_url: self.public_url.clone(),
            language: self.shop.language,
            time_zone: self.shop.time_zone.clone(),
            auth: client(ServiceName::Auth)?,
            billing: client(ServiceName::Billing)?,
            delivery: client(ServiceName::Delivery)?,
            store: client(ServiceName::Store)?,
            menu: client(ServiceName::Menu)?,
            notification: client(ServiceName::Notification)?,
            order: client(ServiceName::Order)?,
            payment: client(ServiceName::Payment)?,
            has_sms: self.shop.sms.is_some(),
            forms: Signer::new(&self.keys.derive("forms"), "form"),
            adding: Signer::new(&self.keys.derive("forms"), "add to the basket"),
        })))
    }

    /// Starts the service. Its catalogue is read in the background.
    fn menu(&self, workers: &Workers) -> Arc<Menu> {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let (url, zone) = (self.public_url.clone(), self.shop.time_zone.clone());
        let menu = Arc::new(Menu::new(store, clock, &self.keys, url, zone));
        workers.spawn(Arc::clone(&menu).keep_fresh(workers.drain.clone()));
        menu
    }

    /// Starts the service, which cancels orders that nobody has changed for
    /// long.
    fn orders(&self, workers: &Workers) -> Result<Arc<Orders>, StartError> {
        let others = order::Others {
            sessions: self.sessions(ServiceName::Order)?,
            prices: self.prices(ServiceName::Order)?,
            bookings: self.bookings(ServiceName::Order)?,
        };
        let settings = order::Settings {
            unpaid_max: self.shop.unpaid_orders_max,
            public_url: self.public_url.clone(),
        };
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let orders = Arc::new(Orders::new(store, clock, self.keys.clone(), others, settings));
        self.take_messages(Arc::clone(&orders), workers);
        let (ending, drain) = (Arc::clone(&orders), workers.drain.clone());
        workers.spawn(async move { ending.cancel_unchanged(drain).await });
        Ok(orders)
    }

    /// Starts the service, which ends holds whose time has run out.
    fn stock_keeper(&self, workers: &Workers) -> Result<Arc<StockKeeper>, StartError> {
        let others = store::Others {
            sessions: self.sessions(ServiceName::Store)?,
            prices: self.prices(ServiceName::Store)?,
            orders: self.client_orders(ServiceName::Store)?,
        };
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let url = self.public_url.clone();
        let keeper = StockKeeper::new(store, clock, self.hold_for(), &self.keys, others, url);
        let keeper = Arc::new(keeper);
        self.take_messages(Arc::clone(&keeper), workers);
        let (expiring, drain) = (Arc::clone(&keeper), workers.drain.clone());
        workers.spawn(async move { expiring.holds.expire(drain).await });
        Ok(keeper)
    }

    fn hold_for(&self) -> Duration {
        minutes(self.shop.hold_minutes)
    }

    /// Starts the service.
    fn delivery(&self, workers: &Workers) -> Result<Arc<Delivery>, StartError> {
        let sessions = self.sessions(ServiceName::Delivery)?;
        let orders = self.client_orders(ServiceName::Delivery)?;
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let settings = delivery::Settings {
            hold_for: self.hold_for(),
            time_zone: self.shop.time_zone.clone(),
            public_url: self.public_url.clone(),
        };
        let keys = self.keys.clone();
        let service = Arc::new(Delivery::new(store, clock, keys, sessions, orders, settings));
        self.take_messages(Arc::clone(&service), workers);
        let (expiring, drain) = (Arc::clone(&service), workers.drain.clone());
        workers.spawn(async move { expiring.bookings.expire(drain).await });
        Ok(service)
    }

    /// Starts the service.
    fn payment(&self, workers: &Workers) -> Result<Arc<Payment>, StartError> {
        let caller = ServiceName::Payment;
        let merchant = self.shop.merchant.as_ref();
        let merchant = merchant.and_then(|name| self.settings.merchants.get(name));
        let api_key = merchant.and_then(|merchant| merchant.api_keys().first().copied().cloned());
        let gateway = api_key.map(|key| Gateway::new(&self.gateway_url, key)).transpose()?;
        let others = payment::Others {
            sessions: self.sessions(caller)?,
            orders: self.client_orders(caller)?,
            bookings: self.bookings(caller)?,
            prices: self.prices(caller)?,
            holds: Holds {
                store: self.client(ServiceName::Store, caller)?,
                delivery: self.client(ServiceName::Delivery, caller)?,
            },
            ledger: Ledger { billing: self.client(ServiceName::Billing, caller)? },
            gateway,
        };
        let (order, delivery) = match self.shop.language {
            Language::Ru => ("Заказ", "Доставка"),
            Language::En => ("Order", "Delivery"),
        };
        let settings = payment::Settings {
            public_url: self.public_url.clone(),
            pay_for: minutes(self.shop.pay_minutes),
            confirm_wait: minutes(self.shop.confirm_minutes),
            vat: self.shop.vat.as_str().to_owned(),
            description: order.to_owned(),
            delivery: delivery.to_owned(),
            callback_keys: merchant
                .and_then(|merchant| merchant.callback_secret.clone())
                .into_iter()
                .collect(),
        };
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let service = Payment::new(store, clock, self.keys.clone(), others, settings);
        let service = Arc::new(service);
        self.take_messages(Arc::clone(&service), workers);
        let (driving, drain) = (Arc::clone(&service), workers.drain.clone());
        workers.spawn(async move { driving.keep_driving(drain).await });
        Ok(service)
    }

    /// Starts the service.
    fn orchestra(&self, workers: &Workers) -> Arc<Orchestra> {
        let (store, clock, keys) = (self.store.clone(), self.clock.clone(), self.keys.clone());
        let service = Arc::new(Orchestra { store, clock, keys });
        self.take_messages(Arc::clone(&service), workers);
        let (asking, drain) = (Arc::clone(&service), workers.drain.clone());
        workers.spawn(async move { asking.keep_asking(drain).await });
        service
    }

    /// Starts the inbox of a service.
    fn take_messages<C: Consumer>(&self, consumer: Arc<C>, workers: &Workers) {
        let (store, keys) = (self.store.clone(), self.keys.clone());
        workers.spawn(Inbox { consumer, store, keys }.run(workers.drain.clone()));
    }

    /// Starts the service. Returns its routes.
    fn notification(&self, workers: &Workers) -> Result<Router, StartError> {
        let service = Notification {
            store: self.store.clone(),
            clock: self.clock.clone(),
            keys: self.keys.clone(),
        };
        let mailer = self.shop.mail.as_ref().map(mailer_of).transpose();
        let mailer = mailer.map_err(|why| StartError::Mail(why.to_string()))?;
        if mailer.is_none() {
            tracing::warn!(
                "[shop.mail] is missing: letters to clients wait, and forgotten passwords cannot \
                 be replaced"
            );
        }
        let sender = Sender { name: self.shop.name.clone(), public_url: self.public_url.clone() };
        self.take_messages(Arc::new(service.clone()), workers);
        let sms = self.shop.sms.as_ref().map(sms_of).transpose()?;
        for channel in [Channel::Mail(mailer), Channel::Sms(sms)] {
            let (service, sender) = (service.clone(), sender.clone());
            workers.spawn(LetterSender { service, channel, sender }.run(workers.drain.clone()));
        }
        let sessions = self.sessions(ServiceName::Notification)?;
        let api = notification::api::Api::new(service, sessions, self.public_url.clone());
        Ok(notification::api::routes(Arc::new(api)))
    }
}

/// Starts the services of the settings' shop that this process runs. Returns
/// their routes.
pub(super) fn start(
    settings: &Settings,
    own_url: &str,
    gateway_url: &str,
    workers: &Workers,
) -> Result<Mounts, StartError> {
    let mut mounts = Mounts::default();
    let Some(shop) = &settings.shop else { return Ok(mounts) };
    let mut keys = shop.key_bytes().into_iter();
    // The check of the settings has found a key.
    let Some(current) = keys.next() else { return Ok(mounts) };
    let public_url = shop.public_url.as_deref().unwrap_or(own_url);
    let running = ServiceName::OF_THE_SHOP.into_iter();
    let running = running.filter(|service| settings.services.run(*service));
    let ground = Ground {
        settings,
        shop,
        keys: MasterKeys::new(current, keys),
        public_url: public_url.trim_end_matches('/').to_owned(),
        store: workers.services.store.clone(),
        clock: workers.services.clock.clone(),
        gateway_url: match shop.service_urls.get(ServiceName::Gateway.as_str()) {
            Some(url) => url.clone(),
            None => gateway_url.to_owned(),
        },
        routes: running.map(|service| (service, Routes::default())).collect(),
    };
    let (document, text) = (openapi::document(), openapi::text());
    let routes = docs::routes_of(&document, text, "/shop/openapi.json");
    mounts.public.push(Mount { path: "/shop", routes });
    let (store, clock) = (ground.store.clone(), ground.clock.clone());
    let sweeper = Sweeper { store, clock, swept: tillgate_shop::stored::swept() };
    workers.spawn(sweeper.run(workers.drain.clone()));
    let mut operator = Router::new();
    for (service, place) in &ground.routes {
        let started = ground.start(*service, workers)?;
        operator = operator.merge(started.operator);
        let Some(routes) = started.public else { continue };
        place.put(routes.clone());
        mount(&mut mounts, settings, *service, &routes);
    }
    mounts.operator.push(Mount { path: "/shop", routes: operator });
    Ok(mounts)
}

/// The routes of a service that has been started.
struct Started {
    public: Option<Router>,
    operator: Router,
}

impl Started {
    fn with(public: Router, operator: Router) -> Started {
        Started { public: Some(public), operator }
    }
}

impl Ground<'_> {
    /// Starts a service.
    fn start(&self, service: ServiceName, workers: &Workers) -> Result<Started, StartError> {
        Ok(match service {
            ServiceName::Auth => {
                let service = self.auth();
                self.take_messages(Arc::clone(&service), workers);
                let operator = auth::api::routes_for_operator(Arc::clone(&service));
                Started::with(auth::api::routes(service), operator)
            }
            ServiceName::Billing => {
                let service = self.billing()?;
                self.take_messages(Arc::clone(&service), workers);
                let operator = billing::api::routes_for_operator(Arc::clone(&service));
                Started::with(billing::api::routes(service), operator)
            }
            ServiceName::Menu => {
                let service = self.menu(workers);
                let operator = menu::api::routes_for_operator(Arc::clone(&service));
                Started::with(menu::api::routes(service), operator)
            }
            ServiceName::Notification => Started::with(self.notification(workers)?, Router::new()),
            ServiceName::Order => {
                Started::with(order::api::routes(self.orders(workers)?), Router::new())
            }
            ServiceName::Store => {
                let service = self.stock_keeper(workers)?;
                let operator = store::api::routes_for_operator(Arc::clone(&service));
                Started::with(store::api::routes(service), operator)
            }
            ServiceName::Delivery => {
                let service = self.delivery(workers)?;
                let operator = delivery::api::routes_for_operator(Arc::clone(&service));
                Started::with(delivery::api::routes(service), operator)
            }
            ServiceName::Payment => {
                let service = self.payment(workers)?;
                let operator = payment::api::routes_for_operator(Arc::clone(&service));
                Started::with(payment::api::routes(service), operator)
            }
            ServiceName::Orchestra => {
                let operator = orchestra::api::routes_for_operator(self.orchestra(workers));
                Started { public: None, operator }
            }
            ServiceName::Front => Started::with(self.front()?, Router::new()),
            // It is not the shop's.
            ServiceName::Gateway => Started { public: None, operator: Router::new() },
        })
    }
}

fn minutes(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 60)
}

/// The settings with the callbacks of the shop's merchant, which may be left
/// out: they come to this process.
pub(super) fn with_callbacks(settings: &Settings, address: SocketAddr) -> Settings {
    let mut settings = settings.clone();
    let Some(shop) = &settings.shop else { return settings };
    let mut keys = shop.key_bytes().into_iter();
    let (Some(name), Some(current)) = (shop.merchant.clone(), keys.next()) else {
        return settings;
    };
    let secret = MasterKeys::new(current, keys).derive("payment callbacks");
    let secret = Secret::new(format!("whsec_{}", BASE64.encode(secret)));
    let url = format!("{}/shop/payment/notice", loopback(address));
    if let Some(merchant) = settings.merchants.get_mut(&name) {
        merchant.callback_url.get_or_insert(url);
        merchant.callback_secret.get_or_insert(secret);
    }
    settings
}

/// The address by which this process calls itself.
pub(super) fn loopback(address: SocketAddr) -> String {
    let is_any = address.ip().is_unspecified();
    match address {
        SocketAddr::V4(_) if is_any => format!("http://127.0.0.1:{}", address.port()),
        SocketAddr::V6(_) if is_any => format!("http://[::1]:{}", address.port()),
        SocketAddr::V4(_) | SocketAddr::V6(_) => format!("http://{address}"),
    }
}

/// Mounts the routes of a service; at the paths of its contract too, if it runs
/// alone.
fn mount(mounts: &mut Mounts, settings: &Settings, service: ServiceName, routes: &Router) {
    let path = match service {
        ServiceName::Auth => "/shop/auth",
        ServiceName::Billing => "/shop/billing",
        ServiceName::Delivery => "/shop/delivery",
        ServiceName::Menu => "/shop/menu",
        ServiceName::Notification => "/shop/notification",
        ServiceName::Order => "/shop/order",
        ServiceName::Payment => "/shop/payment",
        ServiceName::Store => "/shop/store",
        // The pages are at the root.
        ServiceName::Front => "",
        // They have no routes of this kind.
        ServiceName::Gateway | ServiceName::Orchestra => return,
    };
    mounts.public.push(Mount { path, routes: routes.clone() });
    if settings.services.alone() == Some(service) && !path.is_empty() {
        mounts.public.push(Mount { path: "", routes: routes.clone() });
    }
}

/// Hands short messages to the provider of the settings.
fn sms_of(sms: &config::Sms) -> Result<Sms, ClientError> {
    let config::Sms { protocol: config::SmsProtocol::Http, url, token, from } = sms;
    Sms::new(SmsProvider { url: url.clone(), token: token.clone(), from: from.clone() })
}

/// Hands letters to the mail server of the settings.
pub fn mailer_of(mail: &config::Mail) -> Result<Mailer, MailerError> {
    // The check of the settings has read the address.
    let address = mail.address().map_err(MailerError::From)?;
    Mailer::new(MailServer {
        host: address.host,
        port: address.port,
        is_tls_from_start: address.is_tls_from_start,
        user: address.user,
        password: mail.password.clone(),
        from: mail.from.clone(),
        ca: mail.ca.clone(),
    })
}
