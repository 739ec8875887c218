//! `tillgate shop`: its staff, its money, its state.

mod doctor;
mod import;
pub mod ledger;

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::Value;

use self::import::Import;
use self::ledger::{Ledger, Wallet};
use super::table::{self, Column};
use super::{print_json, text_at};
use crate::cli::client::ServerOptions;
use crate::cli::{Failed, say};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The shop's staff: clients with roles
    #[command(subcommand)]
    Staff(Staff),
    /// Read the catalogue from a YML feed, and write what differs
    Import(Import),
    /// Clients' wallets
    #[command(subcommand)]
    Wallet(Wallet),
    /// The books
    #[command(subcommand)]
    Ledger(Ledger),
    /// Check on a running shop what must always be true; exit 1 if it is not
    Doctor(ServerOptions),
    /// Print the OpenAPI 3.1 document of the shop's services
    Openapi,
}

#[derive(Debug, Subcommand)]
pub enum Staff {
    /// Give a client a role; the client's sessions end
    Add(Change),
    /// List the clients with roles
    List(ServerOptions),
    /// Take a role away from a client; the client's sessions end
    Remove(Change),
}

#[derive(Debug, Args)]
pub struct Change {
    #[command(flatten)]
    server: ServerOptions,
    /// The client's username
    name: String,
    #[arg(long, value_enum)]
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    Picker,
    Courier,
    Operator,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Role::Picker => "picker",
            Role::Courier => "courier",
            Role::Operator => "operator",
        }
    }
}

pub async fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::Staff(Staff::Add(change)) => set(&change, Method::PUT).await,
        Command::Staff(Staff::Remove(change)) => set(&change, Method::DELETE).await,
        Command::Staff(Staff::List(server)) => list(&server).await,
        Command::Import(import) => import::run(&import).await,
        Command::Wallet(Wallet::Credit(credit)) => ledger::credit(&credit).await,
        Command::Ledger(Ledger::Verify(server)) => ledger::verify(&server).await,
        Command::Doctor(server) => doctor::run(&server).await,
        Command::Openapi => {
            say(tillgate_shop::openapi::text().trim_end());
            Ok(())
        }
    }
}

async fn set(change: &Change, method: Method) -> Result<(), Failed> {
    let Change { server, name, role } = change;
    let path = format!("/shop/staff/{name}/{}", role.name());
    let member = server.connect().await?.ask(method, &path, &[], None, &[]).await?;
    if server.json {
        print_json(&member);
    } else {
        say(format_args!("{}: {}", text_at(&member, "username"), roles_of(&member)));
    }
    Ok(())
}

async fn list(server: &ServerOptions) -> Result<(), Failed> {
    let staff = server.connect().await?.get("/shop/staff", &[]).await?;
    let items = staff["items"].as_array().cloned().unwrap_or_default();
    if server.json {
        print_json(&Value::Array(items));
        return Ok(());
    }
    let shown = |member: &Value| serde_json::json!({"username": member["username"], "roles": roles_of(member)});
    let items: Vec<Value> = items.iter().map(shown).collect();
    table::print(&items, &[Column::text("client", "username"), Column::text("roles", "roles")]);
    Ok(())
}

fn roles_of(member: &Value) -> String {
    let roles = member["roles"].as_array().map(Vec::as_slice).unwrap_or_default();
    let roles: Vec<&str> = roles.iter().filter_map(Value::as_str).collect();
    if roles.is_empty() { "no role".into() } else { roles.join(", ") }
}
