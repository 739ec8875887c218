//! What tillgate does, one use case a file: read, decide, stage a batch, commit; when something has changed
//! meanwhile, from the beginning.
//!
//! Flows are given a store and a clock and nothing that could call out: what the outside must hear goes into
//! the outbox with the rest of the batch, and the workers take it from there.

pub mod note_copies;
pub mod receive_hook;
pub mod reject_hook;
pub mod set_stock;
pub mod sweep;

use std::sync::Arc;

use bytes::Bytes;

use crate::dedup::{Answer, Receipt, Seen, Verdict, key};
use crate::kernel::{Clock, ExternalId, HookId, Kind, Number, SourceName, Unreadable};
use crate::notify::Audience;
use crate::orders::EventKind;
use crate::store::{DocKey, Store, Unavailable};

/// What every flow works with.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Where things are kept.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Whom to tell.
    pub audience: Audience,
    /// Which hooks came lately.
    pub seen: Arc<Seen>,
}

/// A hook whose sender is proved and whose envelope was read.
#[derive(Debug, Clone)]
pub struct Hook {
    source: SourceName,
    event_type: String,
    kind: Option<EventKind>,
    external_id: Option<ExternalId>,
    body: Bytes,
    /// Its id if no other order holds its order's first number, as good as always.
    first_id: HookId,
}

impl Hook {
    /// A hook of `source`: its kind in the sender's word and, if it concerns us, in ours; the sender's order
    /// number; and the bytes as they came.
    #[must_use]
    pub fn new(
        source: SourceName,
        event_type: String,
        kind: Option<EventKind>,
        external_id: Option<ExternalId>,
        body: Bytes,
    ) -> Hook {
        let first_id = match &external_id {
            Some(external_id) => {
                key::of_order(Number::derive(&source, external_id, 0), &source, &event_type, &body)
            }
            None => key::orphan(&source, &body),
        };
        Hook { source, event_type, kind, external_id, body, first_id }
    }

    /// Who sent it.
    #[must_use]
    pub fn source(&self) -> &SourceName {
        &self.source
    }

    /// The kind, in the sender's word.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// The kind in ours; none for kinds that do not concern us.
    #[must_use]
    pub fn kind(&self) -> Option<EventKind> {
        self.kind
    }

    /// The sender's order number.
    #[must_use]
    pub fn external_id(&self) -> Option<&ExternalId> {
        self.external_id.as_ref()
    }
}

/// What became of a hook.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its id.
    pub id: HookId,
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: Option<String>,
    /// Our number of its order.
    pub number: Option<Number>,
    /// The answer for its sender.
    pub answer: Answer,
    /// Whether these very bytes had come before: nothing new was kept of this delivery.
    pub is_copy: bool,
}

/// The key under which a hook's receipt lies.
#[must_use]
pub fn receipt_key(id: HookId) -> DocKey {
    DocKey { partition: id.partition, kind: Kind::Receipt, id: id.fingerprint.get() }
}

/// Reads a receipt with its version.
async fn load_receipt(store: &Store, id: HookId) -> Result<Option<(Receipt, u64)>, Unavailable> {
    let found = store.load(&[receipt_key(id)]).await?.pop().flatten();
    let read = found.map(|stored| Ok::<_, Unreadable>((stored.document()?, stored.version)));
    Ok(read.transpose()?)
}

/// How often a flow decides anew when others keep changing what it decides on. Each time at least one of
/// them has succeeded, so this many hooks about one order may come in the same moment.
const DECISIONS_MAX: u32 = 128;

/// The answer to those who were beaten [`DECISIONS_MAX`] times.
fn crowded() -> Unavailable {
    Unavailable::Crowded
}
