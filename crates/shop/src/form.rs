//! The fields of a request: read from JSON or from a form, with all faults of
//! them at once.

mod fault;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tillgate_identity::password;
use tillgate_kernel::decimal::DecimalError;
use tillgate_kernel::text::is_obeyed;
use tillgate_kernel::{Money, Secret, contact};

pub use self::fault::Fault;
use crate::order_id::OrderId;

/// The fields of an object of JSON, in the order of their names. A name that
/// occurs twice is remembered.
#[derive(Debug, Default)]
struct Fields {
    values: BTreeMap<String, Box<RawValue>>,
    repeated: Vec<String>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if fields.values.insert(name.clone(), value).is_some() {
                        fields.repeated.push(name);
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The fields of a request that have not been read yet, and the faults so far.
#[derive(Debug, Default)]
pub struct Form {
    values: BTreeMap<String, Box<RawValue>>,
    faults: Vec<(String, Fault)>,
    /// Where the object is in the request, as a JSON pointer.
    place: String,
}

/// Why a body has no fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAForm {
    /// It is not JSON: where and why, in the words of the JSON reader.
    NotJson(String),
    NotAnObject,
}

impl Form {
    /// Reads the fields of a JSON object.
    ///
    /// # Errors
    /// When the text is not JSON, or not an object.
    pub fn of_json(body: &[u8]) -> Result<Form, NotAForm> {
        let fields: Fields = serde_json::from_slice(body).map_err(|why| match why.classify() {
            serde_json::error::Category::Data => NotAForm::NotAnObject,
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => NotAForm::NotJson(why.to_string()),
        })?;
        Ok(Form::of(fields, String::new()))
    }

    fn of(fields: Fields, place: String) -> Form {
        let mut form = Form { values: fields.values, faults: Vec::new(), place };
        for name in fields.repeated {
            let _: Option<()> = form.refuse(&name, Fault::Repeated);
        }
        form
    }

    /// The text of a field, trimmed. An absent field, null and an empty text
    /// are the same. `None` too if it has a fault.
    pub fn optional(&mut self, name: &str, characters_max: usize) -> Option<String> {
        let text = self.raw(name)?;
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return None;
        }
        if trimmed.chars().count() > characters_max {
            return self.refuse(name, Fault::TooLong(characters_max));
        }
        if trimmed.contains(is_obeyed) {
            return self.refuse(name, Fault::HasControlCharacters);
        }
        Some(trimmed.to_owned())
    }

    /// The new value of a field: `None` if the request does not have the field,
    /// `Some(None)` if it empties it.
    pub fn replaced(&mut self, name: &str, characters_max: usize) -> Option<Option<String>> {
        self.values.contains_key(name).then(|| self.optional(name, characters_max))
    }

    /// The same for a field that must be there.
    pub fn required(&mut self, name: &str, characters_max: usize) -> Option<String> {
        let text = self.optional(name, characters_max);
        self.need(name, text.is_some());
        text
    }

    /// A password, exactly as it was sent. Nobody has a longer one than is
    /// allowed, and to hash one takes long.
    pub fn password(&mut self, name: &str) -> Option<Secret> {
        let password = self.optional_password(name);
        self.need(name, password.is_some());
        password
    }

    /// An e-mail address that must be there.
    pub fn email(&mut self, name: &str) -> Option<String> {
        let text = self.required(name, EMAIL_CHARACTERS_MAX)?;
        deliverable(&text).or_else(|| self.refuse(name, Fault::NotAnEmail))
    }

    /// An e-mail address, if there is one.
    pub fn optional_email(&mut self, name: &str) -> Option<String> {
        let text = self.optional(name, EMAIL_CHARACTERS_MAX)?;
        deliverable(&text).or_else(|| self.refuse(name, Fault::NotAnEmail))
    }

    /// The new value of a telephone number, as [`Form::replaced`].
    pub fn replaced_phone(&mut self, name: &str) -> Option<Option<String>> {
        self.values.contains_key(name).then(|| self.phone(name))
    }

