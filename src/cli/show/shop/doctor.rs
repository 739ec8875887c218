//! `tillgate shop doctor`: does what must always be true of a shop hold?

use serde_json::{Value, json};

use super::agreements;
use super::bookings;
use super::finding::Finding;
use super::goods;
use super::ledger::{verified, worded};
use crate::cli::client::{Server, ServerOptions};
use crate::cli::show::print_json;
use crate::cli::{Failed, say};
use crate::flows::stored::{is_of_the_shop, lanes};

pub async fn run(options: &ServerOptions) -> Result<(), Failed> {
    let server = options.connect().await?;
    let findings = [
        books(&server).await?,
        goods::look(&server).await?,
        bookings::look(&server).await?,
        agreements::look(&server).await?,
        messages(&server).await?,
    ];
    let wrong = findings.iter().map(|finding| finding.faults.len()).sum::<usize>();
    if options.json {
        let shown = findings
            .iter()
            .map(|Finding { about, faults, is_skipped }| {
                json!({"about": about, "faults": faults, "skipped": is_skipped})
            });
        print_json(&Value::Array(shown.collect()));
    } else {
        for Finding { about, faults, is_skipped } in &findings {
            let mark = match (faults.is_empty(), is_skipped) {
                (true, false) => "✓",
                (true, true) => "–",
                (false, _) => "✗",
            };
            say(format_args!("{mark} {about}"));
            for fault in faults {
                say(format_args!("    {fault}"));
            }
        }
    }
    if wrong == 0 { Ok(()) } else { Err(Failed::because(format!("{wrong} things are wrong"))) }
}

async fn books(server: &Server) -> Result<Finding, Failed> {
    let books = verified(server).await?.books;
    let (transfers, accounts) = books.size();
    let faults = books.faults().iter().map(worded).collect();
    let about = format!("books: {transfers} transfers, {accounts} accounts");
    Ok(Finding { about, faults, is_skipped: false })
}

/// Messages between services, letters and short messages that were given up.
async fn messages(server: &Server) -> Result<Finding, Failed> {
    let mut faults = Vec::new();
    for lane in lanes().filter(|lane| is_of_the_shop(*lane)) {
        let name = lane.to_string();
        let query =
            [("lane", Some(name.as_str())), ("state", Some("dead")), ("limit", Some("100"))];
        let dead = server.get("/outbox", &query).await?;
        let count = dead["items"].as_array().map_or(0, Vec::len);
        if count > 0 {
            let more = if dead["next_cursor"].is_null() { "" } else { " or more" };
            faults.push(format!(
                "{name}: {count}{more} dead messages; see: tillgate outbox list --lane {name} --dead"
            ));
        }
    }
    let about = "messages between services, letters, short messages".into();
    Ok(Finding { about, faults, is_skipped: false })
}
