//! Lines of a table.

use tillgate_kernel::text::is_obeyed;

/// The longest text of a column, in characters.
const CHARACTERS_MAX: usize = 200;

/// A line of a table.
#[derive(Debug)]
pub struct Row {
    line: u64,
    cells: Vec<(String, String)>,
}

impl Row {
    /// The text in a column that may be empty.
    pub fn optional(&self, column: &str) -> Option<&str> {
        let cell = self.cells.iter().find(|(name, _)| name == column);
        cell.map(|(_, text)| text.as_str()).filter(|text| !text.is_empty())
    }

    /// The text in a column.
    pub fn text(&self, column: &str) -> Result<&str, String> {
        self.text_up_to(column, CHARACTERS_MAX)
    }

    pub fn text_up_to(&self, column: &str, most: usize) -> Result<&str, String> {
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
    pub fn whole<T: TryFrom<u64>>(&self, column: &str, least: u64, most: u64) -> Result<T, String> {
        let text = self.text(column)?;
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| {
            self.refused(column, &format!("{text:?} is no whole number from {least} to {most}"))
        })
    }

    /// Why a column cannot be read.
    pub fn refused(&self, column: &str, why: &str) -> String {
        format!("line {}: {column} {why}", self.line)
    }
}

/// The columns of a table, and its lines.
///
/// # Errors
/// Where it is no CSV.
pub fn rows(bytes: &[u8]) -> Result<(Vec<String>, Vec<Row>), String> {
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
