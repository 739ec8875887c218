//! Makes the calls of payments, and records their outcomes. A call is made
//! again if the process dies before that: those who are called recognise it.

use std::time::Duration;

use tillgate_kernel::Timestamp;
use tillgate_kernel::time::later;
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, CommitError, Scan, Unavailable, Versioned};
use tokio_util::sync::CancellationToken;

use super::Payment;
use super::attempt::{Attempt, Call, Goal, Outcome};
use super::gateway::CALL_SECONDS_MAX;
use super::shop_payment::ShopPayment;
use crate::Refusal;
use crate::bus::{Incoming, run_by};
use crate::order_id::OrderId;

/// How often it is looked for payments that are due.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// How many are read at once.
const STEP: usize = 100;

/// How many calls one payment is brought on by at a time.
const CALLS_MAX: u32 = 16;

/// Who makes a call has so long before another one makes it too.
const CALL_TIME: Duration = Duration::from_secs(15);
const _: () = assert!(CALL_TIME.as_secs() > CALL_SECONDS_MAX);

/// A call that is written down, and is to be made next.
#[derive(Debug, Clone)]
pub(super) struct DueCall {
    payment: ShopPayment,
    attempt: Attempt,
    call: Call,
}

impl DueCall {
    /// Takes the next call of a payment that is due. The payment is to be
    /// written as it is then, so that nobody else makes the call meanwhile.
    pub(super) fn begin(payment: &mut ShopPayment, now: Timestamp) -> Option<DueCall> {
        let (attempt, call) = payment.attempts.iter_mut().find_map(|one| {
            let call = one.next(now)?;
            one.due_at.is_some_and(|at| at <= now).then_some((one, call))
        })?;
        attempt.due_at = Some(later(now, CALL_TIME));
        if matches!(call, Call::LedgerReverse | Call::Cancel) {
            // A CONFIRM that comes while it is called must find it so.
            attempt.goal = Goal::Undo;
        }
        let attempt = attempt.clone();
        Some(DueCall { payment: payment.clone(), attempt, call })
    }
}

