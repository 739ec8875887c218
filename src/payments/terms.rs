//! What a payment system asks of a bill before it makes a payment of it.

use super::bill::Bill;
use crate::kernel::Money;

/// How the payer must be reachable, for the fiscal receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactNeed {
    /// Not at all.
    Nothing,
    /// By e-mail.
    Email,
    /// By e-mail or telephone.
    EmailOrPhone,
}

/// What a payment system asks of a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How the payer must be reachable.
    pub contact: ContactNeed,
    /// The most lines.
    pub lines_max: usize,
    /// It takes lines that cost nothing.
    pub free_lines: bool,
    /// It cannot cancel a payment that waits for its buyer: one is made when the buyer asks to pay, not before.
    pub on_demand: bool,
    /// It notifies of refunds, those that were made in its cabinet too. Where it does not, its list is looked at now and then.
    pub tells_of_refunds: bool,
}

/// Why a payment system does not take a bill, with the field that it is about.
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
}

impl Terms {
    /// Whether the payment system takes this bill.
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
        let free = bill.lines.iter().find(|line| line.price == Money::ZERO);
        match free.filter(|_| !self.free_lines) {
            Some(line) => Err(NotAdmitted::FreeLine { sku: line.sku.clone() }),
            None => Ok(()),
        }
    }
}
