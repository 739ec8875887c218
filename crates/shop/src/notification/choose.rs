//! The use cases of clients who choose what they want to hear of.

use tillgate_store::Batch;
use tillgate_store::unit::{Run, run};

use super::Notification;
use super::recipient::Recipient;
use super::wishes::Wishes;
use crate::Refusal;
use crate::username::ClientNumber;

impl Notification {
    /// The wishes of a client; the usual ones before the client has any.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn wishes(&self, client: ClientNumber) -> Result<Wishes, Refusal> {
        let key = Recipient::key_in(client.partition());
        let known = self.store.read::<Recipient>(key).await?;
        Ok(known.map(|recipient| recipient.wishes).unwrap_or_default())
    }

    /// Keeps the wishes of a client.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn set_wishes(&self, client: ClientNumber, wishes: Wishes) -> Result<(), Refusal> {
        let partition = client.partition();
        let work = |_| async move {
            let mut recipient = self.recipient(partition).await?;
            if recipient.wishes == wishes {
                return Ok(Run::Unchanged(()));
            }
            recipient.wishes = wishes;
            let mut batch = Batch::new();
            recipient.stage_at(Recipient::key_in(partition), &mut batch);
            Ok(Run::Commit(batch, ()))
        };
        run(&self.store, work).await?;
        Ok(())
    }
}