impl Payment {
    /// Brings payments on, until drained.
    pub async fn keep_driving(&self, drain: CancellationToken) {
        loop {
            if let Err(why) = self.drive_due(&drain).await {
                tracing::warn!(error = %why, "payments wait; will retry");
            }
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(LOOK_PAUSE) => {}
            }
        }
    }

    /// Brings all payments on that are due now. Returns how many there were.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn drive_due(&self, drain: &CancellationToken) -> Result<usize, CommitError> {
        let now = self.clock.now();
        let (mut seen, mut unreadable, mut after) = (0, 0, None);
        'pages: loop {
            let lists = vec![ShopPayment::due()];
            let scan = Scan::Lists { lists, newest_first: false, after, limit: STEP };
            let page = self.store.scan(&scan).await.map_err(CommitError::from)?;
            for (_, stored) in page.items {
                if stored.body.listed_at > now || drain.is_cancelled() {
                    break 'pages;
                }
                let Ok(known) = Versioned::<ShopPayment>::of(&stored) else {
                    unreadable += 1;
                    continue;
                };
                self.drive(known.order).await?;
                seen += 1;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if unreadable > 0 {
            tracing::error!(unreadable, "payments cannot be read, and wait");
        }
        Ok(seen)
    }

    /// Makes the calls of a payment that are due, until only time or somebody
    /// else brings it on.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn drive(&self, order: OrderId) -> Result<(), CommitError> {
        let first = self.after(order, None).await?;
        self.drive_from(order, first).await
    }

    /// The same, from a call on that was begun already.
    pub(super) async fn drive_from(
        &self,
        order: OrderId,
        first: Option<DueCall>,
    ) -> Result<(), CommitError> {
        let mut next = first;
        for _ in 0..CALLS_MAX {
            let Some(DueCall { payment, attempt, call }) = next else { return Ok(()) };
            let username = payment.username.as_ref();
            let outcome = match &call {
                Call::LedgerHold
                | Call::LedgerReceive
                | Call::LedgerConfirm
                | Call::LedgerReverse
                | Call::LedgerRepaid { .. } => {
                    self.ledger.call(order, username, &attempt, &call).await
                }
                Call::Place | Call::Look | Call::Cancel | Call::Capture | Call::Refund => {
                    self.call_gateway(&payment, &attempt, &call).await
                }
            };
            next = self.after(order, Some((&attempt, &call, &outcome))).await?;
        }
        Ok(())
    }

    /// Looks at once what has become of an attempt at the gateway, and brings
    /// it on.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub(super) async fn look(&self, order: OrderId, number: u32) -> Result<(), CommitError> {
        let stored = self.store.read::<ShopPayment>(ShopPayment::key_of(order)).await?;
        if let Some(payment) = stored.map(Versioned::into_document)
            && let Some(attempt) = payment.attempt(number)
            && attempt.link.is_some()
            && !attempt.stage.is_over()
        {
            let outcome = self.call_gateway(&payment, attempt, &Call::Look).await;
            return self.learn(order, attempt, &outcome).await;
        }
        self.drive(order).await
    }

    /// Records what a look at the gateway has shown, and brings the payment on.
    pub(super) async fn learn(
        &self,
        order: OrderId,
        attempt: &Attempt,
        outcome: &Outcome,
    ) -> Result<(), CommitError> {
        let next = self.after(order, Some((attempt, &Call::Look, outcome))).await?;
        self.drive_from(order, next).await
    }

    /// Records the outcome of a call, unless the attempt has gone on since, and
    /// begins the next call that is due.
    async fn after(
        &self,
        order: OrderId,
        outcome: Option<(&Attempt, &Call, &Outcome)>,
    ) -> Result<Option<DueCall>, CommitError> {
        let work = |_| async move {
            let stored = self.store.read::<ShopPayment>(ShopPayment::key_of(order)).await?;
            let Some(stored) = stored else { return Ok(Run::Unchanged(None)) };
            let now = self.clock.now();
            let mut payment = (*stored).clone();
            let mut batch = Batch::new();
            if let Some((called, call, outcome)) = outcome
                && let Some(attempt) = payment.attempt_mut(called.number)
                && attempt.stage == called.stage
            {
                let before = attempt.clone();
                attempt.take(call, outcome.clone(), self.settings.confirm_wait, now);
                let news = payment.news_of(&before);
                self.send(&payment, &news, now, &mut batch);
            }
            let next = DueCall::begin(&mut payment, now);
            if batch.is_empty() && payment == *stored {
                return Ok(Run::Unchanged(next));
            }
            stage(stored, payment, now, &mut batch);
            Ok::<_, Unavailable>(Run::Commit(batch, next))
        };
        run(&self.store, work).await.map(|(next, _)| next)
    }

    /// Changes the payments of an order, perhaps because of a message, sends
    /// what follows, and makes the calls that are due. A call that fails is
    /// made again by the loop.
    pub(super) async fn change<T: Clone + Send>(
        &self,
        order: OrderId,
        message: Option<&Incoming<'_>>,
        change: impl Fn(&mut ShopPayment, Timestamp) -> (Vec<super::shop_payment::News>, T) + Sync,
    ) -> Result<T, CommitError> {
        let change = &change;
        let work = |_| async move {
            let stored = self.store.read::<ShopPayment>(ShopPayment::key_of(order)).await?;
            let now = self.clock.now();
            let mut payment =
                stored.as_deref().cloned().unwrap_or_else(|| ShopPayment::new(order, None));
            let before = payment.clone();
            let (news, value) = change(&mut payment, now);
            let mut batch = Batch::new();
            self.send(&payment, &news, now, &mut batch);
            let next = DueCall::begin(&mut payment, now);
            if payment == before && batch.is_empty() {
                return Ok(Run::Unchanged((value, next)));
            }
            match stored {
                Some(stored) => stage(stored, payment, now, &mut batch),
                None => {
                    let listed_at = listed_at(&payment, now);
                    let key = ShopPayment::key_of(order);
                    Versioned::new(payment, listed_at).stage_at(key, &mut batch);
                }
            }
            Ok::<_, Unavailable>(Run::Commit(batch, (value, next)))
        };
        let (value, next) = run_by(message, &self.store, work).await?;
        self.drive_quietly_from(order, next).await;
        Ok(value)
    }

    /// The payments of an order.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn payments_of(&self, order: OrderId) -> Result<Option<ShopPayment>, Refusal> {
        let stored = self.store.read::<ShopPayment>(ShopPayment::key_of(order)).await?;
        Ok(stored.map(Versioned::into_document))
    }
}

fn listed_at(payment: &ShopPayment, now: Timestamp) -> Timestamp {
    payment.due_at().unwrap_or(now)
}

fn stage(stored: Versioned<ShopPayment>, payment: ShopPayment, now: Timestamp, batch: &mut Batch) {
    let (key, listed_at) = (ShopPayment::key_of(payment.order), listed_at(&payment, now));
    let mut written = stored.replaced(payment);
    written.list_at(listed_at);
    written.stage_at(key, batch);
}
