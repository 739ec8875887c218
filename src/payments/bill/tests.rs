use proptest::prelude::*;

use super::*;

fn line(sku: &str, quantity: i64, price: i64) -> Line {
    let (quantity, price) = (Quantity::from_thousandths(quantity), Money::from_kopecks(price));
    Line::priced(sku.into(), "Молоко".into(), quantity, price, VatCode::Ten).expect("a line")
}

fn bill(lines: Vec<Line>) -> Result<Bill, BadBill> {
    Bill::over("Заказ".into(), lines, Customer::default(), Timestamp::UNIX_EPOCH)
}

#[test]
fn a_bill_adds_up() {
    let bill = bill(vec![line("1", 2000, 12_990), line("2", 355, 9999)]).expect("a bill");
    // 0.355 × 99.99 = 35.49645
    assert_eq!((bill.lines[1].total.kopecks(), bill.total.kopecks()), (3550, 29_530));
    assert_eq!(bill.vat.kopecks(), 2362 + 323);
}

#[test]
fn an_invalid_bill_is_refused_with_the_line_at_fault() {
    let why = |lines| bill(lines).expect_err("a bad bill").to_string();
    assert!(why(vec![]).contains("from 1 to 500"));
    assert!(why(vec![line("1", 1000, 0)]).contains("greater than 0"));
    assert!(why(vec![line("1", 0, 100)]).starts_with("items[0].quantity"));
    assert!(why(vec![line("1", 1000, -100)]).starts_with("items[0].price"));
    let wrong = Line { total: Money::from_kopecks(101), ..line("1", 1000, 100) };
    assert!(why(vec![wrong]).contains("price × quantity"));
    let wrong = Line { vat: Money::from_kopecks(1), ..line("1", 1000, 100) };
    assert!(why(vec![wrong]).contains("rate's share"));
    assert!(why(vec![line("1", 1000, AMOUNT_KOPECKS_MAX), line("2", 1000, 1)]).contains("at most"));
}

#[test]
fn lines_of_one_article_get_different_codes_and_long_articles_do_not_clash() {
    let long = "артикул-".repeat(10);
    let skus = [
        "1",
        "1",
        "1-2",
        "1",
        &format!("{long}а"),
        &format!("{long}б"),
        &format!("{long}а"),
        &"x".repeat(36),
    ];
    let bill = bill(skus.map(|sku| line(sku, 1000, 100)).into()).expect("a bill");
    let codes: Vec<&str> = bill.lines.iter().map(Line::code).collect();
    assert_eq!((&codes[..4], codes[7]), (&["1", "1-3", "1-2", "1-4"][..], skus[7]));
    let different: BTreeSet<&&str> = codes.iter().collect();
    assert_eq!(different.len(), codes.len(), "{codes:?}");
    assert!(codes.iter().all(|code| code.chars().count() <= SKU_CHARS_MAX), "{codes:?}");
}

#[test]
fn a_customer_does_not_print() {
    let customer = Customer { name: Some("Анна".into()), ..Customer::default() };
    assert_eq!(format!("{customer:?}"), "[customer]");
}

proptest! {
    /// For any quantity and total, the lines add up to the total, each has a
    /// price in whole kopecks, and together they are about all the goods.
    #[test]
    fn goods_are_sold_for_exactly_their_sum(
        thousandths in 1_i64..200_000,
        kopecks in 0_i64..10_000_000,
        named in proptest::option::of(0_i64..100_000),
    ) {
        for thousandths in [thousandths, thousandths / 1000 * 1000 + 1000] {
            let (quantity, total) =
                (Quantity::from_thousandths(thousandths), Money::from_kopecks(kopecks));
            let lines = Line::sold_for(
                "1",
                "Чай",
                quantity,
                total,
                named.map(Money::from_kopecks),
                VatCode::Ten,
            );
            let lines = lines.expect("lines");
            prop_assert_eq!(lines.iter().map(|line| line.total.kopecks()).sum::<i64>(), kopecks);
            prop_assert_eq!(
                lines.iter().map(|line| line.goods().thousandths()).sum::<i64>(),
                thousandths
            );
            for line in &lines {
                prop_assert_eq!(multiply(line.price, line.quantity), Some(line.total));
                prop_assert_eq!(&line.sku, "1");
                let exact = line.with_exact_price();
                prop_assert_eq!(
                    exact.price.kopecks() * exact.quantity.thousandths(),
                    line.total.kopecks() * 1000
                );
                prop_assert_eq!((exact.total, exact.goods()), (line.total, line.goods()));
            }
        }
    }

    #[test]
    fn no_price_and_quantity_make_the_sums_panic(quantity: i64, price: i64) {
        let line = Line::priced(
            "1".into(),
            "x".into(),
            Quantity::from_thousandths(quantity),
            Money::from_kopecks(price),
            VatCode::Twenty,
        );
        let _ = line.map(|line| bill(vec![line]));
    }
}

#[test]
fn a_sum_that_pieces_do_not_share_evenly_makes_some_dearer_by_a_kopeck() {
    let (quantity, total) = (Quantity::from_thousandths(3000), Money::from_kopecks(100));
    let lines = Line::sold_for("1", "Чай", quantity, total, None, VatCode::Ten).expect("lines");
    let prices: Vec<(i64, i64)> =
        lines.iter().map(|line| (line.quantity.thousandths(), line.price.kopecks())).collect();
    assert_eq!(prices, [(2000, 33), (1000, 34)]);
}

/// 1.00 for 0.7 is 1.42857… each: 1.43 gives the total and 1.42 does not.
#[test]
fn a_sum_of_weighed_goods_has_the_nearest_price() {
    let (quantity, total) = (Quantity::from_thousandths(700), Money::from_kopecks(100));
    let lines = Line::sold_for("1", "Чай", quantity, total, None, VatCode::Ten).expect("lines");
    assert_eq!((lines.len(), lines[0].quantity, lines[0].price.kopecks()), (1, quantity, 143));
}

#[test]
fn goods_without_an_exact_price_are_billed_as_one_piece() {
    let weighed =
        Line { measure: "кг".into(), measure_code: "166".into(), ..line("1", 355, 9999) };
    let billed = weighed.with_exact_price();
    let expected = Line {
        name: "Молоко × 0.355 кг".into(),
        quantity: Quantity::from_thousandths(1000),
        of_quantity: Some(Quantity::from_thousandths(355)),
        price: weighed.total,
        measure: "шт".into(),
        measure_code: "796".into(),
        ..weighed.clone()
    };
    assert_eq!(billed, expected);
    let exact = line("1", 500, 100);
    assert_eq!(exact.with_exact_price(), exact);
}

#[test]
fn another_sum_than_the_bills_is_refused() {
    let bill = bill(vec![line("1", 1000, 100)]).expect("a bill");
    assert_eq!(bill.agrees(None), Ok(()));
    assert_eq!(bill.agrees(Some(Money::from_kopecks(100))), Ok(()));
    let why = bill.agrees(Some(Money::from_kopecks(101))).expect_err("another sum").to_string();
    assert_eq!(why, "total: is 1.01, but the lines add up to 1.00");
}
