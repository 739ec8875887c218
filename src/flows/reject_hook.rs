//! Stores a hook that cannot be used, so that a person can see what the sender
//! tried to say.

use super::transaction::commit_once;
use super::{Hook, Services, journal_key, load_kept_entry};
use crate::dedup::{Reason, Verdict};
use crate::kernel::HookId;
use crate::store::{Batch, Expect, Unavailable};

/// How much of an unusable body is stored, in bytes.
pub const REJECTED_BYTES_KEPT_MAX: usize = 16 * 1024;

/// Stores a hook with the reason why it is unusable. `length` is the length of
/// its body, as far as it is known; the hook itself may hold only the
/// beginning. The same bytes are stored once.
pub async fn reject(
    services: &Services,
    mut hook: Hook,
    detail: &str,
    length: u64,
) -> Result<HookId, Unavailable> {
    let id = hook.first_id;
    hook.body.truncate(REJECTED_BYTES_KEPT_MAX);
    if load_kept_entry(&services.store, id).await?.is_some() {
        return Ok(id);
    }
    let mut entry = super::entry_of(&hook, id, services.clock.now());
    entry.event_type = entry.event_type.filter(|event_type| !event_type.is_empty());
    entry.record.verdict = Verdict::Rejected;
    entry.reasons = vec![Reason::Unusable { detail: detail.to_owned() }];
    entry.body_bytes = length;
    let mut batch = Batch::new();
    batch.put(journal_key(id), Expect::Absent, &entry, entry.record.received_at);
    // If it was not committed, a duplicate was stored at the same moment.
    if commit_once(&services.store, batch).await? {
        services.quotas.count(&entry.source, entry.body.len(), entry.record.received_at);
    }
    Ok(id)
}
