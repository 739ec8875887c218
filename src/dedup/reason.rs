//! Why a hook, a notification or a request got its verdict, as it is stored: kinds with their parameters.

use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::kernel::{LocalTime, PartyName, Timestamp};
use crate::orders::Late;
use crate::payments::{Mismatch, PaymentId, PaymentNote, Recorded, Superseded};

/// Why. Several may hold together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Reason {
    /// These bytes had come before.
    CameBefore { received_at: Timestamp, verdict: Verdict },
    /// An earlier hook has said the same in other bytes.
    SaidBefore,
    /// Newer hooks speak of all that it says.
    Outdated,
    /// It came too late to count.
    Late { late: Late },
    /// Its order has not been created yet.
    NotCreated,
    /// It was parked until the order was created.
    WasParked,
    /// It is dated after its arrival and counts from that.
    DatedAhead { ahead_seconds_max: u64 },
    /// Hooks of its kind have no part in an order.
    UnknownEvent { event_type: String },
    /// It cannot be used.
    Unusable {
        /// What is wrong with it, and where.
        detail: String,
    },
    /// The merchant tries whether events arrive.
    TestEvent,
    /// It is about nothing of ours.
    NotOurs,
    /// There is no such payment.
    NoPayment { number: String },
    /// The payment is known to be paid.
    KnownPaid { payment: PaymentId },
    /// Money came by a payment that should not have taken it.
    UnwantedMoney { payment: PaymentId, reason: Superseded },
    /// It says something of a payment that a person should look at.
    Payment { payment: Option<PaymentId>, note: PaymentNote },
    /// It says something else than we know.
    Mismatch { mismatch: Mismatch },
    /// It changes nothing by itself.
    Recorded { what: Recorded },
    /// It says nothing that is not looked at already.
    LookedAtAlready,
    /// The source dates hooks after their arrival.
    ClockAhead { source: PartyName, sent_at: LocalTime, arrived_at: Timestamp },
    /// The source's times name no offset, and none is configured.
    NoTimeZone { source: PartyName },
    /// The merchant's site answered 410.
    NobodyListens { url: String },
}
