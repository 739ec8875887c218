//! How many requests a merchant may make.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::kernel::{PartyName, Tokens};

/// A configured merchant, as the edge knows it.
#[derive(Debug)]
pub struct MerchantDoor {
    /// Its name.
    pub name: PartyName,
    /// Its keys.
    pub keys: Tokens,
    /// How many requests it may make.
    pub pace: Pace,
}

/// How many requests a merchant may make of this process: so many at once, and so many a minute.
#[derive(Debug)]
pub struct Pace {
    pub(super) per_minute: NonZeroU32,
    limiter: RateLimiter<NotKeyed, InMemoryState, MonotonicClock, StateInformationMiddleware>,
}

impl Pace {
    /// A share of `per_minute` requests.
    #[must_use]
    pub fn per_minute(per_minute: NonZeroU32) -> Pace {
        let quota = Quota::per_minute(per_minute);
        let limiter = RateLimiter::direct_with_clock(quota, MonotonicClock);
        Pace { per_minute, limiter: limiter.with_middleware() }
    }

    pub(super) fn take_one(&self) -> Left {
        match self.limiter.check() {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(not_until) => Err(not_until.wait_time_from(MonotonicClock.now())),
        }
    }

    /// The headers of draft-ietf-httpapi-ratelimit-headers: the share, and what is left of it.
    pub(super) fn tell(&self, left: &Left, headers: &mut HeaderMap) {
        let most = self.per_minute.get();
        let policy = format!("\"merchant\";q={most};w=60");
        let state = match left {
            Ok(left) => {
                // Until the whole share is there again.
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

/// What is left of a merchant's share, or how long it has to wait.
pub(super) type Left = Result<u32, Duration>;

pub(super) fn seconds_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_runs_out_and_says_when_there_is_more() {
        let pace = Pace::per_minute(NonZeroU32::new(2).expect("not zero"));
        let told = |left: &Left| {
            let mut headers = HeaderMap::new();
            pace.tell(left, &mut headers);
            headers["ratelimit"].to_str().expect("text").to_owned()
        };
        let (first, second, third) = (pace.take_one(), pace.take_one(), pace.take_one());
        assert_eq!(told(&first), "\"merchant\";r=1;t=30");
        assert_eq!(told(&second), "\"merchant\";r=0;t=60");
        assert!(third.is_err_and(|wait| wait <= Duration::from_secs(30)), "{third:?}");
        assert_eq!(told(&Err(Duration::from_millis(29_001))), "\"merchant\";r=0;t=30");
    }
}
