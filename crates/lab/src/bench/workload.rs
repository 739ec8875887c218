//! The hooks that the bench sends: about 1.3 kB each, in several patterns.

use std::fmt;

use clap::ValueEnum;
use hyper::body::Bytes;

use super::shop::Goods;

/// A pattern of hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// New orders
    Fresh,
    /// Duplicates of known orders
    Duplicates,
    /// Nine new orders to one duplicate
    Mixed,
    /// Up to 50 duplicates of each new order at the same moment
    Storm,
    /// Orders with their whole lifecycle: created, changed, paid, received,
    /// delivered
    Lives,
    /// Known orders, sent again with other content
    Resent,
    /// Payments from many wallets of the shop
    Ledger,
    /// Payments from one wallet of the shop
    HotWallet,
    /// The same by the version of one document, for comparison
    HotWalletByVersion,
    /// Goods that are held for orders, of many articles
    Shelves,
    /// The same of one article
    HotShelf,
    /// Searches among 100 000 products
    Search,
    /// Pages of 100 000 products
    Pages,
    /// Orders of the shop, placed, paid from wallets and agreed on
    Sagas,
}

/// The number of known orders, stored before duplicates are measured.
pub const KNOWN_ORDERS: u64 = 2000;

/// How many connections send the same orders in a storm.
const STORM_COPIES: usize = 50;

impl Workload {
    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Workload::Fresh => "new orders",
            Workload::Duplicates => "duplicates",
            Workload::Mixed => "9 new, 1 duplicate",
            Workload::Storm => "storm of duplicates",
            Workload::Lives => "lifecycles",
            Workload::Resent => "sent again, changed",
            Workload::Ledger => "payments, many wallets",
            Workload::HotWallet => "payments, one wallet",
            Workload::HotWalletByVersion => "the same by version",
            Workload::Shelves => "holds, many articles",
            Workload::HotShelf => "holds, one article",
            Workload::Search => "searches",
            Workload::Pages => "product pages",
            Workload::Sagas => "orders of the shop",
        }
    }

    /// Whether the known orders must be stored first.
    pub fn needs_known_orders(self) -> bool {
        match self {
            Workload::Duplicates | Workload::Mixed | Workload::Resent => true,
            Workload::Fresh
            | Workload::Storm
            | Workload::Lives
            | Workload::Ledger
            | Workload::HotWallet
            | Workload::HotWalletByVersion
            | Workload::Shelves
            | Workload::HotShelf
            | Workload::Search
            | Workload::Pages
            | Workload::Sagas => false,
        }
    }

    /// How many wallets pay; 0 if hooks are sent.
    pub fn wallets(self) -> usize {
        match self {
            Workload::Ledger => 2000,
            Workload::HotWallet | Workload::HotWalletByVersion => 1,
            Workload::Fresh
            | Workload::Duplicates
            | Workload::Mixed
            | Workload::Storm
            | Workload::Lives
            | Workload::Resent
            | Workload::Shelves
            | Workload::HotShelf
            | Workload::Search
            | Workload::Pages
            | Workload::Sagas => 0,
        }
    }

    /// What a shop is filled with and asked for, if neither hooks nor payments
    /// are sent.
    pub fn goods(self) -> Option<Goods> {
        const PRODUCTS: usize = 100_000;
        const PRODUCTS_BOUGHT: usize = 2000;
        const ORDERS: usize = 120_000;
        match self {
            Workload::Shelves => Some(Goods::Holds { articles: 20_000, orders: ORDERS }),
            Workload::HotShelf => Some(Goods::Holds { articles: 1, orders: ORDERS }),
            Workload::Search => Some(Goods::Searches { products: PRODUCTS }),
            Workload::Pages => Some(Goods::Pages { products: PRODUCTS }),
            Workload::Sagas => Some(Goods::Orders { products: PRODUCTS_BOUGHT }),
            Workload::Fresh
            | Workload::Duplicates
            | Workload::Mixed
            | Workload::Storm
            | Workload::Lives
            | Workload::Resent
            | Workload::Ledger
            | Workload::HotWallet
            | Workload::HotWalletByVersion => None,
        }
    }

    /// Whether it is compared with a server that sends as many bytes.
    pub fn is_compared_by_bytes(self) -> bool {
        matches!(self, Workload::Search | Workload::Pages)
    }

    /// The hook that a connection sends after `count` others, about an order of
    /// so many `lines`.
    pub fn hook(self, run: u32, connection: usize, count: u64, lines: usize) -> Bytes {
        let new = |count: u64| Order { run, connection, count, lines };
        let known = || {
            let count = count.wrapping_mul(31) + connection as u64 * 17;
            Order::known(run, count % KNOWN_ORDERS, lines)
        };
        match self {
            Workload::Fresh => new(count).created(),
            Workload::Duplicates => known().created(),
            Workload::Mixed if count % 10 == 9 => known().created(),
            Workload::Mixed => new(count).created(),
            Workload::Storm => {
                Order { run, connection: connection / STORM_COPIES, count, lines }.created()
            }
            Workload::Lives => {
                let order = new(count / 5);
                match count % 5 {
                    0 => order.created(),
                    1 => order.hook("order.changed", "12:10", 4),
                    2 => order.hook("order.paid", "12:20", 4),
                    3 => order.short("order.received", "12:30"),
                    _ => order.short("order.delivered", "12:40"),
                }
            }
            // Each time another quantity at a later time, so that it is another
            // revision.
            Workload::Resent => {
                let turn = count / KNOWN_ORDERS.min(64) + 1;
                let order = (count + connection as u64 * 61) % KNOWN_ORDERS;
                let order = Order::known(run, order, lines);
                let (hour, minute) = (12 + turn / 60 % 10, turn % 60);
                order.hook("order.created", &format!("{hour:02}:{minute:02}"), 3 + turn % 90)
            }
            // They are no hooks: the shop makes them.
            Workload::Ledger
            | Workload::HotWallet
            | Workload::HotWalletByVersion
            | Workload::Shelves
            | Workload::HotShelf
            | Workload::Search
            | Workload::Pages
            | Workload::Sagas => Bytes::new(),
        }
    }
}

