//! Consequences that several use cases share: a task for a worker, a message to
//! the merchant or the pickers, movements of money and of goods. Each is a
//! method of the transaction and stages its changes in the batch.

mod goods;
mod merchant;
mod money;
mod tasks;

pub use merchant::CALLBACKS;
pub(super) use merchant::{EventSubject, end_of};
pub(super) use money::{LOOK_GAP_MIN, MoneyCame};
pub use tasks::{Task, parties_of, queue_of};
