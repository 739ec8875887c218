//! `tillgate shop products`: what the shop sells, as its clients see it.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tillgate_kernel::Money;

use crate::cli::client::ServerOptions;
use crate::cli::show::table::{self, Column};
use crate::cli::show::{ListOptions, print_json, text_at};
use crate::cli::{Failed, say};

#[derive(Debug, Subcommand)]
pub enum Products {
    /// Find products on sale
    List(List),
    /// Show one product, on sale or not
    Show(Show),
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    list: ListOptions,
    /// Words of the name, the vendor or the category, or an article
    #[arg(value_name = "WORDS")]
    query: Option<String>,
    /// Only what is in this category and below it
    #[arg(long, value_name = "ID")]
    category: Option<String>,
    /// Only what this outlet has
    #[arg(long, value_name = "ID")]
    outlet: Option<String>,
}

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    server: ServerOptions,
    /// The product's number
    id: String,
}

pub async fn run(products: Products) -> Result<(), Failed> {
    match products {
        Products::List(options) => list(options).await,
        Products::Show(options) => show(options).await,
    }
}

async fn list(options: List) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let query = [
        ("query", options.query.as_deref()),
        ("category", options.category.as_deref()),
        ("store", options.outlet.as_deref()),
    ];
    let found = options.list.fetch(&server, "/shop/menu/found", &query).await?;
    if options.server.json {
        print_json(&Value::Array(found.items));
        return Ok(());
    }
    let line = |item: &Value| {
        json!({"id": item["id"].to_string(), "name": item["name"], "price": price(&item["price"]),
            "pieces": places(item)})
    };
    let lines: Vec<Value> = found.items.iter().map(line).collect();
    let columns = [
        Column::text("product", "id"),
        Column::text("name", "name").shortened(),
        Column::money("price", "price"),
        Column::text("pieces by outlet", "pieces").optional().shortened(),
    ];
    table::print(&lines, &columns);
    found.say_if_more();
    Ok(())
}

async fn show(options: Show) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let query = [("productId", Some(options.id.as_str()))];
    let product = server.get("/shop/menu/product", &query).await?;
    if options.server.json {
        print_json(&product);
        return Ok(());
    }
    let categories = product["categories"].as_array().map(Vec::as_slice).unwrap_or_default();
    let categories: Vec<String> = categories.iter().map(|one| text_at(one, "name")).collect();
    let is_on_sale = if product["isOnSale"] == true { "on sale" } else { "not on sale" };
    say(format_args!("{} {}, {is_on_sale}", product["id"], text_at(&product, "name")));
    for (name, value) in [
        ("price", price(&product["price"])),
        ("before", price(&product["oldPrice"])),
        ("article", text_at(&product, "article")),
        ("vendor", product["vendor"].as_str().unwrap_or_default().to_owned()),
        ("category", categories.join(" / ")),
        ("pieces", places(&product)),
    ] {
        if !value.is_empty() {
            say(format_args!("  {name:9} {value}"));
        }
    }
    for line in product["description"].as_str().unwrap_or_default().lines() {
        say(format_args!("  {line}"));
    }
    Ok(())
}

/// A price with two decimals; nothing if there is none.
fn price(value: &Value) -> String {
    Money::from_peer(&value.to_string()).map(|price| price.to_string()).unwrap_or_default()
}

/// How many pieces each outlet has: `Tverskaya: 5, Arbat: 2`.
fn places(item: &Value) -> String {
    let places = item["productPlaces"].as_array().map(Vec::as_slice).unwrap_or_default();
    let places = places.iter().filter(|place| place["quantity"] != 0);
    let place =
        |place: &Value| format!("{}: {}", text_at(&place["store"], "name"), place["quantity"]);
    places.map(place).collect::<Vec<_>>().join(", ")
}
