//! The payment's part in the agreement on an order, and what it sends to
//! others.

use tillgate_kernel::Timestamp;
use tillgate_store::{Batch, CommitError};

use super::Payment;
use super::drive::DueCall;
use super::ledger::payment_id;
use super::shop_payment::{News, ShopPayment};
use crate::bus::{Consumer, Envelope, Format, Incoming, NotTaken, Service, Unreadable, message_id};
use crate::formats::agreement::{Confirmator, RequestType, Response};
use crate::formats::{
    ConfirmAnswer, ConfirmRequest, Contacts, Done, MoneyCame, MoneyState, OrderCanceled,
    PaymentNotWanted, PaymentNotice,
};
use crate::order_id::OrderId;

/// From here on the messages about an order are answers, by the number of the
/// request; news to the order, by the number of the attempt; and letters.
const ANSWERS: u32 = 1 << 16;
const NEWS: u32 = 1 << 20;
const LETTERS: u32 = 1 << 21;

impl Consumer for Payment {
    const SERVICE: Service = Service::Payment;

    async fn take(&self, message: &Incoming<'_>) -> Result<(), NotTaken> {
        match message.envelope.format {
            ConfirmRequest::NUMBER => self.answer(&message.read()?, message).await,
            OrderCanceled::NUMBER => {
                let OrderCanceled { order_id } = message.read()?;
                let reverse = |payment: &mut ShopPayment, now| (payment.reverse(None, now), ());
                Ok(self.change(order_id, Some(message), reverse).await?)
            }
            PaymentNotWanted::NUMBER => {
                let PaymentNotWanted { order_id, attempt } = message.read()?;
                let undo = |payment: &mut ShopPayment, now| {
                    payment.undo(attempt, now);
                    (Vec::new(), ())
                };
                Ok(self.change(order_id, Some(message), undo).await?)
            }
            Contacts::NUMBER => {
                self.take_contacts(message.id.subject, &message.read()?, message).await
            }
            other => Err(Unreadable::Format(other).into()),
        }
    }
}

impl Payment {
    async fn answer(
        &self,
        request: &ConfirmRequest,
        message: &Incoming<'_>,
    ) -> Result<(), NotTaken> {
        let (order, number) = (request.order_id, request.attempt);
        let change = |payment: &mut ShopPayment, now: Timestamp| {
            let news = match request.request_type {
                RequestType::Confirm => {
                    payment.confirm(number, request.version, request.total, now)
                }
                RequestType::Reverse => payment.reverse(Some(number), now),
            };
            (news, ())
        };
        // Who cannot be called now is called later: the answer follows then.
        Ok(self.change(order, Some(message), change).await?)
    }

    /// Brings a payment on. What fails is tried again by the loop.
    pub(super) async fn drive_quietly(&self, order: OrderId) {
        if let Err(why) = self.drive(order).await {
            log_waiting(order, &why);
        }
    }

    /// The same, from a call on that was begun already.
    pub(super) async fn drive_quietly_from(&self, order: OrderId, first: Option<DueCall>) {
        if let Err(why) = self.drive_from(order, first).await {
            log_waiting(order, &why);
        }
    }

    /// Stages what others are to know.
    pub(super) fn send(
        &self,
        payment: &ShopPayment,
        news: &[News],
        now: Timestamp,
        batch: &mut Batch,
    ) {
        let order_id = payment.order;
        for one in news {
            match one {
                News::Answer { request_type, request, reason } => {
                    let content = ConfirmAnswer {
                        order_id,
                        request_type: *request_type,
                        confirmator: Confirmator::Payment,
                        response: response(reason.is_none()),
                        attempt: *request,
                        reason: *reason,
                        lines: Vec::new(),
                    };
                    let number = ANSWERS + request;
                    self.put(order_id, Service::Orchestra, number, &content, now, batch);
                }
                News::Came { attempt } => {
                    let Some(known) = payment.attempt(*attempt) else { continue };
                    let content = MoneyCame {
                        order_id,
                        version: known.version,
                        payment_id: payment_id(order_id, *attempt),
                        attempt: *attempt,
                        state: MoneyState::Taken,
                        amount: known.amount,
                        delivery_cost: known.delivery_cost,
                    };
                    self.put(order_id, Service::Order, NEWS + attempt, &content, now, batch);
                }
                News::Notice { attempt, done, reason } => {
                    let (Some(known), Some(username)) =
                        (payment.attempt(*attempt), &payment.username)
                    else {
                        continue;
                    };
                    let content = PaymentNotice {
                        order_id,
                        username: username.as_str().to_owned(),
                        payment_id: payment_id(order_id, *attempt),
                        request_type: *done,
                        token_type: known.means.token_type(),
                        masked_token_id: known.means.masked().to_owned(),
                        response: response(reason.is_none()),
                        reason: *reason,
                        amount: known.amount,
                        timestamp: now,
                    };
                    let kind = match done {
                        Done::Charge => 0,
                        Done::Reverse => 1,
                    };
                    let number = LETTERS + 2 * attempt + kind;
                    self.put(order_id, Service::Notification, number, &content, now, batch);
                }
            }
        }
    }

    fn put<F: Format>(
        &self,
        order: OrderId,
        to: Service,
        number: u32,
        content: &F,
        now: Timestamp,
        batch: &mut Batch,
    ) {
        let id = message_id(Service::Payment, order.partition(), number);
        batch.send(Envelope::message(to, id, content, &self.keys, now));
    }
}

const fn response(is_done: bool) -> Response {
    if is_done { Response::Success } else { Response::Fail }
}

fn log_waiting(order: OrderId, why: &CommitError) {
    tracing::warn!(order = %order, error = %why, "a payment waits; will retry");
}
