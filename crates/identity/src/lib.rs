//! Who somebody is: passwords, sessions, links that work once, forms that only
//! our own pages can post, and limits of attempts.
//!
//! The crate knows neither clients of a shop nor operators; both are built on
//! it. Nothing here does I/O: the time and random bytes are arguments.

pub mod attempts;
pub mod code;
pub mod cookie;
pub mod origin;
pub mod password;
pub mod session;
pub mod token;

pub use attempts::{FailureLimit, Failures, RateLimit, Recent};
pub use code::OneTimeCode;
pub use cookie::Signer;
pub use password::{PasswordHash, Unfit};
pub use session::SessionTimes;
pub use token::{Token, TokenDigest};
