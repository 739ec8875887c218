//! Outlets from a table.

use std::collections::BTreeSet;

use tillgate_shop::outlets::{OUTLETS_MAX, Outlet, Outlets};

use super::{Row, counted};

/// The columns of the table.
pub const COLUMNS: [&str; 4] = ["id", "name", "address", "stock"];

/// Reads the outlets of a table.
///
/// # Errors
/// The line and the column that cannot be read, and why.
pub fn read(rows: &[Row]) -> Result<Outlets, String> {
    let (mut all, mut ids) = (Vec::new(), BTreeSet::new());
    for row in rows {
        let id: u32 = row.whole("id", 1, u32::MAX.into())?;
        if !ids.insert(id) {
            return Err(row.refused("id", "is that of another outlet"));
        }
        let text = |column| row.text(column).map(str::to_owned);
        let (name, address, stock) = (text("name")?, text("address")?, text("stock")?);
        all.push(Outlet { id, name, address, stock });
    }
    Ok(Outlets { all: counted(all, OUTLETS_MAX, "outlets")? })
}

#[cfg(test)]
mod tests {
    use super::super::{Table, read};

    #[test]
    fn outlets_are_read_from_a_table() {
        let text = "\u{feff}id,name,address,stock\n1,На Тверской,\"Москва, Тверская, 1\",17\n2 , b , c , d\n";
        let Ok(Table::Outlets(outlets)) = read(text.as_bytes()) else { panic!("no outlets") };
        let outlets = outlets.all;
        assert_eq!((outlets.len(), outlets[0].id, outlets[1].id), (2, 1, 2));
        assert_eq!(outlets[0].address, "Москва, Тверская, 1");
        assert_eq!(outlets[1].stock, "d");
    }

    #[test]
    fn a_wrong_table_is_refused_with_line_and_column() {
        for (text, why) in [
            ("", "the file has no outlets"),
            ("0,a,b,c\n", "line 2: id \"0\" is no whole number from 1 to 4294967295"),
            ("1,a,b,c\n1,a,b,c\n", "line 3: id is that of another outlet"),
            ("1,,b,c\n", "line 2: name is empty"),
            ("1,a,b,c\u{1}\n", "line 2: stock has control characters"),
        ] {
            let table = format!("id,name,address,stock\n{text}");
            assert_eq!(read(table.as_bytes()), Err(why.to_owned()), "{text:?}");
        }
    }
}
