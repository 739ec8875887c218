//! What several use cases cause: a task for a worker, a word to the merchant or the pickers, money and goods that are
//! accounted for. Each is a method of the transaction and puts into its batch what follows.

mod goods;
mod merchant;
mod money;
mod tasks;

pub use merchant::CALLBACKS;
pub(super) use merchant::{About, end_of};
pub(super) use money::{LOOK_GAP_MIN, MoneyCame};
pub use tasks::Task;
