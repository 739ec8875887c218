//! The agreement on an order: `store`, `delivery` and `payment` confirm it, or
//! all of them give back what they have taken. An order has one agreement, and
//! that one decision.
//!
//! - [`saga`] decides, pure: who is asked for what, and when it is decided;
//!   [`stage`] is how far it is, [`part`] what one service was asked and has
//!   answered, [`journal`] what has happened;
//! - [`agree`] takes messages, and sends what follows in the same commit;
//! - [`repeat`] asks again who has not answered;
//! - [`api`] shows agreements to the operator.

pub mod agree;
pub mod api;

pub mod journal;
pub mod part;
pub mod repeat;
pub mod saga;
pub mod stage;
mod stored;

use tillgate_kernel::Clock;
use tillgate_store::Store;

use crate::seal::MasterKeys;

/// The service.
#[derive(Debug)]
pub struct Orchestra {
    pub store: Store,
    pub clock: Clock,
    pub keys: MasterKeys,
}
