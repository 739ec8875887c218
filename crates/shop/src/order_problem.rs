//! Why an order is not changed, or nothing is promised for it: conflicts that
//! the services of an order share.

use http::StatusCode;
use serde_json::{Map, Value, json};
use tillgate_kernel::{Language, Money};

use crate::formats::agreement::Reason;
use crate::product_id::ProductId;
use crate::roubles::Roubles;

/// A price that is another than the client has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPrice {
    pub product: ProductId,
    pub name: String,
    pub old: Money,
    pub new: Money,
}

/// A product of which there is too little.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortLine {
    pub product: ProductId,
    pub name: String,
    pub wanted: u64,
    pub available: u64,
}

/// Why an order is not changed, or nothing is promised for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderProblem {
    /// The order has changed since; it has this version now.
    StaleVersion(u64),
    /// The order is in a state in which it is not changed, or in another than
    /// the caller thinks: the name of its status.
    Status(String),
    /// The lines that were sent are not those of the version.
    OtherItems(u64),
    /// There is no product with this number.
    NoProduct(ProductId),
    /// The product with this name is not sold now.
    NotOnSale(String),
    TooManyLines(usize),
    /// The client has this many orders that are not paid.
    TooManyOrders(u32),
    /// An order has at most so many pieces of the product with this name.
    OrderLimit {
        name: String,
        most: u64,
    },
    /// The product with this name is sold at these times of the day.
    NotSoldNow {
        name: String,
        from: String,
        until: String,
    },
    /// The product with this name is sold in these outlets only.
    NotSoldThere {
        name: String,
        outlets: Vec<u32>,
    },
    /// The order has no lines.
    Empty,
    /// The time for which goods were held is over.
    HoldExpired,
    /// The order is not agreed on, so it is not picked.
    NotAgreedOn,
    /// The order cannot be withdrawn any more, for this reason.
    TooLate(Reason),
    /// The order costs nothing, so it is not paid.
    NothingToPay,
    /// Goods of the stock with this name are held, so it cannot be left out.
    StockInUse(String),
    /// Lines have become dearer; the order has this version now.
    PricesChanged {
        version: u64,
        lines: Vec<NewPrice>,
    },
    /// There is too little of some lines. Some outlets have all.
    Short {
        lines: Vec<ShortLine>,
        outlets: Vec<u32>,
    },
}

