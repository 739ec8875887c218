//! The buyers' pages. They keep nothing, and call the services as any other
//! caller does. All of them work without JavaScript; the script only makes
//! forms more comfortable.
//!
//! - [`words`] has the texts;
//! - `page` renders, and sets the headers of a page;
//! - `form_page` is a page with one form; `link_token` is what the link of a
//!   letter ends with;
//! - `visitor` is who looks at a page;
//! - `posted` reads forms, `reply` the answers of services;
//! - `market` is the home page, the categories and the search, `goods` the page
//!   of a product, `cart` the basket, `orders` are the client's orders;
//! - `checkout` leads from the basket to the payment, and `choice` is what the
//!   client chooses between there, and `case` how an order comes;
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
mod orders;
mod own;
mod page;
mod phone;
mod posted;
mod register;
mod reply;
mod reset;
mod verify;
mod visitor;
mod wallet;
mod wishes;
pub mod words;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, header};
use jiff::tz::TimeZone;
use tillgate_identity::Signer;
use tillgate_kernel::Language;

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
    pub store: ServiceClient,
    /// Whether short messages are sent, so that a number can be confirmed.
    pub has_sms: bool,
    /// Signs the hidden field of forms.
    pub forms: Signer,
    /// Signs the link that adds a product after the log-in.
    pub adding: Signer,
}

/// The routes of the pages.
pub fn routes(front: Arc<Front>) -> Router {
    Router::new()
        .route("/", get(market::home))
        .route("/search", get(market::search))
        .route("/goods/{slug}", get(goods::show))
        .route("/cart", get(cart::show).post(cart::set))
        .route("/cart/add", get(cart::add_after_log_in).post(cart::add))
        .route("/cart/remove", get(cart::remove))
        .route("/checkout", get(checkout::show).post(checkout::submit))
        .route("/checkout/begin", post(checkout::begin))
        .route("/checkout/points", post(checkout::points))
        .route("/checkout/couriers", post(checkout::couriers))
        .route("/checkout/pay", get(checkout::pay))
        .route("/orders", get(orders::list))
        .route("/orders/{id}", get(orders::show))
        .route("/register", get(register::form).post(register::submit))
        .route("/login", get(login::form).post(login::submit))
        .route("/logout", post(login::leave))
        .route("/account", get(account::show))
        .route("/account/wallet", get(wallet::show))
        .route("/account/notifications", get(wishes::form).post(wishes::submit))
        .route("/account/sessions", post(account::end_session))
        .route("/account/verify", post(verify::send_again))
        .route("/account/phone", post(phone::confirm))
        .route("/account/phone/send", post(phone::send))
        .route("/account/data", get(own::data).post(own::change_data))
        .route("/account/password", get(own::password).post(own::change_password))
        .route("/verify/{token}", get(verify::form).post(verify::submit))
        .route("/reset", get(reset::form).post(reset::submit))
        .route("/reset/{token}", get(reset::new_password).post(reset::set_password))
        .route("/assets/shop.css", get(style))
        .route("/assets/shop.js", get(script))
        .with_state(front)
}

async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../../assets/shop.css"))
}

async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../../assets/shop.js"))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, text).into_response()
}
