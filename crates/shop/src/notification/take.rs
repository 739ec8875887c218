//! What the service does with the messages of other services.

use std::time::Duration;

use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::outbox::{Lane, Message, Ordering};
use tillgate_kernel::{Fingerprint, Partition};
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, Expect, Unavailable, Versioned};

use super::Notification;
use super::notice::Notice;
use super::recipient::Recipient;
use crate::bus::{Consumer, Format, Incoming, NotTaken, Service, Unreadable, message_id};
use crate::formats::agreement::Response;
use crate::formats::{
    AccountLetter, Contacts, Done, Letter, OrderNotice, PaymentNotice, WalletFilled,
};
use crate::username::{ClientNumber, Username};

/// The lane of letters. A message is in the partition of its notice, and its
/// body is empty.
pub const MAIL: Lane = Lane::new(24, Ordering::None, "mail");

/// The same for short messages.
pub const SMS: Lane = Lane::new(25, Ordering::None, "sms");

impl Consumer for Notification {
    const SERVICE: Service = Service::Notification;

    async fn take(&self, message: &Incoming<'_>) -> Result<(), NotTaken> {
        let partition = message.id.subject;
        match message.envelope.format {
            Contacts::NUMBER => self.take_contacts(partition, &message.read()?).await,
            AccountLetter::NUMBER => {
                let recipient = self.kept_recipient(partition).await?;
                self.take_letter(partition, &recipient, &message.read()?).await
            }
            WalletFilled::NUMBER => self.take_wallet_filled(message.read()?).await,
            OrderNotice::NUMBER => self.take_order_notice(message.read()?).await,
            PaymentNotice::NUMBER => self.take_payment_notice(message.read()?).await,
            other => Err(Unreadable::Format(other).into()),
        }
    }
}

impl Notification {
    async fn take_contacts(
        &self,
        partition: Partition,
        contacts: &Contacts,
    ) -> Result<(), NotTaken> {
        let work = |_| async move {
            let mut recipient = self.recipient(partition).await?;
            match recipient.take_over(contacts, partition, &self.keys) {
                Ok(true) => {}
                Ok(false) => return Ok(Run::Unchanged(Ok(()))),
                Err(why) => return Ok(Run::Unchanged(Err(Unreadable::from(why)))),
            }
            let mut batch = Batch::new();
            recipient.stage_at(Recipient::key_in(partition), &mut batch);
            Ok(Run::Commit(batch, Ok(())))
        };
        Ok(run(&self.store, work).await?.0?)
    }

    /// Writes to the client, who may have switched it off.
    async fn take_wallet_filled(&self, filled: WalletFilled) -> Result<(), NotTaken> {
        let WalletFilled { cause, username } = filled;
        self.write_to(&username, cause, Letter::WalletFilled).await
    }

    /// Writes that an order was agreed on, or not.
    async fn take_order_notice(&self, notice: OrderNotice) -> Result<(), NotTaken> {
        let order = notice.order_id;
        // An order has one result.
        let cause = Fingerprint::of(&[b"order", order.to_string().as_bytes()]);
        let letter = match notice.response {
            Response::Success => Letter::OrderAgreed { order, total: notice.total },
            Response::Fail => {
                Letter::OrderFailed { order, reason: notice.reason, lines: notice.lines }
            }
        };
        self.write_to(&notice.username, cause, letter).await
    }

    /// Writes that an order was paid, or not, or that money goes back.
    async fn take_payment_notice(&self, notice: PaymentNotice) -> Result<(), NotTaken> {
        let PaymentNotice { order_id: order, amount, token_type, reason, .. } = notice;
        let (event, letter): (&[u8], Letter) = match (notice.request_type, notice.response) {
            (Done::Charge, Response::Success) => {
                (b"paid", Letter::Paid { order, amount, token_type })
            }
            (Done::Charge, Response::Fail) => {
                (b"not paid", Letter::NotPaid { order, amount, reason })
            }
            (Done::Reverse, Response::Success | Response::Fail) => {
                (b"back", Letter::MoneyBack { order, amount, token_type })
            }
        };
        let cause = Fingerprint::of(&[b"payment", notice.payment_id.as_bytes(), event]);
        self.write_to(&notice.username, cause, letter).await
    }

