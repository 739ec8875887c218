//! Stored data is compatible: every format that a release has written can be
//! read.

use bytes::Bytes;
use jiff::civil::time;
use tillgate_kernel::{Document, Money};

use super::categories::{Categories, Category};
use super::category_id::CategoryId;
use super::limits::{Hours, Limit, Limits};
use super::picture::{Picture, ShownPicture};
use super::product::{Offer, Product};
use super::vat::Vat;

#[test]
fn a_product_of_version_1_is_read() {
    let offer = Offer {
        article: "M-1/7".into(),
        name: "Молоко «Лавка» 3,2%".into(),
        category: CategoryId::of_feed("dairy"),
        price: Money::from_kopecks(8990),
        old_price: Some(Money::from_kopecks(9990)),
        vat: Some(Vat::Percent10),
        vendor: Some("Лавка".into()),
        vendor_code: Some("M-1".into()),
        barcodes: vec!["4607001234567".into()],
        description: "Свежее молоко.\n1 л".into(),
        pictures: vec!["https://shop.example/1.jpg".into()],
        is_available: true,
    };
    let expected = Product { offer, is_listed: false, picture: None };
    let bytes = include_bytes!("../../../../fixtures/stored/product/v1/product.bin");
    assert_eq!(Product::decode(1, bytes), Ok(expected));
}

#[test]
fn categories_of_version_1_are_read() {
    let one = |text: &str, parent: Option<&str>, name: &str| Category {
        id: CategoryId::of_feed(text),
        parent: parent.map(CategoryId::of_feed),
        name: name.into(),
    };
    let all = vec![one("1", None, "Продукты"), one("dairy", Some("1"), "Молочное")];
    let bytes = include_bytes!("../../../../fixtures/stored/categories/v1/categories.bin");
    assert_eq!(Categories::decode(1, bytes), Ok(Categories { all }));
}

#[test]
fn pictures_of_version_1_are_read_and_products_that_show_them() {
    let bytes = include_bytes!("../../../../fixtures/stored/picture/v1/picture.bin");
    let picture = Picture::decode(1, bytes).expect("read");
    assert_eq!(picture, Picture { bytes: Bytes::from_static(b"\xff\xd8\xff a picture") });
    let bytes = include_bytes!("../../../../fixtures/stored/product/v1/with-picture.bin");
    let product = Product::decode(1, bytes).expect("read");
    let source = "https://shop.example/1.jpg".to_owned();
    assert_eq!(product.picture, Some(ShownPicture { source, id: picture.id() }));
}

#[test]
fn limits_of_version_1_are_read() {
    let hours = Hours { begin: time(8, 0, 0, 0), end: time(23, 0, 0, 0) };
    let wine = Limit { order_max: Some(6), outlets: vec![1, 2], hours: Some(hours) };
    let all = [("W-1".into(), wine), ("M-1/7".into(), Limit::default())].into();
    let bytes = include_bytes!("../../../../fixtures/stored/limits/v1/limits.bin");
    assert_eq!(Limits::decode(1, bytes), Ok(Limits { all }));
}
