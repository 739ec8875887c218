//! Lists of the APIs: everybody finds what is theirs, page by page, without
//! walking over what is not.

use http::Method;
use serde_json::{Value, json};
use tillgate::kernel::Clock;
use tillgate_lab::sandbox::Outcome;

use crate::world::database::Server;
use crate::world::till::{API_KEY, OTHER_API_KEY, Till, json_of, order, text};
use crate::world::{Services, created, hook, payload};

/// The values of a field in all pages of a list, and the cursors.
async fn pages(till: &Till, path: &str, bearer: &str, field: &str) -> (Vec<String>, Vec<String>) {
    let (mut values, mut cursors) = (Vec::new(), Vec::new());
    let mut next = path.to_owned();
    loop {
        let page = json_of(&till.call(Method::GET, &next, bearer, None, "").await);
        values.extend(
            page["items"].as_array().expect("a list").iter().map(|item| text(&item[field])),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { return (values, cursors) };
        cursors.push(cursor.to_owned());
        next = format!("{path}&cursor={cursor}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merchant_lists_its_own_orders_and_its_cursors_name_no_others() {
    let till = Till::open().await;
    let mut placed = Vec::new();
    for number in 0..6 {
        for (merchant, bearer) in [("A", API_KEY), ("B", OTHER_API_KEY)] {
            let (id, key) = (format!("{merchant}-{number}"), format!("key-{number}"));
            let body = order(&id).to_string();
            let reply = till.call(Method::POST, "/v1/orders", bearer, Some(&key), &body).await;
            assert_eq!(reply.status, 201);
            placed.push((merchant, id, text(&json_of(&reply)["id"])));
        }
    }
    let own = |of: &str| -> Vec<String> {
        placed.iter().rev().filter(|(m, ..)| *m == of).map(|(_, id, _)| id.clone()).collect()
    };
    for (merchant, bearer) in [("A", API_KEY), ("B", OTHER_API_KEY)] {
        for limit in 1..=7 {
            let path = format!("/v1/orders?limit={limit}");
            let (listed, cursors) = pages(&till, &path, bearer, "merchant_order_id").await;
            assert_eq!(listed, own(merchant));
            assert_eq!(cursors.len(), 5 / limit);
            for (other, _, number) in placed.iter().filter(|(other, ..)| *other != merchant) {
                let number: u64 = number.parse().expect("a number");
                let named = format!("{number:x}");
                assert!(cursors.iter().all(|cursor| !cursor.contains(&named)), "{other} {number}");
            }
        }
    }
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_listed_under_its_current_state() {
    let till = Till::open().await;
    let paid = text(&till.place("A-1", "key-1").await["id"]);
    let open = text(&till.place("A-2", "key-2").await["id"]);
    let cancelled = text(&till.place("A-3", "key-3").await["id"]);
    till.order_in(&paid, "linked").await;
    assert!(till.bank.buyer_acts(&till.remote(&paid).container, Outcome::Pay));
    till.order_in(&paid, "paid").await;
    assert_eq!(till.cancel(&cancelled, API_KEY).await.status, 200);
    for (state, expected) in [("paid", &paid), ("open", &open), ("cancelled", &cancelled)] {
        let path = format!("/v1/orders?limit=1&state={state}");
        assert_eq!(pages(&till, &path, API_KEY, "id").await, (vec![expected.clone()], Vec::new()));
        for filter in ["", "&source=site"] {
            let admin = till.admin(&format!("/orders?state={state}{filter}")).await;
            let numbers: Vec<&Value> =
                admin["items"].as_array().expect("a list").iter().map(|o| &o["number"]).collect();
            assert_eq!(numbers, [&Value::String(expected.clone())]);
        }
    }
    let (others, _) = pages(&till, "/v1/orders?state=paid", OTHER_API_KEY, "id").await;
    assert_eq!(others, Vec::<String>::new());
    till.close().await;
}

/// The lists of the operator, on both stores, each filtered in every way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_lists_hooks_and_orders_by_source_verdict_and_state() {
    let database = Server::shared().new_database().await;
    for services in [Services::open().await, Services::open_on(&database, Clock::System).await] {
        services.acknowledged(created("H1")).await;
        services.acknowledged(created("H2")).await;
        let paid = |order: &str| hook("order.paid", None, json!({"originalOrderId": order}));
        services.acknowledged(paid("H1")).await;
        services.acknowledged(paid("H3")).await; // it is parked
        let ignored = hook("order.unheard_of", None, payload("H1", "1", 1, "1.00"));
        services.acknowledged(ignored).await;
        let count = async |path: &str| services.list(path).await.len();
        for (path, expected) in [
            ("/hooks", 5),
            ("/hooks?source=sm", 5),
            ("/hooks?source=nobody", 0),
            ("/hooks?verdict=applied", 3),
            ("/hooks?verdict=parked&source=sm", 1),
            ("/hooks?verdict=ignored", 1),
            ("/hooks?verdict=late", 0),
            ("/orders", 2),
            ("/orders?source=sm&state=paid", 1),
            ("/orders?state=open", 1),
            ("/orders?external_id=H1", 1),
            ("/orders?external_id=H3", 0),
            ("/orders?state=delivered", 0),
            ("/orders?attention=true", 0),
        ] {
            assert_eq!(count(path).await, expected, "{path}");
        }
        services.acknowledged(created("H3")).await;
        assert_eq!(count("/orders").await, 3, "a parked order appears when it is created");
        assert_eq!(count("/orders?state=paid").await, 2);
        services.close().await;
    }
}

/// What a source has sent is still found after it has left the configuration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_a_source_that_is_no_longer_configured_are_listed() {
    let services = Services::open().await;
    services.acknowledged(created("H1")).await;
    let services = services.restart_with(&[("[sources.sm]", "[sources.renamed]")]).await;
    for path in ["/orders", "/orders?source=sm", "/orders?external_id=H1", "/hooks"] {
        assert_eq!(services.list(path).await.len(), 1, "{path}");
    }
    services.close().await;
}

/// An order that waits for a person for itself and for its payments is listed
/// once, and leaves the list when it was seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_person_is_listed_once() {
    let services = Services::open().await;
    for order in ["H1", "H2", "H3"] {
        services.acknowledged(created(order)).await;
    }
    for order in ["H1", "H3"] {
        let cancelled = hook("order.cancelled", None, payload(order, "1", 1, "1.00"));
        services.acknowledged(cancelled).await;
        let shipped = hook("order.received", None, payload(order, "1", 1, "1.00"));
        services.acknowledged(shipped).await;
    }
    let waiting = async || -> Vec<String> {
        let orders = services.list("/orders?attention=true").await;
        orders.iter().map(|order| text(&order["external_id"])).collect()
    };
    assert_eq!(waiting().await, ["H3", "H1"]);
    let number = text(&services.order("H3").await["number"]);
    let (status, _) =
        services.ask(Method::POST, &format!("/admin/v1/orders/{number}/seen"), None).await;
    assert_eq!(status, 200);
    assert_eq!(waiting().await, ["H1"]);
    services.close().await;
}
