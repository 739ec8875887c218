//! `tillgate shop receipts`: goods that were bought without a receipt.

use clap::Args;
use serde_json::Value;

use crate::cli::client::ServerOptions;
use crate::cli::show::table::{self, Column};
use crate::cli::show::{ListOptions, print_json};
use crate::cli::{Failed, say};

#[derive(Debug, Args)]
pub struct Receipts {
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    list: ListOptions,
    /// List the goods that were bought from wallets: no payment system makes a
    /// receipt for them, a cash register must
    #[arg(long, required = true)]
    missing: bool,
}

pub async fn run(options: Receipts) -> Result<(), Failed> {
    let server = options.server.connect().await?;
    let found = options.list.fetch(&server, "/shop/payment/receipts/missing", &[]).await?;
    if options.server.json {
        print_json(&Value::Array(found.items));
        return Ok(());
    }
    if found.items.is_empty() {
        say("no receipt is missing");
        return Ok(());
    }
    let columns = [
        Column::text("order", "order"),
        Column::text("payment", "payment"),
        Column::text("sum", "amount"),
        Column::time("begun", "begun_at"),
    ];
    table::print(&found.items, &columns);
    found.say_if_more();
    Ok(())
}
