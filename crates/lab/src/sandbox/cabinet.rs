//! Actions at the payment system without the merchant: refunds in its cabinet,
//! and the end of pending refunds.

use super::ledger::Dialect;
use super::operations::new_done;
use super::{World, notifier};
use serde_json::value::RawValue;
use std::sync::Arc;
use tillgate_kernel::Money;

/// Refunds money of a paid order without a number of the merchant's. Returns
/// whether there is such an order.
pub fn refund_in_cabinet(world: &Arc<World>, id: &str, amount: Money) -> bool {
    let Some(entry) =
        world.ledger().find(|entry| entry.id == id && entry.paid_at.is_some()).cloned()
    else {
        return false;
    };
    let Ok(no_lines) = RawValue::from_string("[]".into()) else { return false };
    let mut done = new_done(world, "refund", entry.id, String::new(), no_lines);
    done.amount = amount;
    let refund = done.id.clone();
    world.ledger().add_done(done);
    if entry.dialect == Dialect::Yookassa {
        notifier::announce(world, refund);
    }
    world.something_happened();
    true
}

/// Ends the pending refunds, and sends notifications of those that succeeded if
/// the protocol has them.
pub fn settle(world: &Arc<World>, status: &str) {
    let settled = world.ledger().settle_refunds(status);
    for refund in settled {
        let dialect =
            world.ledger().find(|entry| entry.id == refund.order).map(|entry| entry.dialect);
        if dialect == Some(Dialect::Yookassa) && status == "completed" {
            notifier::announce(world, refund.id);
        }
    }
    world.something_happened();
}
