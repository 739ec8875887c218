//! How an order comes to its client, as the service of deliveries answers, and
//! as pages show it.

use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use tillgate_kernel::{Language, Money};

use super::Front;
use super::cart::Order;
use super::market::encoded;
use super::words::Words;
use crate::Refusal;
use crate::roubles::Roubles;
use crate::service_client::Caller;

/// How an order comes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    status: String,
    pub version: u64,
    pub until: Option<String>,
    pub cost: Roubles,
    pub pickup_point_delivery: Option<PointDelivery>,
    pub home_delivery: Option<HomeDelivery>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PointDelivery {
    pub point_id: u64,
    pub name: String,
    pub address: String,
    delivery_date: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HomeDelivery {
    pub home_address: Option<String>,
    pub company_name: String,
    pub delivery_date: String,
    pub time_slot: Option<TimeSlot>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeSlot {
    pub begin_time: String,
    pub end_time: String,
}

/// How an order comes, on a page.
pub struct ShownDelivery {
    /// Where to, or where it is fetched.
    pub place: String,
    /// When, and by whom.
    pub time: String,
    /// Empty if it costs nothing.
    pub cost: String,
    /// Together with the goods.
    pub total: String,
}

impl Case {
    /// Whether it waits for the payment.
    pub fn is_preliminary(&self) -> bool {
        self.status == "PRELIMINARY"
    }

    pub fn shown(&self, goods: Money, words: &Words, language: Language) -> Option<ShownDelivery> {
        let Roubles(cost) = self.cost;
        let total = Money::from_kopecks(goods.kopecks().saturating_add(cost.kopecks()));
        let total = total.shown(language);
        if let Some(point) = &self.pickup_point_delivery {
            return Some(ShownDelivery {
                place: format!("{}, {}", point.name, point.address),
                time: format!("{} {}", words.from_day, point.delivery_date),
                cost: String::new(),
                total,
            });
        }
        let home = self.home_delivery.as_ref()?;
        let (company, date) = (&home.company_name, &home.delivery_date);
        let time = match &home.time_slot {
            Some(TimeSlot { begin_time, end_time }) => {
                format!("{company}, {date}, {begin_time}–{end_time}")
            }
            None => format!("{company}, {} {date}", words.from_day),
        };
        Some(ShownDelivery {
            total,
            place: home.home_address.clone().unwrap_or_default(),
            time,
            cost: if cost.kopecks() == 0 { String::new() } else { cost.shown(language) },
        })
    }
}

impl Front {
    /// How an order comes; nothing if that is not chosen.
    pub(super) async fn case_of(
        &self,
        order: &Order,
        caller: &Caller,
    ) -> Result<Option<Case>, Refusal> {
        let path = format!("/case?orderId={}", encoded(&order.id));
        let reply = self.delivery.call(Method::GET, &path, caller, None).await?;
        match reply.status {
            StatusCode::OK => reply.read().map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(Refusal::Unavailable),
        }
    }

    /// How an order comes, for its page; nothing if that is not agreed.
    pub(super) async fn delivery_of(
        &self,
        order: &Order,
        headers: &HeaderMap,
    ) -> Result<Option<ShownDelivery>, Refusal> {
        let case = self.case_of(order, &Caller::of(headers, None)).await?;
        let case = case.filter(|case| case.is_preliminary() || case.status == "CONFIRMED");
        let (words, language) = (self.frame(headers).words, self.language_of(headers));
        Ok(case.and_then(|case| case.shown(order.total(), words, language)))
    }
}
