//! The times at which a company can still deliver. Pure but for what is booked
//! of them, which counters say.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};
use serde::{Deserialize, Serialize};
use tillgate_store::{CounterKey, Store, Unavailable};

use super::plan::{Plan, Zone};

/// For how many days times are offered.
const DAYS_OFFERED: i32 = 7;

/// A time at which a company delivers on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub company: String,
    pub date: Date,
    pub begin: Time,
    pub end: Time,
    /// How many orders it has room for.
    pub capacity: u32,
}

/// What the counters of all slots are called together.
pub const BOOKED: &str = "booked";

impl Slot {
    /// How many orders are booked for it.
    #[must_use]
    pub fn booked(&self) -> CounterKey {
        CounterKey::internal(BOOKED, self.name())
    }

    /// Its name among all slots.
    #[must_use]
    pub fn name(&self) -> String {
        let Slot { company, date, begin, end, .. } = self;
        format!("{date} {}-{} {company}", hour(*begin), hour(*end))
    }

    #[must_use]
    pub fn is_at(&self, date: Date, begin: Time, end: Time) -> bool {
        (self.date, self.begin, self.end) == (date, begin, end)
    }
}

/// The slots of a zone's company that have not begun, the earliest first. None
/// for a company that keeps no times.
#[must_use]
pub fn offered(plan: &Plan, zone: &Zone, now: DateTime) -> Vec<Slot> {
    let mut slots = Vec::new();
    for ahead in 0..DAYS_OFFERED {
        let Ok(date) = first_day(zone.days, now.date()).checked_add(ahead.days()) else { break };
        for time in plan.times.iter().filter(|time| time.company == zone.company) {
            let weekday = date.weekday().to_monday_one_offset().unsigned_abs();
            let has_begun = date == now.date() && time.begin <= now.time();
            if time.weekdays.contains(&weekday) && !has_begun {
                slots.push(Slot {
                    company: zone.company.clone(),
                    date,
                    begin: time.begin,
                    end: time.end,
                    capacity: time.capacity,
                });
            }
        }
    }
    slots.sort_by_key(|slot| (slot.date, slot.begin));
    slots
}

/// The day after so many days.
#[must_use]
pub fn first_day(days: u8, today: Date) -> Date {
    today.saturating_add(i32::from(days).days())
}

/// How many orders each slot has room for now. A hint: the commit that books
/// judges.
///
/// # Errors
/// When the store cannot be used.
pub async fn free(store: &Store, slots: &[Slot]) -> Result<Vec<u64>, Unavailable> {
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<CounterKey> = slots.iter().map(Slot::booked).collect();
    let booked = store.balances(&keys).await?;
    let room = |(slot, booked): (&Slot, i64)| i64::from(slot.capacity).saturating_sub(booked);
    let free = slots.iter().zip(booked).map(room);
    Ok(free.map(|free| u64::try_from(free).unwrap_or(0)).collect())
}

/// A date as clients read it.
#[must_use]
pub fn day(date: Date) -> String {
    date.strftime("%d.%m.%Y").to_string()
}

/// The date in a text.
#[must_use]
pub fn read_day(text: &str) -> Option<Date> {
    let date = Date::strptime("%d.%m.%Y", text).ok()?;
    (day(date) == text).then_some(date)
}

/// A time of a day as clients read it.
#[must_use]
pub fn hour(time: Time) -> String {
    time.strftime("%H:%M").to_string()
}

/// The time of a day in a text.
#[must_use]
pub fn read_hour(text: &str) -> Option<Time> {
    let time = Time::strptime("%H:%M", text).ok()?;
    (hour(time) == text).then_some(time)
}
