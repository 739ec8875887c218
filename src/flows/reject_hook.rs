//! A hook that cannot be used: keep it, so that a person can see what the sender tried to say.

use super::transaction::commit_once;
use super::{Hook, Shop, journal_key, load_kept_entry};
use crate::dedup::{Reason, Verdict};
use crate::kernel::HookId;
use crate::store::{Batch, Expect, Unavailable};

/// How much of an unusable body is kept, in bytes.
pub const REJECTED_BYTES_KEPT_MAX: usize = 16 * 1024;

/// Keeps a hook with the reason why it is unusable. `length` is how long its body was, as far as is known;
/// the hook itself may bear only the beginning of it. The same bytes are kept once.
pub async fn reject(shop: &Shop, mut hook: Hook, detail: &str, length: u64) -> Result<HookId, Unavailable> {
    let id = hook.first_id;
    hook.body.truncate(REJECTED_BYTES_KEPT_MAX);
    if load_kept_entry(&shop.store, id).await?.is_some() {
        return Ok(id);
    }
    let mut entry = super::entry_of(&hook, id, shop.clock.now());
    entry.event_type = entry.event_type.filter(|event_type| !event_type.is_empty());
    entry.record.verdict = Verdict::Rejected;
    entry.reasons = vec![Reason::Unusable { detail: detail.to_owned() }];
    entry.body_bytes = length;
    let mut batch = Batch::new();
    batch.put(journal_key(id), Expect::Absent, &entry, entry.record.received_at);
    commit_once(&shop.store, batch).await?; // else a copy was kept at the same moment
    Ok(id)
}
