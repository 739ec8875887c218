//! Looks after payments at the payment systems: sends what is planned, looks for what may have been sent, tells what else is
//! to be said of it, calls off what is not wanted any more.
//!
//! Each task is one step: note what is about to be done, do it, and record what it came to in the batch that settles
//! the task. Whatever is not certain afterwards is a task again. What is done with money that came goes the same way:
//! [`operations`].

mod operations;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::dispatch::Dispatch;
use super::persistence::{persist, settle};
use crate::flows::alias::remember;
use crate::flows::effects::Task;
use crate::flows::spend_budget::spend_budget;
use crate::flows::tend_payment::{Intention, note_sending, record};
use crate::flows::{Shop, buyers_address, checkout_of};
use crate::flows::{outside_refund, tend_operation};
use crate::gateway::{Addresses, Breaker, Failure, Provider, yookassa};
use crate::kernel::time::between;
use crate::kernel::{Lane, Private, SourceName, Timestamp};
use crate::payments::{Again, Answered, Checkout, Payment, PaymentId, Purpose, Remote, RemoteStatus, Step};
use crate::peer::RetryPolicy;
use crate::store::{Batch, Claimed, Delivery, Settlement, Ticket, Unavailable};
use crate::telemetry::metrics;

/// How long a claim is held: a step makes up to three calls of 35 s. One that walks a long list may lose it, and is done
/// again.
const LEASE: Duration = Duration::from_secs(120);
const _: () = assert!(LEASE.as_secs() > 3 * yookassa::CALL_SECONDS_MAX);

/// Payments that are looked after at the same moment.
const PAYMENTS_AT_ONCE_MAX: usize = 16;

/// Links that are looked at, or told of anew, at the same moment: few, as they can wait.
const WATCHES_AT_ONCE_MAX: usize = 2;

/// A payment system that could not be told for so long what else is said of a payment is not told any more: a person hears of
/// it.
const ALTERING_MAX: Duration = Duration::from_secs(3600);

/// A payment that could not be settled for so long waits for a person.
const RETRY: RetryPolicy = RetryPolicy {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(300),
    give_up_after: Duration::from_secs(3 * 24 * 3600),
};

/// What the collector needs.
#[derive(Debug, Clone)]
pub struct Collector {
    /// The outbox, and the payments.
    pub shop: Shop,
    /// The payment systems by name.
    pub gateways: Arc<BTreeMap<SourceName, Arc<dyn Provider>>>,
    /// Which of them fail at the moment, as far as this process has seen.
    pub breakers: Arc<Mutex<BTreeMap<SourceName, Breaker>>>,
}

/// Why a payment system is not called now, and how long not.
struct NotNow {
    why: String,
    wait: Duration,
    /// Nobody may call; else it is only this task that has to wait.
    is_for_all: bool,
}

/// What came of one step.
struct Stepped<T = Remote> {
    /// What the call came to; none when none was made.
    answered: Option<Answered<T>>,
    /// How long it wants to wait.
    wish: Option<Duration>,
    /// It is the payment system that wants to be left alone, by everybody.
    is_for_all: bool,
    /// It is there and only waits to be over.
    is_linked: bool,
}

impl NotNow {
    /// A step in which no call was made.
    fn stepped<T>(self, is_send: bool, is_linked: bool) -> Stepped<T> {
        let NotNow { why, wait, is_for_all } = self;
        let answered = if is_send { Answered::NotDone(why) } else { Answered::NotSeen(why) };
        Stepped { answered: Some(answered), wish: Some(wait), is_for_all, is_linked }
    }
}

impl<T> Stepped<T> {
    /// How long everybody leaves the payment system alone.
    fn rest(&self) -> Option<Duration> {
        self.wish.filter(|_| self.is_for_all)
    }

    /// Without a call.
    fn by_itself(answered: Option<Answered<T>>) -> Stepped<T> {
        Stepped { answered, wish: None, is_for_all: true, is_linked: false }
    }
}

impl Collector {
    /// Runs on a lane until drained; calls under way are finished. On [`Lane::Payment`] it does what is to be done; on
    /// [`Lane::Watch`] it looks at links whose notification may have been lost, and tells what else is said of them.
    pub async fn run(self, lane: Lane, drain: CancellationToken) {
        let at_once_max = if lane == Lane::Watch { WATCHES_AT_ONCE_MAX } else { PAYMENTS_AT_ONCE_MAX };
        let dispatch = Dispatch {
            shop: self.shop.clone(),
            lane,
            lease: LEASE,
            at_once_max,
            at_once_of_queue_max: at_once_max.div_ceil(2),
            one_at_a_time: false,
        };
        let collector = Arc::new(self);
        let deliver = move |claimed| {
            let collector = Arc::clone(&collector);
            async move { collector.tend(claimed).await }
        };
        dispatch.run(deliver, drain).await;
    }

