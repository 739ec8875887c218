//! Which parts of the program a process runs.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A part of the program that can run in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceName {
    Gateway,
    Auth,
    Billing,
    Delivery,
    Menu,
    Notification,
    Orchestra,
    Order,
    Payment,
    Store,
    Front,
}

impl ServiceName {
    /// The services of the shop.
    pub const OF_THE_SHOP: [ServiceName; 10] = [
        ServiceName::Auth,
        ServiceName::Billing,
        ServiceName::Delivery,
        ServiceName::Menu,
        ServiceName::Notification,
        ServiceName::Orchestra,
        ServiceName::Order,
        ServiceName::Payment,
        ServiceName::Store,
        ServiceName::Front,
    ];

    fn all() -> impl Iterator<Item = ServiceName> {
        [ServiceName::Gateway].into_iter().chain(ServiceName::OF_THE_SHOP)
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ServiceName::Gateway => "gateway",
            ServiceName::Auth => "auth",
            ServiceName::Billing => "billing",
            ServiceName::Delivery => "delivery",
            ServiceName::Menu => "menu",
            ServiceName::Notification => "notification",
            ServiceName::Orchestra => "orchestra",
            ServiceName::Order => "order",
            ServiceName::Payment => "payment",
            ServiceName::Store => "store",
            ServiceName::Front => "front",
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ServiceName {
    type Err = String;

    fn from_str(text: &str) -> Result<ServiceName, String> {
        let found = ServiceName::all().find(|service| service.as_str() == text);
        let names = ServiceName::all().map(ServiceName::as_str).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("there is no service {text:?}: use {names}"))
    }
}

/// The parts that a process runs. All of them unless some are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services(Option<BTreeSet<ServiceName>>);

impl Services {
    #[must_use]
    pub fn only(names: impl IntoIterator<Item = ServiceName>) -> Services {
        Services(Some(names.into_iter().collect()))
    }

    #[must_use]
    pub fn run(&self, service: ServiceName) -> bool {
        self.0.as_ref().is_none_or(|named| named.contains(&service))
    }

    /// The only service, if one is named.
    #[must_use]
    pub fn alone(&self) -> Option<ServiceName> {
        let named = self.0.as_ref().filter(|named| named.len() == 1)?;
        named.first().copied()
    }

    /// Whether all parts run.
    #[must_use]
    pub const fn are_all(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("all"),
            Some(named) => {
                let names: Vec<&str> = named.iter().map(|service| service.as_str()).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}
