//! A received hook, and the result of processing it.

use bytes::Bytes;

use crate::dedup::key::HookKey;
use crate::dedup::{Answer, Answered, Reason, RecentHook, Verdict, key};
use crate::kernel::{ExternalId, HookId, PartyName};
use crate::orders::{EventKind, Number};
use crate::webhooks::Identity;

/// A hook whose sender is authenticated and whose envelope has been read.
#[derive(Debug, Clone)]
pub struct Hook {
    pub(super) source: PartyName,
    pub(super) event_type: String,
    pub(super) kind: Option<EventKind>,
    pub(super) external_id: Option<ExternalId>,
    pub(super) body: Bytes,
    /// Whether the sender has given the delivery a verified id. Then another
    /// delivery with the same id is certainly a retry.
    pub(super) has_delivery_id: bool,
    /// Whether it was found at the marketplace and not sent by it. Then all
    /// that its order needs follows at once.
    pub(super) is_reconciled: bool,
    /// The id of the hook if no other order holds the first number of its
    /// order, which is almost always the case.
    pub(super) first_id: HookId,
}

impl Hook {
    /// Creates a request that is processed like a hook. `event_type` is its
    /// kind in the term of the sender, `kind` is our kind if the hook is
    /// relevant to us, `external_id` is the sender's order number, and `body`
    /// holds the bytes as received.
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
        Hook::under(first_id, source, event_type, kind, external_id, body)
    }

    /// Creates a hook of a marketplace whose envelope has been read.
    #[must_use]
    pub fn of(source: PartyName, identity: Identity, body: Bytes, key: HookKey) -> Hook {
        let Identity { event_type, kind, external_id } = identity;
        let HookKey { fingerprint, has_delivery_id } = key;
        let first_id = match &external_id {
            Some(external_id) => {
                let partition = Number::derive(&source, external_id, 0).partition();
                HookId { partition, fingerprint }
            }
            None => HookId::of_name(fingerprint),
        };
        let hook = Hook::under(first_id, source, event_type, kind, external_id, body);
        Hook { has_delivery_id, ..hook }
    }

    fn under(
        first_id: HookId,
        source: PartyName,
        event_type: String,
        kind: Option<EventKind>,
        external_id: Option<ExternalId>,
        body: Bytes,
    ) -> Hook {
        let (has_delivery_id, is_reconciled) = (false, false);
        Hook {
            source,
            event_type,
            kind,
            external_id,
            body,
            has_delivery_id,
            is_reconciled,
            first_id,
        }
    }

    /// The same hook, found by us at the marketplace.
    #[must_use]
    pub fn reconciled(self) -> Hook {
        Hook { is_reconciled: true, ..self }
    }

    /// The same hook under an id that was derived from other bytes.
    #[must_use]
    pub fn known_as(self, id: HookId) -> Hook {
        let first_id = match self.external_id {
            Some(_) => HookId { fingerprint: id.fingerprint, ..self.first_id },
            None => id,
        };
        Hook { first_id, ..self }
    }

    /// This hook with its answer, for the cache.
    pub(super) fn recent(&self, answered: Answered) -> RecentHook {
        let (event_type, external_id) = (self.event_type.clone(), self.external_id.clone());
        RecentHook { answered, event_type, external_id }
    }

    /// The source that sent it.
    #[must_use]
    pub fn source(&self) -> &PartyName {
        &self.source
    }

    /// Its kind, in the term of the sender.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// Our kind of it; `None` for kinds that are not relevant to us.
    #[must_use]
    pub fn kind(&self) -> Option<EventKind> {
        self.kind
    }

    /// The sender's number of the order.
    #[must_use]
    pub fn external_id(&self) -> Option<&ExternalId> {
        self.external_id.as_ref()
    }
}

/// The result of processing a hook.
#[derive(Debug, Clone)]
pub struct Received {
    pub id: HookId,
    pub verdict: Verdict,
    /// All reasons for the verdict.
    pub reasons: Vec<Reason>,
    /// Our number of its order.
    pub number: Option<Number>,
    /// The answer to its sender.
    pub answer: Answer,
    /// Whether this delivery is a duplicate, of which nothing new was stored.
    pub is_copy: bool,
}
