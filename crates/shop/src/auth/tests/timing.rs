//! The time of an answer does not tell whether a name is known.

use tillgate_kernel::Stopwatch;

use super::*;

/// How often each kind of log-in is tried. `TILLGATE_LOGINS` sets another
/// number, for a trial by hand.
const TRIES: usize = 25;

/// The medians may differ by this share.
const DIFFERENCE_PERCENT_MAX: u128 = 10;

/// How often all of it is repeated while the medians differ by more. Other
/// tests use the same cores.
const ROUNDS: u32 = 12;

fn tries() -> usize {
    let wanted = std::env::var("TILLGATE_LOGINS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(TRIES)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Both take as long as one password is hashed. The tries alternate, so that
/// what slows this machine down slows both; a difference that is there by
/// accident is gone when they are repeated.
#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_take_the_same_time() {
    let tries = tries();
    for round in 1..=ROUNDS {
        let world = World::new();
        assert_eq!(world.browser().post("/register", &anna()).await.status, StatusCode::OK);
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for _ in 0..tries {
            // Waits of the attempt limits are not measured.
            world.clock.advance(Duration::from_secs(3600));
            for (name, times) in [("buyer7", &mut known), ("nobody7", &mut unknown)] {
                let mut browser = world.browser();
                let watch = Stopwatch::start();
                let reply = browser.log_in(name, "неверный пароль").await;
                times.push(watch.elapsed());
                assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
            }
        }
        let (known, unknown) = (median(known), median(unknown));
        let (less, more) = (known.min(unknown), known.max(unknown));
        let percent = (more - less).as_micros() * 100 / less.as_micros().max(1);
        println!(
            "{tries} tries: a wrong password {known:?}, an unknown name {unknown:?}, {percent} %"
        );
        if percent <= DIFFERENCE_PERCENT_MAX {
            return;
        }
        assert!(round < ROUNDS, "the medians differ by {percent} %: {known:?} and {unknown:?}");
    }
}
