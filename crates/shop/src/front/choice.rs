//! What a client chooses between at the checkout: points, and what companies
//! offer for an address.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tillgate_kernel::{Language, Money};

use super::Front;
use super::case::{Case, TimeSlot as TimeOfDay};
use super::market::encoded;
use super::posted::Posted;
use super::words::{Words, words};
use crate::Refusal;
use crate::roubles::Roubles;
use crate::service_client::Caller;

/// The most points that a page shows.
const POINTS_SHOWN_MAX: usize = 30;

/// What a client has chosen so far.
#[derive(Debug, Default)]
pub struct Wanted {
    /// `courier`, `point`, or nothing.
    pub way: String,
    filter: String,
    point: Option<u64>,
    address: String,
    company: String,
    /// A day, and the time of it if the company keeps times:
    /// `29.11.2026 13:00 15:00`.
    slot: String,
    /// What the client has seen that it costs.
    cost: String,
    has_agreed: bool,
}

/// Points to choose from.
pub struct Points {
    pub filter: String,
    pub all: Vec<ShownPoint>,
    pub has_more: bool,
}

pub struct ShownPoint {
    pub id: u64,
    pub name: String,
    pub address: String,
    pub is_chosen: bool,
}

/// Companies to choose from.
pub struct Couriers {
    pub address: String,
    /// Whether it was asked who delivers there.
    pub is_asked: bool,
    /// Why nobody does.
    pub fault: Option<String>,
    pub variants: Vec<ShownVariant>,
}

pub struct ShownVariant {
    pub company: String,
    pub cost: String,
    /// For the form.
    pub cost_digits: String,
    /// The first day.
    pub date: String,
    /// Empty if the company keeps no times.
    pub slots: Vec<ShownSlot>,
    pub is_chosen: bool,
    pub is_agreed: bool,
}

