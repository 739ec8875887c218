//! How an order comes to its client, as it is booked.

use serde::Serialize;
use tillgate_kernel::{Money, Timestamp};

use super::Delivery;
use super::addressee::unsealable;
use super::booking::{Booking, Way};
use super::slots::{Slot, day, hour};
use crate::Refusal;
use crate::order_id::OrderId;
use crate::reservation::State;
use crate::roubles::Roubles;
use crate::seal::Unsealable;

/// How an order comes to its client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// Twelve digits.
    order_id: String,
    status: &'static str,
    /// Of the order.
    version: u64,
    /// When it is given back, unless the order is paid.
    until: Option<Timestamp>,
    cost: Roubles,
    pickup_point_delivery: Option<PointDelivery>,
    home_delivery: Option<HomeDelivery>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PointDelivery {
    point_id: u32,
    name: String,
    address: String,
    delivery_date: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HomeDelivery {
    /// Nothing if the client's data were erased.
    home_address: Option<String>,
    company_name: String,
    delivery_date: String,
    time_slot: Option<TimeSlot>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TimeSlot {
    begin_time: String,
    end_time: String,
}

/// The names of all statuses.
pub const STATUSES: &str = "`PRELIMINARY`, `CONFIRMED`, `RELEASED` or `REVERSED`";

impl Delivery {
    /// How an order comes to its client.
    ///
    /// # Errors
    /// When nothing was booked for it, or the store cannot be used.
    pub async fn case_of(&self, order: OrderId) -> Result<Case, Refusal> {
        let booking = self.bookings.of(order).await?.ok_or(Refusal::NotFound)?;
        let (status, until) = match booking.state {
            State::Preliminary { until } => ("PRELIMINARY", Some(until)),
            State::Confirmed => ("CONFIRMED", None),
            State::Released => ("RELEASED", None),
            State::Reversed => ("REVERSED", None),
        };
        let (mut cost, mut point, mut home) = (Money::from_kopecks(0), None, None);
        match booking.way {
            Some(Way::Point { id, name, address, date }) => {
                let delivery_date = day(date);
                point = Some(PointDelivery { point_id: id, name, address, delivery_date });
            }
            Some(Way::Courier { company, cost: agreed, date, slot, address, client }) => {
                cost = agreed;
                let key = self.known_key_of(client).await?;
                let opened = key.map(|key| key.open(&address, Booking::place_of(order)));
                // The client was erased, and has a new key.
                let opened = opened.filter(|opened| *opened != Err(Unsealable::Changed));
                home = Some(HomeDelivery {
                    home_address: opened.transpose().map_err(unsealable)?,
                    company_name: company,
                    delivery_date: day(date),
                    time_slot: slot.map(|Slot { begin, end, .. }| TimeSlot {
                        begin_time: hour(begin),
                        end_time: hour(end),
                    }),
                });
            }
            None => {}
        }
        Ok(Case {
            order_id: order.to_string(),
            status,
            version: booking.version,
            until,
            cost: Roubles(cost),
            pickup_point_delivery: point,
            home_delivery: home,
        })
    }
}
