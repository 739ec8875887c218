//! Stored data is compatible: every format that a release has written can be
//! read.

use tillgate_kernel::{Document, Fingerprint};

use super::*;
use crate::order::content::{Content, Wanted, digest};
use crate::order::name::Name;
use crate::order::shop_order::{Baskets, ShopOrder, Status};
use crate::order_id::OrderId;
use crate::prices::Price;
use crate::product_id::ProductId;
use crate::username::{ClientNumber, Username};

fn order() -> ShopOrder {
    let product = ProductId::of_article("4031");
    let price = Price {
        name: "Молоко".into(),
        article: "4031".into(),
        price: Money::from_kopecks(8990),
        vat: None,
        is_on_sale: true,
        order_max: None,
        outlets: None,
        sold_later: None,
    };
    let wanted = [Wanted { product, quantity: 2 }];
    let mut content = Content::default();
    content.set(&wanted, &[(product, price)].into()).expect("sold");
    let username = Username::parse("anna").expect("a username");
    let begun_with: Fingerprint = digest(&wanted);
    let at = "2026-11-30T10:00:00Z".parse().expect("a time");
    ShopOrder {
        id: OrderId::parse("482993011752").expect("a number"),
        client: ClientNumber::of(&username),
        username,
        name: Name::Reference("web-1".into()),
        begun_with,
        status: Status::New,
        version: 3,
        content,
        created_at: at,
        priced_at: at,
        processed: None,
        outcome: None,
        withdrawal: None,
    }
}

#[test]
fn an_order_of_version_1_is_read() {
    let bytes = include_bytes!("../../../../../fixtures/stored/shop-order/v1/new.bin");
    assert_eq!(ShopOrder::decode(1, bytes), Ok(order()));
    let basket = ShopOrder { name: Name::Basket(7), status: Status::Canceled, ..order() };
    let bytes = include_bytes!("../../../../../fixtures/stored/shop-order/v1/basket.bin");
    assert_eq!(ShopOrder::decode(1, bytes), Ok(basket));
    let bytes = include_bytes!("../../../../../fixtures/stored/baskets/v1/baskets.bin");
    assert_eq!(Baskets::decode(1, bytes), Ok(Baskets { begun: 7 }));
}
