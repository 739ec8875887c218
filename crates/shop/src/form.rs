//! The fields of a request: read from JSON or from a form, with all faults of
//! them at once.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use tillgate_identity::{Unfit, password};
use tillgate_kernel::text::is_obeyed;
use tillgate_kernel::{Language, Secret, contact};

/// What is wrong with one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Missing,
    NotText,
    /// It has more characters than this.
    TooLong(usize),
    /// It has fewer characters than this.
    TooShort(usize),
    /// It has characters that act instead of being shown.
    HasControlCharacters,
    NotAnEmail,
    NotAPhone,
    /// It has characters that a username may not have.
    NotAUsername,
    /// It is another code than the one that was sent.
    NotTheCode,
    /// The request has no such field.
    Unknown,
    /// It occurs more than once.
    Repeated,
    Password(Unfit),
}

impl Fault {
    /// The fault in words, to be shown at its field.
    #[must_use]
    pub fn text(self, language: Language) -> String {
        let (ru, en) = match self {
            Fault::Missing => ("Заполните это поле".into(), "Fill in this field".into()),
            Fault::NotText => ("Нужна строка".into(), "It must be a string".into()),
            Fault::TooLong(most) => (
                format!("Не больше {most} символов"),
                format!("It may have at most {most} characters"),
            ),
            Fault::TooShort(least) => (
                format!("Не меньше {least} символов"),
                format!("It must have at least {least} characters"),
            ),
            Fault::HasControlCharacters => (
                "Уберите невидимые символы и переводы строк".into(),
                "Remove the invisible characters and line breaks".into(),
            ),
            Fault::NotAnEmail => (
                "Нужен адрес вида anna@example.org".into(),
                "It must be an address such as anna@example.org".into(),
            ),
            Fault::NotAPhone => (
                "Нужен номер с кодом страны, например +7 999 000-00-00".into(),
                "It must be a number with its country code, such as +7 999 000-00-00".into(),
            ),
            Fault::NotAUsername => (
                "Только буквы, цифры, точка, дефис и подчёркивание; первой стоит буква".into(),
                "Only letters, digits, dots, hyphens and underscores, with a letter first".into(),
            ),
            Fault::NotTheCode => (
                "Это другой код. Проверьте цифры".into(),
                "It is another code. Check the digits".into(),
            ),
            Fault::Unknown => {
                ("В этом запросе нет такого поля".into(), "This request has no such field".into())
            }
            Fault::Repeated => {
                ("Поле указано дважды".into(), "The field occurs more than once".into())
            }
            Fault::Password(why) => return unfit_text(why, language),
        };
        match language {
            Language::Ru => ru,
            Language::En => en,
        }
    }
}

fn unfit_text(why: Unfit, language: Language) -> String {
    let (least, most) = (password::CHARACTERS_MIN, password::CHARACTERS_MAX);
    match (why, language) {
        (Unfit::TooShort, _) => Fault::TooShort(least).text(language),
        (Unfit::TooLong, _) => Fault::TooLong(most).text(language),
        (Unfit::Guessable, Language::Ru) => {
            "Такой пароль легко подобрать. Хорошо подходят несколько случайных слов".into()
        }
        (Unfit::Guessable, Language::En) => {
            "This password is easily guessed. Several random words do well".into()
        }
        (Unfit::Own, Language::Ru) => "Уберите из пароля своё имя и адрес".into(),
        (Unfit::Own, Language::En) => "Leave your own name and address out of the password".into(),
    }
}

/// The fields of an object of JSON, in the order of their names. A name that
/// occurs twice is remembered.
#[derive(Debug, Default)]
struct Fields {
    values: BTreeMap<String, Value>,
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
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
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
#[derive(Debug)]
pub struct Form {
    values: BTreeMap<String, Value>,
    faults: Vec<(String, Fault)>,
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
        let faults = fields.repeated.into_iter().map(|name| (name, Fault::Repeated)).collect();
        Ok(Form { values: fields.values, faults })
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
        let faults = self.faults.len();
        let text = self.optional(name, characters_max);
        if text.is_none() && self.faults.len() == faults {
            return self.refuse(name, Fault::Missing);
        }
        text
    }

    /// A password, exactly as it was sent. Nobody has a longer one than is
    /// allowed, and to hash one takes long.
    pub fn password(&mut self, name: &str) -> Option<Secret> {
        let faults = self.faults.len();
        let password = self.optional_password(name);
        if password.is_none() && self.faults.len() == faults {
            return self.refuse(name, Fault::Missing);
        }
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
        self.faults.push((name.to_owned(), fault));
        None
    }

    /// All faults; fields that nobody has read are faults too.
    fn faults(self) -> Vec<(String, Fault)> {
        let unknown = self.values.into_keys().map(|name| (name, Fault::Unknown));
        self.faults.into_iter().chain(unknown).take(FAULTS_MAX).collect()
    }

    fn raw(&mut self, name: &str) -> Option<String> {
        match self.values.remove(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                self.refuse(name, Fault::NotText)
            }
        }
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
        let expected: Vec<_> = expected.map(|(name, fault)| (name.to_owned(), fault)).into();
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
