//! The shop says how far an order is, and the marketplace hears it: once, in turn, whatever becomes of the calls.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tillgate::kernel::Clock;
use tillgate::kernel::time::earlier;
use tillgate_lab::sandbox::Setup;

use super::operation::{BINARY, configure};
use crate::world::listener::Listener;
use crate::world::till::{Till, json_of, text};
use crate::world::{ADMIN_TOKEN, DEADLINE, created, hook, payload};

const TOKEN: &str = "token = \"told-token\"";

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
            let own = messages.filter(|entry| entry["lane"] == "marketplace" && entry["state"] == state);
            if own.count() == count {
                return;
            }
            till.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("{count} messages {state}"));
}

fn clock() -> Clock {
    Clock::manual("2026-11-22T10:00:00Z".parse().expect("a time"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_marketplace_hears_how_far_an_order_is() {
    let listener = Listener::start().await;
    let till = open(&listener, TOKEN, clock()).await;
    let number = till.number_of(&created("H1")).await;

    // The marketplace's own order of things is kept.
    let (status, problem) = tell(&till, &number, &json!({"event": "ready"})).await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().is_some_and(|why| why.contains("tell in_work first")), "{problem}");

    let (status, first) = tell(&till, &number, &json!({"event": "in_work"})).await;
    assert_eq!(status, 200);
    let (_, again) = tell(&till, &number, &json!({"event": "in_work"})).await;
    assert_eq!(again["id"], first["id"], "the same is told once");
    let picked = json!([{"sku": "100", "quantity": "1.5", "weight_grams": "750"}, {"sku": "200", "quantity": "1", "replaced_by": "100"}]);
    assert_eq!(tell(&till, &number, &json!({"event": "ready", "positions": picked})).await.0, 200);
    settled(&till, &number, "sent", 2).await;
    let taken = listener.heard(|heard| heard.taken.clone());
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

    // Ready is too late for in_work, and what was called off is told no more.
    let other = till.number_of(&created("H2")).await;
    tell(&till, &other, &json!({"event": "canceled", "reason": "out_of_stock"})).await;
    settled(&till, &other, "sent", 1).await;
    assert_eq!(listener.heard(|heard| heard.taken[2]["event"]["payload"]["reason"].clone()), "out_of_stock");
    assert_eq!(tell(&till, &other, &json!({"event": "in_work"})).await.0, 409);
    let third = till.number_of(&created("H3")).await;
    let cancelled =
        hook("order.cancelled", Some("2026-11-22T13:00:00+03:00"), json!({"originalOrderId": "H3"}));
    till.number_of(&cancelled).await;
    assert_eq!(tell(&till, &third, &json!({"event": "in_work"})).await.0, 409);
    assert_eq!(listener.heard(|heard| heard.out_of_turn), 0);
    till.close().await;
}

/// What was taken in and not answered is out of turn when it comes again: that is understood.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_lost_is_understood() {
    let listener = Listener::start().await;
    let till = open(&listener, TOKEN, clock()).await;
    let number = till.number_of(&created("H1")).await;
    listener.heard(|heard| heard.lost_answers = 1);
    tell(&till, &number, &json!({"event": "in_work"})).await;
    settled(&till, &number, "sent", 1).await;
    assert_eq!(listener.heard(|heard| (heard.taken.len(), heard.out_of_turn)), (1, 1));
    till.close().await;
}

/// What is out of turn at once was refused: somebody else has told the marketplace something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_out_of_turn_is_put_before_a_person() {
    let listener = Listener::start().await;
    let till = open(&listener, TOKEN, clock()).await;
    let number = till.number_of(&created("H1")).await;
    listener.heard(|heard| heard.states.insert("H1".into(), "canceled"));
    tell(&till, &number, &json!({"event": "in_work"})).await;
    settled(&till, &number, "dead", 1).await;
    let dead = till.admin("/outbox?lane=marketplace&state=dead").await;
    assert!(
        dead["items"][0]["last_error"]["text"].as_str().is_some_and(|why| why.contains("illegal transition")),
        "{dead}"
    );
    till.close().await;
}