/// An order of the bench.
#[derive(Clone, Copy)]
pub struct Order {
    run: u32,
    connection: usize,
    count: u64,
    lines: usize,
}

/// The lines of an order, unless the command says otherwise.
pub const LINES_DEFAULT: usize = 3;

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "H{:08x}-{}-{}", self.run, self.connection, self.count)
    }
}

impl Order {
    /// One of the known orders, which are stored before duplicates are
    /// measured.
    pub fn known(run: u32, count: u64, lines: usize) -> Order {
        Order { run, connection: usize::from(u16::MAX), count, lines }
    }

    /// An `order.created` hook: about 1.3 kB with three lines.
    pub fn created(self) -> Bytes {
        self.hook("order.created", "12:00", 3)
    }

    /// The lines of the order, as JSON. The quantity of the second one differs
    /// from one hook to the next.
    fn positions(self, quantity: u64) -> String {
        let mut positions = String::with_capacity(self.lines * 180);
        for line in 0..self.lines {
            let line = match line % 3 {
                0 => format!(
                    r#"{{"id":"1{line:05}","originalQuantity":2,"quantity":2,"price":"94.90","discountPrice":"89.90","weight":"","replacedByID":"","totalPrice":"189.80","totalDiscountPrice":"179.80"}}"#
                ),
                1 => format!(
                    r#"{{"id":"2{line:05}","originalQuantity":3,"quantity":{quantity},"price":"74.50","discountPrice":"69.90","weight":"1500","replacedByID":"","totalPrice":"223.50","totalDiscountPrice":"209.70"}}"#
                ),
                _ => format!(
                    r#"{{"id":"3{line:05}","originalQuantity":1,"quantity":1,"price":"349.00","discountPrice":"299.00","weight":"","replacedByID":"","totalPrice":"349.00","totalDiscountPrice":"299.00"}}"#
                ),
            };
            if !positions.is_empty() {
                positions.push(',');
            }
            positions.push_str(&line);
        }
        positions
    }

    fn hook(self, kind: &str, time: &str, quantity: u64) -> Bytes {
        let text = format!(
            concat!(
                r#"{{"event_type":"{kind}","timestamp":"2026-11-22T{time}:00+03:00","payload":{{"#,
                r#""originalOrderId":"{order}","storeID":"17","#,
                r#""customer":{{"name":"Анна Примерова","phone":"79990000001"}},"#,
                r#""address":{{"full_address":"Москва, ул. Примерная, д. 7, кв. 12","apartment":"12","floor":"3","entrance":"1","door_phone":"12"}},"#,
                r#""delivery":{{"expectedFrom":"2026-11-22T15:00:00+03:00","expectedTo":"2026-11-22T17:00:00+03:00"}},"positions":["#,
                r#"{positions}],"#,
                r#""total":{{"totalPrice":"762.30","discountTotalPrice":"688.50"}},"comment":null,"#,
                r#""replacementPolicy":"call_or_replace","paymentMethods":["card_online"],"shipmentMethod":"by_courier"}}}}"#
            ),
            kind = kind,
            time = time,
            order = self,
            positions = self.positions(quantity),
        );
        Bytes::from(text)
    }

    fn short(self, kind: &str, time: &str) -> Bytes {
        let text = format!(
            r#"{{"event_type":"{kind}","timestamp":"2026-11-22T{time}:00+03:00","payload":{{"originalOrderId":"{self}"}}}}"#
        );
        Bytes::from(text)
    }
}
