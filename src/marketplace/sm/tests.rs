use super::*;

#[test]
fn the_lifetime_of_a_token_is_parsed_in_all_its_formats() {
    let read = |text: &str| {
        let granted: Granted =
            serde_json::from_str(&format!(r#"{{"access_token":"t","token_type":"Bearer"{text}}}"#))
                .unwrap_or_else(|why| panic!("{text}: {why}"));
        lifetime(granted.expires_in.as_deref()).map(|lives| lives.as_secs())
    };
    for text in ["300", "\"300\"", "300.0", "\"300.0\"", "3e2", "\" 300 \""] {
        assert_eq!(read(&format!(r#","expires_in":{text}"#)), Some(300), "{text}");
    }
    assert_eq!(read(r#","expires_in":0"#), Some(0));
    for text in [
        "",
        r#","expires_in":null"#,
        r#","expires_in":"soon""#,
        r#","expires_in":-1"#,
        r#","expires_in":{}"#,
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}
