//! Notifications over a WebSocket, for a gateway without a public address.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tillgate::kernel::Clock;
use tillgate_lab::sandbox::{Call, Outcome, Setup, Trouble};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::world::DEADLINE;
use crate::world::till::{Till, text};

/// The payment system's end of the channel.
struct Gate(TcpListener);

impl Gate {
    async fn open() -> Gate {
        Gate(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    fn url(&self) -> String {
        format!("ws://{}/v3/gate/rpc", self.0.local_addr().expect("an address"))
    }

    /// Accepts the next connection, which must have the token.
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    async fn accept(&self, token: &str) -> WebSocketStream<TcpStream> {
        let (stream, _) = tokio::time::timeout(DEADLINE, self.0.accept())
            .await
            .expect("in time")
            .expect("a peer");
        let wanted = format!("token={token}");
        let check = |request: &Request, response: Response| {
            assert_eq!(request.uri().query(), Some(wanted.as_str()));
            Ok(response)
        };
        tokio_tungstenite::accept_hdr_async(stream, check).await.expect("a handshake")
    }
}

async fn ask(socket: &mut WebSocketStream<TcpStream>, call: &Value) -> Value {
    socket.send(Message::text(call.to_string())).await.expect("sent");
    let answer = tokio::time::timeout(DEADLINE, socket.next()).await.expect("in time");
    let answer = answer.expect("open").expect("a message").into_text().expect("text");
    serde_json::from_str(&answer).expect("json")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_paid_without_a_public_address() {
    let gate = Gate::open().await;
    let section = format!("[gateways.bank]\nchannel_url = \"{}\"", gate.url());
    let till =
        Till::open_with(Setup::default(), &[("[gateways.bank]", &section)], Clock::System).await;
    till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
    let token = till.bank.setup().token.expose().to_owned();
    let mut socket = gate.accept(&token).await;

    let status = ask(
        &mut socket,
        &json!({"jsonrpc": "2.0", "method": "getStatus", "params": {"logQuantity": 40}, "id": "1"}),
    )
    .await;
    assert_eq!((&status["id"], &status["result"]["type"]), (&json!("1"), &json!("tillgate")));

    let number = text(&till.place("A-1", "key").await["number"]);
    let remote = till.remote(&number);
    let notification = |id: &str| {
        let (body, _) = till.bank.notification(&remote.id).expect("a notification");
        let order: Value = serde_json::from_slice(&body).expect("json");
        json!({"jsonrpc": "2.0", "method": "onOrderStatusChange", "params": [order], "id": id})
    };
    // A message over the channel is not trusted. An order that claims to be
    // paid only triggers a look-up.
    let mut lie = notification("2");
    lie["params"][0]["status"] = json!("completed");
    let answer = ask(&mut socket, &lie).await;
    assert_eq!(answer["result"]["status"], "success", "{answer}");
    assert_ne!(till.order(&number).await["payment"]["state"], "paid");

    assert!(till.bank.buyer_acts(&remote.container, Outcome::Pay));
    let answer = ask(&mut socket, &notification("3")).await;
    assert_eq!((&answer["id"], &answer["result"]["status"]), (&json!("3"), &json!("success")));
    till.order_in(&number, "paid").await;
    let callbacks = till.site.wait_for(1, DEADLINE).await.expect("a callback");
    assert_eq!(callbacks.len(), 1);

    let unknown =
        ask(&mut socket, &json!({"jsonrpc": "2.0", "method": "shutDown", "id": "4"})).await;
    assert_eq!(unknown["error"]["code"], -32_601);

    // After a broken connection, the gateway opens another one.
    drop(socket);
    let mut socket = gate.accept(&token).await;
    let status =
        ask(&mut socket, &json!({"jsonrpc": "2.0", "method": "getStatus", "id": "5"})).await;
    assert_eq!(status["id"], "5");
    till.close().await;
}
