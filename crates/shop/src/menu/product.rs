//! The document of a product.

use serde::{Deserialize, Serialize};
use tillgate_kernel::document;
use tillgate_kernel::{DocKey, Document, Fingerprint, Kind, ListName, Money, Unreadable};

use super::category_id::CategoryId;
use super::picture::ShownPicture;
use super::vat::Vat;
use crate::product_id::ProductId;

/// A product as a feed describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// How the feed and marketplaces name it. Its stock is kept under this
    /// name.
    pub article: String,
    pub name: String,
    pub category: CategoryId,
    pub price: Money,
    /// What it cost before, if that was more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_price: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vat: Option<Vat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// The vendor's own name of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_code: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub barcodes: Vec<String>,
    /// A text without markup.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<String>,
    /// Whether the feed says that it can be bought.
    pub is_available: bool,
}

impl Offer {
    #[must_use]
    pub fn id(&self) -> ProductId {
        ProductId::of_article(&self.article)
    }

    /// Two offers with the same content have the same digest.
    ///
    /// # Panics
    /// Never: it has no part with a serializer that fails.
    #[must_use]
    pub fn digest(&self) -> Fingerprint {
        let bytes = rmp_serde::to_vec_named(self).expect("an offer that can be encoded");
        Fingerprint::of(&[&bytes])
    }
}

/// A product's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub offer: Offer,
    /// Whether the last feed has it.
    pub is_listed: bool,
    /// What its page shows, once it was fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<ShownPicture>,
}

impl Product {
    /// The address in the feed whose picture it shows.
    #[must_use]
    pub fn wanted_picture(&self) -> Option<&str> {
        self.offer.pictures.first().map(String::as_str)
    }

    /// Whether it can be bought.
    #[must_use]
    pub const fn is_on_sale(&self) -> bool {
        self.is_listed && self.offer.is_available
    }

    #[must_use]
    pub const fn key_of(id: ProductId) -> DocKey {
        DocKey { partition: id.partition(), kind: Product::KIND, id: 0 }
    }

    /// The list of all products, in the order in which they were changed.
    #[must_use]
    pub fn all() -> ListName {
        ListName::of(&["products"])
    }
}

impl Document for Product {
    const KIND: Kind = Kind::new(25, "products");
    const SCHEMA: u16 = 1;

    fn encode(&self) -> Vec<u8> {
        document::encode(self)
    }

    fn lists(&self) -> Vec<ListName> {
        vec![Product::all()]
    }

    fn decode(schema: u16, bytes: &[u8]) -> Result<Product, Unreadable> {
        document::decode(schema, bytes)
    }
}
