//! Stock balances, and the movements that led to them.

use axum::Json;
use axum::body::Body;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};

use crate::flows::set_stock::set_stock;
use crate::http::AppState;
use crate::http::page::{PAGE_DEFAULT, PAGE_MAX};
use crate::http::problem::Problem;
use crate::http::request::ApiRequest;
use crate::kernel::json::tidy;
use crate::kernel::{DecimalError, Quantity};
use crate::orders::{Movement, MovementLine, listing};
use crate::store::{CounterKey, Scan, Unavailable};

/// A page of stock balances. The first page also has the latest movements.
#[derive(Debug, Serialize)]
pub struct Stock {
    items: Vec<MovementLine>,
    /// What open orders of marketplaces want of the article that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    promised: Vec<MovementLine>,
    movements: Vec<Movement>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    store: Option<String>,
    /// Only this article: where it is, and the latest movements of it.
    sku: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// The most movements that are shown, and how many of the latest ones are
/// searched for them.
const MOVEMENTS_SHOWN_MAX: usize = 20;
const MOVEMENTS_LOOKED_AT_MAX: usize = 500;

/// `GET /admin/v1/stock`
pub async fn list(
    app: ApiRequest,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Stock>, Problem> {
    let Query(filter) = query.map_err(|why| Problem::bad_request(why.body_text()))?;
    if let Some(sku) = &filter.sku {
        return of_article(&app, sku, filter.store.as_deref()).await.map(Json);
    }
    let limit = filter.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    // A cursor holds the store and the article of the last line of the previous
    // page.
    let after: Option<(String, String)> = match &filter.cursor {
        Some(cursor) => Some(
            serde_json::from_str(cursor)
                .map_err(|_| Problem::bad_parameter("cursor", crate::store::NotACursor))?,
        ),
        None => None,
    };
    let groups = match &filter.store {
        Some(store) => vec![store.clone()],
        None => app.services.store.counter_groups().await?,
    };
    let mut items = Vec::new();
    let of_goods = groups.into_iter().filter(|group| !CounterKey::is_internal(group));
    for group in of_goods {
        let after_name = match &after {
            Some((last_group, _)) if group < *last_group => continue,
            Some((last_group, last_name)) if group == *last_group => Some(last_name.as_str()),
            Some(_) | None => None,
        };
        for (key, value) in
            app.services.store.counters(&group, after_name, limit + 1 - items.len()).await?
        {
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
    let movements = if filter.cursor.is_none() {
        movements(&app, filter.store.as_deref(), None).await?
    } else {
        Vec::new()
    };
    Ok(Json(Stock { items, promised: Vec::new(), movements, next_cursor }))
}

/// Where an article is, and the latest movements of it.
async fn of_article(app: &AppState, sku: &str, store: Option<&str>) -> Result<Stock, Problem> {
    let stores = match store {
        Some(store) => vec![store.to_owned()],
        None => app.services.store.counter_groups().await?,
    };
    let stores: Vec<String> =
        stores.into_iter().filter(|store| !CounterKey::is_internal(store)).collect();
    let keys: Vec<CounterKey> = stores
        .iter()
        .flat_map(|store| [CounterKey::named(store, sku), CounterKey::promised(store, sku)])
        .collect();
    let balances = app.services.store.balances(&keys).await?;
    let (balances, _) = balances.as_chunks::<2>();
    let quantity = Quantity::from_thousandths;
    let mut items = Vec::new();
    let mut promised = Vec::new();
    for (store_id, [there, wanted]) in stores.into_iter().zip(balances) {
        let line = |thousandths: i64| MovementLine {
            store_id: store_id.clone(),
            sku: sku.to_owned(),
            quantity: quantity(thousandths),
        };
        items.extend((*there != 0 || *wanted != 0).then(|| line(*there)));
        promised.extend((*wanted != 0).then(|| line(*wanted)));
    }
    let movements = movements(app, store, Some(sku)).await?;
    Ok(Stock { items, promised, movements, next_cursor: None })
}

async fn movements(
    app: &AppState,
    store: Option<&str>,
    sku: Option<&str>,
) -> Result<Vec<Movement>, Problem> {
    let scan = Scan::Lists {
        lists: vec![listing::movements()],
        newest_first: true,
        after: None,
        limit: MOVEMENTS_LOOKED_AT_MAX,
    };
    let mut shown = Vec::new();
    for (_, stored) in app.services.store.scan(&scan).await?.items {
        let movement: Movement = stored.document().map_err(Unavailable::from)?;
        let is_about = |line: &MovementLine| {
            store.is_none_or(|store| line.store_id == store)
                && sku.is_none_or(|sku| line.sku == sku)
        };
        if movement.lines().iter().any(is_about) {
            shown.push(movement);
        }
        if shown.len() == MOVEMENTS_SHOWN_MAX {
            break;
        }
    }
    Ok(shown)
}

/// How many balances were set.
#[derive(Debug, Serialize)]
pub struct Set {
    set: usize,
}

/// The longest list of balances that is accepted, in bytes.
const STOCK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// `PUT /admin/v1/stock`: sets balances to counted quantities. Accepts CSV or
/// JSON.
pub async fn set(app: ApiRequest, headers: HeaderMap, body: Body) -> Result<Json<Set>, Problem> {
    let body = Limited::new(body, STOCK_BYTES_MAX).collect().await;
    let body = body.map_err(|_| {
        Problem::too_large(format!(
            "the list is longer than {STOCK_BYTES_MAX} bytes; send it in parts"
        ))
    })?;
    let body = body.to_bytes();
    let kind =
        headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let lines = if kind.starts_with("application/json") {
        serde_json::from_slice(&tidy(&body).text)
            .map_err(|why| Problem::bad_request(format!("not a list of balances: {why}")))?
    } else if kind.starts_with("text/csv") {
        from_csv(&body).map_err(Problem::bad_request)?
    } else {
        return Err(Problem::bad_request(
            "send the balances with Content-Type text/csv or application/json",
        ));
    };
    let lines: Vec<MovementLine> = lines;
    let count = lines.len();
    set_stock(&app.services, lines).await?;
    tracing::info!(lines = count, "stock balances were set");
    Ok(Json(Set { set: count }))
}

/// A line of a stock file.
#[derive(Debug, Deserialize)]
struct Row {
    store_id: String,
    sku: String,
    quantity: String,
}

/// Reads CSV with the columns `store_id,sku,quantity` and a header line. It
/// also accepts what spreadsheets write: a byte order mark, a first line
/// `sep=;`, semicolons or tabs between the columns, decimal commas with either
/// of them, empty rows, spaces between thousands, and any line ends.
fn from_csv(bytes: &[u8]) -> Result<Vec<MovementLine>, String> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let first_line = bytes.split(is_end).next().unwrap_or_default();
    let named = first_line.strip_prefix(b"sep=").and_then(|rest| rest.first()).copied();
    // The line of `sep=` is skipped, but counts as a line.
    let begin = if named.is_some() { first_line.len() } else { 0 };
    let first_row = bytes[begin..].split(is_end).find(|line| !line.is_empty()).unwrap_or_default();
    let delimiter =
        named.or_else(|| [b';', b'\t'].into_iter().find(|byte| first_row.contains(byte)));
    let delimiter = delimiter.unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(&bytes[begin..]);
    let place = |position: Option<&csv::Position>| {
        begin + usize::try_from(position.map_or(0, csv::Position::byte)).unwrap_or(usize::MAX)
    };
    let failed = |why: &csv::Error| trouble(bytes, place(why.position()), &reason(why));
    let headers = reader.headers().map_err(|why| failed(&why))?;
    let headers: csv::StringRecord = headers.iter().map(str::to_ascii_lowercase).collect();
    let mut missing =
        COLUMNS.iter().filter(|column| !headers.iter().any(|header| header == **column));
    if let Some(column) = missing.next() {
        return Err(trouble(bytes, begin, &format!("there is no column {column}")));
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|why| failed(&why))?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        let in_line = |why: String| trouble(bytes, place(record.position()), &why);
        // Columns without a name are allowed as long as they are empty.
        let has_surplus = record.iter().skip(headers.len()).any(|field| !field.is_empty());
        if record.len() < headers.len() || has_surplus {
            return Err(in_line(format!(
                "{} columns, but the first line has {}",
                record.len(),
                headers.len()
            )));
        }
        let Row { store_id, sku, quantity } =
            record.deserialize(Some(&headers)).map_err(|why| in_line(reason(&why)))?;
        let read = read_quantity(&quantity, delimiter != b',');
        let quantity = read.map_err(|why| in_line(format!("quantity {quantity:?} {why}")))?;
        lines.push(MovementLine { store_id, sku, quantity });
    }
    Ok(lines)
}

/// The required columns.
const COLUMNS: [&str; 3] = ["store_id", "sku", "quantity"];

fn read_quantity(text: &str, has_commas: bool) -> Result<Quantity, DecimalError> {
    let is_space = |sign: char| sign.is_whitespace() || sign == '\u{202f}' || sign == '\u{a0}';
    let plain: String = text.chars().filter(|sign| !is_space(*sign)).collect();
    Quantity::from_peer(&if has_commas { plain.replace(',', ".") } else { plain })
}

/// The reason of a csv error without its position, because csv counts lines
/// differently from people.
fn reason(why: &csv::Error) -> String {
    match why.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.kind().to_string(),
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8: save the file as CSV UTF-8".into(),
        csv::ErrorKind::Io(_)
        | csv::ErrorKind::UnequalLengths { .. }
        | csv::ErrorKind::Seek
        | csv::ErrorKind::Serialize(_)
        | _ => why.to_string(),
    }
}

fn trouble(bytes: &[u8], byte: usize, why: &str) -> String {
    let line = line_at(bytes, byte);
    format!("line {line}: {why}. The first line must be: {}", COLUMNS.join(","))
}

/// The number of the line of the row that begins at `byte`, or after the line
/// ends at that position.
fn line_at(bytes: &[u8], byte: usize) -> usize {
    let rest = bytes.get(byte..).unwrap_or_default();
    let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let before = &bytes[..(byte + ends).min(bytes.len())];
    let is_end = |place: usize| match before[place] {
        b'\n' => true,
        b'\r' => before.get(place + 1) != Some(&b'\n'),
        _ => false,
    };
    1 + (0..before.len()).filter(|place| is_end(*place)).count()
}

#[cfg(test)]
mod tests;
