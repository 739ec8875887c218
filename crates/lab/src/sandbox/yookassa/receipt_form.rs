//! The receipt in a request, and its checks.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::sandbox::answer::Error;
use tillgate_kernel::Money;

use super::{Amount, invalid};

#[derive(Deserialize)]
pub(super) struct Receipt {
    pub(super) customer: BTreeMap<String, String>,
    pub(super) items: Vec<Item>,
}

#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) description: String,
    pub(super) quantity: String,
    pub(super) amount: Amount,
    pub(super) vat_code: u8,
    pub(super) payment_mode: String,
    pub(super) measure: Option<String>,
}

impl Item {
    /// Price × quantity, to the nearest kopeck.
    pub(super) fn total(&self) -> Result<i64, Error> {
        let bad = || invalid("Incorrect receipt item", "receipt.items");
        let price = i128::from(self.amount.sum()?.kopecks());
        let quantity: tillgate_kernel::Quantity = self.quantity.parse().map_err(|_| bad())?;
        if !(1..=12).contains(&self.vat_code) || self.description.chars().count() > 128 {
            return Err(bad());
        }
        let total = (2 * price * i128::from(quantity.thousandths()) + 1000).div_euclid(2000);
        i64::try_from(total).map_err(|_| bad())
    }
}

impl Receipt {
    /// Checks the receipt against the sum of the payment or refund.
    pub(super) fn check(&self, sum: Money) -> Result<(), Error> {
        if !self.customer.contains_key("email") && !self.customer.contains_key("phone") {
            return Err(invalid("Receipt has no customer contact", "receipt.customer"));
        }
        let totals = self.items.iter().map(Item::total);
        let total: i64 = totals.collect::<Result<Vec<_>, _>>()?.into_iter().sum();
        if total != sum.kopecks() {
            return Err(invalid("Incorrect sum of receipt items", "receipt.items"));
        }
        Ok(())
    }

    /// The lines as the payment page shows them.
    pub(super) fn basket(&self) -> Box<RawValue> {
        let shown = |item: &Item| {
            let total = Money::from_kopecks(item.total().unwrap_or_default());
            let quantity = item.quantity.parse().map_or(Value::Null, Value::Number);
            let total: Value = total.to_string().parse().map_or(Value::Null, Value::Number);
            json!({"name": item.description, "quantity": quantity,
                   "measure": item.measure.as_deref().unwrap_or(""), "totalAmount": total})
        };
        let lines: Vec<Value> = self.items.iter().map(shown).collect();
        serde_json::value::to_raw_value(&lines).unwrap_or_default()
    }
}

pub(super) fn no_lines() -> Box<RawValue> {
    serde_json::value::to_raw_value(&[(); 0]).unwrap_or_default()
}
