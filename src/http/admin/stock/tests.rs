use super::*;

#[test]
fn comma_and_semicolon_separated_files_are_read() {
    let line = MovementLine {
        store_id: "17".into(),
        sku: "123456".into(),
        quantity: Quantity::from_thousandths(10_500),
    };
    let plain = from_csv(b"store_id,sku,quantity\n17,123456,10.5\n");
    assert_eq!(plain, Ok(vec![line.clone()]));
    let excel = from_csv("\u{feff}store_id;sku;quantity\r\n17; 123456 ;10.500\r\n".as_bytes());
    assert_eq!(excel, Ok(vec![line]));
}

#[test]
fn additions_of_spreadsheets_are_ignored() {
    for text in [
        "sep=;\r\nstore_id;sku;quantity\r\n17;1;10,5\r\n",
        "sep=,\nstore_id,sku,quantity\n17,1,10.5\n",
        "Store_ID;SKU;Quantity\n17;1;10,5\n",
        "store_id;sku;quantity;;\n17;1;10,5;;\n;;;;\n",
        "store_id;sku;quantity\n17;1;10,5;;\n;;\n\n",
        "store_id\tsku\tquantity\r\n17\t1\t10,5\r\n",
        "\r\nstore_id;sku;quantity\r\n17;1;10,5\r\n",
    ] {
        let lines = from_csv(text.as_bytes()).unwrap_or_else(|why| panic!("{text:?}: {why}"));
        let read: Vec<_> =
            lines.iter().map(|line| (line.sku.as_str(), line.quantity.thousandths())).collect();
        assert_eq!(read, [("1", 10_500)], "{text:?}");
    }
    assert!(
        from_csv(b"store_id,sku,quantity\n17,1,1,2\n").is_err(),
        "a decimal comma in a comma-separated file"
    );
}

#[test]
fn numbers_are_read_as_spreadsheets_write_them() {
    let read = |text: &str| {
        from_csv(text.as_bytes())
            .map(|lines| lines.iter().map(|line| line.quantity.to_string()).collect::<Vec<_>>())
    };
    for quantity in ["10,5", "10.5", "10,500", "1 0,5", "\u{a0}10,5", "\"10,5\"", "1e1"] {
        let want = if quantity == "1e1" { "10" } else { "10.5" };
        assert_eq!(
            read(&format!("store_id;sku;quantity\n17;000123;{quantity}\n")),
            Ok(vec![want.into()]),
            "{quantity}"
        );
    }
    for quantity in ["1 234.5", "1\u{a0}234.5", "1\u{202f}234.5", "1234.5000000000001"] {
        assert_eq!(
            read(&format!("store_id,sku,quantity\n17,1,{quantity}\n")),
            Ok(vec!["1234.5".into()]),
            "{quantity}"
        );
    }
    for text in [
        "store_id;sku;quantity\n17;1;1.234,5",
        "store_id,sku,quantity\n17,1,\"1,5\"",
        "store_id;sku;quantity\n17;1;",
    ] {
        assert!(read(text).expect_err("no number").starts_with("line 2: quantity"), "{text}");
    }
    let sku = from_csv("\u{feff}store_id;sku;quantity\r\n17;000123;10,5\r\n".as_bytes())
        .expect("a line")[0]
        .sku
        .clone();
    assert_eq!(sku, "000123");
}

#[test]
fn the_number_of_a_bad_line_is_the_one_that_an_editor_shows() {
    for end in ["\n", "\r\n", "\r"] {
        for blank in ["", end] {
            let rows = ["store_id,sku,quantity", "17,1,1", "17,2,2", "17,3,x", "17,4,4"];
            let text = rows.join(end).replace("17,2,2", &format!("17,2,2{blank}"));
            let why = from_csv(text.as_bytes()).expect_err("a bad line");
            let line = if blank.is_empty() { "line 4:" } else { "line 5:" };
            assert!(why.starts_with(line) && why.contains("\"x\""), "{end:?}: {why}");
            let why =
                from_csv(text.replace("17,3,x", "17,3").as_bytes()).expect_err("a short line");
            assert!(why.starts_with(line), "{end:?}: {why}");
        }
    }
    for end in ["\r\n", "\n"] {
        let rows = ["store_id,sku,quantity", "17,1,1", "17,2", ""].join(end);
        let why = from_csv(rows.as_bytes()).expect_err("a short line");
        assert!(why.starts_with("line 3: 2 columns") && !why.contains("record"), "{end:?}: {why}");
        let mut rows = ["store_id,sku,quantity", "17,1,1", "17,2,2", "17,"].join(end).into_bytes();
        rows.extend_from_slice(b"\xf0\xe8,1");
        let why = from_csv(&rows).expect_err("another encoding");
        assert!(why.starts_with("line 4: it is not UTF-8"), "{end:?}: {why}");
    }
    let why = from_csv(b"a,b\n1,2\n").expect_err("other columns");
    assert!(why.starts_with("line 1: there is no column store_id"), "{why}");
    let why = from_csv(b"sep=;\r\nstore_id;sku;quantity\r\n17;1;x\r\n").expect_err("no number");
    assert!(why.starts_with("line 3:"), "{why}");
    let quoted = "store_id,sku,quantity\r\n17,\"a\r\nb\",1\r\n17,2,x\r\n";
    assert!(from_csv(quoted.as_bytes()).expect_err("a bad line").starts_with("line 4:"));
}

#[test]
fn a_bad_line_is_named() {
    let why = from_csv(b"store_id,sku,quantity\n17,1,2\n17,2,ten\n").expect_err("not a number");
    assert!(why.contains("line 3") && why.contains("ten"), "{why}");
    let why = from_csv(b"shop,article\n17,1\n").expect_err("wrong header");
    assert!(why.contains("store_id,sku,quantity"), "{why}");
}
