//! Pages of lists, the latest entries first: `{"items":[…],"next_cursor":"…"}`.
//! The parameter `cursor` selects the next page, and `limit` its size.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;
use tillgate_kernel::Kind;
use tillgate_store::{Cursor, NotACursor, Scan, Store, Stored, Unavailable};

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// The entries of this page.
    pub items: Vec<T>,
    /// The `cursor` of the next page; `null` on the last page.
    pub next_cursor: Option<String>,
}

/// The number of entries on a page if `limit` is not given, and the largest
/// `limit`.
pub const PAGE_DEFAULT: usize = 50;
pub const PAGE_MAX: usize = 500;

/// How many documents a filtered list reads for one page. When it has read this
/// many, the page ends early, and its cursor continues from there.
const LOOKED_AT_MAX: usize = 5000;

/// The query parameters of every list.
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

/// Collects one page of a filtered list: reads documents of a kind, the latest
/// first, and includes each for which `keep` returns an entry.
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
        let scan =
            Scan::Listed { kind, newest_first: true, after: after.clone(), limit: looked_at_once };
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
