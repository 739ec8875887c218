//! `tillgate shop wallet credit`, `tillgate shop ledger verify`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tillgate_kernel::Money;
use tillgate_shop::billing::account_name::AccountName;
use tillgate_shop::billing::audit::{Balance, Balances, PAGE, Transfers};
use tillgate_shop::billing::books::{Added, Books, Fault};

use crate::cli::client::{Server, ServerOptions};
use crate::cli::show::{print_json, text_at};
use crate::cli::{Failed, say};
use crate::kernel::Clock;
use crate::kernel::chance::random_bytes;

#[derive(Debug, Subcommand)]
pub enum Wallet {
    /// Give money to a client's wallet
    Credit(Credit),
}

#[derive(Debug, Args)]
pub struct Credit {
    #[command(flatten)]
    server: ServerOptions,
    /// The client's username
    client: String,
    /// The sum in roubles, such as 500.00
    sum: Money,
    /// Why, in words that the client reads
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Makes a repeated command give the money once [default: a new one]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Add up all transfers and compare every balance; exit 1 if one is wrong
    Verify(ServerOptions),
}

/// How often accounts that move while they are compared are looked at.
const LOOKS_MAX: u32 = 30;

pub async fn credit(credit: &Credit) -> Result<(), Failed> {
    let Credit { server, client, sum, reason, key } = credit;
    let random = || format!("{:032x}", u128::from_be_bytes(random_bytes()));
    let key = key.clone().unwrap_or_else(random);
    let given = give(&server.connect().await?, client, *sum, reason, &key).await;
    let given = given.map_err(|failed| Failed {
        text: format!(
            "{}. To repeat the command, add --key {key}: it gives the money once",
            failed.text
        ),
        ..failed
    })?;
    if server.json {
        print_json(&given);
        return Ok(());
    }
    let balance = Money::from_peer(&given["balance"].to_string()).unwrap_or_default();
    say(format_args!("{}: {sum} given, the wallet holds {balance}", text_at(&given, "username")));
    Ok(())
}

/// Gives money to a client's wallet, once for each key. Returns the answer of
/// the server.
pub async fn give(
    server: &Server,
    client: &str,
    sum: Money,
    reason: &str,
    key: &str,
) -> Result<Value, Failed> {
    // The sum keeps its digits.
    let body = format!("{{\"amount\":{sum},\"reason\":{}}}", json!(reason));
    let body = Some(("application/json", body.into_bytes()));
    let path = format!("/shop/wallets/{client}/credits");
    server.ask(Method::POST, &path, &[], body, &[("idempotency-key", key)]).await
}

pub async fn verify(options: &ServerOptions) -> Result<(), Failed> {
    let server = options.connect().await?;
    let Verified { books, moving_kopecks } = verified(&server).await?;
    let (transfers, accounts) = books.size();
    let faults: Vec<String> = books.faults().iter().map(worded).collect();
    if options.json {
        print_json(&json!({"transfers": transfers, "accounts": accounts, "faults": faults,
            "moving_kopecks": moving_kopecks}));
    } else {
        for fault in &faults {
            say(format_args!("  {fault}"));
        }
        say(format_args!(
            "{transfers} transfers and {accounts} accounts: {}",
            if faults.is_empty() { "the books are right" } else { "the books are wrong" }
        ));
        if moving_kopecks > 0 {
            say(format_args!(
                "accounts that moved all the time were compared to within {moving_kopecks} \
                 kopecks; repeat it when there is less traffic to be certain"
            ));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Failed::because(format!("{} of the accounts and transfers are wrong", faults.len())))
}

/// The books of a shop, compared with its balances while it goes on.
pub struct Verified {
    pub books: Books,
    /// By how many kopecks a balance may be wrong that moved in every look.
    pub moving_kopecks: i128,
}

pub async fn verified(server: &Server) -> Result<Verified, Failed> {
    let mut books = Books::new(Clock::System.now());
    read_transfers(server, &mut books, None, &mut Added::default()).await?;
    let mut balances = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let query = [("after", after.as_deref())];
        let page: Balances = parsed(server.get("/shop/ledger/balances", &query).await?)?;
        after = page.items.last().map(|balance| balance.account.to_string());
        balances.extend(page.items);
        if page.is_last || after.is_none() {
            break;
        }
    }
    for balance in &balances {
        books.judge(balance);
    }
    let mut open = books.differing(&balances);
    let mut seen = BTreeMap::new();
    for _ in 0..LOOKS_MAX {
        if open.is_empty() {
            break;
        }
        let (looked_at, still) = look_again(server, &mut books, &open).await?;
        seen.extend(looked_at.into_iter().map(|balance| (balance.account.clone(), balance)));
        open = still;
    }
    let seen: Vec<Balance> = seen.into_values().collect();
    let moving_kopecks = books.judge_looks(&seen);
    Ok(Verified { books, moving_kopecks })
}

/// Compares some accounts between two readings of the transfers. Returns their
/// balances, and the accounts of which another look may tell more.
async fn look_again(
    server: &Server,
    books: &mut Books,
    accounts: &[AccountName],
) -> Result<(Vec<Balance>, Vec<AccountName>), Failed> {
    let since = books.read_again_from().map(|since| since.to_string());
    read_transfers(server, books, since.as_deref(), &mut Added::default()).await?;
    let mut balances = Vec::new();
    for some in accounts.chunks(PAGE) {
        let names: Vec<Value> = some.iter().map(|account| json!({"name": account})).collect();
        let answer = server.post_json("/shop/ledger/balances", &json!({"accounts": names})).await?;
        let page: Balances = parsed(answer)?;
        balances.extend(page.items);
    }
    let before: Vec<i128> = balances.iter().map(|balance| books.sum_of(&balance.account)).collect();
    let mut added = Added::default();
    let since = books.read_again_from().map(|since| since.to_string());
    read_transfers(server, books, since.as_deref(), &mut added).await?;
    let mut open = Vec::new();
    for (balance, before) in balances.iter().zip(before) {
        if books.look(balance, before, &added) {
            open.push(balance.account.clone());
        }
    }
    Ok((balances, open))
}

/// Reads the transfers from a time on, or all.
async fn read_transfers(
    server: &Server,
    books: &mut Books,
    since: Option<&str>,
    added: &mut Added,
) -> Result<(), Failed> {
    let mut after: Option<String> = None;
    loop {
        let since = since.filter(|_| after.is_none());
        let query = [("after", after.as_deref()), ("since", since)];
        let page: Transfers = parsed(server.get("/shop/ledger/transfers", &query).await?)?;
        page.items.iter().for_each(|transfer| books.add(transfer, added));
        if page.is_last {
            return Ok(());
        }
        after = page.cursor;
    }
}

fn parsed<T: DeserializeOwned>(answer: Value) -> Result<T, Failed> {
    serde_json::from_value(answer).map_err(|why| {
        Failed::because(format!("the answer of the server is not understood: {why}"))
    })
}

pub fn worded(fault: &Fault) -> String {
    match fault {
        Fault::Unbalanced { id, kopecks } => {
            format!("transfer {id}: its accounts get {kopecks} kopecks together, and not 0")
        }
        Fault::BelowZero { account, kopecks } => {
            format!("{account}: holds {}, below zero", Money::from_kopecks(*kopecks))
        }
        Fault::Differs { account, transfers, balance } => format!(
            "{account}: the transfers give {transfers} kopecks, the balance is {balance} kopecks"
        ),
    }
}
