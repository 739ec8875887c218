//! How much of an article an outlet has: the counters that the gateway keeps
//! for the hooks of marketplaces, and what the shop has promised of them.

use tillgate_kernel::Quantity;
use tillgate_store::{CounterKey, Store, Unavailable};

use crate::outlets::Outlet;

/// What is there. The gateway counts it too.
#[must_use]
pub fn on_hand(outlet: &Outlet, article: &str) -> CounterKey {
    CounterKey::named(&outlet.stock, article)
}

/// What of it is promised.
#[must_use]
pub fn held(outlet: &Outlet, article: &str) -> CounterKey {
    CounterKey::internal(&format!("held {}", outlet.stock), article)
}

/// How many pieces of each article can be promised in each outlet: for each
/// article, the pieces by outlet. A hint: the commit that promises them judges.
///
/// # Errors
/// When the store cannot be used.
pub async fn free(
    store: &Store,
    outlets: &[Outlet],
    articles: &[&str],
) -> Result<Vec<Vec<u64>>, Unavailable> {
    if outlets.is_empty() || articles.is_empty() {
        return Ok(vec![Vec::new(); articles.len()]);
    }
    let pairs = || articles.iter().flat_map(|one| outlets.iter().map(move |out| (out, *one)));
    let keys: Vec<CounterKey> = pairs()
        .flat_map(|(outlet, article)| [on_hand(outlet, article), held(outlet, article)])
        .collect();
    let balances = store.balances(&keys).await?;
    let (balances, _) = balances.as_chunks::<2>();
    let free: Vec<u64> =
        balances.iter().map(|[on_hand, held]| pieces(on_hand.saturating_sub(*held))).collect();
    Ok(free.chunks(outlets.len()).map(<[u64]>::to_vec).collect())
}

/// Whole pieces of a counter, which counts thousandths.
fn pieces(thousandths: i64) -> u64 {
    const PIECE: i64 = 1000;
    debug_assert!(Quantity::from_thousandths(PIECE).thousandths() == PIECE);
    u64::try_from(thousandths / PIECE).unwrap_or(0)
}
