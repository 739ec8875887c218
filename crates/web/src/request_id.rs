//! Request ids, to find a request in the logs: eight random hexadecimal digits
//! of the process, and a counter.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

use tillgate_kernel::chance::random_bytes;

/// Generates request ids.
#[derive(Debug)]
pub struct RequestIds {
    process: u32,
    count: AtomicU64,
}

/// The longest id of a sender that is kept, in bytes.
const FOREIGN_ID_BYTES_MAX: usize = 64;

impl Default for RequestIds {
    fn default() -> RequestIds {
        RequestIds { process: u32::from_be_bytes(random_bytes()), count: AtomicU64::new(0) }
    }
}

impl RequestIds {
    /// The id `given` in the request if it is acceptable, or a new one.
    #[must_use]
    pub fn of(&self, given: Option<&HeaderValue>) -> HeaderValue {
        let acceptable = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
            !bytes.is_empty() && bytes.len() <= FOREIGN_ID_BYTES_MAX && bytes.iter().all(plain)
        };
        if let Some(given) = given.filter(acceptable) {
            return given.clone();
        }
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:08x}-{count:x}", self.process);
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
    }
}
