//! Outlets from a CSV file: `id,name,address,stock`.

use std::collections::BTreeSet;

use tillgate_kernel::text::is_obeyed;
use tillgate_shop::outlets::{OUTLETS_MAX, Outlet, Outlets};

/// The columns of the file.
pub const COLUMNS: [&str; 4] = ["id", "name", "address", "stock"];

/// The longest text of a column, in characters.
const CHARACTERS_MAX: usize = 200;

/// Reads the outlets of a file.
///
/// # Errors
/// The line and the column that cannot be read, and why.
pub fn read(bytes: &[u8]) -> Result<Outlets, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|why| why.to_string())?.clone();
    let header: Vec<&str> = header.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
    if header != COLUMNS {
        return Err(format!("line 1: the columns must be {}", COLUMNS.join(",")));
    }
    let (mut all, mut ids) = (Vec::new(), BTreeSet::new());
    for record in reader.records() {
        let record = record.map_err(|why| why.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let text = |column: usize| -> Result<String, String> {
            let text = record.get(column).unwrap_or_default();
            let name = COLUMNS[column];
            match text.chars().count() {
                0 => Err(format!("line {line}: {name} is empty")),
                count if count > CHARACTERS_MAX => {
                    Err(format!("line {line}: {name} has more than {CHARACTERS_MAX} characters"))
                }
                _ if text.contains(is_obeyed) => {
                    Err(format!("line {line}: {name} has control characters"))
                }
                _ => Ok(text.to_owned()),
            }
        };
        let id = text(0)?;
        let id: u32 = id
            .parse()
            .ok()
            .filter(|id| *id > 0)
            .ok_or_else(|| format!("line {line}: id: {id:?} is no whole number from 1 on"))?;
        if !ids.insert(id) {
            return Err(format!("line {line}: another outlet has the id {id}"));
        }
        all.push(Outlet { id, name: text(1)?, address: text(2)?, stock: text(3)? });
    }
    match all.len() {
        0 => Err("the file has no outlets".into()),
        count if count > OUTLETS_MAX => {
            Err(format!("the file has more than {OUTLETS_MAX} outlets"))
        }
        _ => Ok(Outlets { all }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlets_are_read_from_a_table() {
        let text = "\u{feff}id,name,address,stock\n1,На Тверской,\"Москва, Тверская, 1\",17\n2 , b , c , d\n";
        let outlets = read(text.as_bytes()).expect("outlets").all;
        assert_eq!((outlets.len(), outlets[0].id, outlets[1].id), (2, 1, 2));
        assert_eq!(outlets[0].address, "Москва, Тверская, 1");
        assert_eq!(outlets[1].stock, "d");
    }

    #[test]
    fn a_wrong_table_is_refused_with_line_and_column() {
        for (text, why) in [
            ("", "line 1: the columns must be id,name,address,stock"),
            ("id,name\n1,a\n", "line 1: the columns must be id,name,address,stock"),
            ("id,name,address,stock\n", "the file has no outlets"),
            ("id,name,address,stock\n0,a,b,c\n", "line 2: id: \"0\" is no whole number from 1 on"),
            ("id,name,address,stock\n1,a,b,c\n1,a,b,c\n", "line 3: another outlet has the id 1"),
            ("id,name,address,stock\n1,,b,c\n", "line 2: name is empty"),
            ("id,name,address,stock\n1,a,b,c\u{1}\n", "line 2: stock has control characters"),
        ] {
            assert_eq!(read(text.as_bytes()).map(drop), Err(why.to_owned()), "{text:?}");
        }
        assert!(read(b"id,name,address,stock\n1,a\n").is_err());
    }
}
