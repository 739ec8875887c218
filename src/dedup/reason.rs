//! The reasons for the verdict on a hook, a notification or a request, as they
//! are stored: kinds with parameters.

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::kernel::{LocalTime, PartyName, Timestamp};
use crate::orders::Late;
use crate::payments::{Mismatch, PaymentId, PaymentNote, Recorded, Superseded};

/// A reason for a verdict. A verdict can have several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Reason {
    /// The same bytes were received before.
    CameBefore { received_at: Timestamp, verdict: Verdict },
    /// An earlier hook has the same meaning in other bytes.
    SaidBefore,
    /// Newer hooks have already set every field that it sets.
    Outdated,
    /// The hook came too late to have an effect.
    Late { late: Late },
    /// The order has not been created yet.
    NotCreated,
    /// The hook was parked until the order was created.
    WasParked,
    /// The hook's time is later than its arrival by more than
    /// `ahead_seconds_max`, so the time of arrival counts.
    DatedAhead { ahead_seconds_max: u64 },
    /// Hooks of this kind do not concern orders.
    UnknownEvent { event_type: String },
    /// The hook cannot be used.
    Unusable {
        /// Describes what is wrong, and where.
        detail: String,
    },
    /// A test event, with which the merchant checks that events arrive.
    TestEvent,
    /// The notification is about nothing of ours.
    NotOurs,
    /// There is no payment with this number.
    NoPayment { number: String },
    /// The payment is already known to be paid.
    KnownPaid { payment: PaymentId },
    /// Money came for a payment that should not take any more.
    UnwantedMoney { payment: PaymentId, reason: Superseded },
    /// The notification is about a payment that a person should look at.
    Payment { payment: Option<PaymentId>, note: PaymentNote },
    /// The notification contradicts what we know.
    Mismatch { mismatch: Mismatch },
    /// The notification is recorded and changes nothing by itself.
    Recorded { what: Recorded },
    /// The notification has nothing new: the payment system is already being
    /// asked.
    LookedAtAlready,
    /// The source's clock is ahead: its hooks have times after their arrival.
    ClockAhead { source: PartyName, sent_at: LocalTime, arrived_at: Timestamp },
    /// The source's times have no offset, and no time zone is configured.
    NoTimeZone { source: PartyName },
    /// As many orders of the source as may wait for their creation do so.
    TooManyParked { source: PartyName, waiting_max: usize },
    /// The source has sent more today than its quota.
    QuotaUsedUp { source: PartyName },
    /// The merchant's site answered 410 (Gone) at this callback URL.
    NobodyListens { url: String },
}
