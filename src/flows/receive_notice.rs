//! The payment system says that money came: believe it as far as it fits what we stored, once.

use std::sync::OnceLock;
use std::time::Duration;

use super::alias::{order_of, remember};
use super::call_back::Event as Told;
use super::effects::{About, MoneyCame, Task};
use super::transaction::{Staged, Transaction, Versioned, transact};
use super::{
    BilledOrder, Hook, OrderRecord, Shop, checkout_of, fetch_bill, load_kept_receipt, load_kept_record,
};
use crate::dedup::{Answer, Verdict, key};
use crate::kernel::time::between;
use crate::kernel::{ExternalId, Fingerprint, HookId, SourceName, same_id};
use crate::orders::Fact;
use crate::payments::{Judgement, Notice, OperationId, Payment, PaymentId, PaymentState};
use crate::store::Unavailable;

/// Words for a judgement, in the sender's language. The flag says that a payment which we do not know may be about
/// to become known.
pub type Reply<'a> = &'a (dyn Fn(&Judgement, bool) -> Answer + Sync);

/// What became of a notification.
#[derive(Debug, Clone)]
pub struct Noticed {
    /// Its id in the journal.
    pub id: HookId,
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: Option<String>,
    /// The answer for its sender.
    pub answer: Answer,
}

/// A notification, verified and read.
#[derive(Debug)]
pub struct Arrived<'a> {
    /// The configured payment system.
    pub gateway: &'a SourceName,
    /// Who we are there.
    pub account: &'a str,
    /// What it says.
    pub notice: &'a Notice,
    /// Its bytes.
    pub body: bytes::Bytes,
    /// Its sender is proved, by a signature or by the connection. Where an address is all there is, what fits nothing of
    /// ours is not kept.
    pub is_proved: bool,
}

/// How much is kept of a notification that nobody has proved, in bytes.
const UNPROVED_BYTES_KEPT_MAX: usize = 1024;

/// How long after we first heard of a payment that we do not know it may still become known, in seconds: a
/// notification can overtake what it is about, and is sent again if we ask for it.
const OVERTAKEN_SECONDS_MAX: u64 = 600;

/// Takes in a notification.
pub async fn receive_notice(
    shop: &Shop,
    incoming: &Arrived<'_>,
    reply: Reply<'_>,
) -> Result<Noticed, Unavailable> {
    let Arrived { gateway, notice, body, is_proved, .. } = incoming;
    // A refund: it names the payment whose money went back.
    let is_of_another = notice.of_payment.as_deref().is_some_and(|of| !same_id(of, &notice.remote_id));
    let by_its_id = match notice.operation() {
        Some(_) => None,
        // A foreign number means somebody else's payment, except on the refund of a payment of ours: cabinets and other
        // programs put any number there.
        None if notice.number.is_empty() || is_of_another => find_by_its_id(shop, gateway, notice).await?,
        None => None,
    };
    let payment = by_its_id.or_else(|| notice.payment());
    let mut hook = Hook::new(
        (*gateway).clone(),
        "payment".into(),
        None,
        ExternalId::parse(&notice.number),
        body.clone(),
    );
    if !is_proved {
        hook.body.truncate(UNPROVED_BYTES_KEPT_MAX);
    }
    let look_wait = OnceLock::new();
    let received = decide_about(shop, incoming, (payment, by_its_id), hook, reply, &look_wait).await;
    if let (Err(_), Some(payment), Some(Some(_))) = (&received, payment, look_wait.get()) {
        shop.hints.forget((payment, notice.operation()));
    }
    received
}

