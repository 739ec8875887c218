//! Lists are pages, the latest first: `{"items":[…],"next_cursor":"…"}`, with `cursor` for the next page
//! and `limit` for its size.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;
use tillgate_kernel::Kind;
use tillgate_store::{Cursor, NotACursor, Scan, Store, Stored, Unavailable};

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// Entries of a page unless `limit` says otherwise, and at most.
pub const PAGE_DEFAULT: usize = 50;
pub const PAGE_MAX: usize = 500;

/// Documents that a filtered list looks at for one page. When they are used up the page ends early, and its
/// cursor goes on from there.
const LOOKED_AT_MAX: usize = 5000;

/// What every list takes.
#[derive(Debug, Default, Deserialize)]
pub struct Paging {
    pub cursor: Option<String>,
    pub limit: Option<usize>,
}

impl Paging {
    fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        let read = self.cursor.as_deref().map(Cursor::from_str).transpose();
        let of_list = read.and_then(|cursor| match &cursor {
            Some(elsewhere) if elsewhere.queue().is_some() => Err(NotACursor),
            Some(_) | None => Ok(cursor),
        });
        of_list.map_err(|why| Problem::bad_parameter("cursor", why))
    }

    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX)
    }
}

/// Gathers one page of a filtered list: walks documents of a kind, the latest first, and keeps what `keep`
/// makes of them.
pub async fn gather<T>(
    store: &Store,
    kind: Kind,
    paging: &Paging,
    mut keep: impl FnMut(&Stored) -> Result<Option<T>, Unavailable>,
) -> Result<List<T>, Problem> {
    let (limit, mut after) = (paging.limit(), paging.cursor()?);
    let mut items = Vec::new();
    let mut looked_at = 0;
    loop {
        let looked_at_once = PAGE_MAX.min(limit * 2);
        let scan = Scan::Listed { kind, newest_first: true, after: after.clone(), limit: looked_at_once };
        let page = store.scan(&scan).await?;
        for (key, stored) in &page.items {
            looked_at += 1;
            after = Some(Cursor::at(stored.body.listed_at, *key));
            items.extend(keep(stored)?);
            if items.len() == limit {
                return Ok(List { items, next_cursor: after.map(|after| after.to_string()) });
            }
        }
        if page.next.is_none() {
            return Ok(List { items, next_cursor: None });
        }
        if looked_at >= LOOKED_AT_MAX {
            return Ok(List { items, next_cursor: after.map(|after| after.to_string()) });
        }
    }
}
