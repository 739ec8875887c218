//! What becomes of a message after it was written is a person's to change: it is tried again, sent once more, or dropped;
//! and a merchant who is setting up its site is sent an event that means nothing.

use crate::flows::effects::CALLBACKS;
use std::time::Duration;

use super::transaction::{Staged, commit_once, transact};
use super::{Hook, Shop, checkout_of, entry_of, journal_key, load_record};
use crate::dedup::{Reason, Verdict};
use crate::kernel::DocKey;
use crate::kernel::chance::random_bytes;
use crate::kernel::failure::DeliveryFailure;
use crate::kernel::{Failure, Fingerprint, HookId, PartyName, Timestamp};
use crate::orders::Number;
use crate::outbox::message_key;
use crate::outbox::{Delivery, DeliveryState};
use crate::outbox::{Message, MessageId};
use crate::store::{Batch, Cursor, Expect, Page, Scan, Unavailable};
use crate::views::callback::{TEST_EVENT, TestCallback, TestCallbackData, tested_url};

/// A message as it is to be from now on.
#[derive(Debug)]
pub enum Altered {
    /// It is to be tried at once.
    Woken(Delivery),
    /// It is written as it is.
    Kept(Delivery),
}

/// Changes a stored message by `change`, which is given the time of the outbox, and asked again when the message's courier was quicker. None when there is no
/// such message.
pub async fn alter<R>(
    shop: &Shop,
    id: MessageId,
    change: impl Fn(Delivery, Timestamp) -> Result<Altered, R>,
) -> Result<Option<Result<Delivery, R>>, Unavailable> {
    let key = message_key(id);
    let change = &change;
    transact(shop, "alter_message", |mut tx| async move {
        let Some(stored) = tx.read::<Delivery>(key).await? else { return Ok(Staged::Unchanged(None)) };
        let now = shop.store.outbox_now().await?;
        let changed = match change((*stored).clone(), now) {
            Ok(Altered::Woken(delivery)) => {
                tx.wake(&stored.replaced(delivery.clone()));
                Delivery { state: DeliveryState::Pending { due: now }, ..delivery }
            }
            Ok(Altered::Kept(delivery)) => {
                tx.write(key, &stored.replaced(delivery.clone()));
                delivery
            }
            Err(refused) => return Ok(Staged::Unchanged(Some(Err(refused)))),
        };
        Ok(tx.commit(Some(Ok(changed))))
    })
    .await
}

/// The message, to be tried at once and with all its time before it again. That an earlier attempt may have arrived is not
/// forgotten: what a marketplace then calls out of turn has arrived.
#[must_use]
pub fn begun_again(delivery: Delivery) -> Altered {
    let may_have_arrived = |failure: &Failure| {
        let failure = failure.read();
        matches!(
            failure,
            Some(DeliveryFailure::AboutToBeSent { .. } | DeliveryFailure::OutcomeUnknown { .. })
        )
    };
    Altered::Woken(Delivery {
        first_failed_at: None,
        attempts: 0,
        last_error: delivery.last_error.clone().filter(may_have_arrived),
        by_hand: true,
        ..delivery
    })
}

/// Where a callback goes: the address that its order or the test names; none if that is the merchant's own.
pub async fn named_address(shop: &Shop, delivery: &Delivery) -> Result<Option<String>, Unavailable> {
    let Some(number) = Number::of(delivery.id.subject) else { return Ok(tested_url(&delivery.body)) };
    let checkout = checkout_of(shop, number).await?;
    Ok(checkout.and_then(|checkout| checkout.ways.callback))
}