    /// Does one step for a payment whose task was claimed. Returns how long its payment system is to be left alone.
    pub async fn tend(&self, Claimed { delivery, ticket, at }: Claimed) -> Duration {
        let task: Task = match serde_json::from_str(&delivery.body) {
            Ok(task) => task,
            Err(why) => {
                let error = format!("the task cannot be read: {why}");
                self.settle(&delivery, ticket, Settlement::Dead { error }).await;
                return Duration::ZERO;
            }
        };
        let (recorded, wish) = match task {
            Task::Operation { operation: id } => {
                let stepped = persist(LEASE / 4, || self.step_operation(delivery.lane, id)).await;
                let Some(stepped) = self.went_on(&delivery, ticket, stepped).await else {
                    return Duration::ZERO;
                };
                let settle = |again: Option<&Again>| settlement(&delivery, again, &stepped, at);
                let answered = stepped.answered.as_ref();
                let record = || tend_operation::record(&self.shop, id, ticket, answered, &settle);
                (persist(LEASE / 2, record).await, stepped.rest())
            }
            Task::Refunds { payment } => {
                let stepped = persist(LEASE / 4, || self.list_refunds(payment)).await;
                let Some(stepped) = self.went_on(&delivery, ticket, stepped).await else {
                    return Duration::ZERO;
                };
                let settle = |again: Option<&Again>| settlement(&delivery, again, &stepped, at);
                let answered = stepped.answered.as_ref();
                let record = || outside_refund::record(&self.shop, payment, ticket, answered, &settle);
                (persist(LEASE / 2, record).await, stepped.rest())
            }
            Task::Payment { payment } | Task::Alteration { payment } => {
                let alters = matches!(task, Task::Alteration { .. });
                let stepped = persist(LEASE / 4, || self.step(&delivery, at, payment, alters)).await;
                let Some(stepped) = self.went_on(&delivery, ticket, stepped).await else {
                    return Duration::ZERO;
                };
                let settle = |again: Option<&Again>| {
                    // The looks go on by themselves.
                    let again = again.filter(|again| !alters || again.why != Again::WAITS);
                    settlement(&delivery, again, &stepped, at)
                };
                let answered = stepped.answered.as_ref();
                let record = || record(&self.shop, payment, ticket, answered, &settle);
                (persist(LEASE / 2, record).await, stepped.rest())
            }
        };
        match recorded {
            Ok(settlement) => self.tell(&delivery, &settlement),
            Err(why) => {
                tracing::warn!(payment = %task.payment(), error = %why, "what became of a payment was not recorded; it will be looked up");
            }
        }
        wish.unwrap_or_default().min(RETRY.longest)
    }

    /// What a step came to; none if there is nothing to record.
    async fn went_on<T>(
        &self,
        delivery: &Delivery,
        ticket: Ticket,
        stepped: Result<Option<Stepped<T>>, Unavailable>,
    ) -> Option<Stepped<T>> {
        match stepped {
            Ok(Some(stepped)) => Some(stepped),
            // It has changed under our hands: from the beginning.
            Ok(None) => {
                let error = "it changed while it was looked at".to_owned();
                self.settle(delivery, ticket, Settlement::Retry { wait: Duration::ZERO, error }).await;
                None
            }
            Err(why) => {
                tracing::warn!(message.id = %delivery.id, error = %why, "a payment could not be looked after and will be again");
                None // the lease runs out
            }
        }
    }

    /// Says what is for the operator in a failed call, and returns how long the payment system wants to be left alone.
    fn hear(&self, checkout: &Checkout, provider: &dyn Provider, failure: &Failure) -> Option<Duration> {
        match failure {
            Failure::NotDone { wish, .. } => *wish,
            Failure::NoAccess(why) => {
                tracing::error!(gateway = %checkout.gateway, account = provider.account(), error = why, "the payment system turns us away: check the gateway's token and merchant_id");
                None
            }
            Failure::Refused(_) | Failure::Duplicate | Failure::Unknown(_) | Failure::Unclear(_) => None,
        }
    }

