//! The sum that a buyer is asked to pay, over random hooks as real senders
//! write them: sums and quantities that are present, missing, null, floats,
//! text or unreadable, in any order of arrival. A bill has the sum of the hook
//! with the newest lines, contains every article, and adds up. If nothing is
//! inconsistent, there is a bill.

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use serde_json::{Map, Value, json};
use tillgate::flows::Rates;
use tillgate::flows::charge::charge;
use tillgate::kernel::{Fingerprint, HookId, Money, Secret, Timestamp, Tokens};
use tillgate::orders::{Event, Order, decide};
use tillgate::payments::{Bill, Customer, VatCode};
use tillgate::webhooks::sm::{self, Sm};
use tillgate::webhooks::{Inbound, Protocol, Sender};

use super::{external_id, incoming, number};
use crate::world::till::Till;

const TOKEN: &str = "token";

/// A number as a sender writes it, with its value.
#[derive(Debug, Clone, PartialEq)]
enum Said {
    Absent,
    Null,
    Unreadable(Value),
    /// In kopecks or thousandths.
    Number(Value, i64),
}

impl Said {
    fn write(&self, field: &str, into: &mut Map<String, Value>) {
        match self {
            Said::Absent => {}
            Said::Null => drop(into.insert(field.into(), Value::Null)),
            Said::Unreadable(value) | Said::Number(value, _) => {
                drop(into.insert(field.into(), value.clone()))
            }
        }
    }

    fn number(&self) -> Option<i64> {
        if let Said::Number(_, number) = self { Some(*number) } else { None }
    }

    fn is_unreadable(&self) -> bool {
        matches!(self, Said::Unreadable(_))
    }
}

/// Ways to write a number with `digits` digits after the point.
fn spellings(number: i64, digits: u32) -> Vec<Value> {
    let unit = 10_i64.pow(digits);
    let plain = format!("{}.{:0width$}", number / unit, number % unit, width = digits as usize);
    let shifted = format!("{number}e-{digits}");
    let double: f64 = plain.parse().expect("a number");
    vec![
        json!(plain),
        json!(double),
        serde_json::from_str(&format!("{plain}000000004")).expect("a number"),
        json!(shifted),
        serde_json::from_str(&shifted).expect("a number"),
        json!(format!("{plain}00000000001")),
    ]
}

fn said(number: i64, digits: u32, usually: u32) -> impl Strategy<Value = Said> {
    let unreadable = vec![
        json!("many"),
        json!([1]),
        json!({"amount": 1}),
        json!("1e21"),
        json!("0.0005"),
        json!(true),
    ];
    let written =
        select(spellings(number, digits)).prop_map(move |value| Said::Number(value, number));
    prop_oneof![
        usually => written,
        2 => Just(Said::Absent),
        1 => Just(Said::Null),
        1 => select(unreadable).prop_map(Said::Unreadable),
    ]
}

#[derive(Debug, Clone)]
struct Article {
    sku: String,
    is_replaced: bool,
    quantity: Said,
    price: Said,
    total: Said,
    discount_total: Said,
}

impl Article {
    fn json(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("id".into(), json!(self.sku));
        if self.is_replaced {
            fields.insert("replacedByID".into(), json!("other"));
        }
        self.quantity.write("quantity", &mut fields);
        self.price.write("price", &mut fields);
        self.total.write("totalPrice", &mut fields);
        self.discount_total.write("totalDiscountPrice", &mut fields);
        Value::Object(fields)
    }

    fn counts(&self) -> bool {
        !self.is_replaced && self.quantity.number() != Some(0)
    }

    /// The sum that the article states for itself.
    fn states(&self) -> Option<i64> {
        let is_odd = [&self.price, &self.total, &self.discount_total]
            .iter()
            .any(|said| said.is_unreadable());
        if is_odd { None } else { self.discount_total.number().or(self.total.number()) }
    }
}

/// One hook: its lines, if any, and the total that it states.
#[derive(Debug, Clone)]
struct Hook {
    articles: Option<Vec<Article>>,
    total: Said,
    discount_total: Said,
}

