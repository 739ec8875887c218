//! The services that send and take messages.

use tillgate_kernel::outbox::{Lane, Ordering};

/// A service. Its number is part of stored messages and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Auth,
    Billing,
    Payment,
    Notification,
    Order,
    Store,
    Delivery,
    Orchestra,
}

/// The lanes of the inboxes are numbered from here on.
const FIRST_LANE: u8 = 8;

impl Service {
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Service::Auth => 1,
            Service::Billing => 2,
            Service::Payment => 3,
            Service::Notification => 4,
            Service::Order => 5,
            Service::Store => 6,
            Service::Delivery => 7,
            Service::Orchestra => 8,
        }
    }

    /// The lane of its inbox. No message waits for another: each says what it
    /// is about, and which of two is the newer one.
    #[must_use]
    pub const fn lane(self) -> Lane {
        let name = match self {
            Service::Auth => "shop_auth",
            Service::Billing => "shop_billing",
            Service::Payment => "shop_payment",
            Service::Notification => "shop_notification",
            Service::Order => "shop_order",
            Service::Store => "shop_store",
            Service::Delivery => "shop_delivery",
            Service::Orchestra => "shop_orchestra",
        };
        Lane::new(FIRST_LANE + self.number(), Ordering::None, name)
    }
}