    /// Whether a payment system may be called so many times now: it answers, as far as we know, and allows it.
    async fn may_call(
        &self,
        gateway: &SourceName,
        provider: &dyn Provider,
        calls: usize,
        purpose: Purpose,
    ) -> Result<Result<(), NotNow>, Unavailable> {
        let now = self.shop.clock.now();
        let rests = self.breakers().get(gateway).and_then(|breaker| breaker.wait(now));
        if let Some(wait) = rests {
            let why =
                "the payment system has failed many times in a row and is left alone for a while".into();
            return Ok(Err(NotNow { why, wait, is_for_all: true }));
        }
        let Some(allowance) = provider.allowance() else { return Ok(Ok(())) };
        let account = (gateway, provider.account());
        let spent = spend_budget(&self.shop, account, calls, (allowance, purpose)).await?;
        Ok(spent.map_err(|wait| NotNow {
            why: format!(
                "the payment system allows {} calls within {} s, and they are used up",
                allowance.calls_max,
                allowance.window.as_secs()
            ),
            wait,
            // What is kept for looking is there for those who look.
            is_for_all: purpose == Purpose::Look,
        }))
    }

    /// A call is about to be made.
    fn begins(&self, gateway: &SourceName) {
        let now = self.shop.clock.now();
        self.breakers().entry(gateway.clone()).or_default().begins(now);
    }

    fn breakers(&self) -> MutexGuard<'_, BTreeMap<SourceName, Breaker>> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers how a call ended, for those that come after it.
    fn heard<T>(&self, gateway: &SourceName, outcome: &Result<T, Failure>) {
        let now = self.shop.clock.now();
        let (was_open, is_open) = {
            let mut breakers = self.breakers();
            let breaker = breakers.entry(gateway.clone()).or_default();
            let was_open = breaker.is_open();
            breaker.heard(outcome, now);
            (was_open, breaker.is_open())
        };
        if was_open != is_open {
            self.shop.resting.set(gateway, is_open);
            metrics::gateway_rests(gateway.as_str(), is_open);
            if is_open {
                tracing::error!(%gateway, "the payment system fails again and again, and is left alone for a while");
            } else {
                tracing::info!(%gateway, "the payment system answers again");
            }
        }
    }

    /// Does what is next for a payment. None if it changed meanwhile.
    async fn step(
        &self,
        delivery: &Delivery,
        claimed_at: Timestamp,
        id: PaymentId,
        alters: bool,
    ) -> Result<Option<Stepped>, Unavailable> {
        let Some(checkout) = checkout_of(&self.shop, id.number).await? else {
            return Ok(Some(Stepped::by_itself(None)));
        };
        let found = checkout.payments.iter().find(|payment| payment.id == id);
        let Some(payment) = found else { return Ok(Some(Stepped::by_itself(None))) };
        // A link is looked at in its own lane, so that what is urgent never waits behind it.
        let now = self.shop.clock.now();
        let step = match (payment.step(now), delivery.lane) {
            (Step::Alter, _) if alters => Step::Alter,
            (_, _) if alters => Step::Rest,
            // There is a task for altering it.
            (Step::Check | Step::Alter, _) => Step::Check,
            (_, Lane::Watch) => Step::Rest,
            (step, _) => step,
        };
        if step == Step::Check && checkout.is_being_captured(payment.id) {
            let why = "its money is being taken".to_owned();
            let stepped = Stepped::by_itself(Some(Answered::NotSeen(why)));
            return Ok(Some(Stepped { is_linked: true, ..stepped }));
        }
        match step {
            Step::Rest => return Ok(Some(Stepped::by_itself(None))),
            Step::Drop => return Ok(Some(Stepped::by_itself(Some(Answered::Dropped)))),
            Step::Send | Step::Look | Step::Check | Step::Alter | Step::Cancel => {}
        }
        let Some(provider) = self.gateways.get(&checkout.gateway) else {
            let why = format!("no gateway {} is configured", checkout.gateway);
            let answered = if step == Step::Send { Answered::NotDone(why) } else { Answered::NotSeen(why) };
            return Ok(Some(Stepped::by_itself(Some(answered))));
        };
        // A look proves who we are first; altering and calling off see how it stands.
        let (calls, purpose) = match step {
            Step::Send => (1, Purpose::Make),
            Step::Alter => (2, Purpose::Make),
            Step::Check if payment.remote.is_some() => (1, Purpose::Look),
            Step::Look | Step::Check | Step::Cancel | Step::Rest | Step::Drop => (2, Purpose::Look),
        };
        if let Err(not_now) = self.may_call(&checkout.gateway, &**provider, calls, purpose).await? {
            let is_linked = matches!(step, Step::Check | Step::Alter | Step::Cancel);
            return Ok(Some(not_now.stepped(step == Step::Send, is_linked)));
        }
        let outcome = match step {
            Step::Send => match self.send(&**provider, &checkout, payment).await? {
                Some(outcome) => outcome,
                None => return Ok(None),
            },
            Step::Alter => {
                let age = delivery.first_failed_at.map_or(Duration::ZERO, |first| between(first, claimed_at));
                self.alter(&**provider, &checkout.gateway, payment, age).await
            }
            Step::Look | Step::Check | Step::Cancel => {
                self.begins(&checkout.gateway);
                let outcome = look(&**provider, payment, step).await;
                self.heard(&checkout.gateway, &outcome);
                outcome
            }
            Step::Rest | Step::Drop => return Ok(None),
        };
        let mut wish = None;
        let answered = match outcome {
            Ok(answered) => answered,
            Err(failure) => {
                wish = self.hear(&checkout, &**provider, &failure);
                match step {
                    Step::Send => failure.meaning(),
                    Step::Look | Step::Check | Step::Alter | Step::Cancel | Step::Rest | Step::Drop => {
                        Answered::NotSeen(failure.to_string())
                    }
                }
            }
        };
        metrics::payment_call(checkout.gateway.as_str(), answered.name());
        if payment.remote.is_none() {
            for remote in named_by(&answered, &payment.id.to_string()) {
                // The call was made: what it came to must not be lost.
                let known = || remember(&self.shop, &checkout.gateway, &remote.id, payment.id.number);
                persist(LEASE / 4, known).await?;
            }
        }
        let is_linked = matches!(step, Step::Check | Step::Alter | Step::Cancel);
        Ok(Some(Stepped { answered: Some(answered), wish, is_for_all: true, is_linked }))
    }

