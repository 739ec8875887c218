//! `tillgate shop`: its staff, its money, its state.

pub(super) mod agreements;
mod bookings;
mod doctor;
mod finding;
mod goods;
pub mod import;
pub mod ledger;
mod pictures;
mod products;
mod receipts;
mod staff;
mod tables;
mod transfer;

use clap::Subcommand;

use self::agreements::{Cases, Saga};
use self::import::Import;
use self::ledger::{Ledger, Wallet};
use self::products::Products;
use self::receipts::Receipts;
use self::staff::Staff;
use crate::cli::client::ServerOptions;
use crate::cli::{Failed, say};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The shop's staff: clients with roles
    #[command(subcommand)]
    Staff(Staff),
    /// Read the catalogue from a YML feed and write what differs; or outlets,
    /// pickup points, zones, times of couriers or limits of products from a CSV
    /// file
    Import(Import),
    /// What the shop sells
    #[command(subcommand)]
    Products(Products),
    /// Clients' wallets
    #[command(subcommand)]
    Wallet(Wallet),
    /// The agreements on orders
    #[command(subcommand)]
    Saga(Saga),
    /// Orders to pick
    #[command(subcommand)]
    Cases(Cases),
    /// Receipts that nobody has made
    Receipts(Receipts),
    /// The books
    #[command(subcommand)]
    Ledger(Ledger),
    /// Check on a running shop what must always be true; exit 1 if it is not
    Doctor(ServerOptions),
    /// Print the OpenAPI 3.1 document of the shop's services
    Openapi,
}

pub async fn run(command: Command) -> Result<(), Failed> {
    match command {
        Command::Staff(staff) => staff::run(staff).await,
        Command::Products(products) => products::run(products).await,
        Command::Import(import) => import::run(&import).await,
        Command::Wallet(Wallet::Credit(credit)) => ledger::credit(&credit).await,
        Command::Ledger(Ledger::Verify(server)) => ledger::verify(&server).await,
        Command::Receipts(receipts) => receipts::run(receipts).await,
        Command::Saga(saga) => agreements::saga(saga).await,
        Command::Cases(Cases::Take(case)) => agreements::take_case(&case).await,
        Command::Doctor(server) => doctor::run(&server).await,
        Command::Openapi => {
            say(tillgate_shop::openapi::text().trim_end());
            Ok(())
        }
    }
}
