//! Refunds that were made at the payment system itself, in its cabinet: they are refunds of the order like ours.
//!
//! What a notification says of them proves nothing; the payment system's own list does. What it shows that cannot be is put
//! before a person.

use std::time::Duration;

use super::bill_order::watch_refunds;
use super::call_back::{Event, call_back};
use super::tend_operation::after_refund;
use super::tend_payment::{Settle, by_hand, settle_with};
use super::{Dossier, Shop};
use crate::kernel::Timestamp;
use crate::kernel::time::between;
use crate::payments::{Again, Answered, Checkout, OutsideRefund, PaymentId, PaymentState, RemoteOperation};
use crate::store::{Batch, CommitError, DocKey, Expect, Settlement, Ticket, Unavailable};

/// Between two looks at the refunds of a payment system that tells of none, and how long after the payment the last is.
pub(super) const LOOK_GAP_MIN: Duration = Duration::from_secs(3600);
const LOOK_GAP_MAX: Duration = Duration::from_secs(24 * 3600);
const LOOKED_AT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Before a refund is looked at again that is not over.
const PENDING_GAP: Duration = Duration::from_secs(600);

/// Writes down what the payment system shows of a payment's refunds, and settles the task in the same batch.
pub async fn record(
    shop: &Shop,
    id: PaymentId,
    ticket: Ticket,
    answered: Option<&Answered<RemoteOperation>>,
    settle: Settle<'_>,
) -> Result<Settlement, CommitError> {
    let stage = |batch: &mut Batch, dossier: Dossier, now| match answered {
        Some(Answered::Found(listed)) => stage(shop, batch, dossier, (id, listed), (settle, now)),
        Some(other) => settle(Some(&Again { after: None, why: other.clone().why() })),
        None => settle(None),
    };
    settle_with(shop, id.number, (ticket, settle), stage).await
}

/// A person wants to know what the payment system has of a payment. Says whether there is one that took money.
pub async fn look_by_hand(shop: &Shop, id: PaymentId) -> Result<bool, Unavailable> {
    let waits = |checkout: &Checkout| {
        checkout.payments.iter().any(|payment| payment.id == id && payment.took_money())
    };
    let stage = |batch: &mut Batch, dossier: Dossier, settle: Settle<'_>, now| {
        if let Dossier { mut order, order_stored, checkout: Some((checkout, _)) } = dossier {
            watch_refunds(batch, &mut order, checkout.gateway.as_str(), id, (now, Duration::ZERO));
            let stored = (Expect::At(order_stored.version), order_stored.body.listed_at);
            batch.put(DocKey::order(id.number), stored.0, &order, stored.1);
        }
        settle(None)
    };
    by_hand(shop, id.number, waits, stage).await
}

fn stage(
    shop: &Shop,
    batch: &mut Batch,
    dossier: Dossier,
    (id, listed): (PaymentId, &[RemoteOperation]),
    (settle, now): (Settle<'_>, Timestamp),
) -> Settlement {
    let Dossier { mut order, order_stored, checkout: Some((mut checkout, version)) } = dossier else {
        return settle(None);
    };
    let (before, messages) = (checkout.clone(), order.messages);
    let (mut is_pending, mut is_early) = (false, false);
    for remote in listed {
        match checkout.take_outside_refund(id, remote, now) {
            OutsideRefund::Known => {}
            OutsideRefund::Pending => is_pending = true,
            OutsideRefund::Early => is_early = true,
            OutsideRefund::Unfit(why) => {
                let text = format!(
                    "the payment system shows a refund of payment {id} that is not ours, {} under the id {}: {why}",
                    remote.amount, remote.id
                );
                checkout.flag(now, Some(id), text);
            }
            OutsideRefund::Taken(operation) => {
                let event = (Event::RefundSucceeded, Some(id), Some(operation));
                call_back(shop, batch, (&mut order, &checkout), event, now);
                after_refund(batch, &mut order, &mut checkout, now);
            }
        }
    }
    if order.messages != messages {
        let stored = (Expect::At(order_stored.version), order_stored.body.listed_at);
        batch.put(DocKey::order(id.number), stored.0, &order, stored.1);
    }
    if checkout != before {
        batch.put(DocKey::checkout(id.number), Expect::At(version), &checkout, now);
    }
    let waits = |after| Again { after: Some(after), why: Again::WAITS.into() };
    let again = if is_early {
        Some(Again {
            after: None,
            why: format!("payment {id} was paid back and is not known to be paid yet"),
        })
    } else if is_pending {
        Some(waits(PENDING_GAP))
    } else {
        next_look(shop, &checkout, id, now).map(waits)
    };
    settle(again.as_ref())
}

/// When the refunds of a payment are looked at again without anybody's having told of one.
fn next_look(shop: &Shop, checkout: &Checkout, id: PaymentId, now: Timestamp) -> Option<Duration> {
    if shop.tells_of_refunds(&checkout.gateway) {
        return None;
    }
    let payment = checkout.payments.iter().find(|payment| payment.id == id)?;
    let PaymentState::Paid { at } = payment.state else { return None };
    let age = between(at, now);
    let is_watched = age < LOOKED_AT_FOR && checkout.keeps_money(payment);
    is_watched.then(|| age.clamp(LOOK_GAP_MIN, LOOK_GAP_MAX))
}
