//! Books how an order comes to its client.

use jiff::civil::{Date, Time};
use tillgate_kernel::Timestamp;

use super::Delivery;
use super::asked::{WishedCourier, WishedWay};
use super::booking::{Booking, Way};
use super::plan::{Plan, Zone};
use super::slots::{Slot, day, first_day};
use super::variants::{shown, zones_of};
use crate::Refusal;
use crate::client_orders::ClientOrder;
use crate::delivery_problem::DeliveryProblem;
use crate::form::Fault;
use crate::reservation::take::Taken;
use crate::username::ClientNumber;

/// How many days after the first one a company that keeps no times can still
/// be asked for.
const DAYS_AHEAD_MAX: u8 = 60;

/// How often it is tried to book a time that is given back in that moment.
const SHORT_ATTEMPTS: u32 = 5;

impl Delivery {
    /// Books how a client's order comes. If something is booked for it
    /// already, it is replaced. Returns the way, and until when it is held.
    ///
    /// # Errors
    /// When it cannot come so, or the order has been sold or reversed.
    pub async fn book(
        &self,
        client: ClientNumber,
        order: &ClientOrder,
        wished: WishedWay,
    ) -> Result<(Way, Timestamp), Refusal> {
        let plan = self.plan().await?;
        match wished {
            WishedWay::Point(id) => self.book_point(&plan, order, id).await,
            WishedWay::Courier(wished) => self.book_courier(&plan, client, order, &wished).await,
        }
    }

    async fn book_point(
        &self,
        plan: &Plan,
        order: &ClientOrder,
        id: u64,
    ) -> Result<(Way, Timestamp), Refusal> {
        let no_point = || Refusal::Delivery(DeliveryProblem::NoPoint(id));
        let point = plan.point(id).ok_or_else(no_point)?;
        let date = first_day(point.days, self.now_there().date());
        let (id, name, address) = (point.id, point.name.clone(), point.address.clone());
        let way = Way::Point { id, name, address, date };
        match self.taken(order, &way).await? {
            Taken::Until(until) => Ok((way, until)),
            Taken::Short => Err(Refusal::Busy),
        }
    }

    async fn book_courier(
        &self,
        plan: &Plan,
        client: ClientNumber,
        order: &ClientOrder,
        wished: &WishedCourier,
    ) -> Result<(Way, Timestamp), Refusal> {
        let WishedCourier { address, company, date, slot, cost } = wished;
        let zones = zones_of(plan, address)?;
        let zone = zones.iter().find(|zone| zone.company == *company);
        let no_company = || Refusal::Delivery(DeliveryProblem::NoCompany(company.clone()));
        let zone = *zone.ok_or_else(no_company)?;
        if zone.cost != *cost {
            return Err(Refusal::Delivery(DeliveryProblem::CostChanged(zone.cost)));
        }
        let first = first_day(zone.days, self.now_there().date());
        if *date < first || *date > first_day(DAYS_AHEAD_MAX, first) {
            return Err(Refusal::Delivery(DeliveryProblem::OtherDay(day(first))));
        }
        for _ in 0..SHORT_ATTEMPTS {
            let slot = self.wished_slot(plan, zone, order, *date, *slot).await?;
            let key = self.key_of(client).await?;
            let way = Way::Courier {
                company: company.clone(),
                cost: *cost,
                date: *date,
                slot,
                address: key.seal(address, Booking::place_of(order.id)),
                client,
            };
            match self.taken(order, &way).await? {
                Taken::Until(until) => return Ok((way, until)),
                Taken::Short => {}
            }
        }
        Err(Refusal::Busy)
    }

    /// The slot that is wished for, if it has room; none if the company keeps
    /// no times.
    async fn wished_slot(
        &self,
        plan: &Plan,
        zone: &Zone,
        order: &ClientOrder,
        date: Date,
        wished: Option<(Time, Time)>,
    ) -> Result<Option<Slot>, Refusal> {
        let (keeps_times, offered) = self.slots_for(Some(order.id), plan, zone).await?;
        let (begin, end) = match (keeps_times, wished) {
            (true, Some(wished)) => wished,
            (true, None) => return Err(Refusal::of_field("timeSlot", Fault::Missing)),
            (false, Some(_)) => return Err(Refusal::of_field("timeSlot", Fault::Unknown)),
            (false, None) => return Ok(None),
        };
        let found = offered.iter().find(|(known, _)| known.is_at(date, begin, end));
        if let Some((found, _)) = found {
            return Ok(Some(found.clone()));
        }
        let slots = offered.iter().map(|(slot, free)| shown(slot, *free)).collect();
        Err(Refusal::Delivery(DeliveryProblem::SlotFull(slots)))
    }

    async fn taken(&self, order: &ClientOrder, way: &Way) -> Result<Taken, Refusal> {
        let booking = |state, taken_at| Booking {
            order: order.id,
            state,
            version: order.version,
            way: Some(way.clone()),
            taken_at,
        };
        self.bookings.take(order.id, order.version, booking).await
    }
}