    /// A password, if there is one.
    pub fn optional_password(&mut self, name: &str) -> Option<Secret> {
        let text = self.raw(name).filter(|text| !text.is_empty())?;
        if text.chars().count() > password::CHARACTERS_MAX {
            return self.refuse(name, Fault::TooLong(password::CHARACTERS_MAX));
        }
        Some(Secret::new(text))
    }

    /// A telephone number, if there is one.
    pub fn phone(&mut self, name: &str) -> Option<String> {
        let text = self.optional(name, PHONE_CHARACTERS_MAX)?;
        contact::phone(&text).or_else(|| self.refuse(name, Fault::NotAPhone))
    }

    /// A sum of money that must be there: a number of roubles, read by its
    /// digits.
    pub fn amount(&mut self, name: &str) -> Option<Money> {
        let amount = self.optional_amount(name);
        self.need(name, amount.is_some());
        amount
    }

    /// A sum of money, if there is one.
    pub fn optional_amount(&mut self, name: &str) -> Option<Money> {
        self.sum(name, 1, Fault::AmountOutOfRange)
    }

    /// A sum of money that must be there and may be zero.
    pub fn cost(&mut self, name: &str) -> Option<Money> {
        let cost = self.sum(name, 0, Fault::CostOutOfRange);
        self.need(name, cost.is_some());
        cost
    }

    fn sum(&mut self, name: &str, least: i64, out_of_range: Fault) -> Option<Money> {
        let raw = self.present(name)?;
        match raw.get().parse::<Money>() {
            Ok(sum) if (least..=AMOUNT_KOPECKS_MAX).contains(&sum.kopecks()) => Some(sum),
            Ok(_) | Err(DecimalError::TooLarge) => self.refuse(name, out_of_range),
            Err(
                DecimalError::NotDecimal
                | DecimalError::TooPrecise(_)
                | DecimalError::ExponentTooLarge(_),
            ) => self.refuse(name, Fault::NotAnAmount),
        }
    }

    /// A whole number, if there is one.
    pub fn optional_whole(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        let raw = self.present(name)?;
        let number = raw.get().parse().ok().filter(|number| (least..=most).contains(number));
        number.or_else(|| self.refuse(name, Fault::NotWhole(least, most)))
    }

    /// True or false, which must be there.
    pub fn switch(&mut self, name: &str) -> Option<bool> {
        let Some(raw) = self.present(name) else { return self.refuse(name, Fault::Missing) };
        serde_json::from_str(raw.get()).ok().or_else(|| self.refuse(name, Fault::NotASwitch))
    }

