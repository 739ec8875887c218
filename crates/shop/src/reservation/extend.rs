//! Lengthens what is held for an order, for a payment that has begun.

use std::time::Duration;

use serde::Serialize;
use tillgate_kernel::Timestamp;
use tillgate_kernel::time::later;
use tillgate_store::Unavailable;
use tillgate_store::unit::{Run, run};

use super::{Reservation, Reservations, State};
use crate::Refusal;
use crate::contract::{Answer, Body, Field, For, MemberKind, Operation, Shape, member};
use crate::form::Form;
use crate::order_id::OrderId;
use crate::order_problem::OrderProblem;

/// A request to hold something longer.
#[derive(Debug)]
pub struct Extension {
    pub order: OrderId,
    pub version: u64,
    pub held_for: Duration,
}

/// The longest that something may be held by one request, in seconds.
const EXTENSION_SECONDS_MAX: u64 = 24 * 3600;

/// Until when it is held.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Extended {
    /// Twelve digits.
    order_id: String,
    until: Timestamp,
}

const FIELDS: &[Field] = &[
    Field::required("orderId", Shape::Order, "The number of the order"),
    Field::required("version", Shape::Whole(0, u32::MAX as u64), "The version that it is held for"),
    Field::required(
        "seconds",
        Shape::Whole(1, EXTENSION_SECONDS_MAX),
        "How long it is held from now on, at least",
    ),
];

/// The body of the answer.
pub const EXTENDED: Body = Body {
    name: "Extended",
    about: "What is held longer for an order",
    members: &[
        member("orderId", MemberKind::Text, "The order"),
        member("until", MemberKind::Time, "Until when it is held"),
    ],
};

/// The operation of a service's contract, under this id.
#[must_use]
pub fn extension(id: &'static str) -> Operation {
    Operation {
        about: "For a payment that begins.",
        body: Some(FIELDS),
        callers: For::Services,
        refusals: vec![Refusal::Order(OrderProblem::HoldExpired)],
        ..Operation::new(
            "POST",
            "/extend",
            id,
            "Hold longer what is held for an order",
            Answer::with(EXTENDED.name, "It is held"),
        )
    }
}

impl Extension {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Extension, Refusal> {
        let order = form.optional_order("orderId");
        form.need("orderId", order.is_some());
        let version = form.optional_whole("version", 0, u64::from(u32::MAX));
        form.need("version", version.is_some());
        let seconds = form.optional_whole("seconds", 1, EXTENSION_SECONDS_MAX);
        form.need("seconds", seconds.is_some());
        let all = order.zip(version.zip(seconds));
        let read = all.map(|(order, (version, seconds))| Extension {
            order,
            version,
            held_for: Duration::from_secs(seconds),
        });
        form.whole(read).map_err(Refusal::Fields)
    }
}

impl<R: Reservation> Reservations<R> {
    /// Lengthens what is held for an order at a version.
    ///
    /// # Errors
    /// When nothing is held for it any more.
    pub async fn extend(&self, asked: &Extension) -> Result<Extended, Refusal> {
        let order = asked.order;
        let work = |_| async move {
            let refused = || Ok(Run::Unchanged(Err(Refusal::Order(OrderProblem::HoldExpired))));
            let Some(stored) = self.store.read::<R>(R::key_of(order)).await? else {
                return refused();
            };
            let now = self.clock.now();
            let before = match stored.state() {
                State::Preliminary { until } if until > now => until,
                State::Preliminary { .. }
                | State::Confirmed
                | State::Released
                | State::Reversed => return refused(),
            };
            // The order's version, not that of the document.
            let held: &R = &stored;
            if held.version() != asked.version {
                return refused();
            }
            let until = later(now, asked.held_for);
            if until <= before {
                return Ok(Run::Unchanged(Ok(before)));
            }
            let next = stored.in_state(State::Preliminary { until });
            let batch = Self::written(Some(stored), next, now);
            Ok::<_, Unavailable>(Run::Commit(batch, Ok(until)))
        };
        let (outcome, _) = run(&self.store, work).await.map_err(Refusal::of_commit)?;
        Ok(Extended { order_id: order.to_string(), until: outcome? })
    }
}
