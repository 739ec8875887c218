//! Fulfilment updates: the merchant reports the status of an order, and the
//! marketplace gets each update once and in order, however the calls end.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tillgate::kernel::Clock;
use tillgate::kernel::time::earlier;
use tillgate_lab::sandbox::Setup;

use super::operation::{BINARY, configure};
use crate::world::listener::Listener;
use crate::world::till::{Till, json_of, text};
use crate::world::{ADMIN_TOKEN, DEADLINE, ask_again_soon, created, hook, payload};

const TOKEN: &str = "token = \"update-token\"";

async fn open(listener: &Listener, access: &str, clock: Clock) -> Till {
    let outgoing = format!(
        "[sources.sm.outgoing]\nurl = \"{}/notifications\"\n{access}\n[gateways.bank]",
        listener.url()
    );
    Till::open_with(Setup::default(), &[("[gateways.bank]", &outgoing)], clock).await
}

async fn tell(till: &Till, number: &str, body: &Value) -> (u16, Value) {
    let path = format!("/admin/v1/orders/{number}/tell");
    let reply = till.call(Method::POST, &path, ADMIN_TOKEN, None, &body.to_string()).await;
    (reply.status.as_u16(), json_of(&reply))
}

/// Waits until the order's messages to the marketplace are in `state`.
async fn settled(till: &Till, number: &str, state: &str, count: usize) {
    let waiting = async {
        loop {
            let journal = till.admin(&format!("/orders/{number}/journal")).await;
            let messages = journal["items"].as_array().expect("items").iter();
            let own =
                messages.filter(|entry| entry["lane"] == "marketplace" && entry["state"] == state);
            if own.count() == count {
                return;
            }
            till.clock.advance(Duration::from_secs(1));
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting)
        .await
        .unwrap_or_else(|_| panic!("{count} messages {state}"));
}

fn clock() -> Clock {
    Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_marketplace_gets_the_status_of_an_order() {
    let listener = Listener::start().await;
    let till = open(&listener, TOKEN, clock()).await;
    let number = till.number_of(&created("H1")).await;

    // Updates must be in the marketplace's order.
    let (status, problem) = tell(&till, &number, &json!({"event": "ready"})).await;
    assert_eq!(status, 409);
    assert!(
        problem["detail"].as_str().is_some_and(|why| why.contains("send in_work first")),
        "{problem}"
    );

    let (status, first) = tell(&till, &number, &json!({"event": "in_work"})).await;
    assert_eq!(status, 200);
    let (_, again) = tell(&till, &number, &json!({"event": "in_work"})).await;
    assert_eq!(again["id"], first["id"], "a repeated update is sent once");
    let picked = json!([{"sku": "100", "quantity": "1.5", "weight_grams": "750"}, {"sku": "200",
        "quantity": "1", "replaced_by": "100"}]);
    assert_eq!(tell(&till, &number, &json!({"event": "ready", "positions": picked})).await.0, 200);
    settled(&till, &number, "sent", 2).await;
    let taken = listener.received(|received| received.taken.clone());
    let kinds: Vec<&str> = taken.iter().filter_map(|body| body["event"]["type"].as_str()).collect();
    assert_eq!(kinds, ["order.in_work", "order.ready_for_delivery"]);
    let order = &taken[1]["event"]["payload"]["order"];
    assert_eq!(
        (order["changed"].as_bool(), order["positions"].as_array().map(Vec::len)),
        (Some(true), Some(2))
    );
    let position = &order["positions"][0];
    assert_eq!(
        (&position["id"], &position["quantity"], &position["weight"]),
        (&json!("100"), &json!(1.5), &json!("750"))
    );
    assert_eq!(order["positions"][1]["replacedByID"], "100");

    // `in_work` after `ready` is refused, and a cancelled order gets no more
    // updates.
    let other = till.number_of(&created("H2")).await;
    tell(&till, &other, &json!({"event": "canceled", "reason": "out_of_stock"})).await;
    settled(&till, &other, "sent", 1).await;
    assert_eq!(
        listener.received(|received| received.taken[2]["event"]["payload"]["reason"].clone()),
        "out_of_stock"
    );
    assert_eq!(tell(&till, &other, &json!({"event": "in_work"})).await.0, 409);
    let third = till.number_of(&created("H3")).await;
    let cancelled = hook(
        "order.cancelled",
        Some("2026-11-22T13:00:00+03:00"),
        json!({"originalOrderId": "H3"}),
    );
    till.number_of(&cancelled).await;
    assert_eq!(tell(&till, &third, &json!({"event": "in_work"})).await.0, 409);
    assert_eq!(listener.received(|received| received.out_of_turn), 0);
    till.close().await;
}

/// An update that was accepted, but not answered, is out of turn when it is
/// sent again: it counts as sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_response_is_understood() {
    let listener = Listener::start().await;
    let till = open(&listener, TOKEN, clock()).await;
    let number = till.number_of(&created("H1")).await;
    listener.received(|received| received.lost_answers = 1);
    tell(&till, &number, &json!({"event": "in_work"})).await;
    settled(&till, &number, "sent", 1).await;
    assert_eq!(listener.received(|received| (received.taken.len(), received.out_of_turn)), (1, 1));
    till.close().await;
}

/// An update that is out of turn in its first attempt was refused: somebody
/// else has sent updates to the marketplace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_that_is_out_of_turn_is_a_dead_letter() {
    let listener = Listener::start().await;
    let till = open(&listener, TOKEN, clock()).await;
    let number = till.number_of(&created("H1")).await;
    listener.received(|received| received.states.insert("H1".into(), "canceled"));
    tell(&till, &number, &json!({"event": "in_work"})).await;
    settled(&till, &number, "dead", 1).await;
    let dead = till.admin("/outbox?lane=marketplace&state=dead").await;
    assert!(
        dead["items"][0]["last_error"]["text"]
            .as_str()
            .is_some_and(|why| why.contains("illegal transition")),
        "{dead}"
    );
    till.close().await;
}

