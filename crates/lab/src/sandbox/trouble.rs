//! How a payment system goes wrong.

use std::collections::{HashMap, VecDeque};

use serde::Deserialize;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Making an order.
    Create,
    /// Altering one that is not paid.
    Update,
    /// Refunds and shipments.
    Operate,
    /// Every other call of a merchant.
    Other,
    /// A notification.
    Notice,
}

impl Call {
    /// Every call.
    pub const ALL: [Call; 5] = [Call::Create, Call::Update, Call::Operate, Call::Other, Call::Notice];
}

/// How it goes wrong. Some only make sense for notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// It is done, and answered after so many milliseconds.
    Slow(u64),
    /// 500, nothing done.
    Broken,
    /// Done, and the connection breaks within the answer.
    AcceptThenDrop,
    /// Done, and the answer is not what it should be.
    Garbage,
    /// Not done: too many calls; again in so many seconds.
    TooMany(u64),
    /// Not done: refused for good.
    Refused,
    /// Done with another sum than was asked, or said to be; lists and notifications: about another sum.
    OtherAmount,
    /// Notifications: sent so many times at once.
    Duplicate(usize),
    /// Notifications: never sent.
    Lost,
    /// Refunds: taken in, and not done yet.
    Pending,
    /// Done, and answered by a page of whatever stands before it: 502.
    BadGateway,
    /// Done, and the answer ends in its middle.
    CutShort,
    /// Done, and the answer has ten megabytes.
    TooLong,
    /// Not done: sent somewhere else, 302.
    Redirect,
    /// Not done: 401, as for a token that is not valid any more.
    NoAccess,
    /// Not done: 429 without a word about when.
    Busy,
    /// Done, and the answer has no payment address.
    NoUrl,
    /// Done, and the payment address is somebody else's.
    Elsewhere,
    /// Done, and the answer is about another order; notifications: about an order that nobody made.
    AnotherOrder,
    /// Lists: everything twice, under other ids.
    Twofold,
    /// Lists: what was asked for, and something that was not.
    Unfiltered,
    /// Altering an order: said to be done, and not done.
    Unheeded,
    /// Done, and the answer comes so slowly that it never ends.
    Trickle,
    /// Done, and the answer is in gzip, which nobody asked for.
    Zipped,
    /// Notifications: without their signature.
    Unsigned,
    /// Notifications: signed with another key.
    Forged,
    /// Notifications: the same content in other bytes, under the signature of the first ones.
    Rewritten,
}

/// How large an answer is that is too long, in bytes.
pub const TOO_LONG_BYTES: usize = 10 * 1024 * 1024;

impl Trouble {
    /// A trouble as it is named on the command line: `slow=8000`, `broken`, `lost`.
    pub fn parse(text: &str) -> Result<Trouble, String> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let number = || value.parse::<u64>().map_err(|_| format!("{name} wants a number, such as {name}=3"));
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
                "{name:?} is no trouble: slow=<ms>, broken, accept-then-drop, garbage, too-many=<s>, refused, \
                 other-amount, duplicate=<n>, lost, pending, bad-gateway, cut-short, too-long, redirect, no-access, \
                 busy, no-url, elsewhere, another-order, twofold, unfiltered, unheeded, trickle, zipped, unsigned, \
                 forged, rewritten"
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

    /// What goes wrong with this call, if anything.
    pub fn meet(&mut self, call: Call) -> Option<Trouble> {
        self.next.get_mut(&call).and_then(VecDeque::pop_front).or_else(|| self.always.get(&call).copied())
    }
}
