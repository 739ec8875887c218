//! Changes to stored messages at the request of a person: a message is retried,
//! sent again or dropped; and a merchant that sets up its site gets a test
//! event.

use crate::flows::effects::CALLBACKS;
use std::time::Duration;

use super::transaction::{Staged, commit_once, transact};
use super::{Hook, Services, checkout_of, entry_of, journal_key, load_record};
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

/// A stored message after the change.
#[derive(Debug)]
pub enum DeliveryChange {
    /// The message is to be tried at once.
    Woken(Delivery),
    /// The message is written with this content.
    Kept(Delivery),
}

/// Changes a stored message by `change`, which gets the time of the outbox, and
/// runs again when the sender of the message was first. `None` if there is no
/// such message.
pub async fn change_delivery<R>(
    services: &Services,
    id: MessageId,
    change: impl Fn(Delivery, Timestamp) -> Result<DeliveryChange, R>,
) -> Result<Option<Result<Delivery, R>>, Unavailable> {
    let key = message_key(id);
    let change = &change;
    transact(services, "alter_message", |mut tx| async move {
        let Some(stored) = tx.read::<Delivery>(key).await? else {
            return Ok(Staged::Unchanged(None));
        };
        let now = services.store.outbox_now().await?;
        let changed = match change((*stored).clone(), now) {
            Ok(DeliveryChange::Woken(delivery)) => {
                tx.wake(&stored.replaced(delivery.clone()));
                Delivery { state: DeliveryState::Pending { due: now }, ..delivery }
            }
            Ok(DeliveryChange::Kept(delivery)) => {
                tx.write(key, &stored.replaced(delivery.clone()));
                delivery
            }
            Err(refused) => return Ok(Staged::Unchanged(Some(Err(refused)))),
        };
        Ok(tx.commit(Some(Ok(changed))))
    })
    .await
}

/// The message, to be tried at once, with its whole retry period again. It
/// keeps the fact that an earlier attempt may have arrived: if the marketplace
/// then refuses it as out of turn, it has arrived.
#[must_use]
pub fn begun_again(delivery: Delivery) -> DeliveryChange {
    let may_have_arrived = |failure: &Failure| {
        let failure = failure.read();
        matches!(
            failure,
            Some(DeliveryFailure::AboutToBeSent { .. } | DeliveryFailure::OutcomeUnknown { .. })
        )
    };
    DeliveryChange::Woken(Delivery {
        first_failed_at: None,
        attempts: 0,
        last_error: delivery.last_error.clone().filter(may_have_arrived),
        by_hand: true,
        ..delivery
    })
}

/// The address that the order of a callback, or the test, names; `None` if the
/// callback goes to the configured address of the merchant.
pub async fn named_address(
    services: &Services,
    delivery: &Delivery,
) -> Result<Option<String>, Unavailable> {
    let Some(number) = Number::of(delivery.id.subject) else {
        return Ok(tested_url(&delivery.body));
    };
    let checkout = checkout_of(services, number).await?;
    Ok(checkout.and_then(|checkout| checkout.urls.callback))
}

/// Makes all callbacks due that wait for a merchant's site at `url`, because it
/// accepts callbacks again. `own` is the configured address of the merchant.
pub async fn retry_callbacks_now(
    services: &Services,
    merchant: &PartyName,
    url: &str,
    own: Option<&str>,
) -> Result<(), Unavailable> {
    let mut after = None;
    loop {
        let page = waiting_callbacks(services, merchant, false, after, HURRIED_AT_ONCE_MAX).await?;
        for delivery in page.items {
            if named_address(services, &delivery).await?.as_deref().or(own) != Some(url) {
                continue;
            }
            let hurried = |delivery: Delivery, now| match delivery.state {
                DeliveryState::Pending { due } if due > now => Ok(DeliveryChange::Woken(delivery)),
                DeliveryState::Pending { .. }
                | DeliveryState::Sent { .. }
                | DeliveryState::Dead { .. }
                | DeliveryState::Dropped { .. } => Err(()),
            };
            // A message that is already being tried, or is settled, stays
            // unchanged.
            let _: Option<Result<Delivery, ()>> =
                change_delivery(services, delivery.id, hurried).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// How many callbacks are read at a time.
const HURRIED_AT_ONCE_MAX: usize = 200;

/// Reads a message, if it is a callback to this merchant.
pub async fn callback_of(
    services: &Services,
    merchant: &PartyName,
    id: MessageId,
) -> Result<Option<Delivery>, Unavailable> {
    let Some(stored) = services.store.load(&[message_key(id)]).await?.pop().flatten() else {
        return Ok(None);
    };
    let delivery: Delivery = stored.document()?;
    Ok(is_callback_of(merchant, &delivery).then_some(delivery))
}

/// Whether the message is a test callback, which is about no order.
#[must_use]
pub fn is_test(delivery: &Delivery) -> bool {
    delivery.lane == CALLBACKS && Number::of(delivery.id.subject).is_none()
}

/// Whether the message is a callback to this merchant.
#[must_use]
pub fn is_callback_of(merchant: &PartyName, delivery: &Delivery) -> bool {
    delivery.lane == CALLBACKS && delivery.queue == merchant.as_str()
}

/// The callbacks about one of the merchant's orders, oldest first; `None` if it
/// has no such order.
pub async fn callbacks_about(
    services: &Services,
    merchant: &PartyName,
    number: Number,
) -> Result<Option<Vec<Delivery>>, Unavailable> {
    let own = load_record(&services.store, number)
        .await?
        .filter(|record| record.order.source == *merchant);
    let Some(own) = own else { return Ok(None) };
    let keys: Vec<DocKey> = (1..=own.order.messages)
        .map(|sequence| message_key(MessageId { subject: number.partition(), sequence }))
        .collect();
    let mut callbacks = Vec::new();
    for stored in services.store.load(&keys).await?.into_iter().flatten() {
        let delivery: Delivery = stored.document()?;
        if is_callback_of(merchant, &delivery) {
            callbacks.push(delivery);
        }
    }
    Ok(Some(callbacks))
}

/// The merchant's callbacks that wait for their next attempt, or that were
/// given up.
pub async fn waiting_callbacks(
    services: &Services,
    merchant: &PartyName,
    dead: bool,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Page<Delivery>, Unavailable> {
    let queue = Some(merchant.as_str().to_owned());
    let page =
        services.store.scan(&Scan::Outbox { lane: CALLBACKS, dead, queue, after, limit }).await?;
    let items = page.items.into_iter().map(|(_, stored)| Ok(stored.document()?));
    Ok(Page { items: items.collect::<Result<_, Unavailable>>()?, next: page.next })
}

/// Sends the merchant a test event, to `callback_url` or to its configured
/// address.
pub async fn send_test(
    services: &Services,
    merchant: &PartyName,
    callback_url: Option<String>,
) -> Result<MessageId, Unavailable> {
    let now = services.clock.now();
    let name = Fingerprint::of(&[TEST_EVENT.as_bytes(), &random_bytes::<16>()]);
    let hook_id = HookId::of_name(name);
    let id = MessageId { subject: hook_id.partition, sequence: 1 };
    let data = TestCallbackData {
        message: "this is a test: events arrive at this address, and you can check their signature",
        callback_url,
    };
    let body = TestCallback { event: TEST_EVENT, timestamp: now, data };
    let body = serde_json::to_string(&body).unwrap_or_default();
    // The journal records that it is a test, and the sweeper finds the message
    // through that entry.
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
    if commit_once(&services.store, batch).await? { Ok(id) } else { Err(Unavailable::Crowded) }
}
