//! A merchant asks what its site was told, has it told again, and tries whether events arrive.

use http::Method;
use tillgate::gateway::sandbox::Setup;
use tillgate::kernel::Clock;

use crate::world::till::{API_KEY, OTHER_API_KEY, Till, json_of, text};
use crate::world::{ADMIN_TOKEN, DEADLINE};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_site_was_told_is_listed_and_told_again() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.site.fails(1);
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    let told = till.site.wait_for(1, DEADLINE).await.expect("a callback, which fails");

    let get = |path: String, key: &'static str| {
        let till = &till;
        async move { till.call(Method::GET, &path, key, None, "").await }
    };
    let about = json_of(&get(format!("/v1/deliveries?order_id={number}"), API_KEY).await);
    let first = &about["items"][0];
    assert_eq!((&first["id"], &first["event"]), (&told[0].id.clone().into(), &told[0].body));
    assert_eq!(get(format!("/v1/deliveries?order_id={number}"), OTHER_API_KEY).await.status, 404);

    let id = text(&first["id"]);
    let post = |path: String, key: &'static str| {
        let till = &till;
        async move { till.call(Method::POST, &path, key, None, "").await }
    };
    assert_eq!(get(format!("/v1/deliveries/{id}"), OTHER_API_KEY).await.status, 404);
    assert_eq!(post(format!("/v1/deliveries/{id}/redeliver"), OTHER_API_KEY).await.status, 404);
    // Sent, or waiting for its next attempt: it is sent at once, under the same id.
    for count in [2, 3] {
        let again = post(format!("/v1/deliveries/{id}/redeliver"), API_KEY).await;
        assert_eq!(again.status, 202);
        assert_eq!(json_of(&again)["state"], "sent", "{}", json_of(&again));
        let told = till.site.wait_for(count, DEADLINE).await.expect("a callback");
        let same: Vec<_> = told.iter().filter(|callback| callback.id == id).collect();
        assert!(same.len() >= count, "{told:?}");
        assert!(same.iter().all(|callback| callback.is_signed && callback.body == first["event"]));
    }
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_taken_is_listed_to_its_merchant_alone() {
    let till = Till::open().await;
    till.site.fails(10);
    for order in 0..3 {
        let number = text(&till.place(&format!("A-{order}"), &format!("key-{order}")).await["number"]);
        assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    }
    till.site.wait_for(3, DEADLINE).await.expect("callbacks, which fail");
    let mut seen = Vec::new();
    let mut path = "/v1/deliveries?limit=2".to_owned();
    loop {
        let page = json_of(&till.call(Method::GET, &path, API_KEY, None, "").await);
        let items = page["items"].as_array().expect("items").clone();
        assert!(items.len() <= 2);
        let canceled = items.iter().filter(|item| item["event"]["type"] == "order.canceled");
        seen.extend(canceled.map(|item| text(&item["event"]["data"]["merchant_order_id"])));
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/deliveries?limit=2&cursor={next}");
    }
    seen.sort();
    seen.dedup(); // one that was tried meanwhile has moved on to a later page
    assert_eq!(seen, ["A-0", "A-1", "A-2"]);
    // The operator's list turns over all lanes, and has them too.
    let (mut held, mut path) = (Vec::new(), "/outbox?limit=1".to_owned());
    loop {
        let page = till.admin(&path).await;
        held.extend(page["items"].as_array().expect("items").iter().map(|item| text(&item["lane"])));
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/outbox?limit=1&cursor={next}");
    }
    assert!(held.iter().filter(|lane| *lane == "callback").count() >= 3, "{held:?}");
    assert!(held.iter().any(|lane| lane != "callback"), "{held:?}");
    // A place of one list is none of another.
    let orders = json_of(&till.call(Method::GET, "/v1/orders?limit=1", API_KEY, None, "").await);
    let deliveries = json_of(&till.call(Method::GET, "/v1/deliveries?limit=1", API_KEY, None, "").await);
    for (list, of) in [("deliveries", &orders), ("orders", &deliveries)] {
        let cursor = text(&of["next_cursor"]);
        for cursor in [cursor.clone(), format!("{cursor}0"), format!("{cursor}00")] {
            let path = format!("/v1/{list}?cursor={cursor}");
            assert_eq!(till.call(Method::GET, &path, API_KEY, None, "").await.status, 400, "{path}");
        }
    }
    for altered in ["x", "callback.dead", "callback.dead.zz", "callback.dead.", "mail.dead."] {
        let path = format!("/admin/v1/outbox?state=pending&cursor={altered}");
        let wrong = till.call(Method::GET, &path, ADMIN_TOKEN, None, "").await;
        assert_eq!(wrong.status, 400, "{altered}");
    }
    let others = till.call(Method::GET, "/v1/deliveries", OTHER_API_KEY, None, "").await;
    assert_eq!(json_of(&others)["items"].as_array().map(Vec::len), Some(0));
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_event_shows_whether_events_arrive() {
    let till = Till::open().await;
    let test = till.call(Method::POST, "/v1/deliveries/test", API_KEY, None, "").await;
    assert_eq!((test.status.as_u16(), json_of(&test)["state"].as_str()), (202, Some("sent")));
    let told = till.site.wait_for(1, DEADLINE).await.expect("a callback");
    assert_eq!((told[0].is_signed, told[0].body["type"].as_str()), (true, Some("tillgate.test")));

    till.site.fails(1);
    let test = till.call(Method::POST, "/v1/deliveries/test", API_KEY, None, "").await;
    let failed = json_of(&test);
    assert_eq!(failed["state"], "pending");
    assert_eq!(failed["last_error"], "the site answered 500 Internal Server Error");

    // Who has no callback_url is told so.
    let nobody = till.call(Method::POST, "/v1/deliveries/test", OTHER_API_KEY, None, "").await;
    assert_eq!(nobody.status, 409);
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merchant_has_a_share_of_requests() {
    let (much, little) = ("requests_per_minute_max = 1000000", "requests_per_minute_max = 2");
    let till = Till::open_with(Setup::default(), &[(much, little)], Clock::System).await;
    let get = async |key| till.call(Method::GET, "/v1/orders", key, None, "").await;
    let first = get(API_KEY).await;
    assert_eq!(first.headers["ratelimit-policy"], "\"merchant\";q=2;w=60");
    assert_eq!(first.headers["ratelimit"], "\"merchant\";r=1;t=30");
    get(API_KEY).await;
    let third = get(API_KEY).await;
    assert_eq!(third.status, 429);
    assert_eq!(json_of(&third)["type"], "urn:tillgate:problem:too-many-requests");
    let wait: u64 = third.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=30).contains(&wait), "{wait}");
    // Others have their own share, and a stranger uses up nobody's.
    assert_eq!(get(OTHER_API_KEY).await.status, 200);
    assert_eq!(get("nobody's key").await.status, 401);
    till.close().await;
}