/// Judges a notification about `payment` by what is stored, and records what it means. `look_wait` is when the payment system is
/// to be asked because of it, if it is.
async fn decide_about(
    shop: &Shop,
    incoming: &Arrived<'_>,
    (payment, by_its_id): (Option<PaymentId>, Option<PaymentId>),
    hook: Hook,
    reply: Reply<'_>,
    look_wait: &OnceLock<Option<Duration>>,
) -> Result<Noticed, Unavailable> {
    let Arrived { gateway, account, notice, body, is_proved } = incoming;
    let hook = &hook;
    transact(shop, "receive_notice", |mut tx| async move {
        let now = tx.now;
        let record = match payment {
            Some(id) => {
                let mut record = load_kept_record(&shop.store, id.number).await?;
                if let Some(record) = &mut record {
                    fetch_bill(&shop.store, record, id).await?;
                }
                record
            }
            None => None,
        };
        let checkout = record.as_ref().and_then(|record| record.checkout.as_deref());
        let own = checkout.filter(|checkout| checkout.gateway == **gateway);
        let judgement = match (notice.judge(account, own), by_its_id) {
            (Judgement::NotFound(_) | Judgement::Recorded(_), Some(id)) => Judgement::Recorded(format!(
                "it bears no number of ours and is about payment {id}: what is there is looked up"
            )),
            (Judgement::NotFound(_), None) if notice.number.is_empty() => {
                // Somebody else's affair at the same payment system: it is counted, and not kept.
                let why = "it is about nothing of ours".to_owned();
                let judgement = Judgement::NotOurs(why.clone());
                let (id, answer) = (key::orphan(gateway, body), reply(&judgement, false));
                let reason = Some(why);
                return Ok(Staged::Unchanged(Noticed { id, verdict: Verdict::Ignored, reason, answer }));
            }
            (judgement, _) => judgement,
        };
        if let (Judgement::Pays(payment) | Judgement::PaysOld(payment, _), Some(own)) = (&judgement, own)
            && own.payments.iter().any(|known| known.id == *payment && known.remote.is_none())
        {
            remember(shop, gateway, &notice.remote_id, payment.number).await?;
        }
        // A notification of ours lies with its order, any other by itself.
        let id = match (&record, payment) {
            (Some(_), Some(payment)) => key::of_order(payment.number, gateway, "payment", body),
            (_, _) => key::orphan(gateway, body),
        };
        let known = load_kept_receipt(&shop.store, id).await?;
        let mut receipt = super::receive_hook::receipt_of(hook, id, now);
        if let Some(known) = &known {
            receipt.received_at = known.received_at;
        }
        let (verdict, reason) = match (&judgement, record.and_then(OrderRecord::billed)) {
            (Judgement::Pays(payment), Some(billed)) => {
                tx.tell_followers(payment.number);
                let remote_id = Some(notice.remote_id.clone());
                tx.pay(billed, MoneyCame { payment: *payment, event: id, remote_id });
                (Verdict::Applied, None)
            }
            (Judgement::PaysOld(payment, why), Some(billed)) => {
                tx.tell_followers(payment.number);
                let why = format!("money came by payment {payment}, which should not have taken it: {why}");
                tx.keep_money(billed, (*payment, &notice.remote_id), &why);
                (Verdict::Late, Some(why))
            }
            (Judgement::Repeated(payment), _) => {
                (Verdict::Replayed, Some(format!("payment {payment} is known to be paid")))
            }
            (Judgement::AlreadyPaid(paid), Some(billed)) => {
                let text = format!(
                    "money came twice: payment {paid} is paid, and the payment system tells of another, {} under the id {}",
                    notice.number, notice.remote_id
                );
                flag(&mut tx, billed, payment, &text);
                (Verdict::Rejected, Some(text))
            }
            (
                Judgement::WrongAmount(why) | Judgement::WrongCurrency(why) | Judgement::OtherOrder(why),
                Some(billed),
            ) => {
                let text = format!("a notification of payment {} does not fit: {why}", notice.number);
                flag(&mut tx, billed, payment, &text);
                (Verdict::Rejected, Some(text))
            }
            (Judgement::Recorded(why), billed) => {
                if let (Some(billed), Some(payment), None) = (billed, payment, &known) {
                    let operation = notice.operation();
                    // A signed one comes once. Of the others many may be invented.
                    let wait = if *is_proved {
                        Some(Duration::ZERO)
                    } else {
                        *look_wait.get_or_init(|| shop.hints.wait((payment, operation), now))
                    };
                    let hinted = Hinted { payment, operation, is_outside_refund: by_its_id.is_some() };
                    let asks = wait.is_some_and(|wait| look(&mut tx, billed, hinted, wait));
                    if !*is_proved && !asks {
                        let answer = reply(&judgement, false);
                        let reason = Some("it says nothing that is not looked at already".to_owned());
                        let verdict = Verdict::Replayed;
                        return Ok(Staged::Unchanged(Noticed { id, verdict, reason, answer }));
                    }
                }
                (Verdict::Ignored, Some(why.clone()))
            }
            (
                Judgement::NotFound(why)
                | Judgement::NotOurs(why)
                | Judgement::Stranger(why)
                | Judgement::OtherOrder(why)
                | Judgement::WrongAmount(why)
                | Judgement::WrongCurrency(why)
                | Judgement::PaysOld(_, why),
                _,
            ) => (Verdict::Rejected, Some(why.clone())),
            (Judgement::Pays(payment) | Judgement::AlreadyPaid(payment), None) => {
                (Verdict::Rejected, Some(format!("there is no payment {payment}")))
            }
        };
        let heard_of = between(receipt.received_at, now);
        let is_kept = *is_proved || verdict != Verdict::Rejected;
        let is_young = if is_kept {
            heard_of < Duration::from_secs(OVERTAKEN_SECONDS_MAX)
        } else {
            let age = notice.made_at.map(|made_at| between(made_at, now));
            age.is_some_and(|age| age < Duration::from_secs(OVERTAKEN_SECONDS_MAX))
        };
        let answer = reply(&judgement, is_young);
        receipt.body_bytes = body.len() as u64;
        receipt.number = payment.map(|payment| payment.number);
        receipt.verdict = verdict;
        receipt.reason.clone_from(&reason);
        receipt.facts = tx.facts();
        // What a notification means is judged each time it comes, as the payment may have become known meanwhile. The
        // journal is written again when that makes a difference, and not for a mere repeat.
        let noticed = Noticed { id, verdict, reason, answer };
        if !is_kept && tx.batch().is_empty() {
            return Ok(Staged::Unchanged(noticed));
        }
        let is_news =
            known.as_ref().is_none_or(|known| known.verdict != verdict && verdict != Verdict::Replayed);
        if is_news {
            let received_at = receipt.received_at;
            let receipt = match known {
                Some(known) => known.replaced(receipt),
                None => Versioned::new(receipt, received_at),
            };
            receipt.stage(tx.batch());
        }
        Ok(tx.commit(noticed))
    })
    .await
}