/// Hooks are sent seven times and then no more: what was missed is found at the marketplace itself, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_that_never_came_are_found() {
    let listener = Listener::start().await;
    let clock = clock();
    let day = Duration::from_secs(24 * 3600);
    let shipment = |id: &str, state: &str| {
        let mut shipment = payload(id, "100", 2, "20.00");
        shipment["state"] = json!(state);
        shipment
    };
    let ago = |time| earlier(clock.now(), time);
    listener.heard(|heard| {
        heard.shipments = vec![
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
                != wanted.iter().map(|(id, state)| ((*id).into(), (*state).into())).collect::<Vec<_>>()
            {
                tokio::task::yield_now().await;
            }
        };
        if tokio::time::timeout(DEADLINE, waiting).await.is_err() {
            panic!("{:?} and not {wanted:?}", states().await);
        }
    };
    wait_for(&[("H1", "open"), ("H2", "cancelled"), ("H3", "delivered")]).await;
    // Nobody is to pay what is over: the payment system hears of the open one alone.
    let number = till.number_of(&created("H1")).await;
    till.document_in(&number, "linked").await;
    let asked: Vec<String> = till.bank.ledger().into_iter().map(|entry| entry.number).collect();
    assert_eq!(asked, [format!("{number}-1")]);
    // Other goods, of which no hook came either: the order and what is to be paid follow.
    let mut changed = payload("H1", "100", 3, "30.00");
    changed["state"] = json!("ready");
    listener.heard(|heard| heard.shipments[0] = (clock.now(), changed));
    clock.advance(Duration::from_secs(700));
    let followed = async {
        loop {
            let order = till.admin(&format!("/orders/{number}")).await;
            let payment = (&order["payment"]["state"], &order["payment"]["amount"]["amount"]);
            if order["positions"][0]["quantity"] == "3" && payment == (&json!("linked"), &json!("30.00")) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, followed).await.expect("the change is found");
    // What has come meanwhile is known; what has not is found by the next look, with what became of the others.
    listener.heard(|heard| heard.shipments[0] = (clock.now(), shipment("H1", "canceled")));
    clock.advance(Duration::from_secs(700));
    wait_for(&[("H1", "cancelled"), ("H2", "cancelled"), ("H3", "delivered"), ("H4", "open")]).await;
    let hooks = till.admin("/hooks?source=sm").await;
    let count = hooks["items"].as_array().map(Vec::len);
    let lists = listener.heard(|heard| heard.lists);
    // Nothing is found twice.
    clock.advance(Duration::from_secs(700));
    let looked = async {
        while listener.heard(|heard| heard.lists) <= lists {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, looked).await.expect("another look");
    assert_eq!(till.admin("/hooks?source=sm").await["items"].as_array().map(Vec::len), count);
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_fetched_and_used_until_it_runs_out() {
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
    assert_eq!(listener.heard(|heard| heard.tokens), 1);
    till.clock.advance(Duration::from_secs(300));
    let number = till.number_of(&created("H3")).await;
    tell(&till, &number, &json!({"event": "in_work"})).await;
    settled(&till, &number, "sent", 1).await;
    assert_eq!(listener.heard(|heard| (heard.tokens, heard.taken.len())), (2, 3));
    till.close().await;
}

/// Whether the marketplace knows us is seen before the first order depends on it.
/// Nobody says for how long a token is good: it is used until it is refused, and then another is asked for, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_without_an_end_is_used_until_it_is_refused() {
    for lifetime in [Value::Null, json!("86400"), json!("86400.0"), json!(86400.5)] {
        let listener = Listener::start().await;
        listener.heard(|heard| heard.lifetime = Some(lifetime.clone()));
        let access = format!(
            "token_url = \"{}/auth/token\"\nclient_id = \"shop\"\nclient_secret = \"s&cret\"",
            listener.url()
        );
        let clock = clock();
        let till = open(&listener, &access, clock.clone()).await;
        for (place, refusals) in [0, 0, 1].into_iter().enumerate() {
            listener.heard(|heard| heard.refusals = refusals);
            let number = till.number_of(&created(&format!("H{place}"))).await;
            assert_eq!(tell(&till, &number, &json!({"event": "in_work"})).await.0, 200);
            settled(&till, &number, "sent", 1).await;
            let seen = listener.heard(|heard| (heard.taken.len(), heard.tokens));
            assert_eq!(seen, (place + 1, 1 + refusals), "{lifetime}");
        }
        till.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_tries_how_we_prove_who_we_are() {
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
    let (code, said) = check(&client("s&cret")).await;
    assert!(code == Some(0) && said.contains("ok    outgoing: sm gives us a token"), "{said}");
    let (code, said) = check(&client("wrong")).await;
    assert!(code == Some(1) && said.contains("FAIL  outgoing: sm: no access token"), "{said}");
    let list = format!("shipments_url = \"{}/shipments\"", listener.url());
    let (code, said) = check(&format!("{TOKEN}\n{list}")).await;
    assert!(code == Some(0) && said.contains("ok    shipments: sm shows its list"), "{said}");
    let (code, said) = check(&format!("token = \"another\"\n{list}")).await;
    assert!(code == Some(1) && said.contains("FAIL  shipments: sm: it answers 401"), "{said}");
}
