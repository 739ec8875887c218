//! Feeds as real programs write them.

use tillgate_kernel::Money;

use super::yml::read;
use super::{BrokenBy, Feed, Lack};
use crate::menu::category_id::CategoryId;
use crate::menu::product::Offer;
use crate::menu::vat::Vat;
use crate::product_id::ProductId;

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE yml_catalog SYSTEM "shops.dtd">
<yml_catalog date="2026-11-30 10:00"><shop><name>Лавка</name>
<categories>
<category id="1">Продукты</category>
<category id="dairy" parentId="1">Молочное &amp; яйца</category>
</categories>
<offers>
"#;
const TAIL: &str = "</offers></shop></yml_catalog>\n";

fn feed(offers: &str) -> Feed {
    read(format!("{HEAD}{offers}{TAIL}").as_bytes()).expect("a feed")
}

/// The line and the reason.
fn broken(text: &str) -> (u64, BrokenBy) {
    let broken = read(text.as_bytes()).expect_err("a broken feed");
    (broken.line, broken.why)
}

const MILK: &str = r#"<offer id="4031" available="true">
<url>https://shop.example/4031</url><price>89.90</price><oldprice>99,90</oldprice>
<currencyId>RUR</currencyId><categoryId>dairy</categoryId>
<picture>https://shop.example/1.jpg</picture><picture>https://shop.example/2.jpg</picture>
<name>  Молоко
 «Лавка» 3,2% </name><vendor>Лавка</vendor><vendorCode>M-1</vendorCode>
<description><![CDATA[<p>Свежее&nbsp;молоко.</p><ul><li>1 л</li></ul>]]></description>
<barcode>4607001234567</barcode><vat>VAT_10</vat><param name="Объём">1 л</param>
</offer>
"#;

#[test]
fn an_offer_is_read_with_its_category() {
    let Feed { categories, offers, skipped } = feed(MILK);
    assert_eq!(skipped, []);
    let names: Vec<&str> = categories.all.iter().map(|category| category.name.as_str()).collect();
    assert_eq!(names, ["Продукты", "Молочное & яйца"]);
    assert_eq!(categories.all[1].parent, CategoryId::new(1));
    let expected = Offer {
        article: "4031".into(),
        name: "Молоко «Лавка» 3,2%".into(),
        category: CategoryId::of_feed("dairy"),
        price: Money::from_kopecks(8990),
        old_price: Some(Money::from_kopecks(9990)),
        vat: Some(Vat::Percent10),
        vendor: Some("Лавка".into()),
        vendor_code: Some("M-1".into()),
        barcodes: vec!["4607001234567".into()],
        description: "Свежее молоко.\n1 л".into(),
        pictures: vec!["https://shop.example/1.jpg".into(), "https://shop.example/2.jpg".into()],
        is_available: true,
    };
    assert_eq!(offers, [expected]);
    assert_eq!(offers[0].id(), ProductId::new(4031).expect("a number"));
}

#[test]
fn an_offer_may_be_described_by_vendor_and_model() {
    let offers = feed(
        r#"<offer id="A-7" type="vendor.model" available="false"><price>1 200</price>
        <categoryId>1</categoryId><typePrefix>Принтер</typePrefix><vendor>HP</vendor>
        <model>Deskjet D2663</model></offer>"#,
    )
    .offers;
    assert_eq!(offers[0].name, "Принтер HP Deskjet D2663");
    assert_eq!((offers[0].price.kopecks(), offers[0].is_available), (120_000, false));
}

#[test]
fn windows_1251_is_read_as_declared() {
    let text = format!("{HEAD}{MILK}{TAIL}").replace("UTF-8", "windows-1251");
    let text = text.replace("&nbsp;", " ");
    let (bytes, _, is_lossy) = encoding_rs::WINDOWS_1251.encode(&text);
    assert!(!is_lossy);
    let offers = read(&*bytes).expect("a feed").offers;
    assert_eq!(offers[0].name, "Молоко «Лавка» 3,2%");
    // With empty lines before it, and a second declaration in the middle.
    let odd = format!("\n\n\n{text}").replace("<offers>", "<?xml encoding=\"UTF-16\"?><offers>");
    let (odd, _, _) = encoding_rs::WINDOWS_1251.encode(&odd);
    assert!(matches!(read(&*odd), Ok(_) | Err(super::Broken { why: BrokenBy::Xml(_), .. })));
    // Declared as something else, it is refused instead of being misread.
    let place = bytes.windows(12).position(|part| part == b"windows-1251").expect("there");
    let mut wrong = bytes.to_vec();
    wrong.splice(place..place + 12, *b"UTF-8");
    assert!(matches!(read(&wrong[..]).expect_err("no UTF-8").why, BrokenBy::Xml(_)));
    for (encoding, named) in [(&b"koi8-r"[..], "koi8-r"), (&b"klingon"[..], "klingon")] {
        let mut other = bytes.to_vec();
        other.splice(place..place + 12, encoding.iter().copied());
        let why = read(&other[..]).expect_err("another encoding").why;
        assert!(matches!(&why, BrokenBy::Encoding(name) if name == named), "{why}");
    }
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert!(matches!(read(&wide[..]).expect_err("UTF-16").why, BrokenBy::Encoding(_)));
}

