//! Tasks for the workers that call payment systems.

use crate::payments;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::BilledOrder;
use super::super::transaction::Transaction;
use crate::kernel::PartyName;
use crate::outbox::{Lane, Message};
use crate::payments::{OperationId, PaymentId};

/// The body of a message in the lanes for payments. The step to take follows
/// from what is stored when the task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "task")]
pub enum Task {
    /// Advance a payment.
    Payment { payment: PaymentId },
    /// Look up what has become of a payment for which nothing more is planned.
    Look { payment: PaymentId },
    /// Update the data of a payment at the payment system.
    PendingUpdate { payment: PaymentId },
    /// Advance a refund, a capture or a shipment.
    Operation { operation: OperationId },
    /// List the refunds of a payment at the payment system: some may have been
    /// made by others.
    Refunds { payment: PaymentId },
}

/// The queue of a merchant's tasks at a payment system. Each merchant has its
/// own, and they take turns.
#[must_use]
pub fn queue_of(gateway: &PartyName, merchant: &PartyName) -> String {
    format!("{gateway}/{merchant}")
}

/// The payment system and the merchant of a queue of tasks.
#[must_use]
pub fn parties_of(queue: &str) -> (PartyName, PartyName) {
    let (gateway, merchant) = queue.split_once('/').unwrap_or((queue, ""));
    (PartyName::new(gateway), PartyName::new(merchant))
}

impl Task {
    /// The payment of the task.
    #[must_use]
    pub fn payment(self) -> PaymentId {
        match self {
            Task::Payment { payment }
            | Task::Look { payment }
            | Task::PendingUpdate { payment }
            | Task::Refunds { payment } => payment,
            Task::Operation { operation } => operation.payment,
        }
    }
}

impl Transaction<'_> {
    /// Schedules a task for now. This increases the message count of the order,
    /// so the caller must write the order.
    pub(in crate::flows) fn start(&mut self, billed: &mut BilledOrder, task: Task) {
        self.enqueue(billed, task, payments::LANE, Duration::ZERO);
    }

    /// Schedules a task after `wait`, in a lane where no urgent task waits
    /// behind it. The caller must write the order.
    pub(in crate::flows) fn watch(&mut self, billed: &mut BilledOrder, task: Task, wait: Duration) {
        self.enqueue(billed, task, payments::WATCH_LANE, wait);
    }

    fn enqueue(&mut self, billed: &mut BilledOrder, task: Task, lane: Lane, wait: Duration) {
        let id = billed.order.next_message();
        let queue = queue_of(&billed.checkout.gateway, &billed.order.source);
        let body = serde_json::to_string(&task).unwrap_or_default();
        self.send(Message { id, lane, queue, body, created_at: self.now, wait });
    }
}
