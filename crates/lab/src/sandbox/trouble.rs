//! The ways in which the payment system fails on request.

use std::collections::{HashMap, VecDeque};

use serde::Deserialize;

/// The kind of call that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Creating an order.
    Create,
    /// Changing an unpaid order.
    Update,
    /// Refunds and shipments.
    Operate,
    /// Every other call of a merchant.
    Other,
    /// A notification to the merchant.
    Notification,
}

impl Call {
    /// All kinds of calls.
    pub const ALL: [Call; 5] =
        [Call::Create, Call::Update, Call::Operate, Call::Other, Call::Notification];
}

/// A way to fail. Some apply only to notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// Processed, but answered after this many milliseconds.
    Slow(u64),
    /// Not processed: 500.
    Broken,
    /// Processed, but the connection breaks during the answer.
    AcceptThenDrop,
    /// Processed, but the answer is an HTML page instead of JSON.
    Garbage,
    /// Not processed: 429, with `Retry-After` in seconds.
    TooMany(u64),
    /// Not processed: refused for good.
    Refused,
    /// Processed with another sum than was requested, or answered with another
    /// sum. Reads, lists and notifications: with another sum.
    OtherAmount,
    /// Notifications: sent this many times.
    Duplicate(usize),
    /// Notifications: never sent.
    Lost,
    /// Refunds: accepted, but still pending.
    Pending,
    /// Processed, but answered with the 502 page of a proxy in front.
    BadGateway,
    /// Processed, but the answer is cut in the middle.
    CutShort,
    /// Processed, but the answer has ten megabytes.
    TooLong,
    /// Not processed: 302 to another address.
    Redirect,
    /// Not processed: 401, as for a token that is no longer valid.
    NoAccess,
    /// Not processed: 429 without `Retry-After`.
    Busy,
    /// Processed, but the answer has no payment address.
    NoUrl,
    /// Processed, but the payment address belongs to somebody else.
    Elsewhere,
    /// Processed, but the answer is about another order. Notifications: about
    /// an order that does not exist.
    AnotherOrder,
    /// Lists: every entry twice, under different ids.
    Twofold,
    /// Lists: also contain entries that were not requested.
    Unfiltered,
    /// Changing an order: answered as done, but not done.
    Unheeded,
    /// Processed, but the answer arrives so slowly that it never ends.
    Trickle,
    /// Processed, but the answer is compressed with gzip, although the client
    /// did not ask for it.
    Zipped,
    /// Notifications: without a signature.
    Unsigned,
    /// Notifications: signed with another key.
    Forged,
    /// Notifications: the same content serialized again, with the signature of
    /// the original bytes.
    Rewritten,
}

/// The size of an answer that is too long, in bytes.
pub const TOO_LONG_BYTES: usize = 10 * 1024 * 1024;

impl Trouble {
    /// Parses a trouble in the command line's spelling: `slow=8000`, `broken`,
    /// `lost`.
    pub fn parse(text: &str) -> Result<Trouble, String> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let number =
            || value.parse::<u64>().map_err(|_| format!("{name} needs a number, such as {name}=3"));
        match name {
            "slow" => Ok(Trouble::Slow(number()?)),
            "broken" => Ok(Trouble::Broken),
            "accept-then-drop" => Ok(Trouble::AcceptThenDrop),
            "garbage" => Ok(Trouble::Garbage),
            "too-many" => Ok(Trouble::TooMany(number()?)),
            "refused" => Ok(Trouble::Refused),
            "other-amount" => Ok(Trouble::OtherAmount),
            "duplicate" => Ok(Trouble::Duplicate(usize::try_from(number()?).unwrap_or(usize::MAX))),
            "lost" => Ok(Trouble::Lost),
            "pending" => Ok(Trouble::Pending),
            "bad-gateway" => Ok(Trouble::BadGateway),
            "cut-short" => Ok(Trouble::CutShort),
            "too-long" => Ok(Trouble::TooLong),
            "redirect" => Ok(Trouble::Redirect),
            "no-access" => Ok(Trouble::NoAccess),
            "busy" => Ok(Trouble::Busy),
            "no-url" => Ok(Trouble::NoUrl),
            "elsewhere" => Ok(Trouble::Elsewhere),
            "another-order" => Ok(Trouble::AnotherOrder),
            "twofold" => Ok(Trouble::Twofold),
            "unfiltered" => Ok(Trouble::Unfiltered),
            "unheeded" => Ok(Trouble::Unheeded),
            "trickle" => Ok(Trouble::Trickle),
            "zipped" => Ok(Trouble::Zipped),
            "unsigned" => Ok(Trouble::Unsigned),
            "forged" => Ok(Trouble::Forged),
            "rewritten" => Ok(Trouble::Rewritten),
            _ => Err(format!(
                "{name:?} is not a known trouble. Known are: slow=<ms>, broken, \
                 accept-then-drop, garbage, too-many=<s>, refused, other-amount, \
                 duplicate=<n>, lost, pending, bad-gateway, cut-short, too-long, \
                 redirect, no-access, busy, no-url, elsewhere, another-order, twofold, \
                 unfiltered, unheeded, trickle, zipped, unsigned, forged, rewritten"
            )),
        }
    }
}

#[derive(Debug, Default)]
pub struct Troubles {
    next: HashMap<Call, VecDeque<Trouble>>,
    always: HashMap<Call, Trouble>,
}

impl Troubles {
    pub fn next(&mut self, call: Call, troubles: impl IntoIterator<Item = Trouble>) {
        self.next.entry(call).or_default().extend(troubles);
    }

    pub fn always(&mut self, call: Call, trouble: Option<Trouble>) {
        match trouble {
            Some(trouble) => self.always.insert(call, trouble),
            None => self.always.remove(&call),
        };
    }

    /// The troubles of a kind of call that wait, in one line; empty if there
    /// are none.
    pub fn describe(&self, call: Call) -> String {
        let next = self.next.get(&call).filter(|waiting| !waiting.is_empty());
        let next = next.map(|waiting| format!("next: {waiting:?}"));
        let always = self.always.get(&call).map(|trouble| format!("always: {trouble:?}"));
        next.into_iter().chain(always).collect::<Vec<_>>().join("; ")
    }

    /// The trouble of this call, if any.
    pub fn meet(&mut self, call: Call) -> Option<Trouble> {
        self.next
            .get_mut(&call)
            .and_then(VecDeque::pop_front)
            .or_else(|| self.always.get(&call).copied())
    }
}
