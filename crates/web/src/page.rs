//! Pages of lists, the latest entries first: `{"items":[…],"next_cursor":"…"}`.
//! The parameter `cursor` selects the next page, and `limit` its size.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;
use tillgate_kernel::ListName;
use tillgate_store::{Cursor, NotACursor, Scan};

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

/// How many entries are read for a page of which only some are shown.
const FILTERED_MIN: usize = 100;

/// How many entries are prepared before other work of the thread has its turn:
/// a page of 500 takes a thread for milliseconds, in which hooks wait.
const PREPARED_AT_ONCE_MAX: usize = 4;

/// Prepares the entries of a page.
pub async fn prepare<T, U>(entries: Vec<T>, prepare: impl Fn(T) -> U) -> Vec<U> {
    let mut prepared = Vec::with_capacity(entries.len());
    for entry in entries {
        prepared.push(prepare(entry));
        if prepared.len().is_multiple_of(PREPARED_AT_ONCE_MAX) {
            tokio::task::yield_now().await;
        }
    }
    prepared
}

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

    /// The number of entries on the page.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX)
    }

    /// The scan that reads the page from `lists`. If not all entries of the
    /// lists are shown, it reads at least [`FILTERED_MIN`].
    pub fn scan(&self, lists: Vec<ListName>, shows_all: bool) -> Result<Scan, Problem> {
        let limit = if shows_all { self.limit() } else { self.limit().max(FILTERED_MIN) };
        Ok(Scan::Lists { lists, newest_first: true, after: self.cursor()?, limit })
    }
}

impl<T> List<T> {
    /// A page of at most `limit` entries. `read` has what was read for it, in
    /// order, with the position of each; those without an entry are not shown.
    /// `next` continues after all of them.
    #[must_use]
    pub fn of(read: Vec<(Cursor, Option<T>)>, next: Option<Cursor>, limit: usize) -> List<T> {
        let mut items = Vec::new();
        let last = read.len().saturating_sub(1);
        for (place, (at, item)) in read.into_iter().enumerate() {
            items.extend(item);
            if items.len() == limit && place < last {
                return List { items, next_cursor: Some(at.to_string()) };
            }
        }
        List { items, next_cursor: next.map(|next| next.to_string()) }
    }
}
