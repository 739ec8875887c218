//! What a payment system can do.

use std::fmt;
use std::pin::Pin;

use super::Failure;
use crate::kernel::Timestamp;
use crate::payments::{
    Allowance, Bill, Handover, Operation, OperationKind, PaymentId, Remote, RemoteOperation, Terms,
};

/// A call under way.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// Where the payment system sends the buyer, and its notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// After a payment.
    pub success: String,
    /// When a payment failed.
    pub fail: String,
    /// Back to the shop.
    pub back: String,
    /// For the notification.
    pub notice: String,
}

/// A payment system.
pub trait Provider: Send + Sync + fmt::Debug {
    /// Who we are there.
    fn account(&self) -> &str;

    /// How many calls it allows us, if it is known to count them.
    fn allowance(&self) -> Option<Allowance> {
        None
    }

    /// What it hears when goods are handed over.
    fn handover(&self) -> Handover;

    /// What it asks of a bill.
    fn terms(&self) -> Terms;

    /// The request that asks for a payment, as it is sent. It depends on its arguments alone. The error says what
    /// cannot be billed.
    fn freeze(&self, id: PaymentId, bill: &Bill, addresses: &Addresses) -> Result<String, String>;

    /// Proves that we are known there, as far as the payment system allows.
    fn identify(&self) -> Call<'_, ()>;

    /// Sends a request.
    fn create<'a>(&'a self, request: &'a str) -> Call<'a, Remote>;

    /// Looks for orders under a number of ours that was first sent after `since`, having proved who we are: to a stranger
    /// everything is absent.
    fn find(&self, id: PaymentId, since: Timestamp) -> Call<'_, Vec<Remote>>;

    /// Reads an order.
    fn read<'a>(&'a self, remote_id: &'a str) -> Call<'a, Remote>;

    /// Calls an order off. Money may move by this: see where it stands first.
    fn cancel<'a>(&'a self, remote_id: &'a str) -> Call<'a, Remote>;

    /// Tells it what else is to be said of an order that waits for its buyer: in which words, to whom, until when. The sums
    /// of `bill` are those that were asked for. None where a payment system cannot be told.
    fn alter<'a>(&'a self, remote_id: &'a str, bill: &'a Bill) -> Option<Call<'a, Remote>>;

    /// The request for something to be done with the money of the order `remote_id`, which was made for `bill`, as it is
    /// sent. It depends on its arguments alone.
    fn freeze_operation(&self, operation: &Operation, bill: &Bill, remote_id: &str)
    -> Result<String, String>;

    /// Sends such a request.
    fn operate<'a>(&'a self, kind: OperationKind, request: &'a str) -> Call<'a, RemoteOperation>;

    /// All refunds of the order `remote_id`, those too that were made over there and bear no number of ours.
    fn refunds<'a>(&'a self, remote_id: &'a str) -> Call<'a, Vec<RemoteOperation>>;

    /// Looks for operations under a number of ours, after proving who we are.
    fn find_operation<'a>(
        &'a self,
        operation: &'a Operation,
        remote_id: &'a str,
    ) -> Call<'a, Vec<RemoteOperation>>;
}
