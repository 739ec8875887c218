//! The shop's services, if the settings have a shop.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tillgate_identity::Signer;
use tillgate_shop::assertion::Assertions;
use tillgate_shop::auth::{self, Auth};
use tillgate_shop::billing::{self, Billing};
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
use tillgate_shop::order::{self, Orders};
use tillgate_shop::prices::Prices;
use tillgate_shop::seal::MasterKeys;
use tillgate_shop::service_client::ServiceClient;
use tillgate_shop::sessions::Sessions;
use tillgate_shop::store::{self, Others, StockKeeper};
use tillgate_shop::sweeper::Sweeper;

use super::{StartError, Workers};
use crate::config::{self, ServiceName, Settings};
use crate::http::{Mount, Mounts, docs};
use crate::kernel::Clock;
use crate::peer::ClientError;
use crate::store::Store;

/// The services that the pages call.
struct Called {
    auth: ServiceClient,
    billing: ServiceClient,
    delivery: ServiceClient,
    menu: ServiceClient,
    notification: ServiceClient,
    order: ServiceClient,
    store: ServiceClient,
}

/// What the services of a shop share.
struct Ground<'a> {
    settings: &'a Settings,
    shop: &'a config::Shop,
    keys: MasterKeys,
    public_url: String,
    store: Store,
    clock: Clock,
}

impl Ground<'_> {
    fn runs(&self, service: ServiceName) -> bool {
        self.settings.services.run(service)
    }

    fn auth(&self) -> Arc<Auth> {
        let settings = auth::Settings {
            keys: self.keys.clone(),
            public_url: self.public_url.clone(),
            trusted_proxies: self.settings.trusted_proxies.0.clone(),
            has_sms: self.shop.sms.is_some(),
        };
        Arc::new(Auth::new(settings, self.store.clone(), self.clock.clone()))
    }

    /// A service, for another one: in this process if it has these routes.
    fn client(
        &self,
        service: ServiceName,
        routes: Option<&Router>,
        caller: ServiceName,
    ) -> Result<ServiceClient, StartError> {
        let (name, caller) = (service.as_str(), caller.as_str());
        match (routes, self.shop.service_urls.get(name)) {
            (Some(routes), _) => Ok(ServiceClient::of(routes.clone(), caller)),
            (None, Some(url)) => {
                let assertions = Assertions::new(&self.keys);
                let clock = self.clock.clone();
                Ok(ServiceClient::at(url, name, caller, assertions, clock)?)
            }
            // The choice of the services was checked.
            (None, None) => Ok(ServiceClient::of(Router::new(), caller)),
        }
    }

    fn billing(&self, auth: ServiceClient) -> Arc<Billing> {
        Arc::new(Billing::new(
            self.store.clone(),
            self.clock.clone(),
            self.keys.clone(),
            Sessions { auth },
            self.public_url.clone(),
        ))
    }

    fn front(&self, called: Called) -> Router {
        let Called { auth, billing, delivery, menu, notification, order, store } = called;
        front::routes(Arc::new(Front {
            name: self.shop.name.clone(),
            public_url: self.public_url.clone(),
            language: self.shop.language,
            time_zone: self.shop.time_zone.clone(),
            auth,
            billing,
            delivery,
            store,
            menu,
            notification,
            order,
            has_sms: self.shop.sms.is_some(),
            forms: Signer::new(&self.keys.derive("forms"), "form"),
            adding: Signer::new(&self.keys.derive("forms"), "add to the basket"),
        }))
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
    fn orders(&self, auth: ServiceClient, menu: ServiceClient, workers: &Workers) -> Arc<Orders> {
        let orders = Arc::new(Orders::new(
            self.store.clone(),
            self.clock.clone(),
            self.keys.clone(),
            Sessions { auth },
            Prices { menu },
            order::Settings {
                unpaid_max: self.shop.unpaid_orders_max,
                public_url: self.public_url.clone(),
            },
        ));
        let (ending, drain) = (Arc::clone(&orders), workers.drain.clone());
        workers.spawn(async move { ending.cancel_unchanged(drain).await });
        orders
    }

    /// Starts the service, which ends holds whose time has run out.
    fn stock_keeper(&self, others: Others, workers: &Workers) -> Arc<StockKeeper> {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let hold_for = Duration::from_secs(u64::from(self.shop.hold_minutes) * 60);
        let url = self.public_url.clone();
        let keeper = StockKeeper::new(store, clock, hold_for, &self.keys, others, url);
        let keeper = Arc::new(keeper);
        self.take_messages(Arc::clone(&keeper), workers);
        let (expiring, drain) = (Arc::clone(&keeper), workers.drain.clone());
        workers.spawn(async move { expiring.holds.expire(drain).await });
        keeper
    }

    /// Starts the service.
    fn delivery(
        &self,
        sessions: Sessions,
        orders: ClientOrders,
        workers: &Workers,
    ) -> Arc<Delivery> {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let settings = delivery::Settings {
            hold_for: Duration::from_secs(u64::from(self.shop.hold_minutes) * 60),
            time_zone: self.shop.time_zone.clone(),
            public_url: self.public_url.clone(),
        };
        let keys = self.keys.clone();
        let service = Arc::new(Delivery::new(store, clock, keys, sessions, orders, settings));
        self.take_messages(Arc::clone(&service), workers);
        let (expiring, drain) = (Arc::clone(&service), workers.drain.clone());
        workers.spawn(async move { expiring.bookings.expire(drain).await });
        service
    }

    /// Starts the inbox of a service.
    fn take_messages<C: Consumer>(&self, consumer: Arc<C>, workers: &Workers) {
        let (store, keys) = (self.store.clone(), self.keys.clone());
        workers.spawn(Inbox { consumer, store, keys }.run(workers.drain.clone()));
    }

    /// Starts the service. Returns its routes.
    fn notification(&self, auth: ServiceClient, workers: &Workers) -> Result<Router, StartError> {
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
        let sessions = Sessions { auth };
        let api = notification::api::Api::new(service, sessions, self.public_url.clone());
        Ok(notification::api::routes(Arc::new(api)))
    }
}