    async fn send(
        &self,
        provider: &dyn Provider,
        checkout: &Checkout,
        payment: &Payment,
    ) -> Result<Option<Result<Answered, Failure>>, Unavailable> {
        let request = match payment.request.clone() {
            Some(request) => request,
            None => match provider.freeze(payment.id, &payment.bill, &self.addresses(checkout)) {
                Ok(request) => Private::new(request),
                Err(why) => {
                    return Ok(Some(Ok(Answered::Refused(format!("it cannot be billed there: {why}")))));
                }
            },
        };
        let intention = Intention::default();
        let note = || note_sending(&self.shop, payment, request.clone(), &intention);
        let Some(bytes) = persist(LEASE / 4, note).await? else { return Ok(None) };
        self.begins(&checkout.gateway);
        let outcome = provider.create(bytes.expose()).await.map(Answered::Created);
        self.heard(&checkout.gateway, &outcome);
        Ok(Some(outcome))
    }

    /// Sees where an order stands and alters it while it waits for its buyer. What is told is the same every time, so it may be
    /// told again when an answer was lost; when it has been in vain for [`ALTERING_MAX`], it is not told any more.
    async fn alter(
        &self,
        provider: &dyn Provider,
        gateway: &SourceName,
        payment: &Payment,
        age: Duration,
    ) -> Result<Answered, Failure> {
        let (Some(remote), Some(alteration)) = (&payment.remote, &payment.alteration) else {
            return Err(Failure::Unclear("it is not known where it is at the payment system".into()));
        };
        self.begins(gateway);
        let stands = provider.read(&remote.id).await;
        self.heard(gateway, &stands);
        let (bill, told) = (&alteration.bill, Box::new(alteration.clone()));
        let stands = stands?;
        let failure = match &stands.status {
            RemoteStatus::Created => {
                let Some(call) = provider.alter(&remote.id, bill) else {
                    return Ok(Answered::Unaltered(None, told));
                };
                self.begins(gateway);
                let altered = call.await;
                self.heard(gateway, &altered);
                match altered {
                    Ok(altered) => {
                        let until = |at: Timestamp| at.as_second();
                        let took_over =
                            altered.expires_at.is_none_or(|at| until(at) == until(bill.expires_at));
                        let why = "it answered that all is well, and shows another time";
                        return Ok(if took_over {
                            Answered::Altered(altered, told)
                        } else {
                            Answered::Unaltered(Some(why.into()), told)
                        });
                    }
                    Err(Failure::Refused(why)) => return Ok(Answered::Unaltered(Some(why), told)),
                    Err(failure) => failure,
                }
            }
            RemoteStatus::Other(status) => {
                Failure::NotDone { why: format!("it stands as {status} over there"), wish: None }
            }
            RemoteStatus::Held | RemoteStatus::Completed | RemoteStatus::Expired | RemoteStatus::Canceled => {
                return Ok(Answered::Stands(stands));
            }
        };
        if age >= ALTERING_MAX {
            Ok(Answered::Unaltered(Some(failure.to_string()), told))
        } else {
            Err(failure)
        }
    }

