//! The web edge that every API here stands on: connections, bodies, problem documents, pages of lists.
//!
//! - [`server`] drives connections with hyper, so that every limit is ours;
//! - [`body`] reads and unpacks what was sent; [`work`] goes on when its sender hangs up;
//! - [`problem`] says what went wrong, as RFC 9457 has it;
//! - [`page`] walks lists; [`forwarded`] tells who is behind a proxy; [`readiness`] whether the store can be used;
//! - [`log`] and [`request_id`] make a request be found again; [`Seldom`] keeps a flood out of the log.

pub mod body;
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

/// The header of a request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
