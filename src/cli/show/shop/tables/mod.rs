//! The tables that `tillgate shop import` reads, as CSV. The columns say which
//! one it is.
//!
//! - [`outlets`]: the places with goods;
//! - [`delivery`]: points, zones and times of couriers.

pub mod delivery;
pub mod outlets;

use tillgate_kernel::text::is_obeyed;
use tillgate_shop::delivery::part::Part;
use tillgate_shop::outlets::Outlets;

/// The longest text of a column, in characters.
const CHARACTERS_MAX: usize = 200;

/// What a table has.
#[derive(Debug, PartialEq)]
pub enum Table {
    Outlets(Outlets),
    Delivery(Part),
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
    Err(format!(
        "line 1: the columns must be {} (outlets), {} (pickup points), {} (zones) or {} (times of \
         couriers)",
        outlets::COLUMNS.join(","),
        delivery::POINT_COLUMNS.join(","),
        delivery::ZONE_COLUMNS.join(","),
        delivery::TIME_COLUMNS.join(",")
    ))
}

/// A line of a table.
#[derive(Debug)]
pub struct Row {
    line: u64,
    cells: Vec<(String, String)>,
}

impl Row {
    /// The text in a column.
    fn text(&self, column: &str) -> Result<&str, String> {
        self.text_up_to(column, CHARACTERS_MAX)
    }

    fn text_up_to(&self, column: &str, most: usize) -> Result<&str, String> {
        let cell = self.cells.iter().find(|(name, _)| name == column);
        let text = cell.map_or("", |(_, text)| text.as_str());
        match text.chars().count() {
            0 => Err(self.refused(column, "is empty")),
            count if count > most => {
                Err(self.refused(column, &format!("has more than {most} characters")))
            }
            _ if text.contains(is_obeyed) => Err(self.refused(column, "has control characters")),
            _ => Ok(text),
        }
    }

    /// The whole number in a column.
    fn whole<T: TryFrom<u64>>(&self, column: &str, least: u64, most: u64) -> Result<T, String> {
        let text = self.text(column)?;
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| {
            self.refused(column, &format!("{text:?} is no whole number from {least} to {most}"))
        })
    }

    /// Why a column cannot be read.
    fn refused(&self, column: &str, why: &str) -> String {
        format!("line {}: {column} {why}", self.line)
    }
}

fn rows(bytes: &[u8]) -> Result<(Vec<String>, Vec<Row>), String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|why| why.to_string())?;
    let header: Vec<String> =
        header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|why| why.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells = header.iter().cloned().zip(record.iter().map(str::to_owned)).collect();
        rows.push(Row { line, cells });
    }
    Ok((header, rows))
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