    fn addresses(&self, checkout: &Checkout) -> Addresses {
        let url = &self.shop.public_url;
        let back = buyers_address(url, "return", checkout);
        Addresses {
            success: back.clone(),
            fail: format!("{back}?from=fail"),
            back: format!("{back}?from=back"),
            notice: format!("{url}/hooks/{}", checkout.gateway),
        }
    }

    async fn settle(&self, delivery: &Delivery, ticket: Ticket, settlement: Settlement) {
        self.tell(delivery, &settlement);
        let mut batch = Batch::new();
        batch.settle(ticket, settlement);
        if let Err(why) = settle(&self.shop.store, delivery.id, &batch, LEASE / 2).await {
            tracing::warn!(message.id = %delivery.id, error = %why, "a task was not settled and will be looked at again");
        }
    }

    fn tell(&self, delivery: &Delivery, settlement: &Settlement) {
        let outcome = match settlement {
            Settlement::Sent => {
                tracing::info!(message.id = %delivery.id, gateway = delivery.queue, "a payment was looked after");
                "sent"
            }
            Settlement::Retry { wait, error } if error == Again::WAITS => {
                tracing::info!(message.id = %delivery.id, gateway = delivery.queue, ?wait, "a payment waits for its buyer");
                "waits"
            }
            Settlement::Retry { wait, error } | Settlement::Postpone { wait, error } => {
                tracing::warn!(message.id = %delivery.id, gateway = delivery.queue, ?wait, error, "a payment is not settled yet");
                "retry"
            }
            Settlement::Dead { error } => {
                tracing::error!(
                    message.id = %delivery.id,
                    gateway = delivery.queue,
                    error,
                    "a payment was given up: mend the cause, then: tillgate outbox retry {}", delivery.id
                );
                "dead"
            }
        };
        metrics::outbox_attempt(delivery.lane, outcome);
    }
}

/// The orders of the payment system that an answer names under a number of ours.
fn named_by<'a>(answered: &'a Answered, number: &str) -> impl Iterator<Item = &'a Remote> {
    let remotes: &[Remote] = match answered {
        Answered::Created(remote) | Answered::Stands(remote) | Answered::Altered(remote, _) => {
            std::slice::from_ref(remote)
        }
        Answered::Found(remotes) => remotes,
        Answered::NotDone(_)
        | Answered::Refused(_)
        | Answered::Duplicate
        | Answered::Unknown(_)
        | Answered::Dropped
        | Answered::NotSeen(_)
        | Answered::Unaltered(..) => &[],
    };
    remotes.iter().filter(move |remote| remote.number == number)
}

/// Sees how a payment stands, and calls it off if that is the step.
async fn look(provider: &dyn Provider, payment: &Payment, step: Step) -> Result<Answered, Failure> {
    match (&payment.remote, step) {
        (_, Step::Cancel) => cancel(provider, payment).await,
        (Some(remote), Step::Check) => provider.read(&remote.id).await.map(Answered::Stands),
        (_, _) => provider.find(payment.id, payment.created_at).await.map(Answered::Found),
    }
}

/// Sees where an order stands and calls it off if it can still be paid: calling off a paid one could move money.
async fn cancel(provider: &dyn Provider, payment: &Payment) -> Result<Answered, Failure> {
    let Some(remote) = &payment.remote else {
        return Ok(Answered::Found(provider.find(payment.id, payment.created_at).await?));
    };
    let stands = provider.read(&remote.id).await?;
    match stands.status {
        RemoteStatus::Created | RemoteStatus::Held => {
            Ok(Answered::Stands(provider.cancel(&remote.id).await?))
        }
        RemoteStatus::Completed | RemoteStatus::Expired | RemoteStatus::Canceled | RemoteStatus::Other(_) => {
            Ok(Answered::Stands(stands))
        }
    }
}

fn settlement<T>(
    delivery: &Delivery,
    again: Option<&Again>,
    &Stepped { wish, is_linked, .. }: &Stepped<T>,
    now: Timestamp,
) -> Settlement {
    let Some(Again { after, why }) = again else { return Settlement::Sent };
    if why == Again::WAITS && delivery.lane != Lane::Watch {
        return Settlement::Sent; // the watch goes on from here
    }
    // While it can be paid it is looked after, however long that takes.
    let age = match delivery.first_failed_at {
        Some(first) if !is_linked => between(first, now),
        Some(_) | None => Duration::ZERO,
    };
    match RETRY.delay(delivery.attempts + 1, age, wish) {
        Some(delay) => Settlement::Retry { wait: after.unwrap_or(delay), error: why.clone() },
        None => Settlement::Dead { error: why.clone() },
    }
}
