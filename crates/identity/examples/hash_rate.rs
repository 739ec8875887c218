//! How many passwords a second all cores of this machine hash: the most that
//! any service could log in. `scripts/logins` compares with it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tillgate_identity::PasswordHash;
use tillgate_kernel::{Secret, Stopwatch};

const LASTS: Duration = Duration::from_secs(5);

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (hashed, since) = (AtomicU64::new(0), Stopwatch::start());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while since.elapsed() < LASTS {
                    let hash = PasswordHash::of(&Secret::new("tulip-margin-42-boat"), [7; 16]);
                    std::hint::black_box(hash);
                    hashed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    println!("{}", hashed.load(Ordering::Relaxed) / LASTS.as_secs());
}
