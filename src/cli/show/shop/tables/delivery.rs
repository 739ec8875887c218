//! How orders come to clients, from tables: points, zones, times of couriers.

use std::collections::BTreeSet;

use tillgate_kernel::Money;
use tillgate_shop::delivery::part::Part;
use tillgate_shop::delivery::plan::{
    Area, CourierTime, POINTS_MAX, Point, TIMES_MAX, ZONES_MAX, Zone,
};
use tillgate_shop::delivery::slots::{hour, read_hour};
use tillgate_shop::form::AMOUNT_KOPECKS_MAX;

use super::{Row, counted};

/// The columns of the tables.
pub const POINT_COLUMNS: [&str; 4] = ["id", "name", "address", "days"];
pub const ZONE_COLUMNS: [&str; 4] = ["company", "areas", "cost", "days"];
pub const TIME_COLUMNS: [&str; 5] = ["company", "weekdays", "begin", "end", "capacity"];

/// The longest list of areas, in characters.
const AREAS_CHARACTERS_MAX: usize = 20_000;

/// The longest name of a company, in characters.
const COMPANY_CHARACTERS_MAX: usize = 100;

/// The latest day of a delivery, counted from today.
const DAYS_MAX: u64 = 60;

/// The most orders that couriers bring at one time of a day.
const CAPACITY_MAX: u64 = 100_000;

/// Reads the points of a table.
///
/// # Errors
/// The line and the column that cannot be read, and why.
pub fn points(rows: &[Row]) -> Result<Part, String> {
    let (mut all, mut ids) = (Vec::new(), BTreeSet::new());
    for row in rows {
        let id: u32 = row.whole("id", 1, u32::MAX.into())?;
        if !ids.insert(id) {
            return Err(row.refused("id", "is that of another point"));
        }
        let text = |column| row.text(column).map(str::to_owned);
        let (name, address) = (text("name")?, text("address")?);
        all.push(Point { id, name, address, days: row.whole("days", 0, DAYS_MAX)? });
    }
    counted(all, POINTS_MAX, "points").map(Part::Points)
}

/// Reads the zones of a table.
///
/// # Errors
/// The line and the column that cannot be read, and why.
pub fn zones(rows: &[Row]) -> Result<Part, String> {
    let mut all = Vec::new();
    for row in rows {
        let company = row.text_up_to("company", COMPANY_CHARACTERS_MAX)?.to_owned();
        let areas = row.text_up_to("areas", AREAS_CHARACTERS_MAX)?.split(';').map(str::trim);
        let areas = areas.filter(|area| !area.is_empty());
        let areas = areas.map(|text| area(row, text)).collect::<Result<Vec<Area>, String>>()?;
        if areas.is_empty() {
            return Err(row.refused("areas", "names none"));
        }
        let text = row.text("cost")?;
        let cost = text
            .parse()
            .ok()
            .filter(|cost: &Money| (0..=AMOUNT_KOPECKS_MAX).contains(&cost.kopecks()));
        let cost = cost.ok_or_else(|| {
            row.refused("cost", &format!("{text:?} is no sum in roubles, such as 199.00"))
        })?;
        all.push(Zone { company, areas, cost, days: row.whole("days", 0, DAYS_MAX)? });
    }
    counted(all, ZONES_MAX, "zones").map(Part::Zones)
}

/// Postal codes, as `125009` or `101000-129999`, or the name of a town.
fn area(row: &Row, text: &str) -> Result<Area, String> {
    let code = |text: &str| {
        let text = text.trim();
        let is_code = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_code { text.parse::<u32>().ok() } else { None }
    };
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(Area::Place(text.to_owned()));
    }
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (code(from), code(to)) {
        (Some(from), Some(to)) if from <= to => Ok(Area::Codes(from, to)),
        (_, _) => Err(row.refused(
            "areas",
            &format!("has {text:?}: name postal codes as 125009 or 101000-129999, or towns"),
        )),
    }
}

