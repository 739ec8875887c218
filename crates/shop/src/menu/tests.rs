//! The catalogue in memory, beside a plain one that looks at everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use tillgate_kernel::{Clock, Money};
use tillgate_store::Store;
use tillgate_store::memory::Memory;

use super::Menu;
use super::catalogue::Catalogue;
use super::categories::{Categories, Category};
use super::category_id::CategoryId;
use super::keep::Changes;
use super::limits::{Limit, Limits};
use super::product::{Offer, Product};
use super::question::{Question, Sort};
use super::shown::Selection;
use crate::outlets::{Outlet, Outlets};
use crate::product_id::ProductId;
use crate::seal::MasterKeys;
use crate::stock_levels;

fn category(number: u64) -> CategoryId {
    CategoryId::new(number).expect("a number")
}

/// One at the top with two below it, and one by itself.
fn categories() -> Categories {
    let one = |id: u64, parent: u64, name: &str| Category {
        id: category(id),
        parent: CategoryId::new(parent),
        name: name.into(),
    };
    Categories::of(vec![
        one(1, 0, "Еда"),
        one(2, 1, "Молочное"),
        one(3, 1, "Хлеб"),
        one(4, 0, "Дом"),
    ])
}

fn offer(article: &str, name: &str, in_category: u64, kopecks: i64) -> Offer {
    Offer {
        article: article.into(),
        name: name.into(),
        category: category(in_category),
        price: Money::from_kopecks(kopecks),
        old_price: None,
        vat: None,
        vendor: None,
        vendor_code: None,
        barcodes: Vec::new(),
        description: String::new(),
        pictures: Vec::new(),
        is_available: true,
    }
}

const NAMES: [&str; 6] =
    ["Молоко топлёное", "Молоко свежее", "Хлеб ржаной", "Лампа", "Кефир", "Ёлка"];

/// A change of a product: its number, name, category, price, whether the feed
/// has it.
type Change = (u64, usize, u64, i64, bool);

fn change() -> impl Strategy<Value = Change> {
    (1_u64..9, 0..NAMES.len(), 1_u64..6, 1_i64..6, proptest::bool::weighted(0.8))
}

fn product((number, name, category, price, is_listed): Change) -> Product {
    let offer = offer(&number.to_string(), NAMES[name], category, price);
    Product { offer, is_listed, picture: None }
}

/// All pages of a question.
fn all(catalogue: &Catalogue, mut question: Question) -> Vec<ProductId> {
    let mut found = Vec::new();
    loop {
        let fitting = catalogue.find(&question);
        found.extend(fitting.cards.iter().map(|(_, card)| card.id));
        question.after = fitting.cards.last().map(|(position, _)| position.clone());
        if !fitting.has_more {
            return found;
        }
        assert_eq!(fitting.cards.len(), question.limit, "a page that is not the last is full");
    }
}

