//! Stored data is compatible: every format that a release has written can be
//! read.

use jiff::civil::{date, time};
use tillgate_kernel::{Document, Money};

use super::addressee::Addressee;
use super::booking::{Booking, Way};
use super::plan::{Area, CourierTime, Plan, Point, Zone};
use super::slots::Slot;
use crate::order_id::OrderId;
use crate::reservation::State;
use crate::seal::MasterKeys;
use crate::username::{ClientNumber, Username};

const ADDRESS: &str = "125009, Москва, Тверская, 1";

fn order() -> OrderId {
    OrderId::parse("482993011752").expect("a number")
}

fn client() -> ClientNumber {
    ClientNumber::of(&Username::parse("anna").expect("a name"))
}

#[test]
fn plans_of_version_1_are_read() {
    let bytes = include_bytes!("../../../../fixtures/stored/delivery-plan/v1/plan.bin");
    let point =
        Point {
            id: 120, name: "У метро".into(), address: "Москва, ул. Мира, 1".into(), days: 2
        };
    let zone = Zone {
        company: "Свои курьеры".into(),
        areas: vec![Area::Codes(101_000, 129_999), Area::Place("Москва".into())],
        cost: Money::from_kopecks(19_900),
        days: 0,
    };
    let courier_time = CourierTime {
        company: "Свои курьеры".into(),
        weekdays: vec![1, 5],
        begin: time(13, 0, 0, 0),
        end: time(15, 0, 0, 0),
        capacity: 3,
    };
    let plan = Plan { points: vec![point], zones: vec![zone], times: vec![courier_time] };
    assert_eq!(Plan::decode(1, bytes), Ok(plan));
}

#[test]
fn bookings_of_version_1_are_read() {
    let until = "2026-11-30T10:15:00Z".parse().expect("a time");
    let taken_at = "2026-11-30T10:00:00Z".parse().expect("a time");
    let point = include_bytes!("../../../../fixtures/stored/booking/v1/point.bin");
    let way = Way::Point {
        id: 120,
        name: "У метро".into(),
        address: "Москва, ул. Мира, 1".into(),
        date: date(2026, 12, 2),
    };
    let state = State::Preliminary { until };
    let booking = Booking { order: order(), state, version: 3, way: Some(way), taken_at };
    assert_eq!(Booking::decode(1, point), Ok(booking));
    let reversed = include_bytes!("../../../../fixtures/stored/booking/v1/reversed.bin");
    let state = State::Reversed;
    let booking = Booking { order: order(), state, version: 0, way: None, taken_at };
    assert_eq!(Booking::decode(1, reversed), Ok(booking));
}

#[test]
fn an_address_of_version_1_is_opened_by_the_key_of_its_client() {
    let addressee = include_bytes!("../../../../fixtures/stored/addressee/v1/addressee.bin");
    let addressee = Addressee::decode(1, addressee).expect("read");
    let bytes = include_bytes!("../../../../fixtures/stored/booking/v1/courier.bin");
    let booking = Booking::decode(1, bytes).expect("read");
    let Some(Way::Courier { company, cost, date: day, slot, address, client: whose }) = booking.way
    else {
        panic!("{booking:?}")
    };
    assert_eq!(
        (company.as_str(), cost, day),
        ("Свои курьеры", Money::from_kopecks(19_900), date(2026, 11, 30))
    );
    let expected =
        Slot { company, date: day, begin: time(13, 0, 0, 0), end: time(15, 0, 0, 0), capacity: 3 };
    assert_eq!((slot, whose, booking.state), (Some(expected), client(), State::Confirmed));
    let key = addressee.opened(&MasterKeys::new([7; 32], []), client()).expect("our key");
    let opened: String = key.open(&address, Booking::place_of(order())).expect("its place");
    assert_eq!(opened, ADDRESS);
}
