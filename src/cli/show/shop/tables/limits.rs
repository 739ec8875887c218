//! Limits of products from a table.

use std::collections::BTreeMap;

use tillgate_shop::delivery::slots::read_hour;
use tillgate_shop::menu::limits::{Hours, LIMITS_MAX, Limit, Limits, ORDER_MAX_MAX};

use super::Row;

/// The columns of the table.
pub const COLUMNS: [&str; 5] = ["article", "order_max", "stores", "begin", "end"];

/// Reads the limits of a table. One without lines removes all limits.
///
/// # Errors
/// The line and the column that cannot be read, and why.
pub fn read(rows: &[Row]) -> Result<Limits, String> {
    if rows.len() > LIMITS_MAX {
        return Err(format!("the file has more than {LIMITS_MAX} products"));
    }
    let mut all = BTreeMap::new();
    for row in rows {
        let article = row.text("article")?.to_owned();
        let order_max = match row.optional("order_max") {
            Some(_) => Some(row.whole("order_max", 1, ORDER_MAX_MAX)?),
            None => None,
        };
        let outlets = outlets(row)?;
        let hours = hours(row)?;
        if order_max.is_none() && outlets.is_empty() && hours.is_none() {
            return Err(row.refused("article", "has no limit: fill one of the other columns"));
        }
        if all.insert(article, Limit { order_max, outlets, hours }).is_some() {
            return Err(row.refused("article", "is there twice"));
        }
    }
    Ok(Limits { all })
}

fn outlets(row: &Row) -> Result<Vec<u32>, String> {
    let text = row.optional("stores").unwrap_or_default();
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let ids: Option<Vec<u32>> = parts.map(|part| part.parse().ok()).collect();
    ids.ok_or_else(|| row.refused("stores", &format!("{text:?} must be numbers of shops: 1; 2")))
}

fn hours(row: &Row) -> Result<Option<Hours>, String> {
    let at = |column: &str| {
        let text = row.text(column)?;
        read_hour(text)
            .ok_or_else(|| row.refused(column, &format!("{text:?} is no time such as 08:00")))
    };
    if row.optional("begin").is_none() && row.optional("end").is_none() {
        return Ok(None);
    }
    let hours = Hours { begin: at("begin")?, end: at("end")? };
    if hours.begin == hours.end {
        return Err(row.refused("end", "is the same as begin"));
    }
    Ok(Some(hours))
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::super::{Table, read};
    use super::*;

    fn limits(text: &str) -> Result<Limits, String> {
        match read(format!("article,order_max,stores,begin,end\n{text}").as_bytes())? {
            Table::Limits(limits) => Ok(limits),
            Table::Outlets(_) | Table::Delivery(_) => Err("something else".into()),
        }
    }

    #[test]
    fn limits_are_read_from_a_table() {
        let read = limits("wine,,,08:00,23:00\nmilk,6,1; 2,,\n").expect("limits");
        let hours = Hours { begin: time(8, 0, 0, 0), end: time(23, 0, 0, 0) };
        assert_eq!(read.all["wine"], Limit { hours: Some(hours), ..Limit::default() });
        let milk = Limit { order_max: Some(6), outlets: vec![1, 2], hours: None };
        assert_eq!(read.all["milk"], milk);
        assert_eq!(limits(""), Ok(Limits::default()));
    }

    #[test]
    fn a_wrong_table_is_refused_with_line_and_column() {
        for (text, why) in [
            (",1,,,\n", "line 2: article is empty"),
            ("a,0,,,\n", "line 2: order_max \"0\" is no whole number from 1 to 1000"),
            ("a,,x,,\n", "line 2: stores \"x\" must be numbers of shops: 1; 2"),
            ("a,,,08:00,\n", "line 2: end is empty"),
            ("a,,,8,9\n", "line 2: begin \"8\" is no time such as 08:00"),
            ("a,,,08:00,08:00\n", "line 2: end is the same as begin"),
            ("a,,,,\n", "line 2: article has no limit: fill one of the other columns"),
            ("a,1,,,\na,2,,,\n", "line 3: article is there twice"),
        ] {
            assert_eq!(limits(text), Err(why.to_owned()), "{text:?}");
        }
    }
}