    /// Writes to a client, once for each cause.
    async fn write_to(
        &self,
        username: &str,
        cause: Fingerprint,
        letter: Letter,
    ) -> Result<(), NotTaken> {
        // The service that registers clients has checked the name.
        let Some(username) = Username::parse(username) else { return Ok(()) };
        let partition = ClientNumber::of(&username).partition();
        let recipient = self.recipient(partition).await?;
        if matches!(letter, Letter::WalletFilled) && !recipient.wishes.wallet {
            return Ok(());
        }
        let contacts = recipient.contacts(partition, &self.keys).map_err(Unreadable::from)?;
        // Another message has them, and may come later.
        let contacts = contacts.ok_or(NotTaken::Refused("the contacts have not arrived"))?;
        let letter = AccountLetter {
            cause,
            to: contacts.email,
            language: contacts.language,
            letter,
            ends_at: None,
        };
        // Contacts are stored with the document.
        self.take_letter(partition, &recipient, &letter).await
    }

    /// Sends a letter once. The recipient is stored: its key must be kept
    /// before anything that it seals.
    async fn take_letter(
        &self,
        client: Partition,
        recipient: &Recipient,
        letter: &AccountLetter,
    ) -> Result<(), NotTaken> {
        let data_key = recipient.data_key(client, &self.keys).map_err(Unreadable::from)?;
        let partition = Notice::partition_of(client, letter.cause);
        let key = Notice::key_in(partition);
        let work = |attempt| {
            let data_key = &data_key;
            async move {
                // Nearly always it is new.
                if attempt > 0 && self.store.read::<Notice>(key).await?.is_some() {
                    return Ok(Run::Unchanged(()));
                }
                let now = self.clock.now();
                let id = message_id(Service::Notification, partition, 1);
                let mut batch = Batch::new();
                let notice = Notice::new(letter, now, client, data_key);
                Versioned::new(notice, now).stage_at(key, &mut batch);
                let lane = match letter.letter {
                    Letter::PhoneCode { .. } => SMS,
                    Letter::Verify { .. }
                    | Letter::Reset { .. }
                    | Letter::AddressTaken
                    | Letter::AddressChanged
                    | Letter::WalletFilled
                    | Letter::OrderAgreed { .. }
                    | Letter::OrderFailed { .. }
                    | Letter::Paid { .. }
                    | Letter::NotPaid { .. }
                    | Letter::MoneyBack { .. } => MAIL,
                };
                batch.send(Message {
                    id,
                    lane,
                    queue: String::new(),
                    body: String::new(),
                    created_at: now,
                    wait: Duration::ZERO,
                });
                Ok(Run::Commit(batch, ()))
            }
        };
        Ok(run(&self.store, work).await.map(drop)?)
    }

    /// The client's document, which is stored if it is the first time.
    async fn kept_recipient(&self, client: Partition) -> Result<Recipient, NotTaken> {
        let work = |_| async move {
            let recipient = self.recipient(client).await?;
            if recipient.expect() != Expect::Absent {
                return Ok(Run::Unchanged(recipient.into_document()));
            }
            let mut batch = Batch::new();
            recipient.stage_at(Recipient::key_in(client), &mut batch);
            Ok(Run::Commit(batch, recipient.into_document()))
        };
        Ok(run(&self.store, work).await?.0)
    }

    /// The client's document; a new one if it is the first time.
    pub(super) async fn recipient(
        &self,
        partition: Partition,
    ) -> Result<Versioned<Recipient>, Unavailable> {
        let known = self.store.read(Recipient::key_in(partition)).await?;
        Ok(known.unwrap_or_else(|| {
            let recipient = Recipient::new(partition, &self.keys, random_bytes());
            Versioned::new(recipient, self.clock.now())
        }))
    }
}
