//! How orders begin and change.

use proptest::prelude::*;

use super::*;
use crate::order::content::Line;
use crate::product_id::ProductId;

#[tokio::test]
async fn an_order_is_begun_once_under_its_id() {
    let world = World::new().await;
    let (status, order) = world.place("anna", Some("web-1"), &[(1, 2), (2, 1), (1, 1)]).await;
    assert_eq!(status, StatusCode::OK, "{order}");
    assert_eq!((&order["status"], &order["version"]), (&json!("NEW"), &json!(0)));
    assert_eq!(order["reference"], "web-1");
    // Lines of one product are one.
    assert_eq!(lines_of(&order), [(1, 3), (2, 1)]);
    assert_eq!(order["total"].to_string(), "314.7");
    assert_eq!(order["orderItems"][0]["product"]["name"], "Товар 1");
    let id = order["id"].as_str().expect("a number");
    assert!(id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
    // The same again, also after it has changed.
    let change = json!({"id": id, "version": 0, "orderItems": items(&[(3, 1)])});
    let (status, changed) = world.put("anna", "/adjust", &change).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    let (status, again) = world.place("anna", Some("web-1"), &[(1, 3), (2, 1)]).await;
    assert_eq!((status, &again), (StatusCode::OK, &changed));
    let (status, other) = world.place("anna", Some("web-1"), &[(1, 2)]).await;
    assert_eq!((status.as_u16(), kind(&other)), (409, "id-reused"));
    // The id is the client's own.
    let (status, hers) = world.place("boris", Some("web-1"), &[(1, 2)]).await;
    assert!(status == StatusCode::OK && hers["id"] != order["id"], "{hers}");
    for id in [id, "web-1"] {
        assert_eq!(world.get("anna", &format!("/get?orderId={id}")).await.1, changed);
    }
    let (status, _) = world.get("boris", &format!("/get?orderId={id}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn two_that_begin_a_basket_at_the_same_moment_begin_one() {
    let world = World::new().await;
    for round in 0..5 {
        let (one, other) = tokio::join!(
            world.place("anna", None, &[(1, 1)]),
            world.place("anna", None, &[(2, 1)]),
        );
        let (begun, refused) = if one.0 == StatusCode::OK { (one, other) } else { (other, one) };
        assert_eq!(begun.0, StatusCode::OK, "{begun:?}");
        assert_eq!((refused.0.as_u16(), kind(&refused.1)), (409, "stale-version"), "{refused:?}");
        assert_eq!(refused.1["version"], 0);
        let (_, basket) = world.get("anna", "/get").await;
        assert_eq!(basket, begun.1);
        // The next basket is another order.
        let cancel = json!({"id": basket["id"], "version": 0});
        let (status, canceled) = world.put("anna", "/cancel", &cancel).await;
        assert_eq!((status, &canceled["status"]), (StatusCode::OK, &json!("CANCELED")));
        assert_eq!(canceled["version"], 1);
        assert_eq!(world.get("anna", "/get").await.0, StatusCode::NOT_FOUND);
        let (_, list) = world.get("anna", "/list").await;
        assert_eq!(list["items"].as_array().map(Vec::len), Some(round + 1));
        world.clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn an_order_changes_only_at_the_version_that_the_caller_has_seen() {
    let world = World::new().await;
    let (_, order) = world.place("anna", None, &[(1, 2), (2, 1)]).await;
    let id = order["id"].as_str().expect("a number");
    let adjust = |version: u64, lines: &[(u64, u64)]| json!({"id": id, "version": version, "status": "NEW", "orderItems": items(lines)});
    let (status, changed) =
        world.put("anna", "/adjust", &adjust(0, &[(1, 5), (2, 0), (3, 1)])).await;
    assert_eq!((status, &changed["version"]), (StatusCode::OK, &json!(1)), "{changed}");
    assert_eq!(lines_of(&changed), [(1, 5), (3, 1)]);
    // A line keeps its number, and no other gets it.
    let numbers: Vec<u64> = changed["orderItems"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| line["id"].as_u64().expect("a number"))
        .collect();
    assert_eq!(numbers, [0, 2]);
    let (status, stale) = world.put("anna", "/adjust", &adjust(0, &[(1, 7)])).await;
    assert_eq!((status.as_u16(), kind(&stale)), (409, "stale-version"));
    assert_eq!(stale["version"], 1);
    let (status, future) = world.put("anna", "/adjust", &adjust(2, &[(1, 7)])).await;
    assert_eq!((status.as_u16(), kind(&future)), (409, "stale-version"));
    // What changes nothing is no new version.
    let (_, same) = world.put("anna", "/adjust", &adjust(1, &[(1, 5)])).await;
    assert_eq!(same["version"], 1);
    // What the caller thinks is compared.
    let cancel = |more: &Value| {
        let mut body = json!({"id": id, "version": 1});
        body.as_object_mut().expect("one").extend(more.as_object().expect("one").clone());
        body
    };
    for wrong in [
        json!({"status": "COMPLETED"}),
        json!({"orderItems": items(&[(1, 5)])}),
        json!({"orderItems": items(&[(1, 5), (3, 2)])}),
        json!({"orderItems": [{"product": {"id": 1, "price": 89.91}, "quantity": 5},
            {"product": {"id": 3}, "quantity": 1}]}),
    ] {
        let (status, said) = world.put("anna", "/cancel", &cancel(&wrong)).await;
        assert_eq!((status.as_u16(), kind(&said)), (409, "wrong-state"), "{wrong}: {said}");
    }
    let right = json!({"status": "NEW", "orderItems": [
        {"id": 2, "product": {"id": 3, "name": "x", "price": 250}, "quantity": 1},
        {"id": 0, "product": {"id": 1, "name": "x", "price": 89.90}, "quantity": 5}]});
    let (status, _) = world.put("boris", "/cancel", &cancel(&right)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, canceled) = world.put("anna", "/cancel", &cancel(&right)).await;
    assert_eq!((status, &canceled["version"]), (StatusCode::OK, &json!(2)), "{canceled}");
    let (status, said) = world.put("anna", "/adjust", &adjust(2, &[(1, 1)])).await;
    assert_eq!((status.as_u16(), kind(&said)), (409, "wrong-state"), "{said}");
}

#[tokio::test]
async fn what_is_not_sold_is_not_ordered() {
    let world = World::new().await;
    world.sells(3, 100, false).await;
    let (status, said) = world.place("anna", None, &[(1, 1), (3, 1)]).await;
    assert_eq!((status.as_u16(), kind(&said)), (409, "not-on-sale"));
    assert!(said["errorMessage"].as_str().expect("text").contains("«Товар 3»"), "{said}");
    let (status, said) = world.place("anna", None, &[(9, 1)]).await;
    assert_eq!((status.as_u16(), kind(&said), &said["productId"]), (404, "not-found", &json!(9)));
    assert_eq!(world.get("anna", "/get").await.0, StatusCode::NOT_FOUND);
    let (_, order) = world.place("anna", None, &[(1, 1)]).await;
    let many: Vec<(u64, u64)> = (100..200).map(|product| (product, 1)).collect();
    for (product, _) in &many {
        world.sells(*product, 100, true).await;
    }
    let change = json!({"id": order["id"], "version": 0, "orderItems": items(&many)});
    let (status, said) = world.put("anna", "/adjust", &change).await;
    assert_eq!((status.as_u16(), kind(&said)), (409, "too-many-lines"));
}

#[tokio::test]
async fn lower_prices_are_passed_on_and_higher_ones_must_be_agreed_to() {
    let world = World::new().await;
    let (_, order) = world.place("anna", None, &[(1, 2), (2, 1)]).await;
    let check = |version: u64| json!({"id": order["id"], "version": version});
    world.sells(1, 9990, true).await;
    world.sells(2, 4000, true).await;
    // The prices of a version hold for a while.
    let (status, same) = world.put("anna", "/check", &check(0)).await;
    assert_eq!((status, &same), (StatusCode::OK, &order));
    world.clock.advance(LOCK_RUNS_OUT);
    let (status, dearer) = world.put("anna", "/check", &check(0)).await;
    assert_eq!((status.as_u16(), kind(&dearer)), (409, "prices-changed"), "{dearer}");
    assert_eq!(dearer["version"], 1);
    let expected = json!([{"productId": 1, "name": "Товар 1", "oldPrice": 89.9, "newPrice": 99.9}]);
    assert_eq!(dearer["lines"], expected);
    let (status, stale) = world.put("anna", "/check", &check(0)).await;
    assert_eq!((status.as_u16(), kind(&stale)), (409, "stale-version"));
    // The client has seen them, and goes on.
    let (status, agreed) = world.put("anna", "/check", &check(1)).await;
    assert_eq!((status, agreed["total"].to_string()), (StatusCode::OK, "239.8".into()));
    // Cheaper: the client need not be asked.
    world.sells(1, 5000, true).await;
    world.clock.advance(LOCK_RUNS_OUT);
    let (status, cheaper) = world.put("anna", "/check", &check(1)).await;
    assert_eq!((status, &cheaper["version"]), (StatusCode::OK, &json!(2)), "{cheaper}");
    assert_eq!(cheaper["total"].to_string(), "140.0");
    world.sells(2, 4000, false).await;
    world.clock.advance(LOCK_RUNS_OUT);
    let (status, gone) = world.put("anna", "/check", &check(2)).await;
    assert_eq!((status.as_u16(), kind(&gone)), (409, "not-on-sale"));
    let remove = json!({"id": order["id"], "version": 2, "orderItems": items(&[(1, 0), (2, 0)])});
    let (status, empty) = world.put("anna", "/adjust", &remove).await;
    assert_eq!((status, &empty["orderItems"]), (StatusCode::OK, &json!([])));
    let (status, said) = world.put("anna", "/check", &check(3)).await;
    assert_eq!((status.as_u16(), kind(&said)), (409, "empty-order"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]
    /// By kopecks, one piece after another.
    #[test]
    fn sums_are_exact_to_the_kopeck(lines in prop::collection::vec((1_i64..5_000_000, 1_u64..40), 1..12)) {
        let mut content = crate::order::content::Content::default();
        for (place, (kopecks, quantity)) in lines.iter().enumerate() {
            content.lines.push(Line {
                id: 0,
                product: ProductId::of_article(&place.to_string()),
                article: String::new(),
                name: String::new(),
                price: Money::from_kopecks(*kopecks),
                quantity: *quantity,
            });
        }
        let mut kopecks = 0;
        for (price, quantity) in &lines {
            for _ in 0..*quantity {
                kopecks += price;
            }
        }
        prop_assert_eq!(content.total(), Money::from_kopecks(kopecks));
        let shown = serde_json::to_string(&crate::roubles::Roubles(content.total())).expect("JSON");
        prop_assert_eq!(shown, format!("{}.{:02}", kopecks / 100, kopecks % 100));
    }
}
