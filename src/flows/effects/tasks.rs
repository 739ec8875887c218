//! Tasks for the workers that call payment systems.

use crate::payments;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::BilledOrder;
use super::super::transaction::Transaction;
use crate::outbox::{Lane, Message};
use crate::payments::{OperationId, PaymentId};

/// What a message of the lanes for payments holds: the step itself follows from what is stored when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "task")]
pub enum Task {
    /// To look after a payment.
    Payment {
        /// Which.
        payment: PaymentId,
    },
    /// To tell the payment system what else is said of a payment.
    Alteration {
        /// Of which.
        payment: PaymentId,
    },
    /// To look after a refund, a capture or a shipment.
    Operation {
        /// Which.
        operation: OperationId,
    },
    /// To list the refunds of a payment over there: some may have been made by others.
    Refunds {
        /// Of which.
        payment: PaymentId,
    },
}

impl Task {
    /// The payment that it is about.
    #[must_use]
    pub fn payment(self) -> PaymentId {
        match self {
            Task::Payment { payment } | Task::Alteration { payment } | Task::Refunds { payment } => payment,
            Task::Operation { operation } => operation.payment,
        }
    }
}

impl Transaction<'_> {
    /// Has a task done at once. The order's count of messages goes up: the order is to be written.
    pub(in crate::flows) fn start(&mut self, billed: &mut BilledOrder, task: Task) {
        self.enqueue(billed, task, payments::LANE, Duration::ZERO);
    }

    /// Has a task done after `wait`, where nothing that is urgent waits behind it. The order is to be written.
    pub(in crate::flows) fn watch(&mut self, billed: &mut BilledOrder, task: Task, wait: Duration) {
        self.enqueue(billed, task, payments::WATCH_LANE, wait);
    }

    fn enqueue(&mut self, billed: &mut BilledOrder, task: Task, lane: Lane, wait: Duration) {
        let id = billed.order.next_message();
        let queue = billed.checkout.gateway.as_str().to_owned();
        let body = serde_json::to_string(&task).unwrap_or_default();
        self.send(Message { id, lane, queue, body, created_at: self.now, wait });
    }
}
