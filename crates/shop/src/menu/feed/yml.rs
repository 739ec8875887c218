//! YML: `<yml_catalog><shop><categories/><offers/></shop></yml_catalog>`. Both
//! descriptions of offers are read: `name`, and `typePrefix`, `vendor`,
//! `model`.

use std::collections::HashSet;
use std::io::{self, BufRead, Read};

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use tillgate_kernel::Money;

use super::encoding::as_utf8;
use super::text::{entity, one_line, price, without_markup};
use super::{Broken, BrokenBy, Feed, Lack, Skipped};
use crate::menu::categories::{Categories, Category};
use crate::menu::category_id::CategoryId;
use crate::menu::product::Offer;
use crate::menu::vat::Vat;

/// The most bytes of text within one element.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// The most offers of a feed. They are in memory while they are compared.
pub const OFFERS_MAX: usize = 1_000_000;

/// The most categories of a feed. They are one document.
pub const CATEGORIES_MAX: usize = 5000;

const ARTICLE_CHARACTERS_MAX: usize = 100;
const NAME_CHARACTERS_MAX: usize = 300;
const SHORT_CHARACTERS_MAX: usize = 100;
const DESCRIPTION_CHARACTERS_MAX: usize = 6000;
const PICTURES_MAX: usize = 10;
const PICTURE_CHARACTERS_MAX: usize = 2000;
const BARCODES_MAX: usize = 10;

/// Counts the lines that were read.
struct Lines<R> {
    inner: R,
    read: u64,
}

impl<R: BufRead> Read for Lines<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Lines<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if let Ok(bytes) = self.inner.fill_buf() {
            let lines = bytes.iter().take(count).filter(|byte| **byte == b'\n').count();
            self.read += lines as u64;
        }
        self.inner.consume(count);
    }
}

/// An offer as it is read, with the texts of its fields.
#[derive(Default)]
struct Draft {
    line: u64,
    article: String,
    is_available: bool,
    name: String,
    type_prefix: String,
    model: String,
    price: Text,
    old_price: String,
    currency: Text,
    category: String,
    vendor: String,
    vendor_code: String,
    vat: Text,
    description: String,
    pictures: Vec<String>,
    barcodes: Vec<String>,
}

/// A text that may be wrong, and the line where it ends.
#[derive(Default)]
struct Text {
    line: u64,
    text: String,
}

/// What is read at the moment.
#[derive(Default)]
struct State {
    /// The names of the elements around.
    path: Vec<String>,
    text: String,
    has_offers: bool,
    categories: Vec<Category>,
    known: HashSet<CategoryId>,
    /// The category whose name is read.
    category: Option<Category>,
    offer: Option<Draft>,
    articles: HashSet<String>,
    /// Where the offers of the feed begin.
    lines: Vec<u64>,
    feed: Feed,
}

/// Reads a feed.
///
/// # Errors
/// Where and why it cannot be read.
pub fn read(bytes: impl BufRead) -> Result<Feed, Broken> {
    let inner = as_utf8(bytes).map_err(|why| why.at(1))?;
    let mut source = Reader::from_reader(Lines { inner, read: 0 });
    source.config_mut().expand_empty_elements = true;
    source.config_mut().allow_dangling_amp = true;
    let mut state = State::default();
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let event = source.read_event_into(&mut buffer);
        let begun = event.is_ok() && matches!(event, Ok(Event::Eof));
        let event = event.map_err(BrokenBy::from).map(Event::into_owned);
        let line = source.get_ref().read + 1;
        let broken = |why: BrokenBy| why.at(line);
        if begun {
            return state.finish().map_err(broken);
        }
        let event = event.map_err(broken)?;
        state.take(event, line).map_err(broken)?;
    }
}

