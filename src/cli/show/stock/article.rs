//! `tillgate stock show --sku`: where an article is, and who has taken what of
//! it: marketplaces' hooks, counts, their open orders, and orders of the shop.

use serde_json::{Value, json};

use crate::cli::client::Server;
use crate::cli::show::{local_time, print_json, text_at};
use crate::cli::{Failed, say};
use crate::kernel::Quantity;

pub async fn show(
    server: &Server,
    sku: &str,
    store: Option<&str>,
    is_json: bool,
) -> Result<(), Failed> {
    let query = [("sku", Some(sku)), ("store", store)];
    let mut stock = server.get("/stock", &query).await?;
    let mut stores: Vec<String> =
        list(&stock["items"]).iter().map(|item| text_at(item, "store_id")).collect();
    // The shop may have promised what is not there any more.
    let outlets = server.get_if_there("/shop/store/outlets").await?.unwrap_or_default();
    for outlet in list(&outlets["all"]) {
        let name = text_at(outlet, "stock");
        if store.is_none_or(|store| store == name) && !stores.contains(&name) {
            stores.push(name);
        }
    }
    let mut taken = Vec::new();
    for store_id in &stores {
        let query =
            format!("/shop/store/taken?stock={}&article={}", encoded(store_id), encoded(sku));
        // A gateway without a shop has no such address.
        if let Some(of_store) = server.get_if_there(&query).await? {
            let is_listed = list(&stock["items"]).iter().any(|item| item["store_id"] == *store_id);
            if !is_listed && of_store["level"]["held"] != 0 {
                let item = json!({"store_id": store_id, "sku": sku, "quantity": "0"});
                if let Some(items) = stock["items"].as_array_mut() {
                    items.push(item);
                }
            }
            taken.push(json!({"store_id": store_id, "taken": of_store}));
        }
    }
    stock["shop"] = Value::Array(taken);
    if is_json {
        print_json(&stock);
        return Ok(());
    }
    if list(&stock["items"]).is_empty() {
        say(format_args!("{sku}: none anywhere"));
    }
    for item in list(&stock["items"]) {
        say_of_store(&stock, item);
    }
    for movement in list(&stock["movements"]) {
        for line in list(&movement["lines"]).iter().filter(|line| line["sku"] == sku) {
            let (at, quantity) = (local_time(movement, "at"), text_at(line, "quantity"));
            let why = match movement["number"].as_str() {
                Some(number) => format!("order {number}"),
                None => "counted".to_owned(),
            };
            say(format_args!("  {at}  {}  {quantity:>10}  {why}", text_at(line, "store_id")));
        }
    }
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text within an address.
fn encoded(text: &str) -> String {
    let part = |byte: u8| {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if is_plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(part).collect()
}

fn say_of_store(stock: &Value, item: &Value) {
    let store_id = text_at(item, "store_id");
    let is_it = |other: &&Value| other["store_id"] == item["store_id"];
    let mut line = format!("{store_id}: {} there", text_at(item, "quantity"));
    if let Some(promised) = list(&stock["promised"]).iter().find(is_it) {
        line +=
            &format!(", {} wanted by open orders of marketplaces", text_at(promised, "quantity"));
    }
    let taken = list(&stock["shop"]).iter().find(is_it).map(|of_store| &of_store["taken"]);
    let Some(taken) = taken else { return say(line) };
    let level =
        |name: &str| Quantity::from_thousandths(taken["level"][name].as_i64().unwrap_or_default());
    line +=
        &format!(", {} held by orders of the shop, {} of it sold", level("held"), level("firm"));
    say(line);
    for hold in list(&taken["holds"]) {
        let (at, order) = (local_time(hold, "taken_at"), text_at(hold, "order"));
        let pieces = hold["pieces"].as_object().into_iter().flatten();
        let pieces = pieces.filter(|(article, _)| *article == &item["sku"]).map(|(_, count)| count);
        let pieces: u64 = pieces.filter_map(Value::as_u64).sum();
        let state = if hold["is_confirmed"] == true { "sold" } else { "held" };
        say(format_args!(
            "  {at}  {store_id}  {pieces:>10}  {state} for order {order} of the shop"
        ));
    }
    if taken["is_cut"] == true {
        say("  and perhaps more: not all holds were looked through");
    }
}
