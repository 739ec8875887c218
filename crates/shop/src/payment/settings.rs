//! What the service needs to know of the shop.

use std::time::Duration;

use tillgate_kernel::Secret;

/// What the service needs to know of the shop.
#[derive(Debug, Clone)]
pub struct Settings {
    pub public_url: String,
    /// How long a buyer has to pay.
    pub pay_for: Duration,
    /// How long held money waits for the client's button.
    pub confirm_wait: Duration,
    /// The rate of value added tax of products whose feed names none, and of
    /// the delivery, as the gateway names it.
    pub vat: String,
    /// What the payer reads in front of the order's number.
    pub description: String,
    /// What the delivery is called on receipts.
    pub delivery: String,
    /// The keys by which callbacks of the gateway are signed.
    pub callback_keys: Vec<Secret>,
}
