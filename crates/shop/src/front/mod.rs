//! The buyers' pages. They keep nothing, and call the services as any other
//! caller does. All of them work without JavaScript; the script only makes
//! forms more comfortable.
//!
//! - `routes` says which address leads where; [`words`] has the texts;
//! - `page` renders, and sets the headers of a page;
//! - `form_page` is a page with one form; `link_token` is what the link of a
//!   letter ends with;
//! - `visitor` is who looks at a page;
//! - `posted` reads forms, `reply` the answers of services;
//! - `market` is the home page, the categories and the search, `goods` the page
//!   of a product, `cart` the basket, `orders` are the client's orders;
//! - `checkout` leads from the basket to the payment, and `choice` is what the
//!   client chooses between there, and `case` how an order comes;
//! - `pay` chooses what to pay with, in the words of [`pay_words`], and `order`
//!   is the page of an order, where the client sees what becomes of it;
//! - `register`, `verify`, `phone`, `login`, `reset`, `account`, `own`,
//!   `wallet` and `wishes` are the pages.

mod account;
mod cart;
mod case;
mod checkout;
mod choice;
mod form_page;
mod goods;
mod link_token;
mod login;
mod market;
mod order;
mod orders;
mod own;
mod page;
mod pay;
pub mod pay_words;
mod phone;
mod posted;
mod register;
mod reply;
mod reset;
mod routes;
mod verify;
mod visitor;
mod wallet;
mod wishes;
pub mod words;

use jiff::tz::TimeZone;
use tillgate_identity::Signer;
use tillgate_kernel::Language;

pub use self::routes::routes;
use crate::service_client::ServiceClient;

/// What the pages are made of.
#[derive(Debug)]
pub struct Front {
    /// The name of the shop.
    pub name: String,
    /// The shop's address as browsers write it.
    pub public_url: String,
    /// For browsers that ask for no language that is supported.
    pub language: Language,
    /// Of the times on the pages.
    pub time_zone: TimeZone,
    pub auth: ServiceClient,
    pub billing: ServiceClient,
    pub delivery: ServiceClient,
    pub menu: ServiceClient,
    pub notification: ServiceClient,
    pub order: ServiceClient,
    pub payment: ServiceClient,
    pub store: ServiceClient,
    /// Whether short messages are sent, so that a number can be confirmed.
    pub has_sms: bool,
    /// Signs the hidden field of forms.
    pub forms: Signer,
    /// Signs the link that adds a product after the log-in.
    pub adding: Signer,
}
