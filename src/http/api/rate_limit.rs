//! The rate limit of a merchant.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::kernel::{PartyName, Tokens};

/// A configured merchant, as the HTTP handlers see it.
#[derive(Debug)]
pub struct MerchantAccess {
    pub name: PartyName,
    /// The keys that its site may send.
    pub keys: Tokens,
    /// The limit for its requests.
    pub rate_limit: RateLimit,
}

/// Limits the requests of a merchant to this process: a burst of one minute's
/// requests, and a number per minute.
#[derive(Debug)]
pub struct RateLimit {
    pub(super) per_minute: NonZeroU32,
    limiter: RateLimiter<NotKeyed, InMemoryState, MonotonicClock, StateInformationMiddleware>,
}

impl RateLimit {
    /// Allows `per_minute` requests per minute.
    #[must_use]
    pub fn per_minute(per_minute: NonZeroU32) -> RateLimit {
        let quota = Quota::per_minute(per_minute);
        let limiter = RateLimiter::direct_with_clock(quota, MonotonicClock);
        RateLimit { per_minute, limiter: limiter.with_middleware() }
    }

    pub(super) fn take_one(&self) -> Left {
        match self.limiter.check() {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(not_until) => Err(not_until.wait_time_from(MonotonicClock.now())),
        }
    }

    /// Adds the headers of draft-ietf-httpapi-ratelimit-headers: the limit, and
    /// what is left of it.
    pub(super) fn add_headers(&self, left: &Left, headers: &mut HeaderMap) {
        let most = self.per_minute.get();
        let policy = format!("\"merchant\";q={most};w=60");
        let state = match left {
            Ok(left) => {
                // The time until the whole limit is available again.
                let seconds = u64::from(most.saturating_sub(*left)) * 60;
                format!("\"merchant\";r={left};t={}", seconds.div_ceil(u64::from(most)))
            }
            Err(wait) => format!("\"merchant\";r=0;t={}", seconds_up(*wait)),
        };
        for (name, text) in [("ratelimit-policy", policy), ("ratelimit", state)] {
            let value = HeaderValue::from_str(&text);
            headers.extend(value.map(|value| (HeaderName::from_static(name), value)));
        }
    }
}

/// The number of requests that are left, or how long the merchant has to wait.
pub(super) type Left = Result<u32, Duration>;

pub(super) fn seconds_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exhausted_limit_says_when_to_try_again() {
        let rate_limit = RateLimit::per_minute(NonZeroU32::new(2).expect("not zero"));
        let header_of = |left: &Left| {
            let mut headers = HeaderMap::new();
            rate_limit.add_headers(left, &mut headers);
            headers["ratelimit"].to_str().expect("text").to_owned()
        };
        let (first, second, third) =
            (rate_limit.take_one(), rate_limit.take_one(), rate_limit.take_one());
        assert_eq!(header_of(&first), "\"merchant\";r=1;t=30");
        assert_eq!(header_of(&second), "\"merchant\";r=0;t=60");
        assert!(third.is_err_and(|wait| wait <= Duration::from_secs(30)), "{third:?}");
        assert_eq!(header_of(&Err(Duration::from_millis(29_001))), "\"merchant\";r=0;t=30");
    }
}