    /// One of some words, which must be there.
    pub fn choice(&mut self, name: &str, all: &'static [&'static str]) -> Option<&'static str> {
        let text = self.required(name, usize::MAX)?;
        let known = all.iter().find(|word| **word == text).copied();
        known.or_else(|| self.refuse(name, Fault::NotAChoice(all)))
    }

    /// An id that another service has chosen.
    pub fn optional_id(&mut self, name: &str, characters_max: usize) -> Option<String> {
        let text = self.optional(name, characters_max)?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if text.chars().all(is_part) { Some(text) } else { self.refuse(name, Fault::NotAnId) }
    }

    /// The number of an order.
    pub fn optional_order(&mut self, name: &str) -> Option<OrderId> {
        let text = self.optional(name, usize::MAX)?;
        OrderId::parse(&text).or_else(|| self.refuse(name, Fault::NotAnOrder))
    }

    /// Whether the request has a field.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A list of objects that must be there: `read` reads each.
    pub fn objects<T>(
        &mut self,
        name: &str,
        count_max: usize,
        read: impl Fn(&mut Form) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(raw) = self.present(name) else { return self.refuse(name, Fault::Missing) };
        let Ok(items) = serde_json::from_str::<Vec<Fields>>(raw.get()) else {
            return self.refuse(name, Fault::NotObjects);
        };
        if items.is_empty() || items.len() > count_max {
            return self.refuse(name, Fault::WrongCount(count_max));
        }
        let place = self.pointer(name);
        let each = items.into_iter().enumerate();
        each.map(|(number, fields)| self.inner(fields, format!("{place}/{number}"), &read))
            .collect()
    }

    /// An object, if there is one.
    pub fn optional_object<T>(
        &mut self,
        name: &str,
        read: impl Fn(&mut Form) -> Option<T>,
    ) -> Option<T> {
        let raw = self.present(name)?;
        match serde_json::from_str(raw.get()) {
            Ok(fields) => self.inner(fields, self.pointer(name), &read),
            Err(_) => self.refuse(name, Fault::NotObjects),
        }
    }

    fn inner<T>(
        &mut self,
        fields: Fields,
        place: String,
        read: &impl Fn(&mut Form) -> Option<T>,
    ) -> Option<T> {
        let mut inner = Form::of(fields, place);
        let value = read(&mut inner);
        let faults = inner.faults();
        let is_whole = faults.is_empty();
        self.faults.extend(faults);
        value.filter(|_| is_whole)
    }

    /// What was read, unless the request has a fault.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn whole<T>(self, read: Option<T>) -> Result<T, Vec<(String, Fault)>> {
        let faults = self.faults();
        read.filter(|_| faults.is_empty()).ok_or(faults)
    }

    /// Adds a fault.
    pub fn refuse<T>(&mut self, name: &str, fault: Fault) -> Option<T> {
        let place = self.pointer(name);
        self.faults.push((place, fault));
        None
    }

    /// Adds a fault if a field that must be there is not, unless it was found
    /// to be wrong.
    pub fn need(&mut self, name: &str, is_there: bool) {
        let place = self.pointer(name);
        let is_within = |known: &str| {
            known.strip_prefix(&place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !is_there && !self.faults.iter().any(|(known, _)| is_within(known)) {
            self.faults.push((place, Fault::Missing));
        }
    }

    /// Where a field is in the request.
    fn pointer(&self, name: &str) -> String {
        format!("{}/{}", self.place, name.replace('~', "~0").replace('/', "~1"))
    }

    /// All faults; fields that nobody has read are faults too.
    fn faults(self) -> Vec<(String, Fault)> {
        let unknown: Vec<_> =
            self.values.keys().map(|name| (self.pointer(name), Fault::Unknown)).collect();
        self.faults.into_iter().chain(unknown).take(FAULTS_MAX).collect()
    }

    /// The value of a field, unless it is absent or null.
    fn present(&mut self, name: &str) -> Option<Box<RawValue>> {
        self.values.remove(name).filter(|raw| raw.get() != "null")
    }

    fn raw(&mut self, name: &str) -> Option<String> {
        let raw = self.present(name)?;
        serde_json::from_str(raw.get()).ok().or_else(|| self.refuse(name, Fault::NotText))
    }
}

/// An address that letters can be sent to: the name before the `@` has at most
/// 64 bytes, and single dots between other characters (RFC 5321).
fn deliverable(text: &str) -> Option<String> {
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || SIGNS.contains(c))
    };
    contact::email(text).filter(|email| {
        email.split_once('@').is_some_and(|(name, host)| {
            let is_host = |part: &str| {
                part.chars().all(|c| c.is_alphanumeric() || c == '-')
                    && !part.starts_with('-')
                    && !part.ends_with('-')
            };
            name.len() <= NAME_BYTES_MAX
                && name.split('.').all(is_part)
                && host.split('.').all(is_host)
        })
    })
}

/// The signs that the name of an address may have without quotes.
const SIGNS: &str = "!#$%&'*+/=?^_`{|}~-";

/// The longest name before the `@`, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The longest body of a request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The most faults that one answer reports.
const FAULTS_MAX: usize = 20;

/// The largest sum of one request, in kopecks: a hundred million roubles.
pub const AMOUNT_KOPECKS_MAX: i64 = 10_000_000_000;

