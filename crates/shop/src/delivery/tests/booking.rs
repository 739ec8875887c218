//! What is booked, for whom, and until when.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::Refusal;
use crate::delivery::addressee::Addressee;
use crate::order_problem::OrderProblem;
use crate::reservation::extend::Extension;

const TODAY: &str = "30.11.2026";
const TOMORROW: &str = "01.12.2026";

#[tokio::test]
async fn a_time_is_booked_for_one_order_and_given_back_once() {
    let world = World::new().await;
    let first = courier(ANNAS[0], TOMORROW, "09:00", "11:00", json!(199.00));
    let (status, booked) = world.book("anna", &first).await;
    assert_eq!(status, StatusCode::OK, "{booked}");
    fits(&contract(), "Booked", &booked);
    assert_eq!(booked["until"], "2026-11-30T07:45:00Z");
    assert_eq!((&booked["cost"], &booked["deliveryDate"]), (&json!(199.00), &json!(TOMORROW)));
    // Another order does not get it, and learns what is free.
    let other = courier(BORISES, TOMORROW, "09:00", "11:00", json!(199.00));
    let (status, said) = world.book("boris", &other).await;
    assert_eq!((status.as_u16(), kind(&said)), (409, "slot-full"), "{said}");
    let free = json!({"deliveryDate": TODAY,
        "timeSlot": {"beginTime": "13:00", "endTime": "15:00"}, "free": 2});
    assert_eq!(said["slots"][0], free);
    // The same again is the same, and for longer.
    world.delivery.clock.advance(Duration::from_secs(60));
    let (_, again) = world.book("anna", &first).await;
    assert_eq!(again["until"], "2026-11-30T07:46:00Z");
    // Another time instead: the first is free.
    let instead = courier(ANNAS[0], TODAY, "13:00", "15:00", json!(199));
    assert_eq!(world.book("anna", &instead).await.0, StatusCode::OK);
    assert_eq!(
        world.room().await,
        [
            (format!("{TODAY} 13:00"), 1),
            (format!("{TOMORROW} 09:00"), 1),
            (format!("{TOMORROW} 13:00"), 2)
        ]
    );
    // A point instead of a courier: all times are free.
    let point = json!({"orderId": ANNAS[0], "version": 2, "pickupPointId": 120});
    let (status, booked) = world.book("anna", &point).await;
    assert_eq!((status, &booked["cost"]), (StatusCode::OK, &json!(0.00)));
    assert_eq!(booked["deliveryDate"], "02.12.2026");
    assert_eq!(world.room().await[0].1, 2);
    // What runs out is free again, once.
    world.book("anna", &instead).await;
    world.delivery.clock.advance(Duration::from_secs(901));
    assert_eq!(world.delivery.bookings.expire_step().await, Ok(1));
    assert_eq!(world.delivery.bookings.expire_step().await, Ok(0));
    assert_eq!(world.room().await[0].1, 2);
    let path = format!("/book?orderId={}", ANNAS[0]);
    let (status, _) = world.send("DELETE", &path, "anna", "").await;
    assert_eq!((status, world.room().await[0].1), (StatusCode::NO_CONTENT, 2));
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_what_can() {
    let world = World::new().await;
    let refused = |body| {
        let world = &world;
        async move {
            let (status, said) = world.book("anna", &body).await;
            (status.as_u16(), kind(&said).to_owned(), said)
        }
    };
    // Another cost.
    let dear = courier(ANNAS[0], TODAY, "13:00", "15:00", json!(198.99));
    let (status, kind, said) = refused(dear).await;
    assert_eq!((status, kind.as_str(), &said["cost"]), (409, "cost-changed", &json!(199.00)));
    // A time that has passed, of no weekday of theirs, and of nobody.
    for (day, begin, end) in
        [(TODAY, "09:00", "11:00"), ("05.12.2026", "09:00", "11:00"), (TOMORROW, "09:00", "12:00")]
    {
        let (status, kind, said) = refused(courier(ANNAS[0], day, begin, end, json!(199))).await;
        assert_eq!((status, kind.as_str()), (409, "slot-full"), "{day} {begin}: {said}");
        assert!(said["slots"].as_array().is_some_and(|slots| !slots.is_empty()));
    }
    // A company that does not deliver there, and one that keeps no times.
    let mut far = courier(ANNAS[0], "03.12.2026", "09:00", "11:00", json!(0));
    far["companyName"] = json!("Никто");
    assert_eq!(refused(far.clone()).await.1, "outside-zone");
    far["companyName"] = json!("Дальние");
    assert_eq!(refused(far.clone()).await.0, 400, "it keeps no times");
    far["timeSlot"] = serde_json::Value::Null;
    for day in ["02.12.2026", "31.12.2027"] {
        far["deliveryDate"] = json!(day);
        let (_, kind, said) = refused(far.clone()).await;
        assert_eq!((kind.as_str(), &said["firstDay"]), ("slot-full", &json!("03.12.2026")));
    }
    let mut untimed = courier(ANNAS[0], TODAY, "13:00", "15:00", json!(199));
    untimed["timeSlot"] = serde_json::Value::Null;
    assert_eq!(refused(untimed).await.2["errors"][0]["pointer"], "/timeSlot");
    far["deliveryDate"] = json!("03.12.2026");
    assert_eq!(world.book("anna", &far).await.0, StatusCode::OK);
    // An unknown point, another client's order, an older version.
    let mut point = json!({"orderId": ANNAS[0], "version": 2, "pickupPointId": 121});
    assert_eq!(refused(point.clone()).await.0, 404);
    point["pickupPointId"] = json!(120);
    assert_eq!(world.book("boris", &point).await.0, StatusCode::NOT_FOUND);
    point["version"] = json!(1);
    assert_eq!(refused(point).await.1, "stale-version");
}

#[tokio::test]
async fn only_the_client_sees_where_the_order_goes_and_the_store_has_no_address() {
    let world = World::new().await;
    let body = courier(ANNAS[0], TODAY, "13:00", "15:00", json!(199));
    world.book("anna", &body).await;
    let path = format!("/case?orderId={}", ANNAS[0]);
    let (status, case) = world.get(&path).await;
    assert_eq!(status, StatusCode::OK, "{case}");
    fits(&contract(), "DeliveryCase", &case);
    assert_eq!((&case["status"], &case["cost"]), (&json!("PRELIMINARY"), &json!(199.00)));
    assert_eq!(case["homeDelivery"]["homeAddress"], ADDRESS);
    assert_eq!(case["homeDelivery"]["timeSlot"]["endTime"], "15:00");
    assert_eq!(world.send("GET", &path, "boris", "").await.0, StatusCode::NOT_FOUND);
    let order = OrderId::parse(ANNAS[0]).expect("a number");
    let booking = world.delivery.bookings.of(order).await.expect("read").expect("booked");
    let stored = tillgate_kernel::Document::encode(&booking);
    assert!(!stored.windows(10).any(|part| part == "Тверская".as_bytes().get(..10).unwrap_or(&[])));
    // A client whose key is destroyed has no address any more.
    let key = Addressee::key_of(crate::username::ClientNumber::of(
        &crate::username::Username::parse("anna").expect("a name"),
    ));
    let mut batch = tillgate_store::Batch::new();
    let known = world.delivery.store.read::<Addressee>(key).await.expect("read").expect("a key");
    batch.delete(key, known.version());
    world.delivery.store.commit(batch).await.expect("committed");
    let (_, case) = world.get(&path).await;
    assert_eq!(case["homeDelivery"]["homeAddress"], serde_json::Value::Null, "{case}");
    // Nor with a new key.
    world.book("anna", &courier(ANNAS[1], TODAY, "13:00", "15:00", json!(199))).await;
    let (status, case) = world.get(&path).await;
    assert_eq!((status, &case["homeDelivery"]["homeAddress"]), (StatusCode::OK, &json!(null)));
}

#[tokio::test]
async fn the_last_room_is_shown_to_the_order_that_has_it_and_to_no_other() {
    let world = World::new().await;
    let first = courier(ANNAS[0], TOMORROW, "09:00", "11:00", json!(199));
    world.book("anna", &first).await;
    let morning = format!("{TOMORROW} 09:00");
    assert!(!world.room().await.iter().any(|(name, _)| *name == morning));
    let path = format!("/variants?address={}&orderId={}", encoded(ADDRESS), ANNAS[0]);
    let (_, own) = world.get(&path).await;
    let slots = own["variants"][0]["slots"].as_array().expect("slots");
    assert!(slots.iter().any(|slot| slot["deliveryDate"] == TOMORROW
        && slot["timeSlot"]["beginTime"] == "09:00"
        && slot["free"] == 1));
    assert_eq!(world.send("GET", &path, "boris", "").await.0, StatusCode::NOT_FOUND);
    // In another zone the company comes later: its own time is none there.
    let zone = |place: &str, days| super::super::plan::Zone {
        company: "Свои курьеры".into(),
        areas: vec![super::super::plan::Area::Place(place.into())],
        cost: tillgate_kernel::Money::from_kopecks(19_900),
        days,
    };
    let zones = Part::Zones(vec![zone("Москва", 0), zone("Клин", 3)]);
    world.delivery.set(zones).await.expect("set");
    let mut elsewhere = first.clone();
    elsewhere["address"] = json!("Клин, Ленина, 5");
    let (status, said) = world.book("anna", &elsewhere).await;
    assert_eq!((status.as_u16(), &said["firstDay"]), (409, &json!("03.12.2026")), "{said}");
}

#[tokio::test]
async fn a_time_that_has_begun_is_not_confirmed() {
    let world = World::new().await;
    let order = OrderId::parse(ANNAS[0]).expect("a number");
    world.book("anna", &courier(ANNAS[0], TODAY, "13:00", "15:00", json!(199))).await;
    // It is 10:30; at 13:30 a late payment comes.
    world.delivery.clock.advance(Duration::from_secs(3 * 3600));
    world.delivery.bookings.expire_step().await.expect("a step");
    assert_eq!(world.confirm(order, 2).await, Ok(Answer::Short));
}

#[tokio::test]
async fn a_renewal_does_not_shorten_what_a_payment_has_lengthened() {
    let world = World::new().await;
    let order = OrderId::parse(ANNAS[0]).expect("a number");
    let body = courier(ANNAS[0], TOMORROW, "09:00", "11:00", json!(199));
    world.book("anna", &body).await;
    let held_for = Duration::from_secs(3600);
    let extension = Extension { order, version: 2, held_for };
    world.delivery.bookings.extend(&extension).await.expect("lengthened");
    let other = Extension { version: 1, ..extension };
    let refused = world.delivery.bookings.extend(&other).await.map(drop);
    assert_eq!(refused, Err(Refusal::Order(OrderProblem::HoldExpired)), "another version");
    let (_, again) = world.book("anna", &body).await;
    assert_eq!(again["until"], "2026-11-30T08:30:00Z");
}

#[tokio::test]
async fn the_agreement_takes_the_time_for_good_or_gives_it_back_for_good() {
    let world = World::new().await;
    let order = OrderId::parse(ANNAS[0]).expect("a number");
    let bookings = &world.delivery.bookings;
    let body = courier(ANNAS[0], TOMORROW, "09:00", "11:00", json!(199));
    assert_eq!(world.confirm(order, 2).await, Ok(Answer::NothingHeld));
    world.book("anna", &body).await;
    // It runs out, another order takes it, and it cannot be confirmed.
    world.delivery.clock.advance(Duration::from_secs(901));
    bookings.expire_step().await.expect("a step");
    let other = courier(BORISES, TOMORROW, "09:00", "11:00", json!(199));
    assert_eq!(world.book("boris", &other).await.0, StatusCode::OK);
    assert_eq!(world.confirm(order, 2).await, Ok(Answer::Short));
    let path = format!("/book?orderId={BORISES}");
    world.send("DELETE", &path, "boris", "").await;
    // It is free again: it is taken again, and stays.
    assert_eq!(world.confirm(order, 2).await, Ok(Answer::Success));
    assert_eq!(world.confirm(order, 2).await, Ok(Answer::Success));
    world.delivery.clock.advance(Duration::from_secs(8000));
    assert_eq!(bookings.expire_step().await, Ok(0));
    assert_eq!(world.book("boris", &other).await.0, StatusCode::CONFLICT);
    let (status, said) =
        world.send("DELETE", &format!("/book?orderId={}", ANNAS[0]), "anna", "").await;
    assert_eq!((status.as_u16(), kind(&said)), (409, "wrong-state"));
    bookings.reverse(order, |_| true, None, None).await.expect("reversed");
    bookings.reverse(order, |_| true, None, None).await.expect("again");
    assert_eq!(world.confirm(order, 2).await, Ok(Answer::Reversed));
    assert_eq!(world.book("boris", &other).await.0, StatusCode::OK);
    // A mark is left for an order that nothing was booked for.
    let unknown = OrderId::parse(ANNAS[1]).expect("a number");
    bookings.reverse(unknown, |_| true, None, None).await.expect("reversed");
    let later = courier(ANNAS[1], TODAY, "13:00", "15:00", json!(199));
    assert_eq!(world.book("anna", &later).await.0, StatusCode::CONFLICT);
}