proptest! {
    #[test]
    fn it_finds_what_looking_at_everything_finds(
        changes in prop::collection::vec(change(), 0..60),
        again in 0_usize..60,
        limit in 1_usize..4,
        within in prop::option::of(1_u64..5),
        from in 0_i64..4,
    ) {
        let mut catalogue = Catalogue::default();
        let mut plain = BTreeMap::new();
        for (place, change) in changes.iter().enumerate() {
            if place == again {
                catalogue = catalogue.rebuilt(Some(&categories()));
            }
            let product = product(*change);
            catalogue.put(&product);
            plain.insert(product.offer.id(), product);
        }
        catalogue = catalogue.rebuilt(Some(&categories()));
        plain.retain(|_, product| product.is_listed);
        prop_assert_eq!(catalogue.len(), plain.len());
        let is_within = |product: &Product| {
            let path = catalogue.path(product.offer.category);
            within.is_none_or(|id| path.iter().any(|one| one.id == category(id)))
        };
        let fits = |product: &&Product| {
            product.offer.price >= Money::from_kopecks(from) && is_within(product)
        };
        let question = Question {
            category: within.map(category),
            price: Money::from_kopecks(from)..=Money::from_kopecks(i64::MAX),
            limit,
            ..Question::default()
        };
        let mut expected: Vec<&Product> = plain.values().filter(fits).collect();
        let ids = |products: &[&Product]| -> Vec<ProductId> {
            products.iter().map(|product| product.offer.id()).collect()
        };
        expected.sort_by_key(|product| {
            (product.offer.name.to_lowercase().replace('ё', "е"), product.offer.id())
        });
        prop_assert_eq!(all(&catalogue, question.clone()), ids(&expected));
        expected.sort_by_key(|product| (product.offer.price, product.offer.id()));
        let cheapest = Question { sort: Sort::Cheapest, ..question.clone() };
        prop_assert_eq!(all(&catalogue, cheapest), ids(&expected));
        expected.sort_by_key(|product| {
            (std::cmp::Reverse(product.offer.price), product.offer.id())
        });
        let dearest = Question { sort: Sort::Dearest, ..question.clone() };
        prop_assert_eq!(all(&catalogue, dearest), ids(&expected));
        let milk = Question { text: "молоко".into(), ..question };
        let mut found = all(&catalogue, milk);
        found.sort_unstable();
        expected.retain(|product| product.offer.name.starts_with("Молоко"));
        expected.sort_by_key(|product| product.offer.id());
        prop_assert_eq!(found, ids(&expected));
        let counted = within.map(|id| catalogue.count_in(category(id)));
        let expected = plain.values().filter(|product| is_within(product)).count();
        prop_assert!(counted.is_none_or(|count| count == expected), "{:?}", counted);
    }
}

struct World {
    store: Store,
    clock: Clock,
}

impl World {
    fn new() -> World {
        let clock = Clock::manual("2026-11-30T10:00:00Z".parse().expect("a time"));
        World { store: Store::Memory(Arc::new(Memory::new(clock.clone()))), clock }
    }

    fn menu(&self) -> Menu {
        let keys = MasterKeys::new([7; 32], []);
        let url = "https://shop.example".to_owned();
        Menu::new(self.store.clone(), self.clock.clone(), &keys, url, TimeZone::UTC)
    }
}

