//! Lists that are fetched page by page.

use clap::Args;
use serde_json::Value;

use crate::cli::client::Server;
use crate::cli::{Failed, say};

/// How many entries of a list are printed.
#[derive(Debug, Clone, Args)]
pub struct ListOptions {
    /// The most entries to print; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

impl ListOptions {
    pub const ALL: ListOptions = ListOptions { limit: 0 };
}

/// The size of the pages that are requested.
const PAGE: usize = 500;

/// Entries of a list.
pub struct Fetched {
    pub items: Vec<Value>,
    pub has_more: bool,
}

impl Fetched {
    /// Says so, if the list goes on.
    pub fn say_if_more(&self) {
        if self.has_more {
            say(format_args!(
                "… and more: this shows {}. Add --limit N, or --limit 0 for all",
                self.items.len()
            ));
        }
    }
}

impl ListOptions {
    /// Fetches pages until there are enough entries.
    pub async fn fetch(
        &self,
        server: &Server,
        path: &str,
        query: &[(&str, Option<&str>)],
    ) -> Result<Fetched, Failed> {
        let wanted = if self.limit == 0 { usize::MAX } else { self.limit };
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page_size = PAGE.min(wanted - items.len()).to_string();
            let mut query = query.to_vec();
            query.push(("limit", Some(&page_size)));
            query.push(("cursor", cursor.as_deref()));
            let page = server.get(path, &query).await?;
            items.extend(page.get("items").and_then(Value::as_array).cloned().unwrap_or_default());
            cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() || items.len() >= wanted {
                items.truncate(wanted);
                return Ok(Fetched { items, has_more: cursor.is_some() });
            }
        }
    }
}
