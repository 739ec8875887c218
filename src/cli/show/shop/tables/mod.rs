//! The tables that `tillgate shop import` reads, as CSV. The columns say which
//! one it is.
//!
//! - [`row`]: a line of a table, by columns;
//! - [`outlets`]: the places with goods;
//! - [`delivery`]: points, zones and times of couriers;
//! - [`limits`]: where, when and how many of a product are sold.

pub mod delivery;
pub mod limits;
pub mod outlets;
mod row;

use tillgate_shop::delivery::part::Part;
use tillgate_shop::menu::limits::Limits;
use tillgate_shop::outlets::Outlets;

use self::row::{Row, rows};

/// What a table has.
#[derive(Debug, PartialEq)]
pub enum Table {
    Outlets(Outlets),
    Delivery(Part),
    Limits(Limits),
}

/// Reads a table.
///
/// # Errors
/// The line and the column that cannot be read, and why.
pub fn read(bytes: &[u8]) -> Result<Table, String> {
    let (header, rows) = rows(bytes)?;
    if header == outlets::COLUMNS {
        return outlets::read(&rows).map(Table::Outlets);
    }
    if header == delivery::POINT_COLUMNS {
        return delivery::points(&rows).map(Table::Delivery);
    }
    if header == delivery::ZONE_COLUMNS {
        return delivery::zones(&rows).map(Table::Delivery);
    }
    if header == delivery::TIME_COLUMNS {
        return delivery::times(&rows).map(Table::Delivery);
    }
    if header == limits::COLUMNS {
        return limits::read(&rows).map(Table::Limits);
    }
    Err(format!(
        "line 1: the columns must be {} (outlets), {} (pickup points), {} (zones), {} (times of \
         couriers) or {} (limits of products)",
        outlets::COLUMNS.join(","),
        delivery::POINT_COLUMNS.join(","),
        delivery::ZONE_COLUMNS.join(","),
        delivery::TIME_COLUMNS.join(","),
        limits::COLUMNS.join(",")
    ))
}

/// Fails unless a table has lines, and not too many.
fn counted<T>(all: Vec<T>, most: usize, plural: &str) -> Result<Vec<T>, String> {
    match all.len() {
        0 => Err(format!("the file has no {plural}")),
        count if count > most => Err(format!("the file has more than {most} {plural}")),
        _ => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_something_else_is_refused() {
        for text in ["", "id,name\n1,a\n"] {
            let why = read(text.as_bytes()).expect_err("no table");
            assert!(
                why.starts_with("line 1: the columns must be id,name,address,stock (outlets), ")
            );
        }
        assert!(read(b"id,name,address,stock\n1,a\n").is_err(), "a line with too few cells");
    }
}
