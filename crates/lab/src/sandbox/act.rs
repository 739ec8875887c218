//! What a test makes the sandbox do, and sees of it.

use std::sync::PoisonError;
use std::time::Duration;

use super::trouble::Troubles;
use super::{Call, Done, Entry, Outcome, Sandbox, Setup, Trouble, cabinet, notifier, page};
use tillgate_kernel::Money;
use tillgate_kernel::signature::sign_body;

impl Sandbox {
    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How it was set up.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.world.setup
    }

    /// Sends YooKassa's notifications to `url` from now on.
    pub fn notify_yookassa_at(&self, url: impl Into<String>) {
        *self.world.yookassa_notices.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.into());
    }

    /// Makes the next calls of a kind go wrong, one trouble each.
    pub fn misbehave(&self, call: Call, troubles: impl IntoIterator<Item = Trouble>) {
        self.world.troubles().next(call, troubles);
    }

    /// Makes every call of a kind go wrong from now on, or none.
    pub fn misbehave_always(&self, call: Call, trouble: Option<Trouble>) {
        self.world.troubles().always(call, trouble);
    }

    /// Ends all trouble, that which is still to come too.
    pub fn forget_troubles(&self) {
        *self.world.troubles() = Troubles::default();
    }

    /// The orders that it has under a number.
    #[must_use]
    pub fn orders(&self, number: &str) -> Vec<Entry> {
        self.world.ledger().entries().iter().filter(|entry| entry.number == number).cloned().collect()
    }

    /// All orders, oldest first.
    #[must_use]
    pub fn ledger(&self) -> Vec<Entry> {
        self.world.ledger().entries().to_vec()
    }

    /// What merchants did with paid orders, oldest first.
    #[must_use]
    pub fn done(&self) -> Vec<Done> {
        self.world.ledger().done().to_vec()
    }

    /// Ends the refunds that were only taken in: `completed` or `canceled`.
    pub fn settle_refunds(&self, status: &str) {
        cabinet::settle(&self.world, status);
    }

    /// Pays money of an order back as somebody does in the cabinet: under no number of the merchant's. YooKassa notifies of it.
    pub fn refund_in_cabinet(&self, id: &str, amount: Money) -> bool {
        cabinet::refund_in_cabinet(&self.world, id, amount)
    }

    /// Acts as the buyer on the payment page of an order.
    pub fn buyer_acts(&self, container: &str, outcome: Outcome) -> bool {
        page::settle(&self.world, container, outcome).is_some()
    }

    /// Waits until `ready` says so of the ledger, or for `deadline`.
    pub async fn wait_until(&self, deadline: Duration, ready: impl Fn(&[Entry]) -> bool) -> bool {
        let mut happened = self.world.happened.subscribe();
        let waiting = happened.wait_for(|_| ready(self.world.ledger().entries()));
        matches!(tokio::time::timeout(deadline, waiting).await, Ok(Ok(_)))
    }

    /// The signature of a notification's bytes.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        sign_body(&self.world.setup.signing_key, self.world.setup.algorithm, body)
    }

    /// The bytes of a notification about an order, and their signature.
    #[must_use]
    pub fn notice(&self, id: &str) -> Option<(Vec<u8>, String)> {
        notifier::compose(&self.world, id)
    }
}
