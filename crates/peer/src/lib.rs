//! How we call others: one way to build a client, one vocabulary for how a call ended, one policy for
//! trying again.
//!
//! Everything that leaves this process by HTTP goes through a client of [`client`]: with deadlines, without
//! redirects, without a proxy from the environment, and with a limit on what is read back. Addresses of the configuration are
//! the operator's word; those that came in a request are called through a client with a [`Guard`].

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