impl OrderProblem {
    /// The status, and the name in the problem's `type`.
    #[must_use]
    pub const fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            OrderProblem::StaleVersion(_) => (StatusCode::CONFLICT, "stale-version"),
            OrderProblem::Status(_) | OrderProblem::OtherItems(_) => {
                (StatusCode::CONFLICT, "wrong-state")
            }
            OrderProblem::NoProduct(_) => (StatusCode::NOT_FOUND, "not-found"),
            OrderProblem::NotOnSale(_) => (StatusCode::CONFLICT, "not-on-sale"),
            OrderProblem::NotSoldNow { .. } => (StatusCode::CONFLICT, "not-sold-now"),
            OrderProblem::NotSoldThere { .. } => (StatusCode::CONFLICT, "not-sold-there"),
            OrderProblem::OrderLimit { .. } => (StatusCode::CONFLICT, "order-limit"),
            OrderProblem::TooManyOrders(_) => (StatusCode::CONFLICT, "too-many-orders"),
            OrderProblem::TooManyLines(_) => (StatusCode::CONFLICT, "too-many-lines"),
            OrderProblem::Empty => (StatusCode::CONFLICT, "empty-order"),
            OrderProblem::HoldExpired => (StatusCode::CONFLICT, "hold-expired"),
            OrderProblem::NotAgreedOn => (StatusCode::CONFLICT, "not-agreed-on"),
            OrderProblem::NothingToPay => (StatusCode::CONFLICT, "nothing-to-pay"),
            OrderProblem::TooLate(_) => (StatusCode::CONFLICT, "too-late"),
            OrderProblem::StockInUse(_) => (StatusCode::CONFLICT, "stock-in-use"),
            OrderProblem::PricesChanged { .. } => (StatusCode::CONFLICT, "prices-changed"),
            OrderProblem::Short { .. } => (StatusCode::CONFLICT, "insufficient-stock"),
        }
    }

    /// What is wrong, and what to do about it.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        let (ru, en) = match self {
            OrderProblem::StaleVersion(version) => (
                format!(
                    "Заказ уже изменился, его версия теперь {version}. Прочитайте его и повторите"
                ),
                format!(
                    "The order has changed, its version is {version} now. Read it and try again"
                ),
            ),
            OrderProblem::Status(status) => (
                format!("Состояние заказа — {status}, в нём это невозможно. Ничего не изменено"),
                format!("The order is {status}, so this is not possible. Nothing was changed"),
            ),
            OrderProblem::OtherItems(version) => (
                format!("В версии {version} этого заказа другие товары. Ничего не изменено"),
                format!("Version {version} of the order has other items. Nothing was changed"),
            ),
            OrderProblem::NoProduct(product) => {
                (format!("Товара {product} нет"), format!("There is no product {product}"))
            }
            OrderProblem::NotOnSale(name) => (
                format!("Товар «{name}» сейчас не продаётся. Уберите его из заказа"),
                format!("{name} is not on sale now. Remove it from the order"),
            ),
            OrderProblem::TooManyLines(most) => (
                format!("В заказе не больше {most} товаров"),
                format!("An order has at most {most} products"),
            ),
            OrderProblem::TooManyOrders(most) => (
                format!("Неоплаченных заказов не больше {most}. Оплатите или отмените один из них"),
                format!("You have {most} orders that are not paid. Pay or cancel one of them"),
            ),
            OrderProblem::OrderLimit { name, most } => (
                format!("«{name}»: в заказе не больше {most} шт. Уменьшите количество"),
                format!("{name}: an order has at most {most}. Take less"),
            ),
            OrderProblem::NotSoldNow { name, from, until } => (
                format!("«{name}» продаётся с {from} до {until}. Уберите его или вернитесь позже"),
                format!("{name} is sold from {from} to {until}. Remove it, or come back then"),
            ),
            OrderProblem::NotSoldThere { name, .. } => (
                format!("«{name}» в этом магазине не продаётся. Выберите другой магазин"),
                format!("{name} is not sold in this shop. Choose another one"),
            ),
            OrderProblem::Empty => (
                "В заказе ничего нет. Добавьте товар".into(),
                "The order has nothing in it. Add a product".into(),
            ),
            OrderProblem::HoldExpired => (
                "Время, на которое товар отложен, вышло. Отложите его ещё раз".into(),
                "The time for which the goods were held is over. Hold them again".into(),
            ),
            OrderProblem::NotAgreedOn => (
                "Заказ ещё не согласован: собирать его рано".into(),
                "The order is not agreed on yet: it is too early to pick it".into(),
            ),
            OrderProblem::TooLate(reason) => (
                format!(
                    "Отменить уже нельзя: {}. Позвоните в магазин",
                    lower(reason.text(Language::Ru))
                ),
                format!(
                    "It is too late to cancel: {}. Call the shop",
                    lower(reason.text(Language::En))
                ),
            ),
            OrderProblem::NothingToPay => (
                "Этот заказ ничего не стоит. Подтвердите его без оплаты".into(),
                "This order costs nothing. Process it without paying".into(),
            ),
            OrderProblem::StockInUse(stock) => (
                format!(
                    "На складе {stock} есть отложенный товар. Обнулите его остатки, чтобы новый не \
                     откладывали, и повторите, когда заказы закончатся"
                ),
                format!(
                    "Goods of the stock {stock} are held for orders. Set its quantities to zero, so \
                     that no more are held, and try again when the orders have ended"
                ),
            ),
            OrderProblem::PricesChanged { lines, .. } => {
                let list = |language: Language| {
                    let line = |one: &NewPrice| {
                        let (old, new) = (one.old.shown(language), one.new.shown(language));
                        format!("{}: {old} → {new}", one.name)
                    };
                    lines.iter().map(line).collect::<Vec<_>>().join("; ")
                };
                (
                    format!(
                        "Цены выросли: {}. Проверьте заказ и подтвердите его",
                        list(Language::Ru)
                    ),
                    format!(
                        "Prices have risen: {}. Look at the order and confirm it",
                        list(Language::En)
                    ),
                )
            }
            OrderProblem::Short { lines, .. } => {
                let list = |of: &str| {
                    let line = |one: &ShortLine| {
                        format!("{}: {} {of} {}", one.name, one.available, one.wanted)
                    };
                    lines.iter().map(line).collect::<Vec<_>>().join("; ")
                };
                (
                    format!(
                        "Не хватает товара: {}. Уменьшите количество или выберите другой магазин",
                        list("из")
                    ),
                    format!(
                        "There is too little: {}. Take less, or choose another shop",
                        list("of")
                    ),
                )
            }
        };
        match language {
            Language::Ru => ru,
            Language::En => en,
        }
    }

    /// What programs need of it, beside its kind.
    #[must_use]
    pub fn members(&self) -> Map<String, Value> {
        let members = match self {
            OrderProblem::StaleVersion(version) | OrderProblem::OtherItems(version) => {
                json!({"version": version})
            }
            OrderProblem::Status(status) => json!({"orderStatus": status}),
            OrderProblem::NoProduct(product) => json!({"productId": product}),
            OrderProblem::NotOnSale(_)
            | OrderProblem::TooManyLines(_)
            | OrderProblem::TooManyOrders(_)
            | OrderProblem::Empty
            | OrderProblem::HoldExpired
            | OrderProblem::NotAgreedOn
            | OrderProblem::NothingToPay
            | OrderProblem::StockInUse(_) => json!({}),
            OrderProblem::NotSoldNow { from, until, .. } => {
                json!({"soldFrom": from, "soldUntil": until})
            }
            OrderProblem::TooLate(reason) => json!({"reason": reason}),
            OrderProblem::OrderLimit { most, .. } => json!({"limit": most}),
            OrderProblem::NotSoldThere { outlets, .. } => json!({"stores": outlets}),
            OrderProblem::PricesChanged { version, lines } => {
                let line = |one: &NewPrice| {
                    json!({"productId": one.product, "name": one.name,
                        "oldPrice": Roubles(one.old), "newPrice": Roubles(one.new)})
                };
                json!({"version": version, "lines": lines.iter().map(line).collect::<Vec<_>>()})
            }
            OrderProblem::Short { lines, outlets } => {
                let line = |one: &ShortLine| {
                    json!({"productId": one.product, "name": one.name, "wanted": one.wanted,
                        "available": one.available})
                };
                json!({"lines": lines.iter().map(line).collect::<Vec<_>>(), "stores": outlets})
            }
        };
        if let Value::Object(members) = members { members } else { Map::new() }
    }
}

/// A sentence as a part of another one.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_lowercase);
    first.chain(letters).collect()
}