async fn names(menu: &Menu, selection: Selection) -> Vec<String> {
    let products = menu.products(selection).await.expect("products");
    let products = serde_json::to_value(products).expect("JSON");
    let items = products["items"].as_array().expect("a list");
    items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

fn looking_for(text: &str) -> Selection {
    Selection { question: Question { text: text.into(), ..Question::default() }, outlet: None }
}

#[tokio::test]
async fn a_change_is_seen_by_every_receiver_and_by_one_that_starts_later() {
    let world = World::new();
    let (writer, reader) = (world.menu(), world.menu());
    reader.refresh().await.expect("refreshed");
    let milk = offer("1", "Молоко", 2, 100);
    let bread = offer("2", "Хлеб", 3, 50);
    let changes = Changes {
        offers: vec![milk.clone(), bread],
        categories: Some(categories()),
        ..Changes::default()
    };
    writer.keep(changes).await.expect("kept");
    reader.refresh().await.expect("refreshed");
    assert_eq!(names(&reader, looking_for("")).await, ["Молоко", "Хлеб"]);
    assert_eq!(names(&reader, looking_for("еда")).await.len(), 2);
    // Only what differs is written, and what has vanished is not deleted.
    let before = reader.kept(None).await.expect("kept").items;
    let renamed = Offer { name: "Молоко топлёное".into(), ..milk };
    let changes = Changes {
        offers: vec![renamed.clone()],
        vanished: vec!["2".into(), "none".into()],
        ..Changes::default()
    };
    writer.keep(changes).await.expect("kept");
    reader.refresh().await.expect("refreshed");
    let later = world.menu();
    later.refresh().await.expect("refreshed");
    for menu in [&reader, &later] {
        assert_eq!(names(menu, looking_for("")).await, ["Молоко топлёное"]);
        assert_eq!(names(menu, looking_for("хлеб")).await, Vec::<String>::new());
    }
    let after = reader.kept(None).await.expect("kept").items;
    assert_eq!((before.len(), after.len()), (2, 2));
    assert_eq!(after[0].digest, renamed.digest());
    let bread = later.product(ProductId::of_article("2")).await.expect("a product");
    assert_eq!(serde_json::to_value(bread).expect("JSON")["isOnSale"], false);
    assert!(later.product(ProductId::of_article("3")).await.is_err());
}

#[tokio::test]
async fn nothing_is_answered_before_the_catalogue_was_read() {
    let menu = World::new().menu();
    assert_eq!(menu.products(looking_for("")).await.map(drop), Err(crate::Refusal::Busy));
}

#[tokio::test]
async fn only_what_an_outlet_has_is_shown_for_it() {
    let world = World::new();
    let menu = world.menu();
    let offers = (1..=30).map(|n| offer(&n.to_string(), &format!("Молоко {n:02}"), 2, 100));
    let changes =
        Changes { offers: offers.collect(), categories: Some(categories()), ..Changes::default() };
    menu.keep(changes).await.expect("kept");
    let outlet = |id: u32| Outlet {
        id,
        name: format!("Магазин {id}"),
        address: format!("Тверская, {id}"),
        stock: format!("s{id}"),
    };
    let outlets = Outlets { all: vec![outlet(1), outlet(2)] };
    let mut batch = tillgate_store::Batch::new();
    let new = tillgate_store::Versioned::new(outlets.clone(), world.clock.now());
    new.stage_at(Outlets::key(), &mut batch);
    for (article, thousandths) in [("29", 3000), ("7", 1000), ("8", 999), ("30", 2000)] {
        let counter = stock_levels::on_hand(&outlets.all[1].stock, article);
        batch.bump(counter, tillgate_store::CounterChange::Add(thousandths));
    }
    let counter = stock_levels::held(&outlets.all[1].stock, "30");
    batch.bump(counter, tillgate_store::CounterChange::Add(2000));
    world.store.commit(batch).await.expect("committed");
    menu.refresh().await.expect("refreshed");
    let asked = |outlet, limit| Selection {
        question: Question { limit, ..Question::default() },
        outlet: Some(outlet),
    };
    assert_eq!(names(&menu, asked(2, 24)).await, ["Молоко 07", "Молоко 29"]);
    assert_eq!(names(&menu, asked(1, 24)).await, Vec::<String>::new());
    // Page by page.
    let first = menu.products(asked(2, 1)).await.expect("products");
    let first_page = serde_json::to_value(&first).expect("JSON");
    let place = json_place(2, 1);
    assert_eq!(first_page["items"][0]["productPlaces"], serde_json::json!([place]));
    let cursor = first.next_cursor.expect("more").parse().expect("a cursor");
    let mut second = asked(2, 1);
    second.question.after = Some(cursor);
    assert_eq!(names(&menu, second).await, ["Молоко 29"]);
    assert!(menu.products(asked(3, 1)).await.is_err(), "there is no such outlet");
    // What an outlet does not sell is not shown there, although it is there.
    let first_only = Limit { outlets: vec![1], order_max: Some(2), hours: None };
    let limits = Limits { all: [("7".to_owned(), first_only)].into() };
    menu.keep_limits(limits).await.expect("kept");
    menu.refresh().await.expect("refreshed");
    assert_eq!(names(&menu, asked(2, 24)).await, ["Молоко 29"]);
    let shown = menu.product(ProductId::of_article("7")).await.expect("a product");
    let shown = serde_json::to_value(shown).expect("JSON");
    assert_eq!(shown["orderMax"], 2);
    assert_eq!(shown["productPlaces"], serde_json::json!([json_place(1, 0)]));
    let everywhere = looking_for("");
    let all = menu.products(everywhere).await.expect("products");
    let all = serde_json::to_value(all).expect("JSON");
    let mut items = all["items"].as_array().expect("items").iter();
    let seventh = items.find(|item| item["name"] == "Молоко 07").expect("it is there");
    assert_eq!(seventh["productPlaces"], serde_json::json!([]));
}

fn json_place(outlet: u32, quantity: u64) -> serde_json::Value {
    let address = format!("Тверская, {outlet}");
    let store =
        serde_json::json!({"id": outlet, "name": format!("Магазин {outlet}"), "address": address});
    serde_json::json!({"store": store, "quantity": quantity})
}