/// The payment of ours that a notification is about which bears no number of ours, by the payment system's id.
async fn find_by_its_id(
    shop: &Shop,
    gateway: &SourceName,
    notice: &Notice,
) -> Result<Option<PaymentId>, Unavailable> {
    let Some(remote_id) = notice.of_payment.as_deref().filter(|_| !notice.is_test) else { return Ok(None) };
    let Some(number) = order_of(shop, gateway, remote_id).await? else { return Ok(None) };
    let checkout = checkout_of(shop, number).await?.filter(|checkout| checkout.gateway == *gateway);
    let is_it = |payment: &&Payment| {
        let ids = payment.remote.iter().map(|remote| &remote.id).chain(&payment.paid_under);
        ids.into_iter().any(|known| same_id(known, remote_id))
    };
    Ok(checkout.and_then(|checkout| checkout.payments.iter().find(is_it).map(|payment| payment.id)))
}

/// What a notification is about that does not say that money came.
#[derive(Debug, Clone, Copy)]
struct Hinted {
    payment: PaymentId,
    operation: Option<OperationId>,
    /// It bears no number of ours: somebody has paid money back over there, perhaps.
    is_outside_refund: bool,
}

/// Something has happened to a payment that does not make it paid, or to what is done with its money: the payment system
/// is asked what, after `wait`. Says whether there is anything to ask.
fn look(tx: &mut Transaction<'_>, billed: BilledOrder, hinted: Hinted, wait: Duration) -> bool {
    let mut billed = billed;
    let Hinted { payment, operation, is_outside_refund } = hinted;
    match operation {
        // One whose outcome is not known is looked for anyway; one that is being asked for may be answered "not yet".
        Some(operation) => {
            let Some(delay) = billed.checkout.operation_awaits(operation) else { return false };
            tx.watch(&mut billed, Task::Operation { operation }, delay.max(wait));
        }
        None => {
            let mut payments = billed.checkout.payments.iter();
            let is_live = payments.any(|known| known.id == payment && known.is_live());
            if is_live && wait.is_zero() {
                tx.start(&mut billed, Task::Payment { payment });
            } else if is_live {
                tx.watch(&mut billed, Task::Payment { payment }, wait);
            }
            // Perhaps before we have heard that the money came.
            if is_outside_refund {
                tx.watch(&mut billed, Task::Refunds { payment }, wait);
            }
            if !is_live && !is_outside_refund {
                return false;
            }
        }
    }
    billed.order.stage(tx.batch());
    true
}

/// Whether what is to be paid over there is not what was asked for: then money that does not fit is what came.
fn is_frozen(billed: &BilledOrder, id: PaymentId) -> bool {
    let mut payments = billed.checkout.payments.iter();
    payments.any(|payment| payment.id == id && matches!(payment.state, PaymentState::Frozen { .. }))
}

/// Puts something before a person, once. The merchant of a payment that is frozen hears that its money waits for that
/// person's word.
fn flag(tx: &mut Transaction<'_>, billed: BilledOrder, id: Option<PaymentId>, text: &str) {
    let mut billed = billed;
    tx.note_fact(Fact::Attention { text: text.to_owned() });
    if billed.checkout.attention.iter().any(|known| known == text) {
        return;
    }
    billed.checkout.flag(tx.now, id, text);
    let about = About { payment: id, operation: None };
    if id.is_some_and(|id| is_frozen(&billed, id))
        && tx.notify_merchant(&mut billed, Told::PaymentReview, about)
    {
        billed.order.stage(tx.batch());
    }
    billed.checkout.stage(tx.batch());
}

/// The id under which a payment that was found paid by a look-up stands among the order's events.
pub(super) fn of_look_up(id: PaymentId) -> HookId {
    let fingerprint = Fingerprint::of(&[b"paid by look-up", id.to_string().as_bytes()]);
    HookId { partition: id.number.get(), fingerprint }
}
