use super::*;

#[derive(Debug, serde::Deserialize)]
struct Pair {
    #[serde(deserialize_with = "objects")]
    inner: Vec<One>,
}

#[derive(Debug, serde::Deserialize)]
struct One {
    number: u32,
}

#[test]
fn a_byte_order_mark_is_skipped() {
    for body in
        ["\u{feff}{}", "\u{feff}\u{feff}{}", "\u{feff}\r\n\u{feff} {}", "\n \u{feff}{}", "{}"]
    {
        assert_eq!(tidy(body.as_bytes()).text.as_ref(), b"{}", "{body:?}");
    }
    let inside = "{\"a\":\"\u{feff}\"}";
    assert_eq!(
        tidy(inside.as_bytes()).text.as_ref(),
        inside.as_bytes(),
        "within a string it stays"
    );
}

#[test]
fn half_an_emoji_becomes_the_replacement_character_in_its_place() {
    for (body, text, halves) in [
        (r#"["Сыр \ud83d"]"#, "Сыр \u{fffd}", 1),
        (r#"["\uD83D Сыр"]"#, "\u{fffd} Сыр", 1),
        (r#"["\ude00\ud83d"]"#, "\u{fffd}\u{fffd}", 2),
        (r#"["\ud83d\ud83d\ude00"]"#, "\u{fffd}😀", 1),
        (r#"["\ud83d\ude00\ude00"]"#, "😀\u{fffd}", 1),
        (r#"["\ud83d\n"]"#, "\u{fffd}\n", 1),
        (r#"["\ud83d\\ude00"]"#, "\u{fffd}\\ude00", 1),
        (r#"["\\ud83d"]"#, "\\ud83d", 0),
        (r#"["\\\ud83d"]"#, "\\\u{fffd}", 1),
        (r#"["\ud83d\ude00"]"#, "😀", 0),
        (r#"["\u0416"]"#, "Ж", 0),
    ] {
        let tidied = tidy(body.as_bytes());
        let read: Vec<String> =
            serde_json::from_slice(&tidied.text).unwrap_or_else(|why| panic!("{body}: {why}"));
        assert_eq!((read[0].as_str(), tidied.half_characters), (text, halves), "{body}");
    }
    let named = tidy(br#"{"a\udfff":1}"#);
    let read: std::collections::BTreeMap<String, u8> =
        serde_json::from_slice(&named.text).expect("json");
    assert_eq!(read.keys().next().map(String::as_str), Some("a\u{fffd}"));
    for broken in [r#""\"#, r#""\u"#, r#""\ud83"#, r#""\ud83d\"#, r#"\\\"#] {
        assert_eq!(tidy(broken.as_bytes()).text.len(), broken.len(), "{broken}");
    }
}

#[test]
fn an_emoji_that_was_cut_within_its_bytes_is_the_replacement_character() {
    for (bytes, text, halves) in [
        (&b"[\"\xed\xa0\xbd\"]"[..], "\u{fffd}", 1),
        (b"[\"a\xed\xb8\x80b\"]", "a\u{fffd}b", 1),
        (b"[\"\xed\xa0\xbd\xed\xb8\x80\"]", "😀", 0),
        (b"[\"\xf0\x9f\x98\"]", "\u{fffd}", 1),
        (b"[\"\xf0\x9f\xd0\x96\"]", "\u{fffd}Ж", 1),
        (b"[\"\xf0\x9f\x98\xf0\x9f\x98\x80\\ud83d\"]", "\u{fffd}😀\u{fffd}", 2),
    ] {
        let tidied = tidy(bytes);
        let read: Vec<String> = serde_json::from_slice(&tidied.text).expect("JSON");
        assert_eq!((read[0].as_str(), tidied.half_characters), (text, halves), "{bytes:?}");
    }
    // «Сыр» in Windows-1251, and bytes that are no text at all.
    for bytes in
        [&b"[\"\xd1\xfb\xf0\"]"[..], b"[\"\xff\"]", b"[\"\xf0\"]", b"[\"\xf0\x9f\x98 \xff\"]"]
    {
        assert_eq!(tidy(bytes).text.as_ref(), bytes);
    }
}

#[test]
fn a_list_of_php_with_gaps_is_a_list() {
    #[derive(Debug, serde::Deserialize)]
    struct Some {
        #[serde(default, deserialize_with = "some_objects")]
        inner: Option<Vec<One>>,
    }
    let read = |text: &str| {
        let pair: Result<Pair, _> = serde_json::from_str(text);
        pair.map(|pair| pair.inner.into_iter().map(|one| one.number).collect::<Vec<_>>())
    };
    let gaps = r#"{"inner":{"10":{"number":3},"2":{"number":2},"0":{"number":1}}}"#;
    assert_eq!(read(gaps).expect("a list"), [1, 2, 3]);
    assert_eq!(read(r#"{"inner":{}}"#).expect("a list"), [0; 0]);
    for odd in [
        r#"{"a":{"number":1}}"#,
        r#"{"0":{"number":1},"0":{"number":2}}"#,
        r#"{"0":[1]}"#,
        "1",
        "null",
    ] {
        assert!(read(&format!(r#"{{"inner":{odd}}}"#)).is_err(), "{odd}");
    }
    let some: Some = serde_json::from_str(gaps).expect("a list");
    assert_eq!(some.inner.map(|list| list.len()), Option::Some(3));
    let none: Some = serde_json::from_str(r#"{"inner":null}"#).expect("nothing");
    assert!(none.inner.is_none());
}

#[test]
fn a_list_is_no_object() {
    let read = |text| serde_json::from_str::<Object<Pair>>(text);
    assert_eq!(read(r#"{"inner":[{"number":1}]}"#).expect("an object").0.inner[0].number, 1);
    for text in [r#"[[{"number":1}]]"#, r#"{"inner":[[1]]}"#, "1", "null"] {
        let why = read(text).expect_err("no object").to_string();
        assert!(why.contains("expected an object"), "{why}");
    }
    let twice = read(r#"{"inner":[],"inner":[]}"#).expect_err("twice").to_string();
    assert!(twice.contains("duplicate field"), "{twice}");
}
