//! A letter in words: as text and as HTML.

use askama::Template;
use tillgate_kernel::{Language, Money, Private};

use super::words::{Topic, Words, words};
use crate::formats::agreement::{Reason, ShortItem};
use crate::formats::{Letter, TokenType};
use crate::order_id::OrderId;

/// Whose letters they are.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The shop's name.
    pub name: String,
    /// The address of the shop's pages.
    pub public_url: String,
}

/// A letter in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Worded {
    pub subject: String,
    pub text: String,
    pub html: String,
}

#[derive(Template)]
#[template(path = "letter.html")]
struct Html<'a> {
    lang: &'static str,
    shop: &'a str,
    words: &'static Words,
    facts: &'a [String],
    url: &'a str,
}

#[derive(Template)]
#[template(path = "letter.txt")]
struct Text<'a> {
    shop: &'a str,
    words: &'static Words,
    facts: &'a [String],
    url: &'a str,
}

impl Sender {
    /// Words a letter. `None` for a short message.
    ///
    /// # Errors
    /// When a template cannot be rendered.
    pub fn word(
        &self,
        letter: &Letter,
        language: Language,
    ) -> Result<Option<Worded>, askama::Error> {
        let (topic, path) = match letter {
            Letter::Verify { token } => (Topic::Verify, path("verify", token)),
            Letter::Reset { token } => (Topic::Reset, path("reset", token)),
            Letter::AddressTaken => (Topic::AddressTaken, "/reset".into()),
            Letter::AddressChanged => (Topic::AddressChanged, "/account".into()),
            Letter::WalletFilled => (Topic::WalletFilled, "/account/wallet".into()),
            Letter::OrderAgreed { order, .. } => (Topic::OrderAgreed, order_page(*order)),
            Letter::OrderFailed { order, .. } => (Topic::OrderFailed, order_page(*order)),
            Letter::Paid { order, .. } => (Topic::Paid, order_page(*order)),
            Letter::NotPaid { order, .. } => (Topic::NotPaid, order_page(*order)),
            Letter::MoneyBack { order, .. } => (Topic::MoneyBack, order_page(*order)),
            Letter::PhoneCode { .. } => return Ok(None),
        };
        let (words, facts) = (words(topic, language), &facts(letter, language));
        let url = &format!("{}{path}", self.public_url);
        let subject = match self.name.as_str() {
            "" => words.subject.to_owned(),
            name => format!("{name}: {}", words.subject),
        };
        Ok(Some(Worded {
            subject,
            text: Text { shop: &self.name, words, facts, url }.render()?,
            html: Html { lang: language.code(), shop: &self.name, words, facts, url }.render()?,
        }))
    }

    /// The text of a short message. `None` for a letter.
    #[must_use]
    pub fn short(&self, letter: &Letter, language: Language) -> Option<String> {
        let Letter::PhoneCode { code } = letter else { return None };
        let (code, name) = (code.expose(), self.name.as_str());
        let text = match language {
            Language::Ru => format!("Код подтверждения: {code}. Никому его не сообщайте"),
            Language::En => format!("Your code: {code}. Do not give it to anybody"),
        };
        Some(if name.is_empty() { text } else { format!("{name}. {text}") })
    }
}

fn order_page(order: OrderId) -> String {
    format!("/orders/{order}")
}

/// What a letter says beyond its words.
fn facts(letter: &Letter, language: Language) -> Vec<String> {
    let is_russian = language == Language::Ru;
    let number = |order: &OrderId| {
        if is_russian { format!("Заказ № {order}") } else { format!("Order no. {order}") }
    };
    let sum = |amount: &Money| {
        let shown = amount.shown(language);
        if is_russian { format!("Сумма: {shown}") } else { format!("Sum: {shown}") }
    };
    let why = |reason: Option<Reason>| reason.map(|reason| format!("{}.", reason.text(language)));
    match letter {
        Letter::OrderAgreed { order, total } => vec![number(order), sum(total)],
        Letter::OrderFailed { order, reason, lines } => {
            let short = lines.iter().map(|line| {
                let ShortItem { product_name, wanted, available, .. } = line;
                if is_russian {
                    format!("{product_name}: осталось {available} из {wanted}")
                } else {
                    format!("{product_name}: {available} of {wanted} are left")
                }
            });
            [number(order)].into_iter().chain(why(*reason)).chain(short).collect()
        }
        Letter::Paid { order, amount, token_type }
        | Letter::MoneyBack { order, amount, token_type } => {
            vec![number(order), sum(amount), means(*token_type, language).to_owned()]
        }
        Letter::NotPaid { order, amount, reason } => {
            [number(order), sum(amount)].into_iter().chain(why(*reason)).collect()
        }
        Letter::Verify { .. }
        | Letter::Reset { .. }
        | Letter::AddressTaken
        | Letter::AddressChanged
        | Letter::WalletFilled
        | Letter::PhoneCode { .. } => Vec::new(),
    }
}

