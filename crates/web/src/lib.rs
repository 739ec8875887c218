//! The HTTP foundation of all APIs here: connections, bodies, problem
//! documents, pages of lists.
//!
//! - [`server`] drives connections with hyper, so that all limits are under our
//!   control;
//! - [`body`] reads and decompresses request bodies; [`work`] continues when
//!   the sender disconnects; [`deadline`] bounds both;
//! - [`fields`] validates the fields of a request;
//! - [`problem`] builds error answers as in RFC 9457;
//! - [`page`] pages through lists; [`forwarded`] finds the sender behind a
//!   proxy; [`readiness`] checks whether the store can be used;
//! - [`log`] and [`request_id`] make a request traceable; [`Seldom`] keeps a
//!   flood of messages out of the log.

pub mod body;
pub mod deadline;
pub mod fields;
pub mod forwarded;
pub mod log;
pub mod page;
pub mod problem;
pub mod readiness;
pub mod request_id;
mod seldom;
pub mod server;
pub mod work;

use http::HeaderName;
pub use problem::Problem;
pub use seldom::Seldom;

/// The header with a request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
