//! Takes the messages of an agreement, and sends what follows from them.

use tillgate_kernel::Timestamp;
use tillgate_store::unit::Run;
use tillgate_store::{Batch, CommitError, Unavailable, Versioned};

use super::Orchestra;
use super::saga::{Answered, Decision, Effect, Event, Saga};
use crate::bus::{
    Consumer, Envelope, Format, Incoming, NotTaken, Service, Unreadable, message_id, run_by,
};
use crate::formats::agreement::{Confirmator, RequestType, Response};
use crate::formats::{
    ConfirmAnswer, ConfirmRequest, OrderDecision, OrderNotice, OrderToConfirm, WithdrawalResult,
};
use crate::order_id::OrderId;

/// A message came before the one that it is about. It is tried again.
pub(super) const UNKNOWN_ORDER: NotTaken = NotTaken::Refused("not-found");

impl Consumer for Orchestra {
    const SERVICE: Service = Service::Orchestra;

    async fn take(&self, message: &Incoming<'_>) -> Result<(), NotTaken> {
        match message.envelope.format {
            OrderToConfirm::NUMBER => {
                let order: OrderToConfirm = message.read()?;
                match order.request_type {
                    RequestType::Confirm => Ok(self.begin(&order, message).await?),
                    RequestType::Reverse => {
                        self.tell(order.order_id, &Event::Withdraw, message).await
                    }
                }
            }
            ConfirmAnswer::NUMBER => {
                let answer: ConfirmAnswer = message.read()?;
                let event = Event::Answered(Answered {
                    by: answer.confirmator,
                    request: answer.request_type,
                    response: answer.response,
                    attempt: answer.attempt,
                    reason: answer.reason,
                    lines: answer.lines,
                });
                self.tell(answer.order_id, &event, message).await
            }
            other => Err(Unreadable::Format(other).into()),
        }
    }
}

impl Orchestra {
    /// Begins the agreement on an order. A repeated request changes nothing.
    async fn begin(
        &self,
        order: &OrderToConfirm,
        message: &Incoming<'_>,
    ) -> Result<(), CommitError> {
        let key = Saga::key_of(order.order_id);
        let work = |attempt| async move {
            // Nearly always it is new.
            if attempt > 0 && self.store.read::<Saga>(key).await?.is_some() {
                return Ok(Run::Unchanged(()));
            }
            let now = self.clock.now();
            let (mut saga, effects) = Saga::begin(order, now);
            let mut batch = Batch::new();
            self.send(&mut saga, &effects, now, &mut batch);
            let listed_at = saga.listed_at();
            Versioned::new(saga, listed_at).stage_at(key, &mut batch);
            Ok::<_, Unavailable>(Run::Commit(batch, ()))
        };
        run_by(Some(message), &self.store, work).await
    }

    async fn tell(
        &self,
        order: OrderId,
        event: &Event,
        message: &Incoming<'_>,
    ) -> Result<(), NotTaken> {
        let is_known = self.handle(order, event, Some(message)).await?;
        if is_known { Ok(()) } else { Err(UNKNOWN_ORDER) }
    }

    /// Takes an event of an agreement, by a message or by time. Returns whether
    /// there is one.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub(super) async fn handle(
        &self,
        order: OrderId,
        event: &Event,
        message: Option<&Incoming<'_>>,
    ) -> Result<bool, CommitError> {
        let key = Saga::key_of(order);
        let work = |_| async move {
            let Some(stored) = self.store.read::<Saga>(key).await? else {
                return Ok(Run::Unchanged(false));
            };
            let now = self.clock.now();
            let mut saga = (*stored).clone();
            let effects = saga.handle(event, now);
            if saga == *stored && effects.is_empty() {
                return Ok(Run::Unchanged(true));
            }
            if saga.needs_person && !stored.needs_person {
                tracing::error!(
                    order = %order,
                    "what an order has taken is not given back since an hour; it is tried on. Look \
                     with: tillgate shop saga show {order}"
                );
            }
            let mut batch = Batch::new();
            self.send(&mut saga, &effects, now, &mut batch);
            let listed_at = saga.listed_at();
            let mut written = stored.replaced(saga);
            written.list_at(listed_at);
            written.stage_at(key, &mut batch);
            Ok::<_, Unavailable>(Run::Commit(batch, true))
        };
        run_by(message, &self.store, work).await
    }

    /// Stages the messages of effects.
    fn send(&self, saga: &mut Saga, effects: &[Effect], now: Timestamp, batch: &mut Batch) {
        for effect in effects {
            match effect {
                Effect::Ask { of, request, attempt, withdrawal } => {
                    let is_confirm = *request == RequestType::Confirm;
                    let order_items =
                        if is_confirm { saga.wanted.items.clone() } else { Vec::new() };
                    let content = ConfirmRequest {
                        order_id: saga.order,
                        request_type: *request,
                        confirmator: *of,
                        version: saga.wanted.version,
                        attempt: *attempt,
                        order_items,
                        total: saga.wanted.total,
                        withdrawal: *withdrawal,
                    };
                    self.put(saga, service_of(*of), &content, now, batch);
                }
                Effect::Decide(decision) => self.send_decision(saga, decision, now, batch),
                Effect::Withdrawal(reason) => {
                    let response =
                        if reason.is_none() { Response::Success } else { Response::Fail };
                    let content =
                        WithdrawalResult { order_id: saga.order, response, reason: *reason };
                    self.put(saga, Service::Order, &content, now, batch);
                }
            }
        }
    }

    fn send_decision(
        &self,
        saga: &mut Saga,
        decision: &Decision,
        now: Timestamp,
        batch: &mut Batch,
    ) {
        let Decision { response, reason, lines, at } = decision.clone();
        let version = saga.wanted.version;
        let (order_id, reasons) = (saga.order, lines.clone());
        let content = OrderDecision { order_id, version, response, reason, lines };
        self.put(saga, Service::Order, &content, now, batch);
        // What is not agreed on is given back: there is nothing to pick.
        if response == Response::Success {
            self.put(saga, Service::Store, &content, now, batch);
        }
        let notice = OrderNotice {
            order_id,
            username: saga.wanted.username.clone(),
            version,
            response,
            reason,
            lines: reasons,
            total: saga.wanted.total,
            timestamp: at,
        };
        self.put(saga, Service::Notification, &notice, now, batch);
    }

    fn put<F: Format>(
        &self,
        saga: &mut Saga,
        to: Service,
        content: &F,
        now: Timestamp,
        batch: &mut Batch,
    ) {
        saga.messages += 1;
        let id = message_id(Service::Orchestra, saga.order.partition(), saga.messages);
        batch.send(Envelope::message(to, id, content, &self.keys, now));
    }
}

const fn service_of(confirmator: Confirmator) -> Service {
    match confirmator {
        Confirmator::Store => Service::Store,
        Confirmator::Delivery => Service::Delivery,
        Confirmator::Payment => Service::Payment,
    }
}
