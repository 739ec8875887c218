use super::*;

fn read(text: &str) -> LocalTime {
    LocalTime::read(text, None).unwrap_or_else(|| panic!("{text:?} is a time"))
}

fn moscow() -> TimeZone {
    TimeZone::get("Europe/Moscow").expect("the zones are in the program")
}

#[test]
fn a_senders_time_keeps_its_offset() {
    for text in
        ["2026-11-22T13:00:00+03:00", "2026-11-22T13:00:00.25-05:30", "2026-11-22T13:00:00+00:00"]
    {
        assert_eq!(read(text).to_string(), text);
    }
}

#[test]
fn every_unambiguous_spelling_of_a_moment_is_read() {
    let moment: Timestamp = "2026-11-28T07:00:00Z".parse().expect("a timestamp");
    for text in [
        "2026-11-28T10:00:00+03:00",
        "2026-11-28T10:00:00+0300",
        "2026-11-28 10:00:00+03",
        "2026-11-28 10:00:00 +0300",
        "2026-11-28 10:00:00 +03:00",
        "2026-11-28T10:00+03:00",
        "2026/11/28 10:00:00 +0300",
        "2026-11-28t07:00:00z",
        "2026-11-28 07:00:00 UTC",
        "2026-11-28 07:00:00 utc",
        "2026-11-28T07:00:00GMT",
        "2026-11-28 10:00:00 UTC+3",
        "2026-11-28 10:00:00 GMT+03:00",
        "2026-11-28 10:00:00 GMT +0300",
        "2026-11-28 10:00:00 Europe/Moscow",
        "2026-11-28 07:00:00 Etc/UTC",
        "2026-11-28T07:00:00.000Z",
        "2026-11-28T07:00:00.000000000000000Z",
        "2026-11-28T10:00:00,000+03:00",
        "2026-11-28 10:00:00 +0300 MSK",
        "2026-11-28 10:00:00.000000001 +0300 MSK m=+0.000013",
        "2026-11-28T10:00:00+03:00[Europe/Moscow]",
        "2026-11-28T10:00:00[Europe/Moscow]",
        "20261128T070000Z",
        "20261128T100000+0300",
        "1795849200",
        "1795849200.000",
        "1795849200000",
        "/Date(1795849200000)/",
        "/Date(1795849200000+0300)/",
        "Sat, 28 Nov 2026 10:00:00 +0300",
        "28 Nov 2026 10:00:00 +0300",
        "Sat, 28 Nov 2026 07:00:00 GMT",
        "Sat Nov 28 2026 10:00:00 GMT+0300 (Moscow Standard Time)",
        " 2026-11-28T10:00:00+03:00 ",
    ] {
        let at = read(text).timestamp().unwrap_or_else(|| panic!("{text:?} is a moment"));
        assert_eq!(at.as_second(), moment.as_second(), "{text:?}");
    }
    assert_eq!(
        read("2026-11-28T07:00:00.123456789123456Z").timestamp(),
        "2026-11-28T07:00:00.123456789Z".parse().ok()
    );
    assert_eq!(read("1795849200.5").timestamp(), "2026-11-28T07:00:00.5Z".parse().ok());
    assert_eq!(read("1795849200123").timestamp(), "2026-11-28T07:00:00.123Z".parse().ok());
    assert_eq!(read("2026-11-27T24:00:00Z").timestamp(), "2026-11-28T00:00:00Z".parse().ok());
    assert_eq!(read("2026-12-31T23:59:60Z").timestamp(), "2026-12-31T23:59:59Z".parse().ok());
}

#[test]
fn what_could_mean_two_things_is_not_read() {
    for text in [
        "",
        "20261128",
        "202611281000",
        "179584920",
        "17958492000",
        "1795849200000000",
        "-1795849200",
        "-179584920",
        "+179584920",
        "1795849200.",
        "2026-11-28",
        "10:00",
        "yesterday",
        "2026-13-28T10:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-11-28T25:00:00Z",
        "2026-11-28T24:00:01Z",
        "2026-11-28 10:00:00 Europe/Nowhere",
        "2026-11-28T10:61:00Z",
        "05/06/2026 10:00:00 +0300",
        "28.11.2026 10:00",
        "28-11-2026 10:00:00 +0300",
        "2026-11-28T10:00:00+99:00",
        "2026-11-28T10:00:00.Z",
        "2026-11-28T10:00:00 MSK",
        "2026-11-28T10:00:00+3:0",
        "/Date(17958492)/",
        "1e10",
        "1795849200e3",
        "\u{0662}026-11-28T10:00:00Z",
    ] {
        assert_eq!(LocalTime::read(text, None), None, "{text:?}");
    }
    assert_eq!(LocalTime::read(&"1".repeat(1000), None), None);
}

#[test]
fn a_time_without_an_offset_is_a_wall_clock_time_unless_the_zone_is_known() {
    for text in
        ["2026-11-28 10:00:00", "2026-11-28T10:00", "2026-11-28T10:00:00.000", "20261128T100000"]
    {
        let bare = read(text);
        assert_eq!(
            (bare.timestamp(), bare.to_string().as_str()),
            (None, "2026-11-28T10:00:00"),
            "{text:?}"
        );
        let placed = LocalTime::read(text, Some(&moscow())).expect("a time");
        assert_eq!(placed.to_string(), "2026-11-28T10:00:00+03:00", "{text:?}");
    }
    // A sender's own offset takes precedence over the configured zone.
    let own = LocalTime::read("2026-11-28T10:00:00+05:00", Some(&moscow())).expect("a time");
    assert_eq!(own.to_string(), "2026-11-28T10:00:00+05:00");
}

#[test]
fn a_moment_without_a_place_is_shown_in_the_stores_zone() {
    for text in [
        "1795849200",
        "2026-11-28T07:00:00Z",
        "2026-11-28 07:00:00 UTC",
        "Sat, 28 Nov 2026 07:00:00 GMT",
    ] {
        let shown = LocalTime::read(text, Some(&moscow())).expect("a time").to_string();
        assert_eq!(shown, "2026-11-28T10:00:00+03:00", "{text:?}");
    }
}

#[test]
fn what_is_stored_is_read_again() {
    for text in
        ["2026-11-28T10:00:00.123+03:00", "2026-11-28T10:00:00", "2026-11-28T10:00:00+00:00"]
    {
        let time = read(text);
        let json = serde_json::to_string(&time).expect("json");
        assert_eq!(serde_json::from_str::<LocalTime>(&json).expect("a time"), time);
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[-+0-9:./TZ a-zA-Z(),]{0,60}") {
        let _ = LocalTime::read(&text, Some(&TimeZone::UTC));
    }
}
