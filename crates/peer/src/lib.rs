//! Calls to other systems: one way to build a client, one set of outcomes of a
//! call, one policy for retries.
//!
//! Every outgoing HTTP request goes through a [`Client`]: with deadlines,
//! without redirects, without a proxy from the environment, and with a limit on
//! what is read back. Addresses in the configuration are trusted, because the
//! operator wrote them. Those that came in a request are called through a
//! client with a [`Guard`].

mod client;
mod guard;
mod pages;
mod retry;
mod socket;

pub use client::{ANSWER_BYTES_MAX, Client, ClientError, Failure, Reply};
pub use guard::{Guard, NotAdmitted};
pub use pages::leads_home;
pub use reqwest::Url;
pub use retry::RetryPolicy;
pub use socket::Socket;
