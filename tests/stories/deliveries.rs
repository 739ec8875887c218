//! A merchant lists its site's callbacks, has them sent again, and sends a test
//! event.

use http::Method;
use serde_json::{Value, json};
use tillgate::kernel::{Clock, Secret};
use tillgate::peer::Reply;
use tillgate_lab::demo::site::{Callback, Site};
use tillgate_lab::sandbox::Setup;

use crate::world::till::{API_KEY, CALLBACK_SECRET, OTHER_API_KEY, Till, json_of, order, text};
use crate::world::{ADMIN_TOKEN, DEADLINE, ask_again_soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_are_listed_and_can_be_sent_again() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.site.fails(1);
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    let callbacks = till.site.wait_for(1, DEADLINE).await.expect("a callback, which fails");

    let get = |path: String, key: &'static str| {
        let till = &till;
        async move { till.call(Method::GET, &path, key, None, "").await }
    };
    let about = json_of(&get(format!("/v1/deliveries?order_id={number}"), API_KEY).await);
    let first = &about["items"][0];
    assert_eq!(
        (&first["id"], &first["event"]),
        (&callbacks[0].id.clone().into(), &callbacks[0].body)
    );
    assert_eq!(get(format!("/v1/deliveries?order_id={number}"), OTHER_API_KEY).await.status, 404);

    let id = text(&first["id"]);
    let post = |path: String, key: &'static str| {
        let till = &till;
        async move { till.call(Method::POST, &path, key, None, "").await }
    };
    assert_eq!(get(format!("/v1/deliveries/{id}"), OTHER_API_KEY).await.status, 404);
    assert_eq!(post(format!("/v1/deliveries/{id}/redeliver"), OTHER_API_KEY).await.status, 404);
    // A callback that is sent or waits for its next attempt is sent at once,
    // under the same id.
    for count in [2, 3] {
        let again = post(format!("/v1/deliveries/{id}/redeliver"), API_KEY).await;
        assert_eq!(again.status, 202);
        assert_eq!(json_of(&again)["state"], "sent", "{}", json_of(&again));
        let callbacks = till.site.wait_for(count, DEADLINE).await.expect("a callback");
        let same: Vec<_> = callbacks.iter().filter(|callback| callback.id == id).collect();
        assert!(same.len() >= count, "{callbacks:?}");
        assert!(same.iter().all(|callback| callback.is_signed && callback.body == first["event"]));
    }
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_callbacks_are_listed_to_their_own_merchant_only() {
    let till = Till::open().await;
    till.site.fails(10);
    for order in 0..3 {
        let number =
            text(&till.place(&format!("A-{order}"), &format!("key-{order}")).await["number"]);
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
    seen.dedup(); // a callback that was tried meanwhile is on a later page
    assert_eq!(seen, ["A-0", "A-1", "A-2"]);
    // The operator's list has the callbacks. Look-ups that wait for their time
    // are listed to those who ask for them.
    let (mut held, mut path) = (Vec::new(), "/outbox?limit=1".to_owned());
    loop {
        let page = till.admin(&path).await;
        held.extend(
            page["items"].as_array().expect("items").iter().map(|item| text(&item["lane"])),
        );
        let Some(next) = page["next_cursor"].as_str() else { break };
        path = format!("/outbox?limit=1&cursor={next}");
    }
    assert!(held.iter().filter(|lane| *lane == "callback").count() >= 3, "{held:?}");
    assert!(held.iter().all(|lane| lane != "watch"), "{held:?}");
    let watches = till.admin("/outbox?lane=watch&limit=1").await;
    assert_eq!(watches["items"][0]["lane"], "watch", "{watches}");
    // A cursor of one list is refused by another.
    let orders = json_of(&till.call(Method::GET, "/v1/orders?limit=1", API_KEY, None, "").await);
    let deliveries =
        json_of(&till.call(Method::GET, "/v1/deliveries?limit=1", API_KEY, None, "").await);
    for (list, of) in [("deliveries", &orders), ("orders", &deliveries)] {
        let cursor = text(&of["next_cursor"]);
        for cursor in [cursor.clone(), format!("{cursor}0"), format!("{cursor}00")] {
            let path = format!("/v1/{list}?cursor={cursor}");
            assert_eq!(
                till.call(Method::GET, &path, API_KEY, None, "").await.status,
                400,
                "{path}"
            );
        }
    }
    let path = format!("/v1/deliveries?state=dead&cursor={}", text(&deliveries["next_cursor"]));
    assert_eq!(
        till.call(Method::GET, &path, API_KEY, None, "").await.status,
        400,
        "the cursor is of the pending ones"
    );
    for forged in ["x", "callback.dead", "callback.dead.zz", "callback.dead.", "mail.dead."] {
        let path = format!("/admin/v1/outbox?state=pending&cursor={forged}");
        let wrong = till.call(Method::GET, &path, ADMIN_TOKEN, None, "").await;
        assert_eq!(wrong.status, 400, "{forged}");
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
    let callbacks = till.site.wait_for(1, DEADLINE).await.expect("a callback");
    assert_eq!(
        (callbacks[0].is_signed, callbacks[0].body["type"].as_str()),
        (true, Some("tillgate.test"))
    );

    till.site.fails(1);
    let test = till.call(Method::POST, "/v1/deliveries/test", API_KEY, None, "").await;
    let failed = json_of(&test);
    assert_eq!(failed["state"], "pending");
    assert_eq!(failed["last_error"]["text"], "the site answered 500 Internal Server Error");

    // A merchant without a callback_url gets a refusal.
    let refused = till.call(Method::POST, "/v1/deliveries/test", OTHER_API_KEY, None, "").await;
    assert_eq!(refused.status, 409);
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merchant_has_a_rate_limit() {
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
    // Other merchants have a limit of their own, and a request with an unknown
    // key counts for nobody.
    assert_eq!(get(OTHER_API_KEY).await.status, 200);
    assert_eq!(get("unknown key").await.status, 401);
    till.close().await;
}

const OTHER_CALLBACK_SECRET: &str = "whsec_b3RoZXIgc2l0ZSdzIHZlcnkgb3duIGtleQ==";

async fn place_with(till: &Till, key: &str, id: &str, callback_url: &str) -> Reply {
    let mut wanted = order(id);
    wanted["callback_url"] = json!(callback_url);
    till.call(Method::POST, "/v1/orders", key, Some(id), &wanted.to_string()).await
}

/// A merchant has several sites under one key: each order has the callback
/// address of its site.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_names_its_callback_address() {
    let signed = format!(
        "api_key = \"{OTHER_API_KEY}\"\n            callback_secret = \"{OTHER_CALLBACK_SECRET}\""
    );
    let at_home = "idle_drain_seconds = 0\n            callback_networks = [\"127.0.0.0/8\"]";
    let replace = [
        (format!("api_key = \"{OTHER_API_KEY}\""), signed),
        ("idle_drain_seconds = 0".into(), at_home.into()),
    ];
    let replace: Vec<(&str, &str)> =
        replace.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    let till = Till::open_with(Setup::default(), &replace, Clock::System).await;
    let branch = Site::start(Secret::new(CALLBACK_SECRET)).await.expect("a site");
    let address = format!("{}/callback", branch.url());
    let named = json_of(&place_with(&till, API_KEY, "A-1", &address).await);
    let unnamed = till.place("A-2", "A-2").await;
    let of_other = Site::start(Secret::new(OTHER_CALLBACK_SECRET)).await.expect("a site");
    let address_of_other = format!("{}/callback", of_other.url());
    let others = json_of(&place_with(&till, OTHER_API_KEY, "A-3", &address_of_other).await);
    let body = order("A-4").to_string();
    let quiet = till.call(Method::POST, "/v1/orders", OTHER_API_KEY, Some("A-4"), &body);
    let quiet = json_of(&quiet.await);
    for (placed, key) in
        [(&named, API_KEY), (&unnamed, API_KEY), (&others, OTHER_API_KEY), (&quiet, OTHER_API_KEY)]
    {
        assert_eq!(till.cancel(&text(&placed["number"]), key).await.status, 200);
    }
    let orders = |callbacks: &[Callback]| {
        assert!(callbacks.iter().all(|callback| callback.is_signed));
        let mut orders: Vec<String> = callbacks
            .iter()
            .map(|callback| text(&callback.body["data"]["merchant_order_id"]))
            .collect();
        orders.sort();
        orders.dedup();
        orders
    };
    // A cancelled order causes two callbacks: one for the order, one for its
    // payment.
    assert_eq!(orders(&branch.wait_for(2, DEADLINE).await.expect("callbacks")), ["A-1"]);
    assert_eq!(orders(&of_other.wait_for(2, DEADLINE).await.expect("callbacks")), ["A-3"]);
    assert_eq!(orders(&till.site.wait_for(2, DEADLINE).await.expect("callbacks")), ["A-2"]);
    till.nothing_waits_in("callback").await;
    let number = text(&quiet["number"]);
    let path = format!("/v1/deliveries?order_id={number}");
    let of_quiet = json_of(&till.call(Method::GET, &path, OTHER_API_KEY, None, "").await);
    assert_eq!(
        of_quiet["items"],
        json!([]),
        "neither the order nor the merchant has a callback address"
    );
    // The same order with another callback address is another order.
    for (key, address, status) in
        [("again", address.clone(), 201), ("elsewhere", format!("{address}?more"), 409)]
    {
        let mut wanted = order("A-1");
        wanted["callback_url"] = json!(address);
        let again =
            till.call(Method::POST, "/v1/orders", API_KEY, Some(key), &wanted.to_string()).await;
        assert_eq!(again.status, status, "{key}");
    }
    till.close().await;
}

/// A merchant cannot make the gateway call addresses in its own network:
/// neither by an IP address, however it is written, nor by a name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_only_we_can_reach_is_not_called() {
    let till = Till::open().await;
    let port = till.site.url().rsplit(':').next().expect("a port").to_owned();
    for (place, (address, says)) in [
        (format!("https://127.0.0.1:{port}/callback"), "not on the public internet"),
        (format!("https://0x7f.1:{port}/callback"), "127.0.0.1 is not on the public internet"),
        ("https://[::ffff:169.254.169.254]/latest/meta-data".into(), "not on the public internet"),
        ("http://shop.example/callback".into(), "https://"),
        ("https://user:word@shop.example/callback".into(), "password"),
        ("gopher://shop.example/".into(), "it must be an address such as"),
        ("callback".into(), "it must be an address such as"),
    ]
    .into_iter()
    .enumerate()
    {
        let refused = place_with(&till, API_KEY, &format!("B-{place}"), &address).await;
        let problem = json_of(&refused);
        assert_eq!(
            (refused.status.as_u16(), &problem["type"]),
            (422, &json!("urn:tillgate:problem:validation-failed"))
        );
        assert!(text(&problem["detail"]).starts_with("callback_url: "), "{problem}");
        assert!(text(&problem["detail"]).contains(says), "{address}: {problem}");
    }
    let unsigned = place_with(&till, OTHER_API_KEY, "B-9", "https://shop.example/callback").await;
    assert_eq!(unsigned.status, 422);
    assert!(text(&json_of(&unsigned)["detail"]).contains("no callback_secret"), "{unsigned:?}");

    // A name is resolved and checked when it is called.
    let placed = json_of(
        &place_with(&till, API_KEY, "A-1", &format!("https://localhost:{port}/callback")).await,
    );
    let number = text(&placed["number"]);
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    let path = format!("/v1/deliveries?order_id={number}");
    let tried = async {
        loop {
            let deliveries = json_of(&till.call(Method::GET, &path, API_KEY, None, "").await);
            if let Some(error) = deliveries["items"][0]["last_error"]["text"].as_str() {
                return error.to_owned();
            }
            ask_again_soon().await;
        }
    };
    let error = tokio::time::timeout(DEADLINE, tried).await.expect("an attempt");
    assert!(
        error.contains("localhost is not found on") && error.contains("callback_networks"),
        "{error}"
    );
    assert_eq!(till.site.callbacks().len(), 0);
    till.close().await;
}

/// A site that answers 410 gets no callbacks until it accepts a test event.
/// Pending callbacks do not expire meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_is_gone_is_left_alone_until_a_test_is_taken() {
    let clock = Clock::manual(Clock::System.now());
    let setup = Setup { calls_max: 100_000, ..Setup::default() };
    let till = Till::open_with(setup, &[], clock.clone()).await;
    let test = async || {
        let reply = till.call(Method::POST, "/v1/deliveries/test", API_KEY, None, "").await;
        assert_eq!(reply.status, 202);
        json_of(&reply)
    };
    let waiting = async || {
        let page = till.call(Method::GET, "/v1/deliveries", API_KEY, None, "").await;
        json_of(&page)["items"].as_array().expect("items").clone()
    };
    let number = text(&till.place("A-1", "key").await["number"]);
    till.site.answers(Some(410), None);
    assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
    till.site.wait_for(1, DEADLINE).await.expect("a callback, which is refused");
    let is_listed =
        async {
            while !waiting().await.iter().any(|item| {
                item["last_error"]["text"].as_str().is_some_and(|why| why.contains("410"))
            }) {
                ask_again_soon().await;
            }
        };
    tokio::time::timeout(DEADLINE, is_listed).await.expect("the merchant's list says so");
    let hooks = till.admin("/hooks?limit=50").await.to_string();
    assert!(hooks.contains("tillgate.nobody_listens") && hooks.contains("answered 410"), "{hooks}");

    // After four days and more events, nothing is sent, and no callback is
    // given up.
    for _ in 0..4 {
        clock.advance(std::time::Duration::from_secs(24 * 3600));
        let other = text(
            &till.place(&format!("B-{}", clock.now()), &clock.now().to_string()).await["number"],
        );
        assert_eq!(till.cancel(&other, API_KEY).await.status, 200);
    }
    let settled = async {
        while waiting().await.iter().any(|item| item["last_error"].is_null()) {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, settled).await.expect("all of them wait");
    let sent = till.site.callbacks().len();
    assert_eq!(sent, 1, "{:?}", till.site.callbacks());
    let refused = test().await;
    assert!(
        refused["last_error"]["text"].as_str().is_some_and(|why| why.contains("410")),
        "{refused}"
    );
    assert_eq!(till.site.callbacks().len(), 2, "a test event is sent all the same");

    till.site.answers(None, None);
    assert_eq!(test().await["state"], "sent");
    till.nothing_waits_in("callback").await;
    let kinds: Vec<String> =
        till.site.callbacks().iter().skip(3).map(|callback| text(&callback.body["type"])).collect();
    let canceled = kinds.iter().filter(|kind| *kind == "order.canceled").count();
    assert_eq!(canceled, 5, "{kinds:?}");
    assert!(
        till.call(Method::GET, "/v1/deliveries?state=dead", API_KEY, None, "").await.status == 200
    );
    till.close().await;
}

/// Each callback address is closed and opened separately. A test event for one
/// address opens it, and does not affect the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_an_order_names_is_opened_by_a_test_of_it() {
    let clock = Clock::manual(Clock::System.now());
    let at_home = "idle_drain_seconds = 0\n            callback_networks = [\"127.0.0.0/8\"]";
    let till =
        Till::open_with(Setup::default(), &[("idle_drain_seconds = 0", at_home)], clock.clone())
            .await;
    let branch = Site::start(Secret::new(CALLBACK_SECRET)).await.expect("a site");
    let address = format!("{}/callback", branch.url());
    let of_branch = text(&json_of(&place_with(&till, API_KEY, "A-1", &address).await)["number"]);
    let own = text(&till.place("A-2", "A-2").await["number"]);
    branch.answers(Some(410), None);
    till.site.answers(Some(503), Some("3000"));
    for number in [&of_branch, &own] {
        assert_eq!(till.cancel(number, API_KEY).await.status, 200);
    }
    branch.wait_for(1, DEADLINE).await.expect("a callback, which is refused");
    till.has_failed("callback", 1).await;
    let deliveries = async |number: &str| {
        let path = format!("/v1/deliveries?order_id={number}");
        let page = json_of(&till.call(Method::GET, &path, API_KEY, None, "").await);
        page["items"].as_array().expect("items").clone()
    };
    let gone = async {
        while !deliveries(&of_branch)
            .await
            .iter()
            .all(|item| item["last_error"].to_string().contains("410"))
        {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("the callbacks show the 410");
    let refused = async {
        while !deliveries(&own).await.iter().all(|item| item["attempts"] == 1) {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, refused)
        .await
        .expect("the other site has answered with Retry-After");
    let test = async |body: Value| {
        let reply =
            till.call(Method::POST, "/v1/deliveries/test", API_KEY, None, &body.to_string()).await;
        (reply.status.as_u16(), json_of(&reply))
    };
    let (status, tried) = test(json!({"callback_url": address})).await;
    assert_eq!((status, &tried["state"]), (202, &json!("dead")), "{tried}");
    assert!(
        text(&tried["last_error"]["text"]).contains("410"),
        "a closed address gets only test events: {tried}"
    );
    for unfit in [json!({"callback_url": "http://10.0.0.1/x"}), json!({"url": "x"}), json!([])] {
        assert_eq!(test(unfit.clone()).await.0, 422, "{unfit}");
    }
    branch.answers(None, None);
    let (status, tried) = test(json!({"callback_url": address})).await;
    assert_eq!((status, &tried["state"]), (202, &json!("sent")), "{tried}");
    assert_eq!(tried["event"]["data"]["callback_url"], address.as_str());
    let sent = async {
        while !deliveries(&of_branch).await.iter().all(|item| item["state"] == "sent") {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, sent).await.expect("the pending callbacks are sent");
    assert!(
        deliveries(&own).await.iter().all(|item| item["attempts"] == 1),
        "the other site is not called before its Retry-After"
    );

    // The next closed address raises an alarm too, within the same hour.
    till.site.answers(Some(410), None);
    clock.advance(std::time::Duration::from_secs(3100));
    let alarms = async {
        let count = async || {
            let hooks = till.admin("/hooks?verdict=ignored&limit=100").await.to_string();
            hooks.matches("tillgate.nobody_listens").count()
        };
        while count().await < 2 {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, alarms).await.expect("both addresses raise an alarm");
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_is_left_alone_as_long_as_it_asks_up_to_an_hour() {
    let clock = Clock::manual(Clock::System.now());
    let setup = Setup { calls_max: 100_000, ..Setup::default() };
    for (retry_after, seconds) in [("1800", 1800), ("86400", 3600)] {
        let till = Till::open_with(setup.clone(), &[], clock.clone()).await;
        till.site.answers(Some(503), Some(retry_after));
        let number = text(&till.place("A-1", "key").await["number"]);
        assert_eq!(till.cancel(&number, API_KEY).await.status, 200);
        till.has_failed("callback", 1).await;
        let due = async |limit: i64| {
            let page = json_of(&till.call(Method::GET, "/v1/deliveries", API_KEY, None, "").await);
            let tried =
                page["items"].as_array().expect("items").iter().find(|item| item["attempts"] == 1);
            let at: tillgate::kernel::Timestamp =
                text(&tried.expect("one was tried")["at"]).parse().expect("a time");
            let wait = at.as_second() - clock.now().as_second();
            assert!((limit - 1..=limit + 1).contains(&wait), "{wait} s of {limit}");
        };
        due(seconds).await;
        till.close().await;
    }
}