#[test]
fn what_nobody_could_sell_is_left_out() {
    let Feed { offers, skipped, .. } = feed(&format!(
        r#"{MILK}<offer id="2"><price>1</price><categoryId>1</categoryId><name> </name></offer>
<offer id="3"><price></price><categoryId>1</categoryId><name>a</name></offer>
<offer id="4"><price>0.00</price><categoryId>1</categoryId><name>a</name></offer>
<offer id="5"><price>1</price><categoryId>77</categoryId><name>a</name></offer>
<offer id="4031"><price>5</price><categoryId>1</categoryId><name>again</name></offer>
"#
    ));
    assert_eq!(offers.len(), 1);
    let skipped: Vec<(&str, Lack)> =
        skipped.iter().map(|one| (one.article.as_str(), one.why)).collect();
    let expected = [
        ("2", Lack::Name),
        ("3", Lack::Price),
        ("4", Lack::Price),
        ("5", Lack::Category),
        ("4031", Lack::OwnId),
    ];
    assert_eq!(skipped, expected);
}

#[test]
fn a_broken_feed_is_refused_with_line_and_field() {
    let offer = |fields: &str| format!("{HEAD}{MILK}<offer id=\"7\">\n{fields}</offer>{TAIL}");
    let rest = "<categoryId>1</categoryId><name>a</name>";
    for (price, why) in [
        ("дорого", "is no price"),
        ("20.205", "has more than two decimals"),
        ("-5", "is less than zero"),
    ] {
        let (line, broken) = broken(&offer(&format!("<price>{price}</price>{rest}\n")));
        let said = format!("offer \"7\", <price>: {price:?} {why}");
        assert_eq!((line, broken.to_string()), (19, said));
    }
    let usd = offer(&format!("<price>5</price><currencyId>USD</currencyId>{rest}"));
    assert!(broken(&usd).1.to_string().contains("is not RUB"));
    let vat = offer(&format!("<price>5</price><vat>VAT_19</vat>{rest}"));
    assert!(broken(&vat).1.to_string().contains("\"VAT_19\" is no rate"));
    // The file ends in the middle, in whatever place.
    let whole = format!("{HEAD}{MILK}{TAIL}");
    for end in [whole.len() - 20, whole.len() / 2, HEAD.len() + 40] {
        let end = (0..=end).rev().find(|end| whole.is_char_boundary(*end)).expect("a boundary");
        let (_, why) = broken(&whole[..end]);
        assert!(matches!(why, BrokenBy::Truncated(_) | BrokenBy::Xml(_)), "{end}: {why}");
    }
    let (line, why) = broken(&whole.replace("</vendor>", "</wendor>"));
    assert!(line == 14 && matches!(why, BrokenBy::Xml(_)), "{line} {why}");
    for other in ["", "<html></html>", "not XML", "<yml_catalog><shop/></yml_catalog>"] {
        assert!(matches!(broken(other).1, BrokenBy::NotYml | BrokenBy::Xml(_)), "{other}");
    }
    let unnamed = offer("").replace("<offer id=\"7\">", "<offer>");
    assert!(matches!(broken(&unnamed).1, BrokenBy::Attribute { .. }));
    let long = format!("<description>{}</description>", "a".repeat(super::yml::TEXT_BYTES_MAX + 1));
    assert!(matches!(broken(&offer(&long)).1, BrokenBy::TooLong(_)));
}

#[test]
fn markup_that_nobody_escaped_is_part_of_its_field() {
    let offers = feed(
        r#"<offer id="1"><price>1</price><categoryId>1</categoryId><name>a</name>
        <description>Первое <b>второе</b><br/>третье</description></offer>"#,
    )
    .offers;
    assert_eq!(offers[0].description, "Первое второе третье");
}

#[test]
fn categories_may_come_after_the_offers() {
    let text = format!("{HEAD}{MILK}{TAIL}");
    let (start, rest) = text.split_once("<categories>").expect("categories");
    let (categories, rest) = rest.split_once("</categories>").expect("their end");
    let late =
        rest.replace("</offers>", &format!("</offers><categories>{categories}</categories>"));
    let feed = read(format!("{start}{late}").as_bytes()).expect("a feed");
    assert_eq!((feed.offers.len(), feed.skipped.len()), (1, 0));
}
