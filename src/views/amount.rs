//! A sum with its currency.

use serde::Serialize;
use utoipa::ToSchema;

use super::schema::MoneyText;
use crate::kernel::Money;

/// A sum as the API shows it: a decimal string and a currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Amount {
    /// A decimal string with two places, such as `"1558.80"`.
    #[schema(value_type = MoneyText)]
    pub amount: Money,
    /// The currency by ISO 4217, such as `RUB`.
    pub currency: &'static str,
}

impl From<Money> for Amount {
    fn from(amount: Money) -> Amount {
        Amount { amount, currency: amount.currency().code() }
    }
}
