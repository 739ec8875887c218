//! Why an order cannot come to its client as was asked.

use http::StatusCode;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use tillgate_kernel::{Language, Money};

use crate::roubles::Roubles;

/// A time of couriers that has room, as clients read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeSlot {
    pub date: String,
    pub begin: String,
    pub end: String,
    /// For how many orders.
    pub free: u64,
}

impl Serialize for FreeSlot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let FreeSlot { date, begin, end, free } = self;
        let mut shown = serializer.serialize_struct("FreeSlot", 3)?;
        shown.serialize_field("deliveryDate", date)?;
        shown.serialize_field("timeSlot", &json!({"beginTime": begin, "endTime": end}))?;
        shown.serialize_field("free", free)?;
        shown.end()
    }
}

/// A point where orders are given out, near an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NearPoint {
    pub id: u32,
    pub name: String,
    pub address: String,
}

/// Why an order cannot come to its client as was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryProblem {
    /// There is no point with this number.
    NoPoint(u64),
    /// Nobody delivers to the address. These points are near it.
    OutsideZone(Vec<NearPoint>),
    /// The company does not deliver to the address; others do.
    NoCompany(String),
    /// It costs another sum now.
    CostChanged(Money),
    /// The company does not deliver on the day: this is the first one.
    OtherDay(String),
    /// The time is full, has passed, or is none of the company's. These are
    /// free.
    SlotFull(Vec<FreeSlot>),
}

impl DeliveryProblem {
    /// The status, and the name in the problem's `type`.
    #[must_use]
    pub const fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            DeliveryProblem::NoPoint(_) => (StatusCode::NOT_FOUND, "not-found"),
            DeliveryProblem::OutsideZone(_) | DeliveryProblem::NoCompany(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "outside-zone")
            }
            DeliveryProblem::CostChanged(_) => (StatusCode::CONFLICT, "cost-changed"),
            DeliveryProblem::OtherDay(_) | DeliveryProblem::SlotFull(_) => {
                (StatusCode::CONFLICT, "slot-full")
            }
        }
    }

    /// What is wrong, and what to do about it.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        let (ru, en) = match self {
            DeliveryProblem::NoPoint(id) => {
                (format!("Пункта выдачи {id} нет"), format!("There is no pickup point {id}"))
            }
            DeliveryProblem::OutsideZone(points) if points.is_empty() => (
                "По этому адресу никто не доставляет. Проверьте индекс и город или выберите пункт \
                 выдачи"
                    .into(),
                "Nobody delivers to this address. Check the postal code and the town, or choose a \
                 pickup point"
                    .into(),
            ),
            DeliveryProblem::OutsideZone(points) => {
                let names: Vec<&str> = points.iter().map(|point| point.name.as_str()).collect();
                let names = names.join("; ");
                (
                    format!(
                        "По этому адресу никто не доставляет. Проверьте индекс и город или \
                         заберите заказ рядом: {names}"
                    ),
                    format!(
                        "Nobody delivers to this address. Check the postal code and the town, or \
                         fetch the order nearby: {names}"
                    ),
                )
            }
            DeliveryProblem::NoCompany(name) => (
                format!("«{name}» не доставляет по этому адресу. Выберите другую компанию"),
                format!("{name} does not deliver to this address. Choose another company"),
            ),
            DeliveryProblem::CostChanged(cost) => (
                format!(
                    "Доставка теперь стоит {}. Подтвердите новую стоимость",
                    cost.shown(Language::Ru)
                ),
                format!("Delivery costs {} now. Confirm the new cost", cost.shown(Language::En)),
            ),
            DeliveryProblem::OtherDay(first) => (
                format!("В этот день компания не доставляет. Ближайший день: {first}"),
                format!("The company does not deliver on this day. The first one is {first}"),
            ),
            DeliveryProblem::SlotFull(slots) if slots.is_empty() => (
                "Свободного времени у этой компании нет. Выберите другую или пункт выдачи".into(),
                "This company has no time left. Choose another one, or a pickup point".into(),
            ),
            DeliveryProblem::SlotFull(_) => (
                "Это время уже занято или прошло. Выберите другое".into(),
                "This time is taken or has passed. Choose another one".into(),
            ),
        };
        match language {
            Language::Ru => ru,
            Language::En => en,
        }
    }

    /// What programs need of it, beside its kind.
    #[must_use]
    pub fn members(&self) -> Map<String, Value> {
        let members = match self {
            DeliveryProblem::NoPoint(id) => json!({"pickupPointId": id}),
            DeliveryProblem::OutsideZone(points) => json!({"pickupPoints": points}),
            DeliveryProblem::NoCompany(_) => json!({}),
            DeliveryProblem::CostChanged(cost) => json!({"cost": Roubles(*cost)}),
            DeliveryProblem::OtherDay(first) => json!({"firstDay": first}),
            DeliveryProblem::SlotFull(slots) => json!({"slots": slots}),
        };
        if let Value::Object(members) = members { members } else { Map::new() }
    }
}