/// Hooks are sent seven times at most. Missed hooks are found in the
/// marketplace's list of orders, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missed_hooks_are_found() {
    let listener = Listener::start().await;
    let clock = clock();
    let day = Duration::from_secs(24 * 3600);
    let shipment = |id: &str, state: &str| {
        let mut shipment = payload(id, "100", 2, "20.00");
        shipment["state"] = json!(state);
        shipment
    };
    let ago = |time| earlier(clock.now(), time);
    listener.received(|received| {
        received.shipments = vec![
            (ago(day * 10), shipment("H1", "ready")),
            (ago(day), shipment("H2", "canceled")),
            (ago(day), shipment("H3", "complete")),
            (ago(Duration::from_secs(60)), shipment("H4", "active")), // its hook may be on its way
        ];
    });
    let access = format!("{TOKEN}\nshipments_url = \"{}/shipments\"", listener.url());
    let till = open(&listener, &access, clock.clone()).await;
    let states = async || {
        let orders = till.admin("/orders?source=sm").await;
        let mut states: Vec<(String, String)> = orders["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|order| (text(&order["external_id"]), text(&order["state"])))
            .collect();
        states.sort();
        states
    };
    let wait_for = async |wanted: &[(&str, &str)]| {
        let waiting = async {
            while states().await
                != wanted
                    .iter()
                    .map(|(id, state)| ((*id).into(), (*state).into()))
                    .collect::<Vec<_>>()
            {
                ask_again_soon().await;
            }
        };
        if tokio::time::timeout(DEADLINE, waiting).await.is_err() {
            panic!("{:?} and not {wanted:?}", states().await);
        }
    };
    wait_for(&[("H1", "open"), ("H2", "cancelled"), ("H3", "delivered")]).await;
    // Completed orders are not paid: the payment system gets only the open one.
    let number = till.number_of(&created("H1")).await;
    till.document_in(&number, "linked").await;
    let requested: Vec<String> = till.bank.ledger().into_iter().map(|entry| entry.number).collect();
    assert_eq!(requested, [format!("{number}-1")]);
    // A change of the goods that had no hook either: the order and its payment
    // follow.
    let mut changed = payload("H1", "100", 3, "30.00");
    changed["state"] = json!("ready");
    listener.received(|received| received.shipments[0] = (clock.now(), changed));
    clock.advance(Duration::from_secs(700));
    let followed = async {
        loop {
            let order = till.admin(&format!("/orders/{number}")).await;
            let payment = (&order["payment"]["state"], &order["payment"]["amount"]["amount"]);
            if order["positions"][0]["quantity"] == "3"
                && payment == (&json!("linked"), &json!("30.00"))
            {
                return;
            }
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, followed).await.expect("the change is found");
    // A change that is already known is ignored; a missed one is found in the
    // next run, together with the earlier ones.
    listener.received(|received| received.shipments[0] = (clock.now(), shipment("H1", "canceled")));
    clock.advance(Duration::from_secs(700));
    wait_for(&[("H1", "cancelled"), ("H2", "cancelled"), ("H3", "delivered"), ("H4", "open")])
        .await;
    let hooks = till.admin("/hooks?source=sm").await;
    let count = hooks["items"].as_array().map(Vec::len);
    let lists = listener.received(|received| received.lists);
    // Nothing is found twice.
    clock.advance(Duration::from_secs(700));
    let looked = async {
        while listener.received(|received| received.lists) <= lists {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, looked).await.expect("another run");
    assert_eq!(till.admin("/hooks?source=sm").await["items"].as_array().map(Vec::len), count);
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_fetched_and_used_until_it_expires() {
    let listener = Listener::start().await;
    let access = format!(
        "token_url = \"{}/auth/token\"\nclient_id = \"shop\"\nclient_secret = \"s&cret\"",
        listener.url()
    );
    let till = open(&listener, &access, clock()).await;
    for order in ["H1", "H2"] {
        let number = till.number_of(&created(order)).await;
        tell(&till, &number, &json!({"event": "in_work"})).await;
        settled(&till, &number, "sent", 1).await;
    }
    assert_eq!(listener.received(|received| received.tokens), 1);
    till.clock.advance(Duration::from_secs(300));
    let number = till.number_of(&created("H3")).await;
    tell(&till, &number, &json!({"event": "in_work"})).await;
    settled(&till, &number, "sent", 1).await;
    assert_eq!(listener.received(|received| (received.tokens, received.taken.len())), (2, 3));
    till.close().await;
}

/// A token without a known lifetime is used until it is refused. Then one new
/// token is fetched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_without_a_lifetime_is_used_until_it_is_refused() {
    for lifetime in [Value::Null, json!("86400"), json!("86400.0"), json!(86400.5)] {
        let listener = Listener::start().await;
        listener.received(|received| received.lifetime = Some(lifetime.clone()));
        let access = format!(
            "token_url = \"{}/auth/token\"\nclient_id = \"shop\"\nclient_secret = \"s&cret\"",
            listener.url()
        );
        let clock = clock();
        let till = open(&listener, &access, clock.clone()).await;
        for (place, refusals) in [0, 0, 1].into_iter().enumerate() {
            listener.received(|received| received.refusals = refusals);
            let number = till.number_of(&created(&format!("H{place}"))).await;
            assert_eq!(tell(&till, &number, &json!({"event": "in_work"})).await.0, 200);
            settled(&till, &number, "sent", 1).await;
            let seen = listener.received(|received| (received.taken.len(), received.tokens));
            assert_eq!(seen, (place + 1, 1 + refusals), "{lifetime}");
        }
        till.close().await;
    }
}

/// Wrong credentials for the marketplace are found before the first order
/// depends on them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_verifies_our_credentials_at_the_marketplace() {
    let listener = Listener::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let check = async |access: &str| {
        configure(folder.path());
        let path = folder.path().join("tillgate.toml");
        let settings = std::fs::read_to_string(&path).expect("settings");
        let outgoing = format!(
            "{settings}[sources.sm.outgoing]\nurl = \"{}/notifications\"\n{access}\n",
            listener.url()
        );
        std::fs::write(&path, outgoing).expect("written");
        let mut command = std::process::Command::new(BINARY);
        command.arg("check").current_dir(folder.path());
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
        let output = output.expect("the binary runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let client = |secret: &str| {
        format!(
            "token_url = \"{}/auth/token\"\nclient_id = \"shop\"\nclient_secret = \"{secret}\"",
            listener.url()
        )
    };
    let (code, output) = check(&client("s&cret")).await;
    assert!(
        code == Some(0) && output.contains("ok    outgoing: sm issued an access token"),
        "{output}"
    );
    let (code, output) = check(&client("wrong")).await;
    assert!(code == Some(1) && output.contains("FAIL  outgoing: sm: no access token"), "{output}");
    let list = format!("shipments_url = \"{}/shipments\"", listener.url());
    let (code, output) = check(&format!("{TOKEN}\n{list}")).await;
    assert!(
        code == Some(0) && output.contains("ok    shipments: sm shows its list of orders"),
        "{output}"
    );
    let (code, output) = check(&format!("token = \"another\"\n{list}")).await;
    assert!(code == Some(1) && output.contains("FAIL  shipments: sm: it answered 401"), "{output}");
}
