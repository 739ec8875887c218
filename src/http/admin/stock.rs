//! Balances, and how they came about.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};

use super::{PAGE_DEFAULT, PAGE_MAX};
use crate::flows::set_stock::set_stock;
use crate::http::Edge;
use crate::http::problem::Problem;
use crate::kernel::{Kind, Quantity};
use crate::orders::{Movement, MovementLine};
use crate::store::{Scan, Unavailable};

/// A list of stock: balances, and the latest movements of the shop.
#[derive(Debug, Serialize)]
pub struct Stock {
    items: Vec<MovementLine>,
    movements: Vec<Movement>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    store: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// The latest movements that are shown, and among how many they are looked for.
const MOVEMENTS_SHOWN_MAX: usize = 20;
const MOVEMENTS_LOOKED_AT_MAX: usize = 500;

/// `GET /admin/v1/stock`
pub async fn list(
    State(edge): State<Arc<Edge>>,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Stock>, Problem> {
    let Query(filter) = query.map_err(|why| Problem::bad_request(why.body_text()))?;
    let limit = filter.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    // A cursor is the last shop and article of the page before.
    let after: Option<(String, String)> = match &filter.cursor {
        Some(cursor) => Some(
            serde_json::from_str(cursor)
                .map_err(|_| Problem::bad_parameter("cursor", crate::store::NotACursor))?,
        ),
        None => None,
    };
    let groups = match &filter.store {
        Some(store) => vec![store.clone()],
        None => edge.shop.store.counter_groups().await?,
    };
    let mut items = Vec::new();
    for group in groups {
        let after_name = match &after {
            Some((last_group, _)) if group < *last_group => continue,
            Some((last_group, last_name)) if group == *last_group => Some(last_name.as_str()),
            Some(_) | None => None,
        };
        for (key, value) in edge.shop.store.counters(&group, after_name, limit + 1 - items.len()).await? {
            let quantity = Quantity::from_thousandths(value);
            items.push(MovementLine { store_id: key.group, sku: key.name, quantity });
        }
        if items.len() > limit {
            break;
        }
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more).map(|line| (&line.store_id, &line.sku));
    let next_cursor = last.and_then(|last| serde_json::to_string(&last).ok());
    let movements =
        if filter.cursor.is_none() { movements(&edge, filter.store.as_deref()).await? } else { Vec::new() };
    Ok(Json(Stock { items, movements, next_cursor }))
}

async fn movements(edge: &Edge, store: Option<&str>) -> Result<Vec<Movement>, Problem> {
    let scan = Scan::Listed {
        kind: Kind::Movement,
        newest_first: true,
        after: None,
        limit: MOVEMENTS_LOOKED_AT_MAX,
    };
    let mut shown = Vec::new();
    for (_, stored) in edge.shop.store.scan(&scan).await?.items {
        let movement: Movement = stored.document().map_err(Unavailable::from)?;
        if store.is_none_or(|store| movement.lines().iter().any(|line| line.store_id == store)) {
            shown.push(movement);
        }
        if shown.len() == MOVEMENTS_SHOWN_MAX {
            break;
        }
    }
    Ok(shown)
}

/// What was set.
#[derive(Debug, Serialize)]
pub struct Set {
    set: usize,
}

/// The longest list of balances that is read, in bytes.
const STOCK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// `PUT /admin/v1/stock`: balances become what was counted. CSV, or JSON.
pub async fn set(
    State(edge): State<Arc<Edge>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Set>, Problem> {
    let body = Limited::new(body, STOCK_BYTES_MAX).collect().await;
    let body = body.map_err(|_| {
        Problem::too_large(format!("at most {STOCK_BYTES_MAX} bytes at once; send the list in parts"))
    })?;
    let body = body.to_bytes();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let lines = if kind.starts_with("application/json") {
        serde_json::from_slice(&body)
            .map_err(|why| Problem::bad_request(format!("not a list of balances: {why}")))?
    } else if kind.starts_with("text/csv") {
        from_csv(&body).map_err(Problem::bad_request)?
    } else {
        return Err(Problem::bad_request("send the balances as text/csv or application/json"));
    };
    let lines: Vec<MovementLine> = lines;
    let count = lines.len();
    set_stock(&edge.shop, lines).await?;
    tracing::info!(lines = count, "stock balances were set");
    Ok(Json(Set { set: count }))
}

/// Reads `store_id,sku,quantity` with a header line. Semicolons and a byte order mark, which spreadsheets
/// write, are taken as well.
fn from_csv(bytes: &[u8]) -> Result<Vec<MovementLine>, String> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let first_line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let delimiter = if first_line.contains(&b';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(bytes);
    reader.deserialize().map(|row| row.map_err(|why| csv_trouble(&why))).collect()
}

fn csv_trouble(why: &csv::Error) -> String {
    let line = why.position().map_or(0, csv::Position::line);
    format!("line {line}: {why}. The first line must be: store_id,sku,quantity")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreadsheets_of_both_habits_are_read() {
        let line = MovementLine {
            store_id: "17".into(),
            sku: "123456".into(),
            quantity: Quantity::from_thousandths(10_500),
        };
        let plain = from_csv(b"store_id,sku,quantity\n17,123456,10.5\n");
        assert_eq!(plain, Ok(vec![line.clone()]));
        let excel = from_csv("\u{feff}store_id;sku;quantity\r\n17; 123456 ;10.500\r\n".as_bytes());
        assert_eq!(excel, Ok(vec![line]));
    }

    #[test]
    fn a_bad_line_is_named() {
        let why = from_csv(b"store_id,sku,quantity\n17,1,2\n17,2,ten\n").expect_err("not a number");
        assert!(why.contains("line 3") && why.contains("ten"), "{why}");
        let why = from_csv(b"shop,article\n17,1\n").expect_err("wrong header");
        assert!(why.contains("store_id,sku,quantity"), "{why}");
    }
}
