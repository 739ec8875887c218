//! Notifications over a WebSocket, for a receiver without a public address. The
//! protocol is JSON-RPC 2.0, and the payment system is the caller.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::kernel::json::tidy;
use crate::webhooks::{Call, CallOutcome, ChannelRequest, NotACall, NotificationChannel};

/// A JSON-RPC request.
#[derive(Debug, Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    method: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(default)]
    id: Value,
}

/// Error codes of JSON-RPC.
const PARSE_ERROR: i32 = -32_700;
const NO_SUCH_METHOD: i32 = -32_601;
const INTERNAL_ERROR: i32 = -32_603;

/// The [`NotificationChannel`] of Invoicebox.
#[derive(Debug)]
pub struct JsonRpc;

impl NotificationChannel for JsonRpc {
    fn read(&self, text: &str) -> Result<Call, NotACall> {
        read(text).map_err(|why| NotACall { answer: failed(&Value::Null, PARSE_ERROR, &why), why })
    }

    fn answer(&self, id: &Value, outcome: CallOutcome<'_>) -> String {
        match outcome {
            CallOutcome::Status => done(id, &status()),
            CallOutcome::Kept => done(id, &json!({"status": "success"})),
            CallOutcome::NotKept(why) => failed(id, INTERNAL_ERROR, why),
            CallOutcome::UnknownMethod(method) => {
                failed(id, NO_SUCH_METHOD, &format!("unknown method {method:?}"))
            }
        }
    }
}

fn read(text: &str) -> Result<Call, String> {
    let tidied = tidy(text.as_bytes());
    let request: Request<'_> = serde_json::from_slice(&tidied.text)
        .map_err(|why| format!("not a JSON-RPC request: {why}"))?;
    let asked = match request.method.as_ref() {
        "onOrderStatusChange" => {
            let params = request.params.map_or("[]", RawValue::get);
            // A list according to the documentation. One third-party client
            // expects a single order.
            let orders: Vec<&RawValue> = match params.trim_start().starts_with('[') {
                true => serde_json::from_str(params).map_err(|why| why.to_string())?,
                false => vec![request.params.ok_or("the call has no order in its params")?],
            };
            ChannelRequest::Notifications(
                orders.into_iter().map(|order| order.get().as_bytes().to_vec()).collect(),
            )
        }
        "getStatus" => ChannelRequest::Status,
        other => ChannelRequest::Else(other.to_owned()),
    };
    Ok(Call { id: request.id, request: asked })
}

fn done(id: &Value, result: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string()
}

fn failed(id: &Value, code: i32, message: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}).to_string()
}

fn status() -> Value {
    json!({"version": env!("CARGO_PKG_VERSION"), "type": "tillgate", "settings": {}, "log": []})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_in_both_shapes() {
        let list = r#"{"jsonrpc":"2.0","method":"onOrderStatusChange",
            "params":[{"id":"1"},{"id":"2"}],"id":"a1"}"#;
        let orders = vec![br#"{"id":"1"}"#.to_vec(), br#"{"id":"2"}"#.to_vec()];
        assert_eq!(
            read(list),
            Ok(Call { id: json!("a1"), request: ChannelRequest::Notifications(orders) })
        );
        let one = r#"{"jsonrpc":"2.0","method":"onOrderStatusChange","params":{"id":"1"},"id":7}"#;
        assert_eq!(
            read(one),
            Ok(Call {
                id: json!(7),
                request: ChannelRequest::Notifications(vec![br#"{"id":"1"}"#.to_vec()])
            })
        );
        let status =
            r#"{"jsonrpc":"2.0","method":"getStatus","params":{"logQuantity":40},"id":"a2"}"#;
        assert_eq!(read(status), Ok(Call { id: json!("a2"), request: ChannelRequest::Status }));
        let other = r#"{"jsonrpc":"2.0","method":"shutDown","id":"a3"}"#;
        assert_eq!(
            read(other),
            Ok(Call { id: json!("a3"), request: ChannelRequest::Else("shutDown".into()) })
        );
        assert!(read("{}").is_err() && read("nonsense").is_err());
    }
}