impl Hook {
    fn body(&self, external_id: &str, place: usize) -> String {
        let mut payload = Map::new();
        payload.insert("originalOrderId".into(), json!(external_id));
        payload.insert("storeID".into(), json!("17"));
        if let Some(articles) = &self.articles {
            payload.insert("positions".into(), articles.iter().map(Article::json).collect());
        }
        let mut total = Map::new();
        self.total.write("totalPrice", &mut total);
        self.discount_total.write("discountTotalPrice", &mut total);
        if !total.is_empty() {
            payload.insert("total".into(), Value::Object(total));
        }
        let kind = if place == 0 { "order.created" } else { "order.changed" };
        let time = format!("2026-11-22T12:{place:02}:00+03:00");
        json!({"event_type": kind, "timestamp": time, "payload": payload}).to_string()
    }

    fn states(&self) -> Option<i64> {
        self.discount_total.number().or(self.total.number())
    }
}

prop_compose! {
    fn article(place: usize)(
        quantity in select(vec![0_i64, 355, 1000, 2000, 3000]),
        kopecks in 1_i64..50_000,
        // Some lines are free, or state 0.00 for "no discount".
        discount in select(vec![0_i64, 0, 0, 1, 2, 3, 4, i64::MAX]),
        is_replaced in proptest::bool::weighted(0.1),
    )(
        is_replaced in Just(is_replaced),
        quantity in said(quantity, 3, 60),
        price in said(kopecks, 2, 30),
        total in said(kopecks * 3, 2, 40),
        discount_total in said(kopecks.saturating_mul(3).saturating_sub(discount).max(0), 2, 20),
        // Every fifth line, on average, has the article of the first.
        sku in select(vec![place, place, place, place, 0]),
    ) -> Article {
        Article { sku: format!("sku-{sku}"), is_replaced, quantity, price, total, discount_total }
    }
}

fn articles() -> impl Strategy<Value = Vec<Article>> {
    (0_usize..4).prop_flat_map(|count| (0..=count).map(article).collect::<Vec<_>>())
}

/// Hooks whose total, if there is one, is the sum of the lines, or close to it,
/// or something else.
fn hook(must_have_lines: bool) -> impl Strategy<Value = Hook> {
    let lines = prop_oneof![
        4 => articles().prop_map(Some),
        1 => Just(None),
    ];
    lines
        .prop_flat_map(move |lines| {
            let lines = if must_have_lines && lines.is_none() {
                Just(Some(Vec::new()))
            } else {
                Just(lines)
            };
            lines.prop_flat_map(|lines| {
                let counted = lines.iter().flatten().filter(|article| article.counts());
                let sum: i64 =
                    counted.filter_map(|article| article.states().or(article.total.number())).sum();
                let off = select(vec![0_i64, 0, 0, 1, -1, -100, 7, 5000]);
                (Just(lines), off).prop_flat_map(move |(lines, off)| {
                    let total = (sum + off).max(1);
                    (Just(lines), said(total + 200, 2, 4), said(total, 2, 4))
                })
            })
        })
        .prop_map(|(articles, total, discount_total)| Hook { articles, total, discount_total })
}

fn hooks() -> impl Strategy<Value = Vec<Hook>> {
    (hook(true), proptest::collection::vec(hook(false), 0..3)).prop_map(|(created, mut later)| {
        later.insert(0, created);
        later
    })
}

fn event_of(place: usize, body: &str) -> Event {
    let mut headers = HeaderMap::new();
    headers.insert("client-token", HeaderValue::from_static(TOKEN));
    let sender = Sender { address: None, headers: &headers, now: Timestamp::UNIX_EPOCH };
    let verifier = sm::verifier(Tokens::new([&Secret::new(TOKEN)], [7; 32]));
    let readable = verifier.verify(sender, body.as_bytes()).expect("proved").readable();
    let protocol = Sm { zone: None };
    let Ok(Inbound::Order(identity, reading)) = protocol.read(&readable) else {
        panic!("an order's hook")
    };
    let report = reading.report();
    let fingerprint = Fingerprint::of(&[body.as_bytes()]);
    let second = 1_900_000_000 + i64::try_from(place).expect("few");
    Event {
        kind: identity.kind.expect("a kind"),
        at: report.at.and_then(|at| at.timestamp()),
        wall: None,
        is_ahead: false,
        arrived: Timestamp::from_second(second).expect("a time"),
        fingerprint,
        hook: HookId { partition: number().partition(), fingerprint },
        patch: report.patch,
        reason: None,
        notes: report.notes,
    }
}