impl State {
    fn take(&mut self, event: Event, line: u64) -> Result<(), BrokenBy> {
        match event {
            Event::Start(element) => self.begin(&element, line)?,
            Event::End(_) => self.end(line)?,
            Event::Text(text) => self.add(&text)?,
            Event::CData(text) => self.add(&text)?,
            Event::GeneralRef(reference) => match entity(&reference) {
                Some(shown) => self.add(&shown)?,
                // Descriptions have entities that no standard knows.
                None => self.add(&format!("&{};", &*reference))?,
            },
            // The encoding was found out before.
            Event::Decl(_)
            | Event::Empty(_)
            | Event::Comment(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::Eof => {}
        }
        Ok(())
    }

    fn add(&mut self, text: &str) -> Result<(), BrokenBy> {
        if self.text.len() + text.len() > TEXT_BYTES_MAX {
            return Err(BrokenBy::TooLong(self.path.last().cloned().unwrap_or_default()));
        }
        self.text.push_str(text);
        Ok(())
    }

    /// Whether these are the elements around.
    fn is_in(&self, path: &[&str]) -> bool {
        self.path.iter().map(String::as_str).eq(path.iter().copied())
    }

    fn begin(&mut self, element: &BytesStart, line: u64) -> Result<(), BrokenBy> {
        let name = element.local_name().as_ref().to_owned();
        match name.as_str() {
            "offers" if self.is_in(SHOP) => self.has_offers = true,
            "category" if self.is_in(&[SHOP, &["categories"]].concat()) => {
                let id = attribute(element, "id")?
                    .ok_or(BrokenBy::Attribute { element: "category", attribute: "id" })?;
                let parent = attribute(element, "parentId")?;
                let parent = parent.filter(|parent| !parent.is_empty() && parent != "0");
                self.category = Some(Category {
                    id: CategoryId::of_feed(&id),
                    parent: parent.map(|parent| CategoryId::of_feed(&parent)),
                    name: String::new(),
                });
            }
            "offer" if self.is_in(OFFERS) => {
                let id = attribute(element, "id")?.filter(|id| !id.is_empty());
                let article =
                    id.ok_or(BrokenBy::Attribute { element: "offer", attribute: "id" })?;
                let available = attribute(element, "available")?;
                let is_available = available.is_none_or(|text| text != "false");
                self.offer = Some(Draft { line, article, is_available, ..Draft::default() });
            }
            _ => {}
        }
        // The text of an element is what comes after its inner ones, unless it
        // is markup that nobody has escaped.
        if !self.is_in_field() {
            self.text.clear();
        }
        self.path.push(name);
        Ok(())
    }

    /// Whether the elements around are within a field of an offer.
    fn is_in_field(&self) -> bool {
        self.path.len() > OFFERS.len() + 1 && self.offer.is_some()
    }

    fn end(&mut self, line: u64) -> Result<(), BrokenBy> {
        let Some(name) = self.path.pop() else { return Ok(()) };
        if self.is_in_field() {
            // Markup within a description parts words.
            return self.add(" ");
        }
        let text = std::mem::take(&mut self.text);
        if name == "category" {
            if let Some(mut category) = self.category.take() {
                category.name = line_or_number(&text, category.id);
                if self.known.insert(category.id) {
                    if self.categories.len() == CATEGORIES_MAX {
                        return Err(BrokenBy::TooMany(CATEGORIES_MAX, "categories"));
                    }
                    self.categories.push(category);
                }
            }
        } else if name == "offer" && self.is_in(OFFERS) {
            if let Some(draft) = self.offer.take() {
                self.finish_offer(draft)?;
            }
        } else if let Some(draft) = &mut self.offer {
            draft.set(&name, line, text);
        }
        Ok(())
    }

    fn finish_offer(&mut self, draft: Draft) -> Result<(), BrokenBy> {
        let (line, article) = (draft.line, draft.article.clone());
        let mut skip =
            |why| self.feed.skipped.push(Skipped { line, article: article.clone(), why });
        if self.articles.contains(&draft.article) {
            skip(Lack::OwnId);
            return Ok(());
        }
        match draft.finish()? {
            Ok(_) if self.feed.offers.len() == OFFERS_MAX => {
                return Err(BrokenBy::TooMany(OFFERS_MAX, "offers"));
            }
            Ok(offer) => {
                self.articles.insert(offer.article.clone());
                self.lines.push(line);
                self.feed.offers.push(offer);
            }
            Err(why) => skip(why),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Feed, BrokenBy> {
        if let Some(open) = self.path.pop() {
            return Err(BrokenBy::Truncated(open));
        }
        if !self.has_offers {
            return Err(BrokenBy::NotYml);
        }
        // Categories may come after the offers.
        let offers = std::mem::take(&mut self.feed.offers).into_iter().zip(self.lines);
        for (offer, line) in offers {
            if self.known.contains(&offer.category) {
                self.feed.offers.push(offer);
            } else {
                let (article, why) = (offer.article, Lack::Category);
                self.feed.skipped.push(Skipped { line, article, why });
            }
        }
        self.feed.skipped.sort_by_key(|skipped| skipped.line);
        self.feed.categories = Categories::of(self.categories);
        Ok(self.feed)
    }
}

const SHOP: &[&str] = &["yml_catalog", "shop"];
const OFFERS: &[&str] = &["yml_catalog", "shop", "offers"];

fn line_or_number(text: &str, id: CategoryId) -> String {
    let name = one_line(text, NAME_CHARACTERS_MAX);
    if name.is_empty() { id.to_string() } else { name }
}

fn attribute(element: &BytesStart, name: &str) -> Result<Option<String>, BrokenBy> {
    let found = element.try_get_attribute(name).map_err(quick_xml::Error::from)?;
    let value = found.map(|found| found.normalized_value(XmlVersion::Implicit1_0)).transpose()?;
    Ok(value.map(|value| one_line(&value, ARTICLE_CHARACTERS_MAX)))
}

impl Draft {
    fn set(&mut self, field: &str, line: u64, text: String) {
        match field {
            "name" => self.name = text,
            "typePrefix" => self.type_prefix = text,
            "model" => self.model = text,
            "price" => self.price = Text { line, text },
            "oldprice" => self.old_price = text,
            "currencyId" => self.currency = Text { line, text },
            "categoryId" => self.category = text,
            "vendor" => self.vendor = text,
            "vendorCode" => self.vendor_code = text,
            "vat" => self.vat = Text { line, text },
            "description" => self.description = text,
            "picture" if self.pictures.len() < PICTURES_MAX => {
                let address = one_line(&text, PICTURE_CHARACTERS_MAX);
                if !address.is_empty() && !self.pictures.contains(&address) {
                    self.pictures.push(address);
                }
            }
            "barcode" if self.barcodes.len() < BARCODES_MAX => {
                self.barcodes.extend(short(&text));
            }
            _ => {}
        }
    }

    /// The offer, or what it lacks.
    fn finish(self) -> Result<Result<Offer, Lack>, BrokenBy> {
        let fault = |field, found: &Text, why| BrokenBy::Field {
            line: found.line,
            article: self.article.clone(),
            field,
            text: one_line(&found.text, SHORT_CHARACTERS_MAX),
            why,
        };
        let name = one_line(&self.name, NAME_CHARACTERS_MAX);
        let name = if name.is_empty() { self.described() } else { name };
        if name.is_empty() {
            return Ok(Err(Lack::Name));
        }
        if self.price.text.trim().is_empty() {
            return Ok(Err(Lack::Price));
        }
        let sum = price(&self.price.text).map_err(|why| fault("price", &self.price, why))?;
        if sum == Money::ZERO {
            return Ok(Err(Lack::Price));
        }
        if !matches!(self.currency.text.trim(), "" | "RUB" | "RUR") {
            let why = "is not RUB: the shop sells for roubles";
            return Err(fault("currencyId", &self.currency, why));
        }
        let category = CategoryId::of_feed(self.category.trim());
        // A crossed-out price is only shown.
        let old_price = price(&self.old_price).ok().filter(|old| *old > sum);
        let vat = match self.vat.text.trim() {
            "" => None,
            vat => Some(Vat::of_feed(vat).ok_or_else(|| fault("vat", &self.vat, NOT_A_RATE))?),
        };
        Ok(Ok(Offer {
            name,
            category,
            price: sum,
            old_price,
            vat,
            vendor: short(&self.vendor),
            vendor_code: short(&self.vendor_code),
            barcodes: self.barcodes,
            description: without_markup(&self.description, DESCRIPTION_CHARACTERS_MAX),
            pictures: self.pictures,
            is_available: self.is_available,
            article: self.article,
        }))
    }

    /// The name of an offer that is described by what it is made of.
    fn described(&self) -> String {
        if self.model.trim().is_empty() {
            return String::new();
        }
        let parts = [&self.type_prefix, &self.vendor, &self.model];
        let parts = parts.map(|part| one_line(part, SHORT_CHARACTERS_MAX));
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    }
}

const NOT_A_RATE: &str =
    "is no rate: it must be NO_VAT, VAT_0, VAT_5, VAT_7, VAT_10, VAT_20 or VAT_22";

fn short(text: &str) -> Option<String> {
    Some(one_line(text, SHORT_CHARACTERS_MAX)).filter(|text| !text.is_empty())
}
