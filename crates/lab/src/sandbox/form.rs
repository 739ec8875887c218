//! The common parts of requests and answers of the Invoicebox API.

use super::World;
use super::answer::{Error, wrong};
use super::ledger::Entry;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tillgate_kernel::{Money, Timestamp, decimal};

/// The longest request that is read, in bytes.
pub(super) const REQUEST_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn data(data: Value) -> Value {
    json!({"data": data, "extendedData": []})
}

/// The fields of a line that the sandbox checks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) sku: String,
    quantity: Box<RawValue>,
    amount: Box<RawValue>,
    amount_wo_vat: Box<RawValue>,
    total_amount: Box<RawValue>,
    total_vat_amount: Box<RawValue>,
    vat_code: String,
}

/// Checks a line's sums, and returns its total and tax in kopecks.
pub(super) fn check_item(item: &Item) -> Result<(i64, i64), Error> {
    const MICRO: i128 = 1_000_000;
    let read = |raw: &RawValue, code, field| {
        decimal::parse(raw.get(), 6).map(i128::from).map_err(|_| wrong(code, field))
    };
    let total_code = "wrong_basket_item_total_amount";
    let quantity = read(&item.quantity, total_code, "quantity")?;
    let price = read(&item.amount, total_code, "amount")?;
    let total = read(&item.total_amount, total_code, "totalAmount")?;
    let kopecks = |micro_roubles: i128| (micro_roubles * 2 * 100 + MICRO).div_euclid(2 * MICRO);
    if quantity <= 0 || kopecks(price * quantity / MICRO) != kopecks(total) {
        return Err(wrong(total_code, "totalAmount"));
    }
    let vat_code = "wrong_basket_item_total_vat_amount";
    let vat = read(&item.total_vat_amount, vat_code, "totalVatAmount")?;
    let percent = percent_of(&item.vat_code).ok_or_else(|| wrong(vat_code, "vatCode"))?;
    let amount = Money::from_kopecks(i64::try_from(kopecks(total)).unwrap_or_default());
    let whole = 100 + percent;
    if (2 * kopecks(total) * percent + whole).div_euclid(2 * whole) != kopecks(vat) {
        return Err(wrong(vat_code, "totalVatAmount"));
    }
    let net_code = "wrong_basket_item_amount_wo_vat";
    let net = read(&item.amount_wo_vat, net_code, "amountWoVat")?;
    // A difference of one kopeck is allowed, as in the vendor's own client.
    if (kopecks(net * quantity / MICRO) + kopecks(vat) - kopecks(total)).abs() > 1 {
        return Err(wrong(net_code, "amountWoVat"));
    }
    let vat = i64::try_from(kopecks(vat)).unwrap_or_default();
    Ok((amount.kopecks(), vat))
}

/// The rate of a tax code, in percent.
fn percent_of(code: &str) -> Option<i128> {
    match code {
        "VATNONE" | "RUS_VAT0" => Some(0),
        "RUS_VAT5" | "RUS_VAT5_ADDED" => Some(5),
        "RUS_VAT7" | "RUS_VAT7_ADDED" => Some(7),
        "RUS_VAT10" | "RUS_VAT10_ADDED" => Some(10),
        "RUS_VAT20" | "RUS_VAT20_ADDED" => Some(20),
        "RUS_VAT22" | "RUS_VAT22_ADDED" => Some(22),
        _ => None,
    }
}

/// An order as the API shows it, with the fields in the order of the vendor's
/// examples.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown<'a> {
    id: &'a str,
    description: &'a str,
    currency_id: &'a str,
    amount: &'a RawValue,
    vat_amount: &'a RawValue,
    basket_items: &'a RawValue,
    order_container_id: &'a str,
    merchant_id: &'a str,
    status: &'a str,
    subtype: &'a str,
    created_at: String,
    merchant_order_id: &'a str,
    merchant_order_id_visible: &'a str,
    expiration_date: String,
    file_ids: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    return_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    success_url: Option<&'a str>,
    payment_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a RawValue>,
    language_id: &'a str,
    processable: bool,
}

/// A sum as the vendor's software writes it: whole amounts without a dot.
pub(super) fn digits(money: Money) -> Box<RawValue> {
    let text = money.to_string();
    let text = text.strip_suffix(".00").map_or(text.clone(), str::to_owned);
    let text = if text.contains('.') { text.trim_end_matches('0').to_owned() } else { text };
    RawValue::from_string(text).unwrap_or_default()
}

/// An order in bytes, as the API and notifications contain it.
pub fn written(world: &World, entry: &Entry) -> String {
    let date = |at: Timestamp| {
        Timestamp::from_second(at.as_second()).unwrap_or(at).to_string().replace('Z', "+00:00")
    };
    let (amount, vat) = (digits(entry.amount), digits(entry.vat));
    let shown = Shown {
        id: &entry.id,
        description: &entry.description,
        currency_id: &entry.currency,
        amount: &amount,
        vat_amount: &vat,
        basket_items: &entry.basket,
        order_container_id: &entry.container,
        merchant_id: &world.setup.merchant_id,
        status: entry.status_at(world.setup.clock.now()),
        subtype: "order",
        created_at: date(entry.created_at),
        merchant_order_id: &entry.number,
        merchant_order_id_visible: &entry.number,
        expiration_date: date(entry.expires_at),
        file_ids: [],
        return_url: entry.return_url.as_deref(),
        success_url: entry.success_url.as_deref(),
        payment_url: format!("http://{}/order/{}", world.address, entry.container),
        paid_at: entry.paid_at.map(date),
        customer: entry.customer.as_deref(),
        language_id: "ru",
        processable: true,
    };
    serde_json::to_string(&shown).unwrap_or_default().replace('/', "\\/")
}

pub(super) fn shown(world: &World, entry: &Entry) -> Value {
    serde_json::from_str(&written(world, entry)).unwrap_or_default()
}

pub(super) fn no_such_order() -> Error {
    Error(StatusCode::NOT_FOUND, "not_found", "Not Found".into(), None)
}

/// The `name=value` pairs of a query.
pub(super) fn pairs(query: &str) -> Vec<(&str, &str)> {
    query.split('&').filter_map(|pair| pair.split_once('=')).collect()
}

/// One page of the results. Both spellings of the paging parameters are
/// accepted.
pub(super) fn page_of(found: Vec<Value>, pairs: &[(&str, &str)]) -> Value {
    let number = |names: [&str; 2], default: usize| {
        let value = pairs.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| *value);
        value.and_then(|value| value.parse().ok()).unwrap_or(default).max(1)
    };
    let (page, size) =
        (number(["_page", "page"], 1), number(["_pageSize", "pageSize"], 30).min(100));
    let meta = json!({"totalCount": found.len(), "pageSize": size, "page": page});
    let on_page: Vec<Value> = found.into_iter().skip((page - 1) * size).take(size).collect();
    json!({"data": on_page, "extendedData": [], "metaData": meta})
}
