//! A hook on its way in, and what became of it.

use bytes::Bytes;

use crate::dedup::{Answer, Reason, Verdict, key};
use crate::kernel::{ExternalId, HookId, PartyName};
use crate::orders::{EventKind, Number};
use crate::webhooks::Identity;

/// A hook whose sender is proved and whose envelope was read.
#[derive(Debug, Clone)]
pub struct Hook {
    pub(super) source: PartyName,
    pub(super) event_type: String,
    pub(super) kind: Option<EventKind>,
    pub(super) external_id: Option<ExternalId>,
    pub(super) body: Bytes,
    /// Its sender has given the delivery an id that is verified: what comes under it again is a retry for certain.
    pub(super) has_delivery_id: bool,
    /// Its id if no other order holds its order's first number, as good as always.
    pub(super) first_id: HookId,
}

impl Hook {
    /// A hook of `source`: its kind in the sender's word and, if it concerns us, in ours; the sender's order
    /// number; and the bytes as they came.
    #[must_use]
    pub fn new(
        source: PartyName,
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
        Hook { source, event_type, kind, external_id, body, has_delivery_id: false, first_id }
    }

    /// A hook that was read as far as its envelope. `delivery_id` is the sender's own id of the delivery, where it gives
    /// one that is verified: then that tells it from others, and not its bytes.
    #[must_use]
    pub fn of(source: PartyName, identity: Identity, body: Bytes, delivery_id: Option<&str>) -> Hook {
        let Identity { event_type, kind, external_id } = identity;
        let hook = Hook::new(source, event_type, kind, external_id, body);
        let Some(delivery_id) = delivery_id else { return hook };
        let fingerprint = key::of_delivery(&hook.source, delivery_id);
        let first_id = match hook.external_id {
            Some(_) => HookId { fingerprint, ..hook.first_id },
            None => HookId::of_name(fingerprint),
        };
        Hook { has_delivery_id: true, first_id, ..hook }
    }

    /// The same, kept under an id that other bytes gave it.
    #[must_use]
    pub fn known_as(self, id: HookId) -> Hook {
        let first_id = match self.external_id {
            Some(_) => HookId { fingerprint: id.fingerprint, ..self.first_id },
            None => id,
        };
        Hook { first_id, ..self }
    }

    /// Who sent it.
    #[must_use]
    pub fn source(&self) -> &PartyName {
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
    /// Why: all that holds.
    pub reasons: Vec<Reason>,
    /// Our number of its order.
    pub number: Option<Number>,
    /// The answer for its sender.
    pub answer: Answer,
    /// Whether this delivery had come before: nothing new was kept of it.
    pub is_copy: bool,
}
