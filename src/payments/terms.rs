//! What a payment system requires of a bill.

use super::bill::Bill;
use super::wishes::PaymentMethod;
use crate::kernel::Money;

/// The contact of the payer that the fiscal receipt requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactNeed {
    Nothing,
    /// An e-mail address.
    Email,
    /// An e-mail address or a telephone number.
    EmailOrPhone,
}

/// What a payment system requires of a bill, and what it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The required contact of the payer.
    pub contact: ContactNeed,
    /// The maximum number of lines.
    pub lines_max: usize,
    /// Whether it accepts lines that cost nothing.
    pub free_lines: bool,
    /// Whether a payment is created only when the buyer asks to pay, because
    /// the payment system cannot cancel a payment that waits for its buyer.
    pub on_demand: bool,
    /// Whether it notifies of refunds, including those made in its cabinet. If
    /// not, its list of refunds is polled.
    pub notifies_of_refunds: bool,
    /// What a merchant can have its payers pay with.
    pub methods: &'static [PaymentMethod],
}

/// Why a payment system does not accept a bill, with the field at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    #[error("customer: the payment system's receipt needs an email")]
    NoEmail,
    #[error("customer: the payment system's receipt needs an email or a phone")]
    NoContact,
    #[error("items: {lines} lines, and the payment system takes at most {lines_max}")]
    TooManyLines { lines: usize, lines_max: usize },
    #[error("items: sku {sku} costs 0.00, and the payment system's receipt takes no such line")]
    FreeLine { sku: String },
    #[error("payment_method: the payment system cannot be asked for {}", .0.as_str())]
    Method(PaymentMethod),
}

impl Terms {
    /// Checks that the payment system accepts this bill.
    pub fn admit(&self, bill: &Bill) -> Result<(), NotAdmitted> {
        let customer = &bill.customer;
        match self.contact {
            ContactNeed::Email if customer.email.is_none() => {
                return Err(NotAdmitted::NoEmail);
            }
            ContactNeed::EmailOrPhone if customer.email.is_none() && customer.phone.is_none() => {
                return Err(NotAdmitted::NoContact);
            }
            ContactNeed::Nothing | ContactNeed::Email | ContactNeed::EmailOrPhone => {}
        }
        let (lines, lines_max) = (bill.lines.len(), self.lines_max);
        if lines > lines_max {
            return Err(NotAdmitted::TooManyLines { lines, lines_max });
        }
        if let Some(method) = bill.wishes.method.filter(|method| !self.methods.contains(method)) {
            return Err(NotAdmitted::Method(method));
        }
        let free = bill.lines.iter().find(|line| line.price == Money::ZERO);
        match free.filter(|_| !self.free_lines) {
            Some(line) => Err(NotAdmitted::FreeLine { sku: line.sku.clone() }),
            None => Ok(()),
        }
    }
}
