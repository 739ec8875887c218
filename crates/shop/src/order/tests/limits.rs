//! What orders may not have, and which are not kept.

use jiff::civil::time;
use tillgate_kernel::outbox::Claim;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::bus::Service as Addressee;
use crate::menu::limits::{Hours, Limit, Limits};

const DAY: Duration = Duration::from_secs(24 * 3600);

impl World {
    /// How many messages wait for a service.
    async fn messages_to(&self, service: Addressee) -> usize {
        let claim = Claim {
            lane: service.lane(),
            lease: Duration::from_secs(60),
            limit: 100,
            limit_of_queue: 100,
            paused_queues: Vec::new(),
            after_queue: String::new(),
        };
        self.service.store.claim(&claim).await.expect("a claim").len()
    }

    async fn cancel(&self, who: &str, order: &Value) -> (StatusCode, Value) {
        let body = json!({"id": order["id"], "version": order["version"]});
        self.put(who, "/cancel", &body).await
    }
}

#[tokio::test]
async fn a_client_has_so_many_orders_that_are_not_paid() {
    let world = World::new().await;
    let mut orders = Vec::new();
    for id in ["a", "b", "c", "c2"] {
        let (status, order) = world.place("anna", Some(id), &[(1, 1)]).await;
        assert_eq!(status, StatusCode::OK, "{order}");
        orders.push(order);
    }
    let (status, said) = world.place("anna", Some("d"), &[(1, 1)]).await;
    assert_eq!((status.as_u16(), kind(&said)), (409, "too-many-orders"), "{said}");
    // A basket can always be begun, a repeated request is no other order, and
    // another client has room.
    assert_eq!(world.place("anna", None, &[(1, 1)]).await.0, StatusCode::OK);
    assert_eq!(world.place("anna", Some("a"), &[(1, 1)]).await.0, StatusCode::OK);
    assert_eq!(world.place("boris", Some("d"), &[(1, 1)]).await.0, StatusCode::OK);
    for _ in 0..2 {
        world.cancel("anna", &orders[0]).await;
    }
    assert_eq!(world.place("anna", Some("d"), &[(1, 1)]).await.0, StatusCode::OK);
    assert_eq!(world.place("anna", Some("e"), &[(1, 1)]).await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn who_holds_something_gets_the_message_that_an_order_is_cancelled() {
    let world = World::new().await;
    let (_, order) = world.place("anna", None, &[(1, 1)]).await;
    assert_eq!(world.cancel("anna", &order).await.0, StatusCode::OK);
    assert_eq!(world.cancel("anna", &order).await.0, StatusCode::CONFLICT);
    for service in [Addressee::Store, Addressee::Delivery] {
        assert_eq!(world.messages_to(service).await, 1);
    }
}

#[tokio::test]
async fn an_order_that_nobody_changes_for_a_month_is_cancelled() {
    let world = World::new().await;
    let (_, old) = world.place("anna", Some("old"), &[(1, 1)]).await;
    let (_, changed) = world.place("anna", Some("changed"), &[(1, 1)]).await;
    world.clock.advance(29 * DAY);
    let change = json!({"id": changed["id"], "version": 0, "orderItems": items(&[(2, 1)])});
    assert_eq!(world.put("anna", "/adjust", &change).await.0, StatusCode::OK);
    assert_eq!(world.service.cancel_unchanged_once(&CancellationToken::new()).await, Ok(0));
    world.clock.advance(DAY);
    assert_eq!(world.service.cancel_unchanged_once(&CancellationToken::new()).await, Ok(1));
    assert_eq!(world.service.cancel_unchanged_once(&CancellationToken::new()).await, Ok(0));
    let status_of = async |order: &Value| {
        let path = format!("/get?orderId={}", order["id"].as_str().expect("a number"));
        world.get("anna", &path).await.1["status"].clone()
    };
    assert_eq!(
        (status_of(&old).await, status_of(&changed).await),
        (json!("CANCELED"), json!("NEW"))
    );
    assert_eq!(world.messages_to(Addressee::Store).await, 1);
    world.clock.advance(29 * DAY);
    assert_eq!(world.service.cancel_unchanged_once(&CancellationToken::new()).await, Ok(1));
}

#[tokio::test]
async fn an_order_keeps_to_the_limits_of_its_products() {
    let world = World::new().await;
    let (_, early) = world.place("anna", None, &[(1, 5), (2, 1)]).await;
    let hours = Hours { begin: time(8, 0, 0, 0), end: time(10, 30, 0, 0) };
    let at_most = Limit { order_max: Some(3), ..Limit::default() };
    let in_the_morning = Limit { hours: Some(hours), ..Limit::default() };
    let all = [("1".to_owned(), at_most), ("3".to_owned(), in_the_morning)].into();
    world.menu.keep_limits(Limits { all }).await.expect("kept");
    let (status, said) = world.place("boris", None, &[(1, 4)]).await;
    assert_eq!((status.as_u16(), kind(&said), &said["limit"]), (409, "order-limit", &json!(3)));
    let (_, order) = world.place("boris", None, &[(1, 3), (3, 1)]).await;
    let change = json!({"id": order["id"], "version": 0, "orderItems": items(&[(1, 4)])});
    let (status, said) = world.put("boris", "/adjust", &change).await;
    assert_eq!((status.as_u16(), kind(&said)), (409, "order-limit"), "{said}");
    // It is ordered at any time, and bought in its hours.
    let check = |order: &Value| json!({"id": order["id"], "version": order["version"]});
    world.clock.advance(LOCK_RUNS_OUT);
    let (status, _) = world.put("boris", "/check", &check(&order)).await;
    assert_eq!(status, StatusCode::OK);
    world.clock.advance(LOCK_RUNS_OUT);
    let (status, said) = world.put("boris", "/check", &check(&order)).await;
    assert_eq!((status.as_u16(), kind(&said)), (409, "not-sold-now"), "{said}");
    assert_eq!((&said["soldFrom"], &said["soldUntil"]), (&json!("08:00"), &json!("10:30")));
    let text = said["errorMessage"].as_str().expect("text");
    assert!(text.contains("с 08:00 до 10:30"), "{text}");
    // An order from before the limit is checked too, and other lines of it can
    // be changed.
    let (status, said) = world.put("anna", "/check", &check(&early)).await;
    assert_eq!((status.as_u16(), kind(&said)), (409, "order-limit"), "{said}");
    let change = json!({"id": early["id"], "version": 0, "orderItems": items(&[(2, 7)])});
    assert_eq!(world.put("anna", "/adjust", &change).await.0, StatusCode::OK);
}