const fn means(token_type: TokenType, language: Language) -> &'static str {
    let (ru, en) = match token_type {
        TokenType::BankCard => ("Банковская карта", "Bank card"),
        TokenType::QrPay => ("Система быстрых платежей", "Faster payments system (SBP)"),
        TokenType::GiftCard => ("Подарочная карта", "Gift card"),
        TokenType::Wallet => ("Кошелёк", "Wallet"),
    };
    match language {
        Language::Ru => ru,
        Language::En => en,
    }
}

fn path(page: &str, token: &Private) -> String {
    format!("/{page}/{}", token.expose())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product_id::ProductId;

    #[test]
    fn a_short_message_has_its_code_and_fits() {
        let sender =
            Sender { name: "Лавка".into(), public_url: "https://shop.example".into() };
        let letter = Letter::PhoneCode { code: Private::new("012345") };
        for language in [Language::Ru, Language::En] {
            let text = sender.short(&letter, language).expect("a text");
            // A message with Cyrillic letters has 70 characters.
            assert!(text.contains("012345") && text.chars().count() <= 70, "{text}");
        }
        assert_eq!(sender.short(&Letter::AddressTaken, Language::Ru), None);
    }

    #[test]
    fn a_letter_has_its_link_and_nothing_unescaped() {
        let name = "Лавка <у & моста>".to_owned();
        let sender = Sender { name, public_url: "https://shop.example".into() };
        let token = || Private::new("TOKEN-1");
        let order = OrderId::parse("482993011752").expect("a number");
        let page = "https://shop.example/orders/482993011752";
        let total = Money::from_kopecks(155_880);
        let short = vec![ShortItem {
            product_id: ProductId::of_article("4031"),
            product_name: "Milk <1 l>".into(),
            wanted: 3,
            available: 1,
        }];
        let letters = [
            (Letter::Verify { token: token() }, "https://shop.example/verify/TOKEN-1"),
            (Letter::Reset { token: token() }, "https://shop.example/reset/TOKEN-1"),
            (Letter::AddressTaken, "https://shop.example/reset"),
            (Letter::AddressChanged, "https://shop.example/account"),
            (Letter::WalletFilled, "https://shop.example/account/wallet"),
            (Letter::OrderAgreed { order, total }, page),
            (Letter::OrderFailed { order, reason: Some(Reason::NoAnswer), lines: short }, page),
            (Letter::Paid { order, amount: total, token_type: TokenType::Wallet }, page),
            (Letter::NotPaid { order, amount: total, reason: Some(Reason::NotPaid) }, page),
            (Letter::MoneyBack { order, amount: total, token_type: TokenType::QrPay }, page),
        ];
        for (letter, url) in letters {
            for language in [Language::Ru, Language::En] {
                let worded =
                    sender.word(&letter, language).expect("it is worded").expect("a letter");
                assert!(worded.text.lines().any(|line| line == url), "{}", worded.text);
                assert!(worded.html.contains(&format!("href=\"{url}\"")), "{}", worded.html);
                assert!(worded.html.contains(&format!("lang=\"{}\"", language.code())));
                assert!(!worded.html.contains("<у"), "{}", worded.html);
                assert!(worded.text.contains("Лавка <у & моста>"), "{}", worded.text);
                assert!(worded.subject.starts_with("Лавка <у & моста>: "));
                assert!(!worded.text.contains("\n\n\n"), "{}", worded.text);
                let is_of_order = url.contains("/orders/");
                assert_eq!(worded.text.contains("482993011752\n"), is_of_order, "{}", worded.text);
            }
        }
    }
}
