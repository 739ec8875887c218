//! Validation of a request's fields: every fault of a request is reported at
//! once, each with a JSON Pointer to its field.
//!
//! Serde stops at the first fault. So a body is compared with the [`Shape`] of
//! its request first, which finds all of them.

use serde::Deserialize;
use serde_json::{Map, Value};
use tillgate_kernel::{Money, Quantity, Timestamp};

use crate::problem::{Fault, Problem};

/// The most faults that one answer reports.
pub const FAULTS_MAX: usize = 20;

/// A type of the fields of requests.
pub trait Expected: for<'de> Deserialize<'de> {
    /// What a value must be, for a sender of something else, such as `must be a
    /// string`.
    const EXPECTED: &'static str;
}

impl Expected for String {
    const EXPECTED: &'static str = "must be a string";
}

impl Expected for u32 {
    const EXPECTED: &'static str = "must be a whole number such as 1";
}

impl Expected for Money {
    const EXPECTED: &'static str = "must be a decimal string such as \"129.90\"";
}

impl Expected for Quantity {
    const EXPECTED: &'static str =
        "must be a decimal string such as \"2\" or \"0.350\", with at most three decimals";
}

impl Expected for Timestamp {
    const EXPECTED: &'static str =
        "must be a time with an offset such as \"2030-12-31T23:59:59+03:00\"";
}

/// What a value is checked for: `Some` says what it must be.
pub type Check = fn(&Value) -> Option<String>;

/// Checks the type of a value.
#[must_use]
pub fn is<T: Expected>(value: &Value) -> Option<String> {
    T::deserialize(value).is_err().then(|| T::EXPECTED.to_owned())
}

/// What a field of a request holds. Null means the same as absence.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    Required(Check),
    Optional(Check),
    /// An object with these fields, which may be absent.
    Object(Fields),
    /// A list of objects with these fields.
    List(Fields),
    RequiredList(Fields),
}

/// The fields of an object.
pub type Fields = &'static [(&'static str, Shape)];

/// The faults of one request.
#[derive(Debug, Default)]
#[must_use = "a request with faults must be refused"]
pub struct Faults {
    found: Vec<Fault>,
    count: usize,
}

impl Faults {
    pub fn new() -> Faults {
        Faults::default()
    }

    /// Adds a fault of the field that `pointer` leads to; an empty pointer is
    /// the whole body.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.count += 1;
        if self.found.len() < FAULTS_MAX {
            self.found.push(Fault { pointer: pointer.into(), detail: detail.into() });
        }
    }

    /// Adds the faults of a request's body.
    pub fn find(&mut self, body: &Value, fields: Fields) {
        if let Value::Object(body) = body {
            self.find_in_object("", body, fields);
        } else {
            self.add("", "must be a JSON object");
        }
    }

    fn find_in_object(&mut self, within: &str, object: &Map<String, Value>, fields: Fields) {
        for (name, shape) in fields {
            let pointer = format!("{within}/{name}");
            match (object.get(*name).filter(|value| !value.is_null()), shape) {
                (None, Shape::Required(check)) => {
                    let expected = check(&Value::Null).unwrap_or_default();
                    self.add(pointer, format!("is required: it {expected}"));
                }
                (None, Shape::RequiredList(_)) => {
                    self.add(pointer, "is required: it must be a list")
                }
                (None, Shape::Optional(_) | Shape::Object(_) | Shape::List(_)) => {}
                (Some(value), Shape::Required(check) | Shape::Optional(check)) => {
                    if let Some(expected) = check(value) {
                        self.add(pointer, expected);
                    }
                }
                (Some(Value::Object(inner)), Shape::Object(fields)) => {
                    self.find_in_object(&pointer, inner, fields);
                }
                (Some(_), Shape::Object(_)) => self.add(pointer, "must be an object"),
                (Some(list), Shape::List(fields) | Shape::RequiredList(fields)) => {
                    self.find_in_list(&pointer, list, fields);
                }
            }
        }
        for name in object.keys().filter(|name| fields.iter().all(|(known, _)| known != name)) {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            self.add(format!("{within}/{escaped}"), "is not a field of this request");
        }
    }

    fn find_in_list(&mut self, pointer: &str, list: &Value, fields: Fields) {
        // PHP writes a list with gaps as an object.
        let of_object = || list.as_object().map(|items| items.values().collect());
        let of_list = list.as_array().map(|items| items.iter().collect());
        let Some(items): Option<Vec<&Value>> = of_list.or_else(of_object) else {
            return self.add(pointer, "must be a list");
        };
        for (item, place) in items.into_iter().zip(0..) {
            let pointer = format!("{pointer}/{place}");
            if let Value::Object(item) = item {
                self.find_in_object(&pointer, item, fields);
            } else {
                self.add(pointer, "must be an object");
            }
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// `Err` with all faults, if there are any.
    pub fn check(&self) -> Result<(), Problem> {
        let Some(first) = self.found.first() else { return Ok(()) };
        let more = match self.count - 1 {
            0 => String::new(),
            1 => "; and one more fault, see errors".to_owned(),
            more => format!("; and {more} more faults, see errors"),
        };
        let problem = Problem::validation_failed(format!("{}{more}", first.in_line()));
        Err(problem.with_faults(self.found.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: Fields =
        &[("price", Shape::Required(is::<Money>)), ("name", Shape::Optional(is::<String>))];
    const BODY: Fields = &[("items", Shape::RequiredList(ITEM)), ("buyer", Shape::Object(ITEM))];

    fn faults_of(body: &str) -> Vec<(String, String)> {
        let mut faults = Faults::new();
        faults.find(&serde_json::from_str(body).expect("JSON"), BODY);
        faults.found.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
    }

    fn fault(pointer: &str, detail: &str) -> (String, String) {
        (pointer.to_owned(), detail.to_owned())
    }

    #[test]
    fn every_fault_is_found_at_once() {
        assert_eq!(
            faults_of(
                r#"{"items": [{"price": "1,5x", "name": 5}, 7, {"price": "1", "a/b": 1}], "buyer": []}"#
            ),
            [
                fault("/items/0/price", Money::EXPECTED),
                fault("/items/0/name", "must be a string"),
                fault("/items/1", "must be an object"),
                fault("/items/2/a~1b", "is not a field of this request"),
                fault("/buyer", "must be an object"),
            ]
        );
        assert_eq!(faults_of(r#"{"items": {"0": {"price": "1.50", "name": null}}}"#), []);
        let required = "is required: it must be a decimal string such as \"129.90\"";
        assert_eq!(
            faults_of(r#"{"items": null, "buyer": {}}"#),
            [fault("/items", "is required: it must be a list"), fault("/buyer/price", required)]
        );
        assert_eq!(faults_of("[]"), [fault("", "must be a JSON object")]);
    }

    #[test]
    fn the_first_fault_is_shown_in_one_line() {
        let mut faults = Faults::new();
        assert!(faults.check().is_ok());
        faults.add("/items/3/price", "must be 5");
        let detail = |faults: &Faults| {
            let problem = serde_json::to_value(faults.check().expect_err("a fault"));
            problem.expect("JSON")["detail"].as_str().expect("a text").to_owned()
        };
        assert_eq!(detail(&faults), "items[3].price: must be 5");
        for _ in 0..30 {
            faults.add("", "the body is wrong");
        }
        assert_eq!(detail(&faults), "items[3].price: must be 5; and 30 more faults, see errors");
        let problem = serde_json::to_value(faults.check().expect_err("faults")).expect("JSON");
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(FAULTS_MAX));
    }
}
