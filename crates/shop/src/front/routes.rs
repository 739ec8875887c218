//! Which address leads where.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, header};

use super::{
    Front, account, cart, checkout, goods, login, market, order, orders, own, pay, phone, register,
    reset, verify, wallet, wishes,
};

/// The routes of the pages.
pub fn routes(front: Arc<Front>) -> Router {
    Router::new()
        .route("/", get(market::home))
        .route("/search", get(market::search))
        .route("/goods/{slug}", get(goods::show))
        .route("/pictures/{name}", get(goods::picture))
        .route("/cart", get(cart::show).post(cart::set))
        .route("/cart/add", get(cart::add_after_log_in).post(cart::add))
        .route("/cart/remove", get(cart::remove))
        .route("/checkout", get(checkout::show).post(checkout::submit))
        .route("/checkout/begin", post(checkout::begin))
        .route("/checkout/points", post(checkout::points))
        .route("/checkout/couriers", post(checkout::couriers))
        .route("/checkout/pay", get(pay::show).post(pay::submit))
        .route("/orders", get(orders::list))
        .route("/orders/{id}", get(order::show))
        .route("/orders/{id}/process", post(order::process))
        .route("/orders/{id}/cancel", post(order::cancel))
        .route("/orders/{id}/again", post(order::again))
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