/// Reads the times of a table.
///
/// # Errors
/// The line and the column that cannot be read, and why.
pub fn times(rows: &[Row]) -> Result<Part, String> {
    let (mut all, mut known) = (Vec::new(), BTreeSet::new());
    for row in rows {
        let company = row.text_up_to("company", COMPANY_CHARACTERS_MAX)?.to_owned();
        let text = row.text("weekdays")?;
        let weekday = |c: char| c.to_digit(10).filter(|day| (1..=7).contains(day));
        let weekdays: Option<BTreeSet<u32>> = text.chars().map(weekday).collect();
        let weekdays: Vec<u8> = weekdays
            .ok_or_else(|| {
                row.refused(
                    "weekdays",
                    &format!("{text:?} must be digits from 1, Monday, to 7: 12345"),
                )
            })?
            .into_iter()
            .filter_map(|day| u8::try_from(day).ok())
            .collect();
        let at = |column: &str| {
            let text = row.text(column)?;
            read_hour(text)
                .ok_or_else(|| row.refused(column, &format!("{text:?} is no time such as 13:00")))
        };
        let (begin, end) = (at("begin")?, at("end")?);
        if end <= begin {
            return Err(row.refused("end", "is not after begin"));
        }
        for day in &weekdays {
            if !known.insert((company.clone(), *day, begin, end)) {
                return Err(row.refused(
                    "begin",
                    &format!("{}-{} of {company} is there twice", hour(begin), hour(end)),
                ));
            }
        }
        let capacity = row.whole("capacity", 0, CAPACITY_MAX)?;
        all.push(CourierTime { company, weekdays, begin, end, capacity });
    }
    counted(all, TIMES_MAX, "times").map(Part::Times)
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::super::{Table, read};
    use super::*;

    fn part(text: &str) -> Result<Part, String> {
        match read(text.as_bytes())? {
            Table::Delivery(part) => Ok(part),
            Table::Outlets(_) | Table::Limits(_) => Err("something else".into()),
        }
    }

    #[test]
    fn points_zones_and_times_are_read_from_tables() {
        let point =
            Point {
                id: 120, name: "У метро".into(), address: "Москва, Мира, 1".into(), days: 2
            };
        let text = "id,name,address,days\n120,У метро,\"Москва, Мира, 1\",2\n";
        assert_eq!(part(text), Ok(Part::Points(vec![point])));
        let zone = Zone {
            company: "Курьеры".into(),
            areas: vec![
                Area::Codes(125_009, 125_009),
                Area::Codes(101_000, 109_999),
                Area::Place("Нижний Новгород".into()),
            ],
            cost: Money::from_kopecks(19_950),
            days: 0,
        };
        let text =
            "company,areas,cost,days\nКурьеры,125009; 101000-109999; Нижний Новгород,199.5,0\n";
        assert_eq!(part(text), Ok(Part::Zones(vec![zone])));
        let courier_time = CourierTime {
            company: "Курьеры".into(),
            weekdays: vec![1, 2, 7],
            begin: time(9, 0, 0, 0),
            end: time(11, 30, 0, 0),
            capacity: 3,
        };
        let text = "company,weekdays,begin,end,capacity\nКурьеры,217,09:00,11:30,3\n";
        assert_eq!(part(text), Ok(Part::Times(vec![courier_time])));
    }

    #[test]
    fn a_wrong_table_is_refused_with_line_and_column() {
        for (text, why) in [
            ("id,name,address,days\n", "the file has no points"),
            (
                "id,name,address,days\n1,a,b,61\n",
                "line 2: days \"61\" is no whole number from 0 to 60",
            ),
            ("id,name,address,days\n1,a,b,1\n1,a,b,1\n", "line 3: id is that of another point"),
            (
                "company,areas,cost,days\na,12500,1,1\n",
                "line 2: areas has \"12500\": name postal codes as 125009 or 101000-129999, or towns",
            ),
            ("company,areas,cost,days\na,;,1,1\n", "line 2: areas names none"),
            (
                "company,areas,cost,days\na,b,1.005,1\n",
                "line 2: cost \"1.005\" is no sum in roubles, such as 199.00",
            ),
            (
                "company,weekdays,begin,end,capacity\na,18,09:00,10:00,1\n",
                "line 2: weekdays \"18\" must be digits from 1, Monday, to 7: 12345",
            ),
            (
                "company,weekdays,begin,end,capacity\na,1,9,10:00,1\n",
                "line 2: begin \"9\" is no time such as 13:00",
            ),
            (
                "company,weekdays,begin,end,capacity\na,1,10:00,10:00,1\n",
                "line 2: end is not after begin",
            ),
            (
                "company,weekdays,begin,end,capacity\na,12,09:00,10:00,1\na,2,09:00,10:00,1\n",
                "line 3: begin 09:00-10:00 of a is there twice",
            ),
        ] {
            assert_eq!(part(text), Err(why.to_owned()), "{text:?}");
        }
    }
}