/// The bill after the hooks arrived in this order.
fn bill_of(hooks: &[Hook], arrival: &[usize]) -> Result<Bill, String> {
    let mut order: Option<Order> = None;
    for (arrived, place) in arrival.iter().enumerate() {
        let event = event_of(*place, &hooks[*place].body(external_id().as_str(), *place));
        let event = Event {
            arrived: Timestamp::from_second(1_900_000_000 + i64::try_from(arrived).expect("few"))
                .expect("a time"),
            ..event
        };
        let decision = decide(order.as_ref(), incoming(event));
        order = decision.order.or(order);
    }
    let content = order.as_ref().and_then(Order::view).expect("it was created").content;
    let rates = Rates { goods: VatCode::Ten, delivery: VatCode::Twenty };
    let now = Timestamp::from_second(1_900_000_100).expect("a time");
    charge(&content, &external_id(), rates, Customer::default(), now)
        .map_err(|why| format!("{why:?}"))
}

/// The sum to be paid, by the rule alone: the total of the hook with the newest
/// lines, otherwise the sum of what these lines state.
fn due(hooks: &[Hook]) -> Option<i64> {
    let newest = hooks.iter().rev().find(|hook| hook.articles.is_some())?;
    let counted: Vec<&Article> =
        newest.articles.iter().flatten().filter(|article| article.counts()).collect();
    if counted.is_empty() || counted.iter().any(|article| article.quantity.number().is_none()) {
        return None;
    }
    if newest.total.is_unreadable() || newest.discount_total.is_unreadable() {
        return None;
    }
    // If a line's sum with discounts is 0.00, only a total can show what it
    // costs.
    newest.states().or_else(|| counted.iter().map(|article| article.states()).sum())
}

fn counted_skus(hooks: &[Hook]) -> Vec<String> {
    let newest =
        hooks.iter().rev().find(|hook| hook.articles.is_some()).expect("the first has lines");
    newest
        .articles
        .iter()
        .flatten()
        .filter(|article| article.counts())
        .map(|article| article.sku.clone())
        .collect()
}

/// Whether nothing in the newest lines, or in later hooks, is inconsistent.
fn is_plain(hooks: &[Hook]) -> bool {
    let place =
        hooks.iter().rposition(|hook| hook.articles.is_some()).expect("the first has lines");
    let newest = &hooks[place];
    let counted: Vec<&Article> =
        newest.articles.iter().flatten().filter(|article| article.counts()).collect();
    let lines: Option<i64> = counted.iter().map(|article| article.states()).sum();
    let tolerance = i64::try_from(counted.len()).expect("few");
    let has_nothing_later = hooks[place + 1..]
        .iter()
        .all(|hook| hook.total == Said::Absent && hook.discount_total == Said::Absent);
    let every_quantity = counted
        .iter()
        .all(|article| article.quantity.number().is_some_and(|quantity| quantity > 0));
    let is_read = !newest.total.is_unreadable() && !newest.discount_total.is_unreadable();
    // The line is either free or without a discount: only the total can show
    // which.
    let has_zero = counted.iter().any(|article| {
        article.discount_total.number() == Some(0)
            && article.total.number().is_some_and(|total| total > 0)
    });
    // No line can be made of a zero sum.
    let fits = lines.is_some_and(|lines| {
        newest.states().map_or(lines > 0, |total| total <= lines + tolerance && total > tolerance)
    });
    !counted.is_empty() && !has_zero && every_quantity && has_nothing_later && is_read && fits
}

