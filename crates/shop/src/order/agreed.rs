//! What the agreement makes of an order, and the withdrawal of one that was
//! agreed on.

use std::time::Duration;

use super::Orders;
use super::asked::Change;
use super::change::is_seen;
use super::shop_order::{Outcome, ShopOrder, Status, Withdrawal};
use crate::Refusal;
use crate::bus::{Consumer, Format, Incoming, NotTaken, Service, Unreadable};
use crate::formats::agreement::{Reason, RequestType, Response};
use crate::formats::{MoneyCame, OrderDecision, WithdrawalResult};
use crate::order_problem::OrderProblem;
use crate::username::ClientNumber;
use tillgate_kernel::Stopwatch;
use tillgate_store::Unavailable;
use tillgate_store::unit::{Run, run};

/// From here on the messages about an order withdraw it.
const WITHDRAWALS: u32 = 1 << 8;

/// How often a client may ask for it.
const WITHDRAWALS_MAX: u32 = 100;

/// How long an answer waits for what becomes of a withdrawal.
const WITHDRAWAL_WAIT: Duration = Duration::from_secs(3);

/// How often it is looked for it.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

impl Consumer for Orders {
    const SERVICE: Service = Service::Order;

    async fn take(&self, message: &Incoming<'_>) -> Result<(), NotTaken> {
        match message.envelope.format {
            OrderDecision::NUMBER => self.take_decision(&message.read()?, message).await,
            MoneyCame::NUMBER => self.take_money(&message.read()?, message).await,
            WithdrawalResult::NUMBER => self.take_withdrawal(&message.read()?, message).await,
            other => Err(Unreadable::Format(other).into()),
        }
    }
}

impl Orders {
    /// The one result of the agreement.
    async fn take_decision(
        &self,
        decision: &OrderDecision,
        message: &Incoming<'_>,
    ) -> Result<(), NotTaken> {
        let decide = |order: &ShopOrder| {
            (order.status == Status::InProgress).then(|| ShopOrder {
                status: match decision.response {
                    Response::Success => Status::Completed,
                    Response::Fail => Status::Failed,
                },
                version: order.version + 1,
                outcome: Some(Outcome {
                    reason: decision.reason,
                    lines: decision.lines.clone(),
                    at: self.clock.now(),
                }),
                ..order.clone()
            })
        };
        Ok(self.change_by_message(message, decision.order_id, decide).await?)
    }

    async fn take_withdrawal(
        &self,
        result: &WithdrawalResult,
        message: &Incoming<'_>,
    ) -> Result<(), NotTaken> {
        let decide = |order: &ShopOrder| {
            let withdrawal = order.withdrawal.as_ref().filter(|one| one.refused.is_none())?;
            if order.status != Status::Completed {
                return None;
            }
            let mut next = order.clone();
            next.version += 1;
            match result.response {
                Response::Success => next.status = Status::Canceled,
                Response::Fail => {
                    let refused = Some(result.reason.unwrap_or(Reason::TooLate));
                    next.withdrawal = Some(Withdrawal { refused, ..withdrawal.clone() });
                }
            }
            Some(next)
        };
        Ok(self.change_by_message(message, result.order_id, decide).await?)
    }

    /// Asks to withdraw a completed order. Returns how often that was asked.
    ///
    /// # Errors
    /// When the order has another version or other lines.
    pub async fn begin_withdrawal(
        &self,
        client: ClientNumber,
        change: &Change,
    ) -> Result<u32, Refusal> {
        let work = |_| async move {
            let Some(stored) = self.meant(client, &change.id).await? else {
                return Ok(Run::Unchanged(Err(Refusal::NotFound)));
            };
            if let Err(problem) = is_seen(&stored, change) {
                return Ok(Run::Unchanged(Err(Refusal::Order(problem))));
            }
            if stored.status != Status::Completed {
                let problem = OrderProblem::Status(stored.status.as_str().to_owned());
                return Ok(Run::Unchanged(Err(Refusal::Order(problem))));
            }
            let before = stored.withdrawal.clone();
            let asked = match before {
                // It is being asked already.
                Some(Withdrawal { asked, refused: None }) => {
                    return Ok(Run::Unchanged(Ok(asked)));
                }
                Some(Withdrawal { asked: WITHDRAWALS_MAX.., refused: Some(reason) }) => {
                    return Ok(Run::Unchanged(Err(refused(reason))));
                }
                Some(Withdrawal { asked, .. }) => asked + 1,
                None => 1,
            };
            let mut next = (*stored).clone();
            next.withdrawal = Some(Withdrawal { asked, refused: None });
            let mut batch = self.written(stored, next.clone());
            let number = WITHDRAWALS + asked;
            self.send_to_orchestra(&next, RequestType::Reverse, number, &mut batch);
            Ok::<_, Unavailable>(Run::Commit(batch, Ok(asked)))
        };
        let (asked, _) = run(&self.store, work).await.map_err(Refusal::of_commit)?;
        asked
    }

    /// Asks to withdraw a completed order, and waits a short time for the
    /// answer.
    ///
    /// # Errors
    /// When the order has another version or other lines, or it is too late.
    pub(super) async fn withdraw(
        &self,
        client: ClientNumber,
        change: &Change,
    ) -> Result<ShopOrder, Refusal> {
        let asked = self.begin_withdrawal(client, change).await?;
        let since = Stopwatch::start();
        loop {
            let order = self.order(client, &change.id).await?;
            let withdrawal = order.withdrawal.as_ref();
            if let Some(Withdrawal { asked: known, refused: Some(reason) }) = withdrawal
                && *known >= asked
            {
                return Err(refused(*reason));
            }
            if order.status != Status::Completed || since.elapsed() >= WITHDRAWAL_WAIT {
                return Ok(order);
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
}

fn refused(reason: Reason) -> Refusal {
    Refusal::Order(OrderProblem::TooLate(reason))
}
