//! How an order could come to a client.

use serde::Serialize;

use super::Delivery;
use super::booking::Booking;
use super::plan::{Plan, Point, Zone};
use super::slots::{self, Slot, day, first_day, hour};
use crate::Refusal;
use crate::delivery_problem::{DeliveryProblem, FreeSlot, NearPoint};
use crate::order_id::OrderId;
use crate::roubles::Roubles;

/// The most points of one answer.
pub const POINTS_ANSWERED_MAX: usize = 100;

/// The most points that are named when nobody delivers to an address.
const NEAR_POINTS_MAX: usize = 5;

/// Points where orders are given out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Points {
    pickup_points: Vec<ShownPoint>,
    /// Whether there are more: the filter can say more.
    has_more: bool,
}

#[derive(Debug, Serialize)]
struct ShownPoint {
    id: u32,
    name: String,
    address: String,
}

/// How an order could come to an address.
#[derive(Debug, Serialize)]
pub struct Variants {
    address: String,
    variants: Vec<Variant>,
}

/// What a company offers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Variant {
    company_name: String,
    cost: Roubles,
    estimated_date: String,
    /// Empty if the company keeps no times.
    slots: Vec<FreeSlot>,
}

impl Delivery {
    /// The points whose name and address have all words of a filter.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn points(&self, filter: &str) -> Result<Points, Refusal> {
        let plan = self.plan().await?;
        let mut found = plan.found(filter);
        let shown = |point: &Point| ShownPoint {
            id: point.id,
            name: point.name.clone(),
            address: point.address.clone(),
        };
        let pickup_points = found.by_ref().take(POINTS_ANSWERED_MAX).map(shown).collect();
        Ok(Points { pickup_points, has_more: found.next().is_some() })
    }

    /// How an order could come to an address. What is booked for `order` is
    /// free for it.
    ///
    /// # Errors
    /// When nobody delivers there, or the store cannot be used.
    pub async fn variants(
        &self,
        address: &str,
        order: Option<OrderId>,
    ) -> Result<Variants, Refusal> {
        let plan = self.plan().await?;
        let zones = zones_of(&plan, address)?;
        let mut variants = Vec::new();
        for zone in zones {
            let (keeps_times, slots) = self.slots_for(order, &plan, zone).await?;
            // A company without a time that is free offers nothing now.
            let date = match slots.first() {
                Some((first, _)) => first.date,
                None if keeps_times => continue,
                None => first_day(zone.days, self.now_there().date()),
            };
            variants.push(Variant {
                company_name: zone.company.clone(),
                cost: Roubles(zone.cost),
                estimated_date: day(date),
                slots: slots.iter().map(|(slot, free)| shown(slot, *free)).collect(),
            });
        }
        Ok(Variants { address: address.to_owned(), variants })
    }

    /// The slots of a zone's company that have room, with the one that the
    /// order has already, and whether the company keeps times at all.
    pub(super) async fn slots_for(
        &self,
        order: Option<OrderId>,
        plan: &Plan,
        zone: &Zone,
    ) -> Result<(bool, Vec<(Slot, u64)>), Refusal> {
        let keeps_times = plan.times.iter().any(|time| time.company == zone.company);
        let slots = slots::offered(plan, zone, self.now_there());
        let free = slots::free(&self.store, &slots).await?;
        let known = match order {
            Some(order) => self.bookings.of(order).await?,
            None => None,
        };
        let own = known.as_ref().and_then(Booking::taken_slot).map(Slot::name);
        let both = slots.into_iter().zip(free).map(|(slot, free)| {
            let is_own = own.as_ref().is_some_and(|own| *own == slot.name());
            let room = if is_own { free + 1 } else { free };
            (slot, room)
        });
        Ok((keeps_times, both.filter(|(_, free)| *free > 0).collect()))
    }
}

/// The zones that have an address.
pub(super) fn zones_of<'a>(plan: &'a Plan, address: &str) -> Result<Vec<&'a Zone>, Refusal> {
    let zones = plan.zones_of(address);
    if !zones.is_empty() {
        return Ok(zones);
    }
    let near = |point: &Point| NearPoint {
        id: point.id,
        name: point.name.clone(),
        address: point.address.clone(),
    };
    let points = plan.near(address, NEAR_POINTS_MAX).into_iter().map(near).collect();
    Err(Refusal::Delivery(DeliveryProblem::OutsideZone(points)))
}

pub(super) fn shown(slot: &Slot, free: u64) -> FreeSlot {
    FreeSlot { date: day(slot.date), begin: hour(slot.begin), end: hour(slot.end), free }
}