#[test]
fn a_bill_always_has_the_sum_of_the_newest_lines() {
    let mut billed = 0_u32;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 3000,
        ..ProptestConfig::default()
    });
    let cases = hooks().prop_flat_map(|hooks| {
        let places: Vec<usize> = (0..hooks.len()).collect();
        (Just(hooks), Just(places).prop_shuffle())
    });
    let count = std::cell::Cell::new(0_u32);
    runner
        .run(&cases, |(hooks, arrival)| {
            let in_turn: Vec<usize> = (0..hooks.len()).collect();
            let bill = bill_of(&hooks, &arrival);
            prop_assert_eq!(
                &bill,
                &bill_of(&hooks, &in_turn),
                "the bill depends on the order of arrival"
            );
            match bill {
                Ok(bill) => {
                    count.set(count.get() + 1);
                    prop_assert_eq!(Some(bill.total.kopecks()), due(&hooks));
                    let lines: i64 = bill.lines.iter().map(|line| line.total.kopecks()).sum();
                    prop_assert_eq!(bill.total, Money::from_kopecks(lines));
                    for sku in counted_skus(&hooks) {
                        prop_assert!(
                            bill.lines.iter().any(|line| line.sku == sku),
                            "the bill lacks {sku}"
                        );
                    }
                    prop_assert!(
                        bill.lines.iter().all(|line| counted_skus(&hooks).contains(&line.sku))
                    );
                }
                Err(why) => prop_assert!(
                    !is_plain(&hooks),
                    "the hooks are consistent, but there is no bill: {why}"
                ),
            }
            Ok(())
        })
        .unwrap_or_else(|why| panic!("{why}"));
    billed += count.get();
    assert!(billed > 300, "only {billed} cases have a bill: the test needs more");
}

/// The same over HTTP, through all components: an order has either a payment of
/// the right sum, or an attention that says why not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_sum_is_requested_or_the_order_needs_attention() {
    let till = Till::open().await;
    let mut runner = proptest::test_runner::TestRunner::default();
    let mut posted = Vec::new();
    for case in 0..80 {
        let hooks = hooks().new_tree(&mut runner).expect("hooks").current();
        let places: Vec<usize> = (0..hooks.len()).collect();
        let arrival =
            Just(places).prop_shuffle().new_tree(&mut runner).expect("an order").current();
        let id = format!("H{case}");
        let mut number = String::new();
        for place in &arrival {
            let attempt = till.hook(&hooks[*place].body(&id, *place)).await;
            assert!(attempt.status() == 200, "{hooks:?}: {attempt:?}");
            let answer: Value = serde_json::from_str(attempt.body()).expect("json");
            // A hook that is parked until its order is created has no number.
            number = answer["number"].as_str().map_or(number, str::to_owned);
        }
        posted.push((number, hooks));
    }
    // Payments that were requested earlier are cancelled first.
    till.nothing_waits_in("payment").await;
    let (mut billed, mut flagged) = (0_u32, 0_u32);
    for (number, hooks) in posted {
        let order = till.admin(&format!("/orders/{number}")).await;
        let is_flagged = order["attention"].to_string().contains("no payment was requested");
        let request_fingerprint =
            (order["payment"]["state"] == "linked").then(|| &order["payment"]["amount"]["amount"]);
        assert!(
            is_flagged || request_fingerprint.is_some(),
            "neither a payment nor an attention: {order:#}\n{hooks:#?}"
        );
        if let Some(request_fingerprint) = request_fingerprint {
            let due = due(&hooks).map(|due| Money::from_kopecks(due).to_string());
            assert!(
                request_fingerprint.as_str() == due.as_deref(),
                "{due:?} is due: {order:#}\n{hooks:#?}"
            );
        }
        (billed, flagged) =
            (billed + u32::from(request_fingerprint.is_some()), flagged + u32::from(is_flagged));
    }
    assert!(
        billed > 8 && flagged > 8,
        "{billed} billed, {flagged} need attention: the test needs more"
    );
    till.close().await;
}
