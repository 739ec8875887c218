//! The interface to a payment system.

use std::fmt;
use std::pin::Pin;

use super::Failure;
use crate::kernel::Timestamp;
use crate::payments::{
    Allowance, Bill, Operation, OperationKind, PaymentId, RemoteOperation, RemotePayment,
    ShipmentReport, Terms,
};

/// The future of a call to a payment system.
pub type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// The URLs to which the payment system sends the buyer and its notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The page for the buyer after a successful payment.
    pub success: String,
    /// The page for the buyer after a failed payment.
    pub fail: String,
    /// The page for a buyer who returns to the merchant's site.
    pub back: String,
    /// The endpoint for notifications.
    pub notification: String,
}

/// A payment system.
pub trait Provider: Send + Sync + fmt::Debug {
    /// The merchant's account id at the payment system.
    fn account(&self) -> &str;

    /// The limit on calls, if the payment system is known to have one.
    fn allowance(&self) -> Option<Allowance> {
        None
    }

    /// What is reported to the payment system when the goods are handed over.
    fn shipment_report(&self) -> ShipmentReport;

    /// The payment system's requirements for a bill.
    fn terms(&self) -> Terms;

    /// Builds the request that creates a payment, as the bytes that are sent.
    /// The result depends on the arguments alone. The error says what cannot be
    /// billed.
    fn build_request(
        &self,
        id: PaymentId,
        bill: &Bill,
        addresses: &Addresses,
    ) -> Result<String, String>;

    /// Checks our credentials, as far as the payment system allows it.
    fn identify(&self) -> Call<'_, ()>;

    /// Sends a request that [`build_request`](Self::build_request) built.
    fn create<'a>(&'a self, request: &'a str) -> Call<'a, RemotePayment>;

    /// Looks for orders with a number of ours that was first sent after
    /// `since`. It checks our credentials first: to an unknown caller every
    /// order seems absent.
    fn find(&self, id: PaymentId, since: Timestamp) -> Call<'_, Vec<RemotePayment>>;

    /// Reads an order.
    fn read<'a>(&'a self, remote_id: &'a str) -> Call<'a, RemotePayment>;

    /// Cancels an order. This can move money, so check the order's status
    /// first.
    fn cancel<'a>(&'a self, remote_id: &'a str) -> Call<'a, RemotePayment>;

    /// Updates an order that waits for its buyer: its description, the payer
    /// and the expiry time. The sums in `bill` are those of the original
    /// request. None if the payment system does not support updates.
    fn update<'a>(&'a self, remote_id: &'a str, bill: &'a Bill) -> Option<Call<'a, RemotePayment>>;

    /// Builds the request for an operation on the order `remote_id`, which was
    /// created for `bill`, as the bytes that are sent. The result depends on
    /// the arguments alone. The error says why the operation cannot be
    /// requested.
    fn build_operation_request(
        &self,
        operation: &Operation,
        bill: &Bill,
        remote_id: &str,
    ) -> Result<String, String>;

    /// Sends a request that
    /// [`build_operation_request`](Self::build_operation_request) built.
    fn operate<'a>(&'a self, kind: OperationKind, request: &'a str) -> Call<'a, RemoteOperation>;

    /// Lists all refunds of the order `remote_id`, including those that were
    /// made in the payment system's cabinet and have no number of ours.
    fn refunds<'a>(&'a self, remote_id: &'a str) -> Call<'a, Vec<RemoteOperation>>;

    /// Looks for operations with our number. It checks our credentials first.
    fn find_operation<'a>(
        &'a self,
        operation: &'a Operation,
        remote_id: &'a str,
    ) -> Call<'a, Vec<RemoteOperation>>;
}
