//! Whether what is promised of the goods is what the holds say.

use std::collections::{BTreeMap, BTreeSet};

use tillgate_shop::outlets::Outlets;
use tillgate_shop::stock_levels::PIECE;
use tillgate_shop::store::audit::{Holds, Level, Promised};

use super::finding::{Finding, in_both};
use super::transfer::decoded;
use crate::cli::Failed;
use crate::cli::client::Server;

/// How often what differs is looked at again: holds move meanwhile.
const LOOKS_MAX: u32 = 10;

/// By stock and article: what is held, and what of it is sold.
type Sums = BTreeMap<(String, String), (i64, i64)>;

pub async fn look(server: &Server) -> Result<Finding, Failed> {
    let Some(outlets) = server.get_if_there("/shop/store/outlets").await? else {
        let about = "goods: not looked at, there is no service store at this address".into();
        return Ok(Finding { about, faults: Vec::new(), is_skipped: true });
    };
    let outlets: Outlets = decoded(outlets)?;
    let named: BTreeSet<String> = outlets.all.into_iter().map(|outlet| outlet.stock).collect();
    let mut stocks = named.clone();
    let (mut faults, mut count) = (Vec::new(), 0);
    for look in 0..LOOKS_MAX {
        let (first, _) = sums(server).await?;
        let known = first.keys().map(|(stock, _)| stock.clone()).chain(named.iter().cloned());
        stocks = known.collect();
        let before = levels(server, &stocks).await?;
        let (sums, holds) = sums(server).await?;
        let after = levels(server, &stocks).await?;
        count = holds;
        let found = differences(&before, &sums, &after);
        // What moves is found by one look, and not by the next.
        faults = if look == 0 { found } else { in_both(&faults, &found) };
        if faults.is_empty() {
            break;
        }
    }
    let lacking = lacking(server, &stocks).await?;
    let about = match lacking.len() {
        0 => format!("goods: {count} holds in {} stocks", stocks.len()),
        more => format!(
            "goods: {count} holds in {} stocks; of {more} articles more is sold than is there, which \
             marketplaces have taken: {}",
            stocks.len(),
            lacking.iter().take(LACKING_NAMED_MAX).cloned().collect::<Vec<_>>().join(", ")
        ),
    };
    Ok(Finding { about, faults, is_skipped: false })
}

/// What differs, although it has not moved while it was compared.
fn differences(before: &Sums, sums: &Sums, after: &Sums) -> Vec<String> {
    let mut faults = Vec::new();
    let keys: BTreeSet<_> = before.keys().chain(sums.keys()).collect();
    for key in keys {
        let get = |all: &Sums| all.get(key).copied().unwrap_or_default();
        let (counted, summed) = (get(before), get(sums));
        if counted == get(after) && counted != summed {
            let (stock, article) = key;
            faults.push(format!(
                "{article} in {stock}: {} held and {} sold by the counters, {} and {} by the holds",
                counted.0 / PIECE,
                counted.1 / PIECE,
                summed.0 / PIECE,
                summed.1 / PIECE
            ));
        }
    }
    faults
}

/// How many articles are named of which too much is sold.
const LACKING_NAMED_MAX: usize = 10;

/// The articles of which more is sold than is there: a marketplace has taken it
/// after the sale, so a person must decide who gets it.
async fn lacking(server: &Server, stocks: &BTreeSet<String>) -> Result<Vec<String>, Failed> {
    let mut all = Vec::new();
    for stock in stocks {
        for Level { article, on_hand, firm, .. } in of_stock(server, stock).await? {
            if firm > on_hand {
                all.push(format!("{article} in {stock}"));
            }
        }
    }
    Ok(all)
}

/// What the counters say.
async fn levels(server: &Server, stocks: &BTreeSet<String>) -> Result<Sums, Failed> {
    let mut all = Sums::new();
    for stock in stocks {
        for Level { article, held, firm, .. } in of_stock(server, stock).await? {
            all.insert((stock.clone(), article), (held, firm));
        }
    }
    Ok(all)
}

async fn of_stock(server: &Server, stock: &str) -> Result<Vec<Level>, Failed> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let query = [("stock", Some(stock)), ("after", after.as_deref())];
        let page: Promised = decoded(server.get("/shop/store/promised", &query).await?)?;
        after = page.items.last().map(|level| level.article.clone());
        all.extend(page.items);
        if page.is_last {
            return Ok(all);
        }
    }
}

/// What the holds say, and how many there are.
async fn sums(server: &Server) -> Result<(Sums, usize), Failed> {
    // A hold that is renewed between two pages comes twice.
    let mut holds = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let query = [("after", after.as_deref())];
        let page: Holds = decoded(server.get("/shop/store/holds", &query).await?)?;
        holds.extend(page.items.into_iter().map(|hold| (hold.order.clone(), hold)));
        after = page.cursor;
        if after.is_none() {
            break;
        }
    }
    let mut all = Sums::new();
    for hold in holds.values() {
        for (article, pieces) in &hold.pieces {
            let sum = all.entry((hold.stock.clone(), article.clone())).or_insert((0, 0));
            let pieces = i64::try_from(*pieces).map_err(Failed::because)? * PIECE;
            sum.0 += pieces;
            sum.1 += if hold.is_confirmed { pieces } else { 0 };
        }
    }
    Ok((all, holds.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_not_move_is_compared() {
        let sums = |held: i64, firm: i64| Sums::from([(("s".into(), "a".into()), (held, firm))]);
        assert!(differences(&sums(2000, 0), &sums(2000, 0), &sums(2000, 0)).is_empty());
        assert!(differences(&sums(2000, 0), &sums(3000, 0), &sums(3000, 0)).is_empty());
        assert_eq!(differences(&sums(2000, 0), &sums(3000, 0), &sums(2000, 0)).len(), 1);
        assert_eq!(differences(&sums(2000, 0), &sums(2000, 1000), &sums(2000, 0)).len(), 1);
        assert_eq!(differences(&Sums::new(), &sums(1000, 0), &Sums::new()).len(), 1);
    }
}
