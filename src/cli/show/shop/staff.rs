//! `tillgate shop staff`: clients with roles.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::Value;

use crate::cli::client::ServerOptions;
use crate::cli::show::table::{self, Column};
use crate::cli::show::{print_json, text_at};
use crate::cli::{Failed, say};

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

pub async fn run(staff: Staff) -> Result<(), Failed> {
    match staff {
        Staff::Add(change) => set(&change, Method::PUT).await,
        Staff::Remove(change) => set(&change, Method::DELETE).await,
        Staff::List(server) => list(&server).await,
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
