//! The notification's form. Only what is compared is read, and only leniently: samples of the vendor differ in
//! everything else.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::kernel::json::Object;
use crate::kernel::{money, same_id};
use crate::payments::{Notice, NoticeStatus};

/// The id that a test of the connection bears.
const TEST_ID: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/// The kind of what is paid.
const ORDER: &str = "order";

/// The one status that means "paid".
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

/// Reads a notification; the error says what is the matter.
pub fn read(body: &[u8]) -> Result<Notice, String> {
    let Object(order): Object<OrderNotification<'_>> =
        serde_json::from_slice(body).map_err(|why| format!("it is not a notification of an order: {why}"))?;
    let number = order.merchant_order_id.unwrap_or_default();
    let is_test = same_id(&order.id, TEST_ID) && number.is_empty();
    if order.amount.is_none() && number.is_empty() && !is_test {
        return Err("it has neither a number nor an amount".into());
    }
    let amount = order.amount.and_then(money::from_json);
    // Of other kinds nobody has seen one: they make us look, and pay nothing.
    let other = order.subtype.filter(|subtype| subtype != ORDER);
    let status = match other {
        Some(subtype) => NoticeStatus::Other(format!("{} of a {subtype}", order.status)),
        // What is not said, or cannot be read, the payment system itself is asked for.
        None if amount.is_none() && !is_test => {
            NoticeStatus::Other(format!("{}, for an amount that cannot be read", order.status))
        }
        None if order.status == COMPLETED => NoticeStatus::Completed,
        None => NoticeStatus::Other(order.status),
    };
    Ok(Notice {
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
            let body = format!(r#"{{"id":"1","status":"completed","merchantOrderId":"7","amount":{text}}}"#);
            let notice = read(body.as_bytes()).expect("a notification");
            (notice.status == NoticeStatus::Completed).then(|| notice.amount.to_string())
        };
        assert_eq!(amount("2790.67").as_deref(), Some("2790.67"));
        assert_eq!(amount("122").as_deref(), Some("122.00"));
        assert_eq!(amount("\"0.29\"").as_deref(), Some("0.29"));
        assert_eq!(amount("1e3").as_deref(), Some("1000.00"));
        assert_eq!(amount("259.80000000000001").as_deref(), Some("259.80"));
        for odd in ["1e21", "0.001", "null", "[]", "\"x\""] {
            assert_eq!(amount(odd), None, "{odd}: it is looked up");
        }
    }

    #[test]
    fn only_completed_means_paid() {
        for status in ["success", "Completed", "paid", "canceled", "hold", ""] {
            let body = format!(r#"{{"id":"1","status":"{status}","merchantOrderId":"7","amount":1}}"#);
            let notice = read(body.as_bytes()).expect("a notice");
            assert_eq!(notice.status, NoticeStatus::Other(status.to_owned()));
        }
    }
}
