//! Whether what is booked of couriers' times is what the bookings say.

use std::collections::{BTreeMap, BTreeSet};

use tillgate_shop::delivery::audit::{Bookings, Rooms};

use super::finding::{Finding, in_both};
use super::transfer::decoded;
use crate::cli::Failed;
use crate::cli::client::Server;

/// How often what differs is looked at again: bookings move meanwhile.
const LOOKS_MAX: u32 = 10;

/// How many orders are booked for each time.
type Booked = BTreeMap<String, i64>;

pub async fn look(server: &Server) -> Result<Finding, Failed> {
    if server.get_if_there("/shop/delivery/plan").await?.is_none() {
        let about = "delivery: not looked at, there is no service delivery at this address".into();
        return Ok(Finding { about, faults: Vec::new(), is_skipped: true });
    }
    let (mut faults, mut count) = (Vec::new(), 0);
    for look in 0..LOOKS_MAX {
        let before = counted(server).await?;
        let (summed, bookings) = summed(server).await?;
        let after = counted(server).await?;
        count = bookings;
        let found = differences(&before, &summed, &after);
        // What moves is found by one look, and not by the next.
        faults = if look == 0 { found } else { in_both(&faults, &found) };
        if faults.is_empty() {
            break;
        }
    }
    let about = format!("delivery: {count} bookings");
    Ok(Finding { about, faults, is_skipped: false })
}

/// What differs, although it has not moved while it was compared.
fn differences(before: &Booked, summed: &Booked, after: &Booked) -> Vec<String> {
    let slots: BTreeSet<&String> = before.keys().chain(summed.keys()).collect();
    let get = |all: &Booked, slot: &String| all.get(slot).copied().unwrap_or_default();
    let differs = slots.into_iter().filter(|slot| {
        get(before, slot) == get(after, slot) && get(before, slot) != get(summed, slot)
    });
    let faults = differs.map(|slot| {
        let (counter, sum) = (get(before, slot), get(summed, slot));
        format!("{slot}: {counter} booked by the counter, {sum} by the bookings")
    });
    faults.collect()
}

/// What the counters say.
async fn counted(server: &Server) -> Result<Booked, Failed> {
    let mut all = Booked::new();
    let mut after: Option<String> = None;
    loop {
        let query = [("after", after.as_deref())];
        let page: Rooms = decoded(server.get("/shop/delivery/rooms", &query).await?)?;
        after = page.items.last().map(|room| room.slot.clone());
        all.extend(page.items.into_iter().map(|room| (room.slot, room.booked)));
        if page.is_last {
            return Ok(all);
        }
    }
}

/// What the bookings say, and how many there are.
async fn summed(server: &Server) -> Result<(Booked, usize), Failed> {
    // One that is renewed between two pages comes twice.
    let mut bookings = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let query = [("after", after.as_deref())];
        let page: Bookings = decoded(server.get("/shop/delivery/bookings", &query).await?)?;
        bookings.extend(page.items.into_iter().map(|one| (one.order, one.slot)));
        after = page.cursor;
        if after.is_none() {
            break;
        }
    }
    let mut all = Booked::new();
    for slot in bookings.values().flatten() {
        *all.entry(slot.clone()).or_insert(0) += 1;
    }
    Ok((all, bookings.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_not_move_is_compared() {
        let booked = |count: i64| Booked::from([("monday".into(), count)]);
        assert!(differences(&booked(2), &booked(2), &booked(2)).is_empty());
        assert!(differences(&booked(2), &booked(3), &booked(3)).is_empty());
        assert_eq!(differences(&booked(2), &booked(3), &booked(2)).len(), 1);
        assert_eq!(differences(&Booked::new(), &booked(1), &Booked::new()).len(), 1);
        assert_eq!(differences(&booked(1), &Booked::new(), &booked(1)).len(), 1);
    }
}
