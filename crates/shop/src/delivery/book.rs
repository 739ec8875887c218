//! Books how an order comes to its client.

use tillgate_kernel::Timestamp;
use tillgate_store::Unavailable;

use super::Delivery;
use super::asked::WishedWay;
use super::booking::{Booking, Way};
use super::plan::{Plan, Zone};
use super::slots::{Slot, first_day};
use super::variants::{shown, zones_of};
use crate::Refusal;
use crate::client_orders::ClientOrder;
use crate::delivery_problem::DeliveryProblem;
use crate::order_id::OrderId;
use crate::reservation::State;
use crate::reservation::participant::Answer;
use crate::reservation::take::Taken;
use crate::username::ClientNumber;

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
        let (address, company, date, slot, cost) = match wished {
            WishedWay::Point(id) => {
                let no_point = || Refusal::Delivery(DeliveryProblem::NoPoint(id));
                let point = plan.point(id).ok_or_else(no_point)?;
                let date = first_day(point.days, self.now_there().date());
                let (id, name, address) = (point.id, point.name.clone(), point.address.clone());
                let way = Way::Point { id, name, address, date };
                return match self.taken(order, &way).await? {
                    Taken::Until(until) => Ok((way, until)),
                    Taken::Short => Err(Refusal::Busy),
                };
            }
            WishedWay::Courier { address, company, date, slot, cost } => {
                (address, company, date, slot, cost)
            }
        };
        let zones = zones_of(&plan, &address)?;
        let zone = zones.iter().find(|zone| zone.company == company);
        let no_company = || Refusal::Delivery(DeliveryProblem::NoCompany(company.clone()));
        let zone = *zone.ok_or_else(no_company)?;
        if zone.cost != cost {
            return Err(Refusal::Delivery(DeliveryProblem::CostChanged(zone.cost)));
        }
        for _ in 0..SHORT_ATTEMPTS {
            let (keeps_times, offered) = self.offered_to(order, &plan, zone).await?;
            let is_wished =
                |known: &Slot| slot.is_some_and(|(begin, end)| known.is_at(date, begin, end));
            let found = offered.iter().find(|(known, _)| is_wished(known)).map(|(known, _)| known);
            let is_free = if keeps_times {
                found.is_some()
            } else {
                // It delivers on the day that was shown, or any later one.
                slot.is_none() && date >= first_day(zone.days, self.now_there().date())
            };
            if !is_free {
                let slots = offered.iter().map(|(slot, free)| shown(slot, *free)).collect();
                return Err(Refusal::Delivery(DeliveryProblem::SlotFull(slots)));
            }
            let key = self.key_of(client).await?;
            let way = Way::Courier {
                company: company.clone(),
                cost,
                date,
                slot: found.cloned(),
                address: key.seal(&address, Booking::place_of(order.id)),
                client,
            };
            match self.taken(order, &way).await? {
                Taken::Until(until) => return Ok((way, until)),
                Taken::Short => {}
            }
        }
        Err(Refusal::Busy)
    }

    /// Takes for good what is booked for an order.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn confirm(&self, order: OrderId, version: u64) -> Result<Answer, Unavailable> {
        let confirmed =
            |known: &Booking| Booking { state: State::Confirmed, version, ..known.clone() };
        self.bookings.confirm(order, confirmed).await
    }

    /// The slots that have room, and the one that the order has already.
    async fn offered_to(
        &self,
        order: &ClientOrder,
        plan: &Plan,
        zone: &Zone,
    ) -> Result<(bool, Vec<(Slot, u64)>), Refusal> {
        let (keeps_times, mut free) = self.free_slots(plan, zone).await?;
        let known = self.bookings.of(order.id).await?;
        let own = known.as_ref().and_then(Booking::taken_slot);
        let own = own.filter(|own| own.company == zone.company);
        if let Some(own) = own.filter(|own| !free.iter().any(|(slot, _)| slot.name() == own.name()))
        {
            let now = self.now_there();
            if own.date.to_datetime(own.begin) > now {
                free.insert(0, (own.clone(), 1));
            }
        }
        Ok((keeps_times, free))
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
