//! Recognises a hook that was received before.

use super::transaction::{Staged, transact};
use super::{Hook, Received, Services, load_entry, load_kept_entry};
use crate::dedup::{Answered, JournalEntry, Reason, Verdict};
use crate::kernel::HookId;
use crate::orders::{EventKind, Order, RepeatReading, flag_repeat, reading_of_repeat};
use crate::store::Unavailable;

/// Checks whether this hook has already been received: in memory, or else with
/// one read. All ordinary retries end here. A creation that has not arrived
/// recently is not worth the read, because its commit would detect the
/// conflict.
pub async fn recognise(services: &Services, hook: &Hook) -> Result<Option<Received>, Unavailable> {
    let id = hook.first_id;
    let came_lately = services.recent.mark(id);
    if let Some(first) = services.recent.hook(id.fingerprint)
        && first.answered.id == id
    {
        return Ok(Some(replayed(&first.answered)));
    }
    if hook.kind == Some(EventKind::Created) && !came_lately {
        return Ok(None);
    }
    // Most hooks are new although their order exists: a read that need not be
    // durable shows that.
    if load_entry(&services.store, id).await?.is_none() {
        return Ok(None);
    }
    let Some(entry) = load_kept_entry(&services.store, id).await? else { return Ok(None) };
    let Some(answered) = entry.record.answered() else { return Ok(None) };
    if hook.kind == Some(EventKind::Changed) && entry.is_timeless() && !hook.has_delivery_id {
        // The answer does not depend on the result.
        if let Err(why) = Box::pin(look_for_a_change_back(services, id, &entry)).await {
            tracing::warn!(
                hook.id = %id,
                error = %why,
                "could not check whether a repeated change is a change back; the hook was \
                answered as a retry"
            );
        }
    } else {
        services.recent.keep(hook.recent(answered.clone()));
    }
    Ok(Some(replayed(&answered)))
}

/// A change without a timestamp was received a second time. It is a retry,
/// unless the order has changed in between and the sender has now changed it
/// back. The bytes do not show which, so the order is flagged for a person.
async fn look_for_a_change_back(
    services: &Services,
    id: HookId,
    entry: &JournalEntry,
) -> Result<(), Unavailable> {
    let Some(number) = entry.record.number else { return Ok(()) };
    transact(services, "flag_repeated_change", |mut tx| async move {
        let key = Order::key(number);
        let Some(order) = tx.read::<Order>(key).await? else { return Ok(Staged::Unchanged(())) };
        let flagged = match reading_of_repeat(&order, id) {
            RepeatReading::Retry => None,
            RepeatReading::Ambiguous => flag_repeat(&order, id),
        };
        let Some(flagged) = flagged else { return Ok(Staged::Unchanged(())) };
        tx.write(key, &order.replaced(flagged));
        Ok(tx.commit(()))
    })
    .await
}

/// What a copy of a hook gets that was answered before.
#[must_use]
pub fn replayed(answered: &Answered) -> Received {
    Received {
        id: answered.id,
        verdict: Verdict::Replayed,
        reasons: vec![Reason::CameBefore {
            received_at: answered.received_at,
            verdict: answered.verdict,
        }],
        number: answered.number,
        answer: answered.answer.clone(),
        is_copy: true,
    }
}
