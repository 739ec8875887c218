//! Tables for a terminal: columns that fit its width, without wrapped lines.

use std::io::IsTerminal;

use serde_json::Value;

use super::text_at;
use crate::cli::say;

/// The width of a terminal that does not say how wide it is, in columns.
const WIDTH_DEFAULT: usize = 80;

/// The least that a shortened column keeps, in columns.
const SHORTENED_MIN: usize = 8;

/// A column: its heading, and how an entry's cell is made.
pub struct Column {
    heading: &'static str,
    cell: fn(&Value, &str) -> String,
    path: &'static str,
    /// Its cells may be shortened to make the table fit.
    gives: bool,
    /// It is left out when all its cells are empty.
    may_go: bool,
    is_number: bool,
}

impl Column {
    /// The text at a path.
    pub const fn text(heading: &'static str, path: &'static str) -> Column {
        Column { heading, cell: text_at, path, gives: false, may_go: false, is_number: false }
    }

    /// The local time at a path, to the second.
    pub const fn time(heading: &'static str, path: &'static str) -> Column {
        Column { cell: super::local_time, ..Column::text(heading, path) }
    }

    /// A sum of money. The column is left out when no entry has one.
    pub const fn money(heading: &'static str, path: &'static str) -> Column {
        Column { is_number: true, may_go: true, ..Column::text(heading, path) }
    }

    /// Shortened with `…` where the table is wider than the terminal.
    pub const fn shortened(self) -> Column {
        Column { gives: true, ..self }
    }

    /// Left out when all its cells are empty.
    pub const fn optional(self) -> Column {
        Column { may_go: true, ..self }
    }
}

/// Prints entries as a table.
pub fn print(items: &[Value], columns: &[Column]) {
    lines(items, columns, width()).iter().for_each(say);
    if items.is_empty() {
        say("(none)");
    }
}

/// The width to fit, in columns. What is not a terminal gets everything.
fn width() -> Option<usize> {
    let stated = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    if stated.is_some() || !std::io::stdout().is_terminal() {
        return stated;
    }
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    Some(columns.unwrap_or(WIDTH_DEFAULT))
}

fn lines(items: &[Value], columns: &[Column], width: Option<usize>) -> Vec<String> {
    let cells = |column: &Column| -> Vec<String> {
        items.iter().map(|item| (column.cell)(item, column.path)).collect()
    };
    let mut table: Vec<(&Column, Vec<String>)> = columns
        .iter()
        .map(|column| (column, cells(column)))
        .filter(|(column, cells)| !column.may_go || cells.iter().any(|cell| cell != "-"))
        .collect();
    let wide = |column: &Column, cells: &[String]| {
        let longest = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        longest.max(column.heading.len())
    };
    let mut widths: Vec<usize> = table.iter().map(|(column, cells)| wide(column, cells)).collect();
    let gaps = 2 * widths.len().saturating_sub(1);
    if let Some(width) = width {
        let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
        // The last column gives first: it is the longest text of most tables.
        for (at, (column, _)) in table.iter().enumerate().rev().filter(|(_, (c, _))| c.gives) {
            let floor = SHORTENED_MIN.max(column.heading.len()).min(widths[at]);
            let given = over.min(widths[at] - floor);
            widths[at] -= given;
            over -= given;
        }
    }
    for ((_, cells), width) in table.iter_mut().zip(&widths) {
        cells.iter_mut().for_each(|cell| shorten(cell, *width));
    }
    let headings = table.iter().map(|(column, _)| (column.heading.to_uppercase(), column));
    let headings = row(headings
        .zip(&widths)
        .map(|((text, column), width)| padded(&text, *width, column.is_number)));
    let rows = (0..items.len()).map(|at| {
        row(table
            .iter()
            .zip(&widths)
            .map(|((column, cells), width)| padded(&cells[at], *width, column.is_number)))
    });
    std::iter::once(headings).chain(rows).collect()
}

fn row(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn padded(text: &str, width: usize, is_number: bool) -> String {
    if is_number { format!("{text:>width$}") } else { format!("{text:<width$}") }
}

fn shorten(text: &mut String, width: usize) {
    if let Some((at, _)) = text.char_indices().nth(width) {
        let before = text[..at].char_indices().last().map_or(0, |(start, _)| start);
        text.truncate(before);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn items() -> Vec<Value> {
        let item =
            |name: &str, sum: Option<&str>| json!({"n": "482993011752", "what": name, "sum": sum});
        vec![item("a very long description of what happened here", Some("5.00")), item("б", None)]
    }

    const COLUMNS: [Column; 4] = [
        Column::text("number", "n"),
        Column::text("what", "what").shortened(),
        Column::money("sum", "sum"),
        Column::money("held", "held"),
    ];

    #[test]
    fn a_table_fits_its_width() {
        let lines = lines(&items(), &COLUMNS, Some(40));
        assert_eq!(
            lines,
            [
                "NUMBER        WHAT                   SUM",
                "482993011752  a very long descrip…  5.00",
                "482993011752  б                        -",
            ]
        );
    }

    #[test]
    fn what_is_not_a_terminal_gets_everything() {
        let lines = lines(&items(), &COLUMNS, None);
        assert!(lines[1].contains("a very long description of what happened here  5.00"));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        for (width, cut) in [(2, "б…"), (3, "бю…"), (4, "бюро"), (9, "бюро")] {
            let mut text = "бюро".to_owned();
            shorten(&mut text, width);
            assert_eq!(text, cut);
        }
    }
}
