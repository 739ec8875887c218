//! What can be wrong with a field, in words.

use tillgate_identity::{Unfit, password};
use tillgate_kernel::{Language, Money};

use super::AMOUNT_KOPECKS_MAX;
use crate::order_id::ORDER_DIGITS;

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
    /// It is no number of roubles with at most two decimals.
    NotAnAmount,
    /// It is less than a kopeck, or more than anybody pays.
    AmountOutOfRange,
    /// It is no whole number between these two.
    NotWhole(u64, u64),
    /// It is none of these.
    NotAChoice(&'static [&'static str]),
    /// It has characters that an id may not have.
    NotAnId,
    /// It is no number of an order.
    NotAnOrder,
    /// It is no list, or one of its items is no object.
    NotObjects,
    /// It has no items, or more than this.
    WrongCount(usize),
    /// It is not what `next_cursor` said.
    NotACursor,
    NotATime,
    /// It is no day.
    NotADay,
    /// It is no time of a day.
    NotAnHour,
    /// It is less than zero, or more than anybody pays.
    CostOutOfRange,
    /// It is neither true nor false.
    NotASwitch,
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
            Fault::NotAnAmount => (
                "Нужна сумма в рублях числом, не больше двух знаков после точки: 199.90".into(),
                "It must be a sum in roubles, as a number with at most two decimals: 199.90".into(),
            ),
            Fault::AmountOutOfRange => {
                let most = Money::from_kopecks(AMOUNT_KOPECKS_MAX);
                (format!("Сумма от 0.01 до {most}"), format!("It must be from 0.01 to {most}"))
            }
            Fault::NotWhole(least, most) => (
                format!("Нужно целое число от {least} до {most}"),
                format!("It must be a whole number from {least} to {most}"),
            ),
            Fault::NotAChoice(all) => {
                let all = all.join(", ");
                (format!("Нужно одно из значений: {all}"), format!("It must be one of: {all}"))
            }
            Fault::NotAnId => (
                "Только латинские буквы, цифры, точка, дефис и подчёркивание".into(),
                "Only Latin letters, digits, dots, hyphens and underscores".into(),
            ),
            Fault::NotAnOrder => (
                format!("Нужен номер заказа: {ORDER_DIGITS} цифр строкой"),
                format!("It must be the number of an order: {ORDER_DIGITS} digits, as a string"),
            ),
            Fault::NotObjects => {
                ("Нужен список объектов".into(), "It must be a list of objects".into())
            }
            Fault::WrongCount(most) => (
                format!("В списке от 1 до {most} элементов"),
                format!("It must have from 1 to {most} items"),
            ),
            Fault::NotACursor => (
                "Передайте next_cursor прошлой страницы без изменений".into(),
                "It must be next_cursor of the previous page, unchanged".into(),
            ),
            Fault::NotASwitch => ("Нужно true или false".into(), "It must be true or false".into()),
            Fault::NotATime => (
                "Нужно время вида 2026-11-30T10:00:00Z".into(),
                "It must be a time such as 2026-11-30T10:00:00Z".into(),
            ),
            Fault::NotADay => {
                ("Нужен день вида 29.11.2026".into(), "It must be a day such as 29.11.2026".into())
            }
            Fault::NotAnHour => {
                ("Нужно время вида 13:00".into(), "It must be a time such as 13:00".into())
            }
            Fault::CostOutOfRange => {
                let most = Money::from_kopecks(AMOUNT_KOPECKS_MAX);
                (format!("Сумма от 0 до {most}"), format!("It must be from 0 to {most}"))
            }
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
