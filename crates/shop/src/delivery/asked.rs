//! What the fields of a request say.

use jiff::civil::{Date, Time};
use tillgate_kernel::Money;

use super::slots::{read_day, read_hour};
use crate::Refusal;
use crate::client_orders::ORDER_CHARACTERS_MAX;
use crate::form::{Fault, Form};

/// The longest address, in characters.
pub const ADDRESS_CHARACTERS_MAX: usize = 300;

/// The longest name of a company, in characters.
pub const COMPANY_CHARACTERS_MAX: usize = 100;

/// How an order is to come, for `POST /book`.
#[derive(Debug)]
pub struct Wish {
    pub order: String,
    pub version: u64,
    pub way: WishedWay,
}

#[derive(Debug)]
pub enum WishedWay {
    /// The number of a point.
    Point(u64),
    Courier(WishedCourier),
}

/// An order that a courier is to bring.
#[derive(Debug)]
pub struct WishedCourier {
    pub address: String,
    pub company: String,
    pub date: Date,
    /// From and until when.
    pub slot: Option<(Time, Time)>,
    /// The cost that the client agrees to.
    pub cost: Money,
}

impl Wish {
    /// Reads the fields.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Wish, Refusal> {
        let order = form.optional_id("orderId", ORDER_CHARACTERS_MAX);
        form.need("orderId", order.is_some());
        let version = form.optional_whole("version", 0, u64::from(u32::MAX));
        form.need("version", version.is_some());
        let way = if form.has("pickupPointId") {
            let point = form.optional_whole("pickupPointId", 1, u64::from(u32::MAX));
            form.need("pickupPointId", point.is_some());
            point.map(WishedWay::Point)
        } else {
            courier(&mut form)
        };
        let all = order.zip(version.zip(way));
        let read = all.map(|(order, (version, way))| Wish { order, version, way });
        form.whole(read).map_err(Refusal::Fields)
    }
}

fn courier(form: &mut Form) -> Option<WishedWay> {
    let address = form.required("address", ADDRESS_CHARACTERS_MAX);
    let company = form.required("companyName", COMPANY_CHARACTERS_MAX);
    let date = form.required("deliveryDate", usize::MAX);
    let date = date
        .and_then(|text| read_day(&text).or_else(|| form.refuse("deliveryDate", Fault::NotADay)));
    let slot = form.optional_object("timeSlot", |form| {
        let mut hour = |name: &str| {
            let text = form.required(name, usize::MAX)?;
            read_hour(&text).or_else(|| form.refuse(name, Fault::NotAnHour))
        };
        hour("beginTime").zip(hour("endTime"))
    });
    let cost = form.cost("cost");
    let (address, company, date, cost) = (address?, company?, date?, cost?);
    Some(WishedWay::Courier(WishedCourier { address, company, date, slot, cost }))
}
