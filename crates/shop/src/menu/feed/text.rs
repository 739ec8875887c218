//! Texts of feeds: what people and programs write into fields that should hold
//! a name, a price or a description.

use quick_xml::escape::resolve_html5_entity;
use tillgate_kernel::Money;
use tillgate_kernel::decimal::DecimalError;
use tillgate_kernel::text::is_obeyed;

/// Elements of HTML that begin a line.
const BLOCKS: [&str; 12] =
    ["p", "br", "div", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4"];

/// The text of a name: on one line, without characters that act.
#[must_use]
pub fn one_line(text: &str, characters_max: usize) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c == '\u{feff}').collect();
    let words = words.into_iter().filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join(" ");
    joined.chars().filter(|c| !is_obeyed(*c)).take(characters_max).collect::<String>()
}

/// The text of a piece of HTML: its tags are taken out, its entities resolved,
/// and empty lines dropped.
#[must_use]
pub fn without_markup(html: &str, characters_max: usize) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(place) = rest.find(['<', '&']) {
        let (before, found) = rest.split_at(place);
        text.push_str(before);
        rest = if found.starts_with('<') {
            after_tag(found, &mut text)
        } else {
            after_entity(found, &mut text)
        };
    }
    text.push_str(rest);
    let lines = text.lines().map(|one| one_line(one, characters_max)).filter(|one| !one.is_empty());
    let joined = lines.collect::<Vec<_>>().join("\n");
    joined.chars().take(characters_max).collect::<String>().trim_end().to_owned()
}

/// What follows the tag that `text` begins with. A `<` that begins no tag is
/// kept.
fn after_tag<'a>(text: &'a str, out: &mut String) -> &'a str {
    let rest = &text[1..];
    let name = rest.trim_start_matches('/');
    let begins_tag = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '!');
    let Some(end) = rest.find('>').filter(|_| begins_tag) else {
        out.push('<');
        return rest;
    };
    let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let is_block = BLOCKS.iter().any(|block| name.eq_ignore_ascii_case(block));
    out.push(if is_block { '\n' } else { ' ' });
    &rest[end + 1..]
}

/// The most characters of an entity's name that are looked at.
const ENTITY_CHARACTERS_MAX: usize = 32;

/// What follows the entity that `text` begins with. An `&` that begins none
/// is kept.
fn after_entity<'a>(text: &'a str, out: &mut String) -> &'a str {
    let rest = &text[1..];
    let end = rest.char_indices().take(ENTITY_CHARACTERS_MAX).find(|(_, c)| *c == ';');
    let resolved = end.and_then(|(end, _)| Some((entity(&rest[..end])?, &rest[end + 1..])));
    let (shown, rest) = resolved.unwrap_or(("&".into(), rest));
    out.push_str(&shown);
    rest
}

/// The text of an entity of HTML, by its name or number.
#[must_use]
pub fn entity(name: &str) -> Option<String> {
    let Some(number) = name.strip_prefix('#') else {
        return resolve_html5_entity(name).map(str::to_owned);
    };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code).filter(|c| !is_obeyed(*c) || c.is_whitespace()).map(String::from)
}

/// A price as people write it: `1 234,50`.
///
/// # Errors
/// Why it is no price.
pub fn price(text: &str) -> Result<Money, &'static str> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let digits = digits.replace(',', ".");
    match Money::from_peer(&digits) {
        Ok(price) if price >= Money::ZERO => Ok(price),
        Ok(_) => Err("is less than zero"),
        Err(DecimalError::TooPrecise(_)) => Err("has more than two decimals"),
        Err(DecimalError::TooLarge | DecimalError::ExponentTooLarge(_)) => Err("is too large"),
        Err(DecimalError::NotDecimal) => Err("is no price"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_lines_of_text() {
        for (html, text) in [
            ("Просто текст", "Просто текст"),
            ("<p>Первая</p><p>Вторая&nbsp;строка</p>", "Первая\nВторая строка"),
            ("<ul><li>a</li>\n<li>b</li></ul>", "a\nb"),
            ("5 < 7 &amp; 8 &gt; 7", "5 < 7 & 8 > 7"),
            ("&laquo;Ёлка&raquo; &#171;&#x42f;&#187;", "«Ёлка» «Я»"),
            ("R&D; A&B &unknown; &", "R&D; A&B &unknown; &"),
            ("<script>alert(1)</script>", "alert(1)"),
            ("<b>без конца", "без конца"),
            ("<", "<"),
            ("a\u{202e}b &#8238;c &#7;", "ab &#8238;c &#7;"),
        ] {
            assert_eq!(without_markup(html, 100), text, "{html}");
        }
        assert_eq!(without_markup("<p>один</p><p>два</p>", 5), "один");
        assert_eq!(one_line("  два\n\tслова ", 100), "два слова");
    }

    #[test]
    fn a_price_is_read_by_its_digits() {
        for (text, kopecks) in
            [("1234.50", 123_450), ("1 234,5", 123_450), ("1\u{a0}234", 123_400), ("0", 0)]
        {
            assert_eq!(price(text).map(Money::kopecks), Ok(kopecks), "{text}");
        }
        for text in ["", "дорого", "20.205", "-1", "1.234,50", "1e99", "99999999999999999999"]
        {
            assert!(price(text).is_err(), "{text}");
        }
    }
}
