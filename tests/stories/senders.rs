//! Hooks as real senders send them, over real HTTP: no order is lost, and
//! whatever is unclear is noted.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tillgate::kernel::Clock;
use tillgate::peer::Client;

use crate::world::database::Server;
use crate::world::till::Till;
use crate::world::{DEADLINE, Services, TOKEN, ask_again_soon, created, hook, payload};

const SM: &str = "protocol = \"sm\"";

/// A clock that shows this time until it is advanced.
fn clock_at(time: &str) -> Clock {
    Clock::manual(time.parse().expect("a time"))
}

/// A change of the order of `created`, with `timestamp` as its time.
fn changed(external_id: &str, timestamp: Value, quantity: i64) -> String {
    let mut change = hook(
        "order.changed",
        None,
        payload(external_id, "100", quantity, &format!("{quantity}0.00")),
    );
    change.insert_str(1, &format!(r#""timestamp":{timestamp},"#));
    change
}

async fn quantity(services: &Services, external_id: &str) -> String {
    services.order(external_id).await["positions"][0]["quantity"]
        .as_str()
        .expect("a quantity")
        .to_owned()
}

/// The number of alarms of this kind.
async fn alarms(services: &Services, kind: &str) -> usize {
    let hooks = services.list("/hooks?verdict=ignored&limit=100").await;
    hooks.iter().filter(|hook| hook["event_type"] == kind).count()
}

async fn journal(services: &Services, external_id: &str) -> Vec<Value> {
    let number = services.order(external_id).await["number"].as_str().expect("a number").to_owned();
    services.list(&format!("/orders/{number}/journal")).await
}

/// Posts a hook to an address with additional headers, and returns the status
/// and the body.
async fn post(url: &str, more: &[(&'static str, &'static str)], body: &[u8]) -> (u16, String) {
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let mut headers = HeaderMap::new();
    headers.insert("client-token", HeaderValue::from_static(TOKEN));
    for (name, value) in more {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    let reply = client.call(Method::POST, url, headers, body.to_vec()).await.expect("an answer");
    (reply.status.as_u16(), String::from_utf8_lossy(&reply.body).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_byte_order_mark_before_a_hook_is_passed_over() {
    let services = Services::open().await;
    services.acknowledged(format!("\u{feff}{}", created("H1"))).await;
    assert_eq!(services.order("H1").await["state"], "open");
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_types_are_recognised_in_any_case_and_with_any_separator() {
    let services = Services::open().await;
    for (place, kind) in
        ["ORDER_CREATED", "order-created", "Order.Created", "order_created"].into_iter().enumerate()
    {
        let id = format!("H{place}");
        let body = hook(kind, Some("2026-11-22T12:00:00+03:00"), payload(&id, "100", 2, "20.00"));
        services.acknowledged(body).await;
        assert_eq!(services.order(&id).await["state"], "open", "{kind}");
    }
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trailing_slash_is_the_same_address_and_the_hook_the_same_hook() {
    let services = Services::open().await;
    let first = services.acknowledged(created("H1")).await;
    let (status, again) =
        post(&format!("{}/hooks/sm/", services.url()), &[], created("H1").as_bytes()).await;
    assert_eq!((status, again), (200, first));
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_in_gzip_is_the_same_hook_and_other_forms_are_refused_by_name() {
    use std::io::Write;
    let services = Services::open().await;
    let first = services.acknowledged(created("H1")).await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(created("H1").as_bytes()).expect("written");
    let packed = encoder.finish().expect("packed");
    let url = format!("{}/hooks/sm", services.url());
    assert_eq!(post(&url, &[("content-encoding", "gzip")], &packed).await, (200, first));
    assert_eq!(post(&url, &[("content-encoding", "gzip")], &packed[..20]).await.0, 400);
    let (status, why) = post(&url, &[("content-encoding", "br")], &packed).await;
    assert!(status == 415 && why.contains("br is not supported"), "{status} {why}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(post(&url, &form, b"payload=%7B%7D").await.0, 415);
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_emoji_is_replaced_and_nothing_else_is_lost() {
    let services = Services::open().await;
    let body = created("H1").replace("домофон 4242", r"домофон \ud83d 4242");
    services.acknowledged(body).await;
    let entries = journal(&services, "H1").await;
    assert!(entries[0]["changes"].to_string().contains("U+FFFD"), "{entries:?}");
    assert_eq!(services.order("H1").await["state"], "open");
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_a_newer_one_has_overtaken_says_so_in_the_journal() {
    let services = Services::open().await;
    services.acknowledged(created("H1")).await;
    let changed = |time, quantity, total| {
        hook("order.changed", Some(time), payload("H1", "100", quantity, total))
    };
    services.acknowledged(changed("2026-11-22T14:00:00+03:00", 5, "50.00")).await;
    services.acknowledged(changed("2026-11-22T13:00:00+03:00", 3, "30.00")).await;
    let entries = journal(&services, "H1").await;
    let verdicts: Vec<&str> =
        entries.iter().filter_map(|entry| entry["verdict"].as_str()).collect();
    assert!(verdicts.contains(&"outdated"), "{entries:?}");
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_php_with_gaps_are_lines_and_unreadable_quantities_are_not_guessed() {
    let services = Services::open().await;
    let mut order = payload("H1", "100", 2, "20.00");
    let line = order["positions"][0].clone();
    order["positions"] =
        json!({"0": line, "2": {"id": "200", "quantity": "many", "originalQuantity": 7}});
    services.acknowledged(hook("order.created", Some("2026-11-22T12:00:00+03:00"), order)).await;
    let order = services.order("H1").await;
    let number = order["number"].as_str().expect("a number");
    let shown = services.get(&format!("/orders/{number}")).await.to_string();
    assert!(shown.contains("\"200\"") && shown.contains("\"100\""), "{shown}");
    let messages = services.picker_messages(1).await;
    assert!(messages[0].contains("200 × ?"), "{messages:?}");
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_total_is_not_billed_for_changed_goods() {
    let till = Till::open().await;
    let number = till.number_of(&created("H1")).await;
    assert_eq!(till.document_in(&number, "linked").await["payment"]["amount"]["amount"], "20.00");
    let mut changed = payload("H1", "100", 1, "10.00");
    changed.as_object_mut().expect("an object").remove("total");
    till.number_of(&hook("order.changed", Some("2026-11-22T13:00:00+03:00"), changed)).await;
    let waiting = async {
        while !till
            .bank
            .orders(&format!("{number}-2"))
            .iter()
            .any(|order| order.amount.to_string() == "10.00")
        {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting)
        .await
        .expect("the next payment is for the current goods");
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_orders_its_hook_however_it_is_written() {
    let services = Services::open_with(&[], clock_at("2026-11-22T20:00:00Z")).await;
    for (place, moment) in [
        json!(1_795_341_600),
        json!(1_795_341_600_000_i64),
        json!("1795341600"),
        json!("1795341600000"),
        json!("2026-11-22 13:00:00 +0300"),
        json!("2026-11-22 13:00:00 +03:00"),
        json!("2026-11-22 10:00:00 UTC"),
        json!("2026-11-22T10:00:00.123456789012Z"),
        json!("2026-11-22T13:00+03"),
        json!("Sun, 22 Nov 2026 13:00:00 +0300"),
        json!("Sun, 22 Nov 2026 10:00:00 GMT"),
        json!("2026/11/22 13:00:00 +0300"),
        json!("/Date(1795341600000)/"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("H{place}");
        services.acknowledged(created(&id)).await;
        services.acknowledged(changed(&id, moment.clone(), 5)).await;
        services.acknowledged(changed(&id, json!("2026-11-22T12:30:00+03:00"), 3)).await;
        assert_eq!(
            quantity(&services, &id).await,
            "5",
            "{moment} is later than half an hour before it"
        );
        let entries = journal(&services, &id).await;
        assert!(
            !json!(entries).to_string().contains("not a readable time"),
            "{moment}: {entries:?}"
        );
    }
    // A value that could be a date or seconds is not a time: its hook counts
    // from its arrival, and has a note.
    for (place, unclear) in [
        json!(20_261_122),
        json!("20261122"),
        json!("202611221000"),
        json!("22.11.2026 10:00"),
        json!(true),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("U{place}");
        services.acknowledged(created(&id)).await;
        services.acknowledged(changed(&id, unclear.clone(), 5)).await;
        assert_eq!(quantity(&services, &id).await, "5");
        let entries = json!(journal(&services, &id).await).to_string();
        assert!(entries.contains("timestamp is not a readable time"), "{unclear}: {entries}");
    }
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_without_an_offset_order_the_hooks_of_a_source_and_raise_one_alarm() {
    let services = Services::open_with(&[], clock_at("2026-11-22T20:00:00Z")).await;
    for id in ["H1", "H2"] {
        services.acknowledged(changed(id, json!("2026-11-22 14:00:00"), 5)).await;
        services.acknowledged(changed(id, json!("2026-11-22T13:00:00"), 3)).await;
        let first =
            hook("order.created", Some("2026-11-22 12:00:00"), payload(id, "100", 2, "20.00"));
        services.acknowledged(first).await;
        services.acknowledged(changed(id, json!("2026-11-22 13:30"), 4)).await;
        assert_eq!(quantity(&services, id).await, "5");
    }
    assert_eq!(alarms(&services, "tillgate.no_time_zone").await, 1);
    let alarms = services.list("/hooks?verdict=ignored").await;
    let reason = alarms[0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("set time_zone in [sources.sm]"), "{reason}");
    services.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_without_an_offset_are_those_of_the_configured_zone() {
    let zone = format!("{SM}\ntime_zone = \"Europe/Moscow\"");
    let services = Services::open_with(&[(SM, &zone)], clock_at("2026-11-22T20:00:00Z")).await;
    services.acknowledged(created("H1")).await;
    services.acknowledged(changed("H1", json!("2026-11-22 13:30:00"), 5)).await;
    services.acknowledged(changed("H1", json!("2026-11-22T10:15:00Z"), 3)).await;
    assert_eq!(
        quantity(&services, "H1").await,
        "5",
        "half past one in Moscow is half past ten in UTC"
    );
    assert_eq!(alarms(&services, "tillgate.no_time_zone").await, 0);

    let mut order = payload("H2", "100", 2, "20.00");
    order["delivery"] = json!({"expectedFrom": "2026-11-22 18:00:00", "expectedTo": 1_795_366_800});
    services.acknowledged(hook("order.created", Some("2026-11-22T12:00:00+03:00"), order)).await;
    let window = services.order("H2").await["delivery"].clone();
    assert_eq!(
        window,
        json!({"from": "2026-11-22T18:00:00+03:00", "to": "2026-11-22T20:00:00+03:00"}),
        "times are in the configured zone"
    );
    services.close().await;
}

/// A sender whose clock is ahead must not overrule later hooks for hours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_dated_ahead_counts_from_its_arrival_and_raises_one_alarm_an_hour() {
    let clock = clock_at("2026-11-22T09:00:30Z");
    let services = Services::open_with(&[], clock.clone()).await;
    let minutes = |count: u64| clock.advance(Duration::from_secs(count * 60));
    services.acknowledged(created("H1")).await;
    minutes(10);
    let ahead = changed("H1", json!("2026-11-22T15:00:00+03:00"), 5);
    services.acknowledged(&ahead).await;
    assert_eq!(quantity(&services, "H1").await, "5");
    minutes(10);
    services.acknowledged(changed("H1", json!("2026-11-22T12:20:00+03:00"), 3)).await;
    assert_eq!(quantity(&services, "H1").await, "3", "the later hook is newer");
    // A time up to five minutes ahead is accepted, as no clock is exact.
    services.acknowledged(changed("H1", json!("2026-11-22T12:25:00+03:00"), 4)).await;
    assert_eq!(quantity(&services, "H1").await, "4");
    services.acknowledged(changed("H1", json!("2026-11-22T12:24:00+03:00"), 6)).await;
    assert_eq!(quantity(&services, "H1").await, "4");
    // A duplicate that arrives when its time has come is still the first hook.
    minutes(4 * 60);
    services.acknowledged(&ahead).await;
    assert_eq!(quantity(&services, "H1").await, "4");

    let entries = json!(journal(&services, "H1").await).to_string();
    assert_eq!(
        entries.matches("dated more than 5 minutes after its arrival").count(),
        1,
        "{entries}"
    );
    let attention = services.order("H1").await["attention"].to_string();
    assert!(attention.contains("the clock of sm is ahead"), "{attention}");
    assert_eq!(alarms(&services, "tillgate.clock_ahead").await, 1);
    for (id, expected) in [("H2", 2), ("H3", 2)] {
        let body = hook(
            "order.created",
            Some("2026-11-22T23:00:00+03:00"),
            payload(id, "100", 2, "20.00"),
        );
        services.acknowledged(body).await;
        assert_eq!(alarms(&services, "tillgate.clock_ahead").await, expected, "one alarm an hour");
    }
    services.close().await;
}

/// To a receiver with a slow clock, every sender's clock would appear to be
/// ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_whose_clock_differs_from_the_stores_checks_no_dates_and_raises_an_alarm() {
    let database = Server::shared().new_database().await;
    let hours = |count: i64| {
        let now = Clock::System.now().as_second() + count * 3600;
        tillgate::kernel::Timestamp::from_second(now).expect("a time")
    };
    for (behind, is_checked) in [(2, false), (0, true)] {
        let services = Services::open_on(&database, Clock::manual(hours(-behind))).await;
        let id = format!("H{behind}");
        services.acknowledged(created(&id)).await;
        let hours_ahead = hours(1 - behind).to_string();
        services.acknowledged(changed(&id, json!(hours_ahead), 5)).await;
        let entries = json!(journal(&services, &id).await).to_string();
        assert_eq!(entries.contains("minutes after its arrival"), is_checked, "{entries}");
        let (status, says) = services.read("/readyz").await;
        assert_eq!(status, 200, "it receives hooks all the same");
        assert_eq!(says.contains("this machine's clock is 7"), !is_checked, "{says}");
        assert_eq!(says.contains("behind the store's: synchronize it"), !is_checked, "{says}");
        services.close().await;
    }
}

/// The receipt's recipient depends on the times of the hooks, not on the order
/// of their arrival.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_hooks_contact_is_the_buyers() {
    let till = Till::open().await;
    let hooks = |id: &str| {
        [
            ("created", "12:00", "first@example.org", 2),
            ("changed", "12:05", "older@example.org", 3),
            ("changed", "12:10", "newest@example.org", 4),
        ]
        .map(|(kind, time, email, quantity)| {
            let mut order = payload(id, "100", quantity, &format!("{quantity}0.00"));
            order["customer"] = json!({"name": "Анна", "email": email});
            hook(&format!("order.{kind}"), Some(&format!("2026-11-22T{time}:00+03:00")), order)
        })
    };
    for (place, arrival) in
        [[0, 1, 2], [0, 2, 1], [1, 0, 2], [2, 1, 0], [1, 2, 0]].into_iter().enumerate()
    {
        let id = format!("H{place}");
        let hooks = hooks(&id);
        let mut number = String::new();
        for hook in arrival {
            let answer = till.hook(&hooks[hook]).await;
            let answer: Value = serde_json::from_str(answer.body()).expect("json");
            number = answer["number"].as_str().map_or(number, str::to_owned);
        }
        till.nothing_waits_in("payment").await;
        let entry = till.bank.ledger().into_iter().rfind(|entry| entry.number.starts_with(&number));
        let entry = entry.expect("a payment");
        assert!(entry.request.contains("newest@example.org"), "{arrival:?}: {}", entry.request);
        assert_eq!(entry.amount.to_string(), "40.00");
    }
    till.close().await;
}

/// An order whose sums are missing or inconsistent has no bill, and the reason
/// is the right one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_price_of_a_line_is_not_guessed() {
    let till = Till::open().await;
    let line = |id: &str, quantity: i64, sums: Value| {
        let mut line = json!({"id": id, "quantity": quantity});
        line.as_object_mut()
            .expect("an object")
            .extend(sums.as_object().expect("an object").clone());
        line
    };
    let full = |sum: &str| json!({"totalPrice": sum, "totalDiscountPrice": sum});
    let zero = json!({"totalPrice": "100.00", "totalDiscountPrice": "0.00"});
    let tens = |count: usize| {
        (0..count).map(|place| line(&format!("{place}"), 1, full("10.00"))).collect::<Vec<_>>()
    };
    for (place, (lines, order, expected)) in [
        (
            vec![line("1", 1, zero.clone()), line("3", 1, full("70.00"))],
            json!({}),
            Err("article 1 costs 0.00 with discounts"),
        ),
        (
            vec![line("1", 1, zero.clone()), line("3", 1, full("70.00"))],
            json!({"total": {"discountTotalPrice": "70.00"}}),
            Ok(vec!["0.00", "70.00"]),
        ),
        (
            vec![line("1", 1, zero.clone()), line("3", 1, full("70.00"))],
            json!({"total": {"totalPrice": "170.00"}}),
            Ok(vec!["100.00", "70.00"]),
        ),
        (
            vec![line("1", 1, zero), line("3", 1, full("70.00"))],
            json!({"total": {"totalPrice": "90.00"}}),
            Err("article 1 costs 0.00"),
        ),
        (
            vec![line("1", 2, json!({}))],
            json!({"total": {"totalPrice": "170.00"}}),
            Ok(vec!["170.00"]),
        ),
        (
            vec![line("1", 2, json!({})), line("2", 1, full("70.00"))],
            json!({"total": {"totalPrice": "170.00"}}),
            Err("article 1 states neither an amount nor a price"),
        ),
        (
            vec![line("1", 2, json!({"totalPrice": "100.00", "price": "50.001"}))],
            json!({}),
            Err("the amount of article 1 cannot be read"),
        ),
        (
            vec![line("1", 2, json!({"price": "50.00"}))],
            json!({}),
            Err("the order states no total, and article 1 states no amount"),
        ),
        (
            tens(2),
            json!({"total": {"totalPrice": "20.02"}, "deliveryCost": "0.02"}),
            Ok(vec!["10.00", "10.00", "0.02"]),
        ),
        (
            tens(2),
            json!({"total": {"totalPrice": "20.01"}, "deliveryCost": "0.02"}),
            Err("includes the delivery for 0.02"),
        ),
        (
            tens(100),
            json!({"total": {"totalPrice": "1001.00"}, "deliveryCost": "1.00"}),
            Ok([vec!["10.00"; 100], vec!["1.00"]].concat()),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body =
            json!({"originalOrderId": format!("H{place}"), "storeID": "17", "positions": lines});
        body.as_object_mut()
            .expect("an object")
            .extend(order.as_object().expect("an object").clone());
        let number = till
            .number_of(&hook("order.created", Some("2026-11-22T12:00:00+03:00"), body.clone()))
            .await;
        match expected {
            Ok(sums) => {
                till.document_in(&number, "linked").await;
                let request: Value =
                    serde_json::from_str(&till.remote(&number).request).expect("json");
                let billed: Vec<String> = request["basketItems"]
                    .as_array()
                    .expect("lines")
                    .iter()
                    .map(|line| format!("{:.2}", line["totalAmount"].as_f64().expect("a number")))
                    .collect();
                assert_eq!(billed, sums, "{body}");
            }
            Err(why) => {
                let shown = till.admin(&format!("/orders/{number}")).await;
                assert!(shown["payment"].is_null(), "{shown}");
                assert!(shown["attention"].to_string().contains(why), "{why}: {shown}");
            }
        }
    }
    till.close().await;
}

/// A late hook is outdated, even if it would have changed nothing when it was
/// sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_change_that_repeats_what_was_before_is_outdated_too() {
    let services = Services::open_with(&[], clock_at("2026-11-22T20:00:00Z")).await;
    services.acknowledged(created("H1")).await;
    services.acknowledged(changed("H1", json!("2026-11-22T14:00:00+03:00"), 5)).await;
    services.acknowledged(changed("H1", json!("2026-11-22T13:00:00+03:00"), 2)).await;
    let entries = json!(journal(&services, "H1").await).to_string();
    assert_eq!(entries.matches(r#""verdict":"outdated""#).count(), 1, "{entries}");
    // A parked hook that is dated ahead is still dated ahead when its order is
    // created.
    services.acknowledged(changed("H2", json!("2027-11-22T14:00:00+03:00"), 5)).await;
    services.acknowledged(created("H2")).await;
    let entries = json!(journal(&services, "H2").await).to_string();
    assert!(
        entries.contains("it was parked") && entries.contains("minutes after its arrival"),
        "{entries}"
    );
    // A local time that has not been reached in any time zone is dated ahead.
    services.acknowledged(created("H3")).await;
    services.acknowledged(changed("H3", json!("2099-01-01 13:00:00"), 5)).await;
    services.acknowledged(changed("H3", json!("2026-11-22 22:00:00"), 3)).await;
    let entries = json!(journal(&services, "H3").await).to_string();
    assert!(entries.contains("minutes after its arrival"), "{entries}");
    services.close().await;
}