/// Has everything tried now that waits for a merchant's site at `url`: somebody listens there again. `own` is the merchant's own
/// address.
pub async fn hurry_callbacks(
    shop: &Shop,
    merchant: &PartyName,
    url: &str,
    own: Option<&str>,
) -> Result<(), Unavailable> {
    let mut after = None;
    loop {
        let page = waiting_callbacks(shop, merchant, false, after, HURRIED_AT_ONCE_MAX).await?;
        for delivery in page.items {
            if named_address(shop, &delivery).await?.as_deref().or(own) != Some(url) {
                continue;
            }
            let hurried = |delivery: Delivery, now| match delivery.state {
                DeliveryState::Pending { due } if due > now => Ok(Altered::Woken(delivery)),
                DeliveryState::Pending { .. }
                | DeliveryState::Sent { .. }
                | DeliveryState::Dead { .. }
                | DeliveryState::Dropped { .. } => Err(()),
            };
            // One that is tried already, or over, stays as it is.
            let _: Option<Result<Delivery, ()>> = alter(shop, delivery.id, hurried).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// Callbacks that are looked at in one go.
const HURRIED_AT_ONCE_MAX: usize = 200;

/// A callback of the merchant's, if that is what the message is.
pub async fn callback_of(
    shop: &Shop,
    merchant: &PartyName,
    id: MessageId,
) -> Result<Option<Delivery>, Unavailable> {
    let Some(stored) = shop.store.load(&[message_key(id)]).await?.pop().flatten() else {
        return Ok(None);
    };
    let delivery: Delivery = stored.document()?;
    Ok(is_callback_of(merchant, &delivery).then_some(delivery))
}

/// Whether it is a test: one that is about no order.
#[must_use]
pub fn is_test(delivery: &Delivery) -> bool {
    delivery.lane == CALLBACKS && Number::of(delivery.id.subject).is_none()
}

/// Whether it tells this merchant something.
#[must_use]
pub fn is_callback_of(merchant: &PartyName, delivery: &Delivery) -> bool {
    delivery.lane == CALLBACKS && delivery.queue == merchant.as_str()
}

/// The callbacks about one order of the merchant's, the oldest first; none when it has no such order.
pub async fn callbacks_about(
    shop: &Shop,
    merchant: &PartyName,
    number: Number,
) -> Result<Option<Vec<Delivery>>, Unavailable> {
    let own = load_record(&shop.store, number).await?.filter(|record| record.order.source == *merchant);
    let Some(own) = own else { return Ok(None) };
    let keys: Vec<DocKey> = (1..=own.order.messages)
        .map(|sequence| message_key(MessageId { subject: number.partition(), sequence }))
        .collect();
    let mut callbacks = Vec::new();
    for stored in shop.store.load(&keys).await?.into_iter().flatten() {
        let delivery: Delivery = stored.document()?;
        if is_callback_of(merchant, &delivery) {
            callbacks.push(delivery);
        }
    }
    Ok(Some(callbacks))
}

/// The merchant's callbacks that wait for their next attempt, or that were given up.
pub async fn waiting_callbacks(
    shop: &Shop,
    merchant: &PartyName,
    dead: bool,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page<Delivery>, Unavailable> {
    let queue = Some(merchant.as_str().to_owned());
    let page = shop.store.scan(&Scan::Outbox { lane: CALLBACKS, dead, queue, after, limit }).await?;
    let items = page.items.into_iter().map(|(_, stored)| Ok(stored.document()?));
    Ok(Page { items: items.collect::<Result<_, Unavailable>>()?, next: page.next })
}

/// Sends the merchant an event that means nothing, to `callback_url` or to where it is told of orders that name no address.
pub async fn send_test(
    shop: &Shop,
    merchant: &PartyName,
    callback_url: Option<String>,
) -> Result<MessageId, Unavailable> {
    let now = shop.clock.now();
    let name = Fingerprint::of(&[TEST_EVENT.as_bytes(), &random_bytes::<16>()]);
    let hook_id = HookId::of_name(name);
    let id = MessageId { subject: hook_id.partition, sequence: 1 };
    let data = TestCallbackData {
        message: "this event only shows that events arrive and that their signature fits",
        callback_url,
    };
    let body = TestCallback { event: TEST_EVENT, timestamp: now, data };
    let body = serde_json::to_string(&body).unwrap_or_default();
    // The journal has it as what it is, and the sweeper finds the message through it.
    let hook = Hook::new(merchant.clone(), TEST_EVENT.into(), None, None, body.clone().into());
    let mut entry = entry_of(&hook, hook_id, now);
    entry.record.verdict = Verdict::Ignored;
    entry.reasons = vec![Reason::TestEvent];
    let message = Message {
        id,
        lane: CALLBACKS,
        queue: merchant.as_str().to_owned(),
        body,
        created_at: now,
        wait: Duration::ZERO,
    };
    let mut batch = Batch::new();
    batch.send(message);
    batch.put(journal_key(hook_id), Expect::Absent, &entry, now);
    if commit_once(&shop.store, batch).await? { Ok(id) } else { Err(Unavailable::Crowded) }
}