pub struct ShownSlot {
    pub value: String,
    pub label: String,
    pub is_chosen: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FoundPoints {
    pickup_points: Vec<FoundPoint>,
    has_more: bool,
}

#[derive(Deserialize)]
struct FoundPoint {
    id: u64,
    name: String,
    address: String,
}

#[derive(Deserialize)]
struct Offered {
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variant {
    company_name: String,
    cost: Roubles,
    estimated_date: String,
    slots: Vec<Slot>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Slot {
    delivery_date: String,
    time_slot: TimeSlot,
    free: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimeSlot {
    begin_time: String,
    end_time: String,
}

impl Wanted {
    /// What a form says. Each company has fields of its own, so that the form
    /// works without scripts.
    #[must_use]
    pub fn of_form(posted: &Posted) -> Wanted {
        let text = |name: &str| posted.get(name).trim().to_owned();
        let company = text("company");
        let own = |name: &str| text(&format!("{name} {company}"));
        Wanted {
            way: text("way"),
            filter: text("filter"),
            point: posted.get("point").parse().ok(),
            address: text("address"),
            slot: own("slot"),
            cost: own("cost"),
            has_agreed: !own("agreed").is_empty(),
            company,
        }
    }

    /// What is booked already.
    #[must_use]
    pub fn of_case(case: &Case) -> Wanted {
        if let Some(point) = &case.pickup_point_delivery {
            return Wanted {
                way: "point".into(),
                point: Some(point.point_id),
                filter: point.address.clone(),
                ..Wanted::default()
            };
        }
        let Some(home) = &case.home_delivery else { return Wanted::default() };
        let slot = match &home.time_slot {
            Some(TimeOfDay { begin_time, end_time }) => {
                format!("{} {begin_time} {end_time}", home.delivery_date)
            }
            None => home.delivery_date.clone(),
        };
        Wanted {
            way: "courier".into(),
            address: home.home_address.clone().unwrap_or_default(),
            company: home.company_name.clone(),
            slot,
            cost: case.cost.0.to_string(),
            // The client has agreed to it before.
            has_agreed: true,
            ..Wanted::default()
        }
    }

    /// The request that books it.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn booking(&self, id: &str, version: u64, words: &Words) -> Result<Value, &'static str> {
        let mut body = json!({"orderId": id, "version": version});
        match self.way.as_str() {
            "point" => {
                let point = self.point.ok_or(words.choose_point)?;
                body["pickupPointId"] = json!(point);
            }
            "courier" => {
                if self.address.is_empty() || self.company.is_empty() {
                    return Err(words.choose_company);
                }
                let cost: Money = self.cost.parse().map_err(|_| words.choose_company)?;
                let mut parts = self.slot.split(' ');
                let day = parts.next().filter(|day| !day.is_empty()).ok_or(words.choose_time)?;
                if !self.has_agreed {
                    return Err(words.agree_first);
                }
                body["address"] = json!(self.address);
                body["companyName"] = json!(self.company);
                body["deliveryDate"] = json!(day);
                body["cost"] = json!(Roubles(cost));
                if let (Some(begin), Some(end)) = (parts.next(), parts.next()) {
                    body["timeSlot"] = json!({"beginTime": begin, "endTime": end});
                }
            }
            _ => return Err(words.choose_way),
        }
        Ok(body)
    }
}

impl Front {
    /// The points that fit what a client has written.
    pub(super) async fn points_for(
        &self,
        wanted: &Wanted,
        caller: &Caller,
    ) -> Result<Points, Refusal> {
        let path = format!("/points?addressFilter={}", encoded(&wanted.filter));
        let reply = self.delivery.call(Method::GET, &path, caller, None).await?;
        let found = match reply.status {
            StatusCode::OK => reply.read()?,
            // The filter is too long to find anything.
            StatusCode::BAD_REQUEST => FoundPoints { pickup_points: Vec::new(), has_more: false },
            StatusCode::UNAUTHORIZED => return Err(Refusal::NoSession),
            _ => return Err(Refusal::Unavailable),
        };
        let count = found.pickup_points.len();
        let shown = |point: FoundPoint| ShownPoint {
            is_chosen: wanted.point == Some(point.id),
            id: point.id,
            name: point.name,
            address: point.address,
        };
        let mut found = found;
        // What was chosen is not left out.
        found.pickup_points.sort_by_key(|point| wanted.point != Some(point.id));
        Ok(Points {
            filter: wanted.filter.clone(),
            all: found.pickup_points.into_iter().take(POINTS_SHOWN_MAX).map(shown).collect(),
            has_more: found.has_more || count > POINTS_SHOWN_MAX,
        })
    }

    /// What companies offer for the address that a client has written; what is
    /// booked for the order is free for it.
    pub(super) async fn couriers_for(
        &self,
        order: &str,
        wanted: &Wanted,
        caller: &Caller,
        language: Language,
    ) -> Result<Couriers, Refusal> {
        let address = wanted.address.clone();
        if address.is_empty() {
            let variants = Vec::new();
            return Ok(Couriers { address, is_asked: false, fault: None, variants });
        }
        let path = format!("/variants?address={}&orderId={}", encoded(&address), encoded(order));
        let reply = self.delivery.call(Method::GET, &path, caller, None).await?;
        let offered: Offered = match reply.status {
            StatusCode::OK => reply.read()?,
            StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => {
                let of_field = reply.body()["errors"][0]["detail"].as_str();
                let said = of_field.or(reply.body()["detail"].as_str()).unwrap_or_default();
                let fault = Some(said.to_owned());
                return Ok(Couriers { address, is_asked: true, fault, variants: Vec::new() });
            }
            StatusCode::UNAUTHORIZED => return Err(Refusal::NoSession),
            _ => return Err(Refusal::Unavailable),
        };
        let variants = offered.variants.into_iter().map(|one| wanted.shown(one, language));
        Ok(Couriers { address, is_asked: true, fault: None, variants: variants.collect() })
    }
}

impl Wanted {
    fn shown(&self, variant: Variant, language: Language) -> ShownVariant {
        let Variant { company_name: company, cost: Roubles(cost), estimated_date, slots } = variant;
        let is_chosen = company == self.company;
        let slot = |Slot { delivery_date, time_slot, free }: Slot| {
            let TimeSlot { begin_time, end_time } = time_slot;
            let value = format!("{delivery_date} {begin_time} {end_time}");
            let left = words(language).left;
            ShownSlot {
                is_chosen: is_chosen && value == self.slot,
                label: format!("{delivery_date}, {begin_time}–{end_time} ({left}: {free})"),
                value,
            }
        };
        ShownVariant {
            is_chosen,
            is_agreed: is_chosen && self.has_agreed && self.cost == cost.to_string(),
            cost: if cost.kopecks() == 0 {
                words(language).free.to_owned()
            } else {
                cost.shown(language)
            },
            cost_digits: cost.to_string(),
            date: estimated_date,
            slots: slots.into_iter().map(slot).collect(),
            company,
        }
    }
}
