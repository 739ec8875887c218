//! The ids under which idempotency records are stored.

use crate::kernel::{Fingerprint, HookId, Partition, PartyName};
use crate::orders::Number;

/// What identifies a hook of a marketplace, before it is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookKey {
    pub fingerprint: Fingerprint,
    /// Whether the sender has given the delivery a verified id. Then another
    /// delivery with the same id is certainly a retry.
    pub has_delivery_id: bool,
}

impl HookKey {
    /// The key of a hook with these bytes: the marketplace's retries repeat
    /// them. If a retry has other bytes, the order recognises it by its
    /// meaning. With a verified `delivery_id`, the bytes do not count.
    #[must_use]
    pub fn of(source: &PartyName, body: &[u8], delivery_id: Option<&str>) -> HookKey {
        let source = source.as_str().as_bytes();
        let fingerprint = match delivery_id {
            Some(id) => Fingerprint::of(&[b"delivery", source, id.as_bytes()]),
            None => Fingerprint::of(&[source, body]),
        };
        HookKey { fingerprint, has_delivery_id: delivery_id.is_some() }
    }
}

/// The id of a request about an order, which its bytes identify.
#[must_use]
pub fn of_order(number: Number, source: &PartyName, event_type: &str, body: &[u8]) -> HookId {
    let fingerprint = Fingerprint::of(&[source.as_str().as_bytes(), event_type.as_bytes(), body]);
    HookId { partition: number.partition(), fingerprint }
}

/// The id of a hook that names no order or is not understood.
#[must_use]
pub fn orphan(source: &PartyName, body: &[u8]) -> HookId {
    HookId::of_name(HookKey::of(source, body, None).fingerprint)
}

/// The id of the journal entry that counts the duplicates of `hook`.
#[must_use]
pub fn copies_of(hook: HookId) -> HookId {
    let fingerprint = Fingerprint::of(&[b"copies", &hook.fingerprint.get().to_be_bytes()]);
    HookId { partition: hook.partition, fingerprint }
}

/// The partition of the counters of an account at a payment system.
#[must_use]
pub fn partition_of_account(gateway: &PartyName, account: &str) -> Partition {
    let fingerprint = Fingerprint::of(&[
        b"account at a gateway",
        gateway.as_str().as_bytes(),
        account.as_bytes(),
    ]);
    HookId::of_name(fingerprint).partition
}

/// The id of the record about a callback URL of a merchant's site.
#[must_use]
pub fn of_endpoint(merchant: &PartyName, url: &str) -> HookId {
    let fingerprint =
        Fingerprint::of(&[b"callback endpoint", merchant.as_str().as_bytes(), url.as_bytes()]);
    HookId::of_name(fingerprint)
}

/// The id of the record that maps a payment's id at the payment system to our
/// order.
#[must_use]
pub fn of_alias(gateway: &PartyName, remote_id: &str) -> HookId {
    // UUIDs occur in upper and lower case.
    let remote_id = remote_id.trim().to_ascii_lowercase();
    let fingerprint = Fingerprint::of(&[
        b"payment at a gateway",
        gateway.as_str().as_bytes(),
        remote_id.as_bytes(),
    ]);
    HookId::of_name(fingerprint)
}

/// The kind of a request with an idempotency key. The same key with another
/// kind is another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyedRequest {
    /// Place an order.
    Order,
    /// Refund money of this order.
    Refund(Number),
    /// Capture money that is held for this order.
    Capture(Number),
}

impl KeyedRequest {
    /// The name of the kind in the journal.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        match self {
            KeyedRequest::Order => "order.create",
            KeyedRequest::Refund(_) => "refund.create",
            KeyedRequest::Capture(_) => "capture.create",
        }
    }
}

/// The id of a request with a caller's idempotency key. It includes the
/// caller's name, so that two callers can use the same key.
#[must_use]
pub fn of_request(caller: &PartyName, asked: KeyedRequest, idempotency_key: &str) -> HookId {
    let number = match asked {
        KeyedRequest::Order => 0,
        KeyedRequest::Refund(number) | KeyedRequest::Capture(number) => number.get(),
    };
    HookId::of_name(Fingerprint::of(&[
        b"idempotency key",
        caller.as_str().as_bytes(),
        asked.event_type().as_bytes(),
        &number.to_be_bytes(),
        idempotency_key.as_bytes(),
    ]))
}
