//! The API for tests: what they can make the sandbox do, and see of its state.

use std::sync::PoisonError;
use std::time::Duration;

use super::trouble::Troubles;
use super::{Call, Done, Entry, Outcome, Sandbox, Setup, Trouble, cabinet, notifier, page};
use tillgate_kernel::Money;
use tillgate_kernel::signature::sign_body;

impl Sandbox {
    /// The address of the sandbox.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The configuration of the sandbox.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.world.setup
    }

    /// Sets the address of YooKassa's notifications.
    pub fn notify_yookassa_at(&self, url: impl Into<String>) {
        *self.world.yookassa_notifications.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(url.into());
    }

    /// Makes the next calls of a kind fail, one trouble per call.
    pub fn misbehave(&self, call: Call, troubles: impl IntoIterator<Item = Trouble>) {
        self.world.troubles().next(call, troubles);
    }

    /// Makes every call of a kind fail from now on. `None` ends it.
    pub fn misbehave_always(&self, call: Call, trouble: Option<Trouble>) {
        self.world.troubles().always(call, trouble);
    }

    /// Ends all troubles, including those for later calls.
    pub fn forget_troubles(&self) {
        *self.world.troubles() = Troubles::default();
    }

    /// The orders with this number of the merchant's.
    #[must_use]
    pub fn orders(&self, number: &str) -> Vec<Entry> {
        self.world
            .ledger()
            .entries()
            .iter()
            .filter(|entry| entry.number == number)
            .cloned()
            .collect()
    }

    /// All orders, oldest first.
    #[must_use]
    pub fn ledger(&self) -> Vec<Entry> {
        self.world.ledger().entries().to_vec()
    }

    /// All operations of merchants on paid orders, oldest first.
    #[must_use]
    pub fn done(&self) -> Vec<Done> {
        self.world.ledger().done().to_vec()
    }

    /// Ends the pending refunds with `completed` or `canceled`.
    pub fn settle_refunds(&self, status: &str) {
        cabinet::settle(&self.world, status);
    }

    /// Refunds money of an order as a person does in the payment system's
    /// cabinet: without a number of the merchant's. YooKassa sends a
    /// notification of it.
    pub fn refund_in_cabinet(&self, id: &str, amount: Money) -> bool {
        cabinet::refund_in_cabinet(&self.world, id, amount)
    }

    /// Acts as the buyer on the payment page of an order. Returns whether that
    /// was possible.
    pub fn buyer_acts(&self, container: &str, outcome: Outcome) -> bool {
        page::settle(&self.world, container, outcome).is_some()
    }

    /// Waits until `ready` is true of the ledger, for at most `deadline`.
    /// Returns whether it became true.
    pub async fn wait_until(&self, deadline: Duration, ready: impl Fn(&[Entry]) -> bool) -> bool {
        let mut happened = self.world.happened.subscribe();
        let waiting = happened.wait_for(|_| ready(self.world.ledger().entries()));
        matches!(tokio::time::timeout(deadline, waiting).await, Ok(Ok(_)))
    }

    /// The signature of a notification's body.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        sign_body(&self.world.setup.signing_key, self.world.setup.algorithm, body)
    }

    /// The body of a notification about an order, and its signature.
    #[must_use]
    pub fn notification(&self, id: &str) -> Option<(Vec<u8>, String)> {
        notifier::compose(&self.world, id)
    }
}
