//! An amount with its currency.

use serde::Serialize;
use utoipa::ToSchema;

use super::schema::MoneyText;
use crate::kernel::Money;

/// An amount of money as a decimal string, with its currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Amount {
    /// The amount in units of the currency (roubles), as a decimal string with
    /// two places, such as `"1558.80"`.
    #[schema(value_type = MoneyText)]
    pub amount: Money,
    /// The ISO 4217 code of the currency, such as `RUB`.
    pub currency: &'static str,
}

impl From<Money> for Amount {
    fn from(amount: Money) -> Amount {
        Amount { amount, currency: amount.currency().code() }
    }
}
