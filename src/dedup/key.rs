//! Where a hook's receipt lies.

use crate::kernel::{Fingerprint, HookId, Partition, PartyName};
use crate::orders::Number;

/// The id of a hook about an order. Its bytes say which hook it is: the marketplace's retries repeat them,
/// and where they do not, the order recognises the meaning.
#[must_use]
pub fn of_order(number: Number, source: &PartyName, event_type: &str, body: &[u8]) -> HookId {
    let fingerprint = Fingerprint::of(&[source.as_str().as_bytes(), event_type.as_bytes(), body]);
    HookId { partition: number.partition(), fingerprint }
}

/// The id of a hook that names no order, or is not understood.
#[must_use]
pub fn orphan(source: &PartyName, body: &[u8]) -> HookId {
    let fingerprint = Fingerprint::of(&[source.as_str().as_bytes(), b"", body]);
    HookId::of_name(fingerprint)
}

/// What tells a delivery from others whose sender gives each an id of its own: whatever its bytes are.
#[must_use]
pub fn of_delivery(source: &PartyName, delivery_id: &str) -> Fingerprint {
    Fingerprint::of(&[b"delivery", source.as_str().as_bytes(), delivery_id.as_bytes()])
}

/// The id of the note that `hook` was delivered again.
#[must_use]
pub fn copies_of(hook: HookId) -> HookId {
    let fingerprint = Fingerprint::of(&[b"copies", &hook.fingerprint.get().to_be_bytes()]);
    HookId { partition: hook.partition, fingerprint }
}

/// The partition of what is counted about an account at a payment system.
#[must_use]
pub fn partition_of_account(gateway: &PartyName, account: &str) -> Partition {
    let fingerprint =
        Fingerprint::of(&[b"account at a gateway", gateway.as_str().as_bytes(), account.as_bytes()]);
    HookId::of_name(fingerprint).partition
}

/// Where it lies what is known of an address of a merchant's site.
#[must_use]
pub fn of_endpoint(merchant: &PartyName, url: &str) -> HookId {
    let fingerprint = Fingerprint::of(&[b"callback endpoint", merchant.as_str().as_bytes(), url.as_bytes()]);
    HookId::of_name(fingerprint)
}

/// Where it lies which order a payment belongs to that is known by its id at a payment system.
#[must_use]
pub fn of_alias(gateway: &PartyName, remote_id: &str) -> HookId {
    // UUIDs come in either case.
    let remote_id = remote_id.trim().to_ascii_lowercase();
    let fingerprint =
        Fingerprint::of(&[b"payment at a gateway", gateway.as_str().as_bytes(), remote_id.as_bytes()]);
    HookId::of_name(fingerprint)
}

/// What a request under an idempotency key asks for. The same key with another one is another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// An order.
    Order,
    /// Money of an order back.
    Refund(Number),
    /// Money taken that is held for an order.
    Capture(Number),
}

impl Asked {
    /// Its name in the journal.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        match self {
            Asked::Order => "order.place",
            Asked::Refund(_) => "refund.ask",
            Asked::Capture(_) => "capture.ask",
        }
    }
}

/// The id of a request under a caller's idempotency key. The caller's name goes in, so that two callers may choose the
/// same key.
#[must_use]
pub fn of_request(caller: &PartyName, asked: Asked, idempotency_key: &str) -> HookId {
    let number = match asked {
        Asked::Order => 0,
        Asked::Refund(number) | Asked::Capture(number) => number.get(),
    };
    HookId::of_name(Fingerprint::of(&[
        b"idempotency key",
        caller.as_str().as_bytes(),
        asked.event_type().as_bytes(),
        &number.to_be_bytes(),
        idempotency_key.as_bytes(),
    ]))
}