pub const EMAIL_CHARACTERS_MAX: usize = 254;
pub const PHONE_CHARACTERS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_of_a_request_are_reported_at_once() {
        let body = r#"{"name": "Анна\u0007", "email": "anna", "phone": 7, "city": "Тверь",
            "city": "Клин", "note": null, "long": "абвгд", "password": "  p "}"#;
        let mut form = Form::of_json(body.as_bytes()).expect("an object");
        assert_eq!(form.required("name", 10), None);
        assert_eq!(form.email("email"), None);
        assert_eq!(form.phone("phone"), None);
        assert_eq!(form.optional("note", 10), None);
        assert_eq!(form.required("absent", 10), None);
        assert_eq!(form.optional("long", 4), None);
        assert_eq!(form.password("password"), Some(Secret::new("  p ")));
        let expected = [
            ("city", Fault::Repeated),
            ("name", Fault::HasControlCharacters),
            ("email", Fault::NotAnEmail),
            ("phone", Fault::NotText),
            ("absent", Fault::Missing),
            ("long", Fault::TooLong(4)),
            ("city", Fault::Unknown),
        ];
        let expected: Vec<_> = expected.map(|(name, fault)| (format!("/{name}"), fault)).into();
        assert_eq!(form.faults(), expected);
    }

    #[test]
    fn a_sum_is_read_by_its_digits() {
        let amount = |text: &str| {
            let mut form = Form::of_json(format!("{{\"sum\":{text}}}").as_bytes()).expect("JSON");
            let amount = form.amount("sum");
            form.whole(amount).map(Money::kopecks).map_err(|faults| faults[0].1)
        };
        for (text, kopecks) in
            [("10", 1000), ("0.29", 29), ("1.5", 150), ("100000000.00", 10_000_000_000)]
        {
            assert_eq!(amount(text), Ok(kopecks), "{text}");
        }
        for (text, fault) in [
            ("0", Fault::AmountOutOfRange),
            ("-1", Fault::AmountOutOfRange),
            ("100000000.01", Fault::AmountOutOfRange),
            ("99999999999999999999999", Fault::AmountOutOfRange),
            ("1.005", Fault::NotAnAmount),
            ("1e2", Fault::NotAnAmount),
            ("\"10.00\"", Fault::NotAnAmount),
            ("[10]", Fault::NotAnAmount),
            ("null", Fault::Missing),
        ] {
            assert_eq!(amount(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn a_fault_within_a_list_says_where_it_is() {
        let body = br#"{"cards":[{"id":1},{"id":"x","a/b":2}],"none":[],"list":7}"#;
        let mut form = Form::of_json(body).expect("an object");
        let read = |form: &mut Form| form.optional_whole("id", 1, 9);
        assert_eq!(form.objects("cards", 9, read), None);
        assert_eq!(form.objects("none", 9, read), None);
        assert_eq!(form.objects("list", 9, read), None);
        let expected = [
            ("/cards/1/id", Fault::NotWhole(1, 9)),
            ("/cards/1/a~1b", Fault::Unknown),
            ("/none", Fault::WrongCount(9)),
            ("/list", Fault::NotObjects),
        ];
        let expected: Vec<_> = expected.map(|(place, fault)| (place.to_owned(), fault)).into();
        assert_eq!(form.faults(), expected);
    }

    #[test]
    fn an_address_that_no_letter_reaches_is_refused() {
        for good in ["anna@example.org", "a.b+c@example.org", "Анна@почта.рф", "o'neil@a-b.example"]
        {
            assert!(deliverable(good).is_some(), "{good}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        let wrong = ["a..b@example.org", ".a@example.org", "a.@example.org", "a\"b@example.org"];
        for wrong in wrong.iter().chain(&["a@-example.org", "a@ex_ample.org", long.as_str()]) {
            assert!(deliverable(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        assert!(matches!(Form::of_json(b"{\"a\":"), Err(NotAForm::NotJson(_))));
        assert!(matches!(Form::of_json(b"\xff\xfe"), Err(NotAForm::NotJson(_))));
        for body in ["[]", "null", "\"text\"", "7"] {
            assert_eq!(Form::of_json(body.as_bytes()).err(), Some(NotAForm::NotAnObject), "{body}");
        }
    }
}