/// Starts the services of the settings' shop that this process runs. Returns
/// their routes.
pub(super) fn start(
    settings: &Settings,
    own_url: &str,
    workers: &Workers,
) -> Result<Mounts, StartError> {
    let mut mounts = Mounts::default();
    let Some(shop) = &settings.shop else { return Ok(mounts) };
    let mut keys = shop.key_bytes().into_iter();
    // The check of the settings has found a key.
    let Some(current) = keys.next() else { return Ok(mounts) };
    let public_url = shop.public_url.as_deref().unwrap_or(own_url);
    let ground = Ground {
        settings,
        shop,
        keys: MasterKeys::new(current, keys),
        public_url: public_url.trim_end_matches('/').to_owned(),
        store: workers.services.store.clone(),
        clock: workers.services.clock.clone(),
    };
    let (document, text) = (openapi::document(), openapi::text());
    let routes = docs::routes_of(&document, text, "/shop/openapi.json");
    mounts.public.push(Mount { path: "/shop", routes });
    let (store, clock) = (ground.store.clone(), ground.clock.clone());
    let sweeper = Sweeper { store, clock, swept: tillgate_shop::stored::swept() };
    workers.spawn(sweeper.run(workers.drain.clone()));
    let (mut auth, mut billing, mut menu) = (None, None, None);
    let (mut notification, mut order) = (None, None);
    let (mut delivery, mut store) = (None, None);
    let mut operator = Router::new();
    if ground.runs(ServiceName::Auth) {
        let service = ground.auth();
        let routes = auth::api::routes(Arc::clone(&service));
        mount(&mut mounts, settings, ServiceName::Auth, &routes);
        operator = operator.merge(auth::api::routes_for_operator(Arc::clone(&service)));
        ground.take_messages(service, workers);
        auth = Some(routes);
    }
    if ground.runs(ServiceName::Billing) {
        let client = ground.client(ServiceName::Auth, auth.as_ref(), ServiceName::Billing)?;
        let service = ground.billing(client);
        let routes = billing::api::routes(Arc::clone(&service));
        mount(&mut mounts, settings, ServiceName::Billing, &routes);
        operator = operator.merge(billing::api::routes_for_operator(Arc::clone(&service)));
        ground.take_messages(service, workers);
        billing = Some(routes);
    }
    if ground.runs(ServiceName::Menu) {
        let service = ground.menu(workers);
        let routes = menu::api::routes(Arc::clone(&service));
        mount(&mut mounts, settings, ServiceName::Menu, &routes);
        operator = operator.merge(menu::api::routes_for_operator(service));
        menu = Some(routes);
    }
    if ground.runs(ServiceName::Notification) {
        let client = ground.client(ServiceName::Auth, auth.as_ref(), ServiceName::Notification)?;
        let routes = ground.notification(client, workers)?;
        mount(&mut mounts, settings, ServiceName::Notification, &routes);
        notification = Some(routes);
    }
    if ground.runs(ServiceName::Order) {
        let auth = ground.client(ServiceName::Auth, auth.as_ref(), ServiceName::Order)?;
        let menu = ground.client(ServiceName::Menu, menu.as_ref(), ServiceName::Order)?;
        let routes = order::api::routes(ground.orders(auth, menu, workers));
        mount(&mut mounts, settings, ServiceName::Order, &routes);
        order = Some(routes);
    }
    if ground.runs(ServiceName::Store) {
        let auth = ground.client(ServiceName::Auth, auth.as_ref(), ServiceName::Store)?;
        let menu = ground.client(ServiceName::Menu, menu.as_ref(), ServiceName::Store)?;
        let order_client = ground.client(ServiceName::Order, order.as_ref(), ServiceName::Store)?;
        let orders = ClientOrders { order: order_client };
        let others = Others { sessions: Sessions { auth }, prices: Prices { menu }, orders };
        let service = ground.stock_keeper(others, workers);
        let routes = store::api::routes(Arc::clone(&service));
        mount(&mut mounts, settings, ServiceName::Store, &routes);
        operator = operator.merge(store::api::routes_for_operator(service));
        store = Some(routes);
    }
    if ground.runs(ServiceName::Delivery) {
        let auth = ground.client(ServiceName::Auth, auth.as_ref(), ServiceName::Delivery)?;
        let order = ground.client(ServiceName::Order, order.as_ref(), ServiceName::Delivery)?;
        let service = ground.delivery(Sessions { auth }, ClientOrders { order }, workers);
        let routes = delivery::api::routes(Arc::clone(&service));
        mount(&mut mounts, settings, ServiceName::Delivery, &routes);
        operator = operator.merge(delivery::api::routes_for_operator(service));
        delivery = Some(routes);
    }
    mounts.operator.push(Mount { path: "/shop", routes: operator });
    if ground.runs(ServiceName::Front) {
        let client =
            |service, routes: Option<&Router>| ground.client(service, routes, ServiceName::Front);
        let routes = ground.front(Called {
            auth: client(ServiceName::Auth, auth.as_ref())?,
            billing: client(ServiceName::Billing, billing.as_ref())?,
            delivery: client(ServiceName::Delivery, delivery.as_ref())?,
            menu: client(ServiceName::Menu, menu.as_ref())?,
            notification: client(ServiceName::Notification, notification.as_ref())?,
            order: client(ServiceName::Order, order.as_ref())?,
            store: client(ServiceName::Store, store.as_ref())?,
        });
        mounts.public.push(Mount { path: "", routes });
    }
    Ok(mounts)
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
        ServiceName::Store => "/shop/store",
        // They have no routes of this kind.
        ServiceName::Gateway | ServiceName::Front => return,
    };
    mounts.public.push(Mount { path, routes: routes.clone() });
    if settings.services.alone() == Some(service) {
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
