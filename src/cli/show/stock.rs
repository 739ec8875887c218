//! `tillgate stock show|import`.

mod article;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::table::{self, Column};
use super::{ListOptions, print_json, text_at};
use crate::cli::client::ServerOptions;
use crate::cli::{Failed, say};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show stock levels
    Show(Show),
    /// Set stock levels from a CSV file with the header line
    /// store_id,sku,quantity
    Import(Import),
}

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    list: ListOptions,
    /// Only stock of this store
    #[arg(long)]
    store_id: Option<String>,
    /// Only this article: who has taken what of it
    #[arg(long)]
    sku: Option<String>,
}

#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    server: ServerOptions,
    /// The CSV file to import
    file: PathBuf,
}

pub async fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::Show(options) => show(options).await,
        Command::Import(options) => import(options).await,
    }
}

async fn show(options: Show) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    if let Some(sku) = &options.sku {
        return article::show(&server, sku, options.store_id.as_deref(), options.server.json).await;
    }
    let query = [("store", options.store_id.as_deref())];
    let stock = options.list.fetch(&server, "/stock", &query).await?;
    if options.server.json {
        print_json(&Value::Array(stock.items));
        return Ok(());
    }
    let columns = [
        Column::text("store", "store_id"),
        Column::text("sku", "sku").shortened(),
        Column::money("quantity", "quantity"),
    ];
    table::print(&stock.items, &columns);
    stock.say_if_more();
    Ok(())
}

async fn import(options: Import) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let file = options.file.display();
    let bytes =
        std::fs::read(&options.file).map_err(|why| Failed::usage(format!("{file}: {why}")))?;
    let outcome = server.put("/stock", "text/csv", bytes).await?;
    if options.server.json {
        print_json(&outcome);
    } else {
        say(format_args!("{} stock levels were set from {file}", text_at(&outcome, "set")));
    }
    Ok(())
}
