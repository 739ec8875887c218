//! Parsing of notifications. Only the fields that are compared are read, and
//! leniently: the vendor's samples differ in everything else.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::kernel::json::Object;
use crate::kernel::{money, same_id};
use crate::payments::{Notification, NotificationStatus};

/// The id in a connection test.
const TEST_ID: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/// The subtype of a notification about an order.
const ORDER: &str = "order";

/// The only status that means "paid".
const COMPLETED: &str = "completed";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderNotification<'a> {
    id: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    merchant_id: String,
    #[serde(default)]
    merchant_order_id: Option<String>,
    #[serde(borrow, default)]
    amount: Option<&'a RawValue>,
    #[serde(default)]
    currency_id: Option<String>,
    #[serde(default)]
    subtype: Option<String>,
    /// The order that a refund or a correction belongs to.
    #[serde(default)]
    parent_id: Option<String>,
}

/// Parses a notification. The error says what is wrong with it.
pub fn read(body: &[u8]) -> Result<Notification, String> {
    let Object(order): Object<OrderNotification<'_>> = serde_json::from_slice(body)
        .map_err(|why| format!("not a notification about an order: {why}"))?;
    let number = order.merchant_order_id.unwrap_or_default();
    let is_test = same_id(&order.id, TEST_ID) && number.is_empty();
    if order.amount.is_none() && number.is_empty() && !is_test {
        return Err("the notification has neither a number nor an amount".into());
    }
    let amount = order.amount.and_then(money::from_json);
    // No sample of other subtypes is known. They never count as a payment, only
    // as a reason to ask the payment system.
    let other = order.subtype.filter(|subtype| subtype != ORDER);
    let status = match other {
        Some(subtype) => NotificationStatus::Other(format!("{} of a {subtype}", order.status)),
        // If the amount is missing or unreadable, the payment system itself is
        // asked for it.
        None if amount.is_none() && !is_test => {
            NotificationStatus::Other(format!("{}, with an unreadable amount", order.status))
        }
        None if order.status == COMPLETED => NotificationStatus::Completed,
        None => NotificationStatus::Other(order.status),
    };
    Ok(Notification {
        of_payment: Some(order.parent_id.unwrap_or_else(|| order.id.clone())),
        remote_id: order.id,
        number,
        account: Some(order.merchant_id),
        amount: amount.unwrap_or(money::Money::ZERO),
        currency: order.currency_id,
        status,
        made_at: None,
        is_test,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_by_their_digits() {
        let amount = |text: &str| {
            let body = format!(
                r#"{{"id":"1","status":"completed","merchantOrderId":"7","amount":{text}}}"#
            );
            let notification = read(body.as_bytes()).expect("a notification");
            (notification.status == NotificationStatus::Completed)
                .then(|| notification.amount.to_string())
        };
        assert_eq!(amount("2790.67").as_deref(), Some("2790.67"));
        assert_eq!(amount("122").as_deref(), Some("122.00"));
        assert_eq!(amount("\"0.29\"").as_deref(), Some("0.29"));
        assert_eq!(amount("1e3").as_deref(), Some("1000.00"));
        assert_eq!(amount("259.80000000000001").as_deref(), Some("259.80"));
        for odd in ["1e21", "0.001", "null", "[]", "\"x\""] {
            assert_eq!(amount(odd), None, "{odd} must not count as paid");
        }
    }

    #[test]
    fn only_completed_means_paid() {
        for status in ["success", "Completed", "paid", "canceled", "hold", ""] {
            let body =
                format!(r#"{{"id":"1","status":"{status}","merchantOrderId":"7","amount":1}}"#);
            let notification = read(body.as_bytes()).expect("a notification");
            assert_eq!(notification.status, NotificationStatus::Other(status.to_owned()));
        }
    }
}
