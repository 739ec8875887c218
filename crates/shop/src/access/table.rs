//! Every route with the statuses of its answers.

use super::{Line, Sent};

/// Routes for the operator are not among the public ones.
pub const OPERATOR: &[Line] = &[
    ("GET", "/staff", Sent::Nothing, [404; 6]),
    ("PUT", "/staff/client/picker", Sent::Nothing, [404; 6]),
    ("DELETE", "/staff/client/picker", Sent::Nothing, [404; 6]),
    ("POST", "/wallets/client/credits", Sent::Json(r#"{"amount":10,"reason":"x"}"#), [404; 6]),
    ("GET", "/ledger/transfers", Sent::Nothing, [404; 6]),
    ("GET", "/ledger/balances", Sent::Nothing, [404; 6]),
    ("GET", "/store/outlets", Sent::Nothing, [404; 6]),
    ("PUT", "/store/outlets", Sent::Json("{}"), [404; 6]),
    ("GET", "/store/holds", Sent::Nothing, [404; 6]),
    ("GET", "/store/promised?stock=x", Sent::Nothing, [404; 6]),
    ("GET", "/store/taken?stock=x&article=y", Sent::Nothing, [404; 6]),
    ("POST", "/store/cases/482993011752/take", Sent::Nothing, [404; 6]),
    ("GET", "/payment/owed", Sent::Nothing, [404; 6]),
    ("GET", "/payment/receipts/missing", Sent::Nothing, [404; 6]),
    ("GET", "/payment/orders/482993011752", Sent::Nothing, [404; 6]),
    ("GET", "/orchestra/sagas", Sent::Nothing, [404; 6]),
    ("GET", "/orchestra/sagas/482993011752", Sent::Nothing, [404; 6]),
    ("GET", "/delivery/plan", Sent::Nothing, [404; 6]),
    ("PUT", "/delivery/plan", Sent::Json("{}"), [404; 6]),
    ("GET", "/delivery/bookings", Sent::Nothing, [404; 6]),
    ("GET", "/delivery/rooms", Sent::Nothing, [404; 6]),
    ("PUT", "/menu/picture?article=a&source=b", Sent::Json("{}"), [404; 6]),
    ("GET", "/menu/products", Sent::Nothing, [404; 6]),
    ("GET", "/menu/categories", Sent::Nothing, [404; 6]),
    ("GET", "/menu/found", Sent::Nothing, [404; 6]),
    ("GET", "/menu/product?productId=1", Sent::Nothing, [404; 6]),
    ("GET", "/menu/limits", Sent::Nothing, [404; 6]),
    ("PUT", "/menu/limits", Sent::Json(r#"{"all":{}}"#), [404; 6]),
    ("POST", "/menu/changes", Sent::Json("{}"), [404; 6]),
    ("POST", "/ledger/balances", Sent::Json(r#"{"accounts":[{"name":"sales"}]}"#), [404; 6]),
];

pub const AUTH: &[Line] = &[
    (
        "POST",
        "/login",
        Sent::Json(r#"{"username":"x1","password":"wrong"}"#),
        [401, 401, 401, 401, 401, 401],
    ),
    ("POST", "/register", Sent::Json("{}"), [400, 400, 400, 400, 400, 400]),
    ("GET", "/logout", Sent::Nothing, [200, 200, 200, 200, 200, 200]),
    ("POST", "/logout", Sent::Nothing, [200, 200, 200, 200, 200, 200]),
    ("GET", "/auth", Sent::Nothing, [401, 200, 200, 200, 200, 401]),
    ("GET", "/auth?role=picker", Sent::Nothing, [401, 403, 403, 200, 403, 401]),
    ("GET", "/auth?role=operator", Sent::Nothing, [401, 403, 403, 403, 200, 401]),
    ("GET", "/auth?rol=picker", Sent::Nothing, [400, 400, 400, 400, 400, 400]),
    ("GET", "/me", Sent::Nothing, [401, 200, 200, 200, 200, 401]),
    ("PATCH", "/me", Sent::Json(r#"{"firstName":"Anna"}"#), [401, 200, 200, 200, 200, 401]),
    (
        "POST",
        "/password",
        Sent::Json(r#"{"password":"tulip-margin-42-boat","newPassword":"lantern-copper-77-road"}"#),
        [401, 200, 200, 200, 200, 401],
    ),
    ("POST", "/verify", Sent::Json(r#"{"token":"x"}"#), [422, 422, 422, 422, 422, 422]),
    ("POST", "/verify/send", Sent::Nothing, [401, 204, 204, 204, 204, 401]),
    ("POST", "/verify/phone/send", Sent::Nothing, [401, 409, 409, 409, 409, 401]),
    ("POST", "/verify/phone", Sent::Json(r#"{"code":"1"}"#), [401, 409, 409, 409, 409, 401]),
    ("POST", "/reset", Sent::Json(r#"{"username":"x1"}"#), [204, 204, 204, 204, 204, 204]),
    (
        "POST",
        "/reset/confirm",
        Sent::Json(r#"{"token":"x","password":"lantern-copper-77-road"}"#),
        [422, 422, 422, 422, 422, 422],
    ),
    ("GET", "/me/sessions", Sent::Nothing, [401, 200, 200, 200, 200, 401]),
    ("DELETE", "/me/sessions/{id}", Sent::Nothing, [401, 204, 404, 404, 404, 401]),
];

pub const BILLING: &[Line] = &[
    ("GET", "/token/get?username=client", Sent::Nothing, [401, 200, 404, 404, 404, 200]),
    ("GET", "/token/get?username=stranger", Sent::Nothing, [401, 404, 404, 404, 404, 404]),
    ("GET", "/token/get", Sent::Nothing, [401, 400, 400, 400, 400, 400]),
    (
        "POST",
        "/token/charge",
        Sent::Json(r#"{"operation":"REVERSE","paymentId":"p1"}"#),
        [401, 403, 403, 403, 403, 200],
    ),
    (
        "POST",
        "/token/create",
        Sent::Json(
            r#"{"orderId":"482993011752","cards":[{"id":1,"balance":2000,"grantee":{"email":"b@example.org"}}]}"#,
        ),
        [401, 403, 403, 403, 403, 200],
    ),
    (
        "POST",
        "/trxn/get",
        Sent::Json(r#"{"username":"client","tokenId":7}"#),
        [401, 404, 404, 404, 404, 404],
    ),
];

pub const MENU: &[Line] = &[
    ("GET", "/products", Sent::Nothing, [200; 6]),
    ("GET", "/products?sort=x", Sent::Nothing, [400; 6]),
    ("GET", "/product?productId=1", Sent::Nothing, [404; 6]),
    ("GET", "/categories", Sent::Nothing, [200; 6]),
    ("GET", "/picture?id=00", Sent::Nothing, [404; 6]),
    ("POST", "/price", Sent::Json(r#"{"items":[{"productId":1}]}"#), [200; 6]),
    ("GET", "/categories?category=7", Sent::Nothing, [404; 6]),
];

/// Of a product and an order that there are not.
pub const ORDER: &[Line] = &[
    (
        "POST",
        "/place",
        Sent::Json(r#"{"id":"a1","orderItems":[{"product":{"id":7},"quantity":1}]}"#),
        [401, 404, 404, 404, 404, 401],
    ),
    (
        "PUT",
        "/adjust",
        Sent::Json(r#"{"id":"a2","version":0,"orderItems":[{"product":{"id":7},"quantity":1}]}"#),
        [401, 404, 404, 404, 404, 401],
    ),
    ("PUT", "/cancel", Sent::Json(r#"{"id":"a2","version":0}"#), [401, 404, 404, 404, 404, 401]),
    ("PUT", "/check", Sent::Json(r#"{"id":"a2","version":0}"#), [401, 404, 404, 404, 404, 401]),
    ("GET", "/get", Sent::Nothing, [401, 404, 404, 404, 404, 401]),
    ("GET", "/get?orderId=a2", Sent::Nothing, [401, 404, 404, 404, 404, 401]),
    ("GET", "/list", Sent::Nothing, [401, 200, 200, 200, 200, 401]),
    ("PUT", "/process", Sent::Json(r#"{"id":"a1","version":0}"#), [401, 404, 404, 404, 404, 401]),
];

pub const PAYMENT: &[Line] = &[
    ("GET", "/tokens/get", Sent::Nothing, [401, 200, 200, 200, 200, 401]),
    ("GET", "/pay?orderId=a1", Sent::Nothing, [401, 404, 404, 404, 404, 401]),
    (
        "POST",
        "/pay",
        Sent::Json(r#"{"orderId":"a1","version":0,"tokenType":"QR_PAY"}"#),
        [401, 400, 400, 400, 400, 401],
    ),
    ("POST", "/notice", Sent::Json("{}"), [401; 6]),
];

pub const STORE: &[Line] = &[
    ("GET", "/get?productId=7", Sent::Nothing, [401, 404, 404, 404, 404, 404]),
    (
        "POST",
        "/reserve",
        Sent::Json(r#"{"orderId":"a1","version":0,"storeId":1}"#),
        [401, 404, 404, 404, 404, 401],
    ),
    ("GET", "/reserve?orderId=a1", Sent::Nothing, [401, 404, 404, 404, 404, 401]),
    ("DELETE", "/reserve?orderId=a1", Sent::Nothing, [401, 404, 404, 404, 404, 401]),
    (
        "POST",
        "/extend",
        Sent::Json(r#"{"orderId":"482993011752","version":0,"seconds":60}"#),
        [401, 403, 403, 403, 403, 409],
    ),
];

/// Of an address and a point that there are not.
pub const DELIVERY: &[Line] = &[
    ("GET", "/points", Sent::Nothing, [401, 200, 200, 200, 200, 200]),
    ("GET", "/variants?address=Tver", Sent::Nothing, [401, 422, 422, 422, 422, 422]),
    (
        "POST",
        "/book",
        Sent::Json(r#"{"orderId":"a1","version":0,"pickupPointId":1}"#),
        [401, 404, 404, 404, 404, 401],
    ),
    ("DELETE", "/book?orderId=a1", Sent::Nothing, [401, 404, 404, 404, 404, 401]),
    ("GET", "/case?orderId=a1", Sent::Nothing, [401, 404, 404, 404, 404, 404]),
    (
        "POST",
        "/extend",
        Sent::Json(r#"{"orderId":"482993011752","version":0,"seconds":61}"#),
        [401, 403, 403, 403, 403, 409],
    ),
];

pub const NOTIFICATION: &[Line] = &[
    ("GET", "/wishes", Sent::Nothing, [401, 200, 200, 200, 200, 401]),
    ("PUT", "/wishes", Sent::Json(r#"{"wallet":false}"#), [401, 200, 200, 200, 200, 401]),
];

pub const FRONT: &[Line] = &[
    ("GET", "/", Sent::Nothing, [200; 6]),
    ("GET", "/search", Sent::Nothing, [200; 6]),
    ("GET", "/search?sort=x", Sent::Nothing, [404; 6]),
    ("GET", "/goods/{slug}", Sent::Nothing, [404; 6]),
    ("GET", "/pictures/{name}", Sent::Nothing, [404; 6]),
    ("GET", "/cart", Sent::Nothing, [303, 200, 200, 200, 200, 303]),
    ("POST", "/cart", Sent::Form("product=1"), [303; 6]),
    ("GET", "/cart/add?product=1&key=forged", Sent::Nothing, [303; 6]),
    ("POST", "/cart/add", Sent::Form("product=1"), [303; 6]),
    ("GET", "/cart/remove?product=1", Sent::Nothing, [303; 6]),
    ("GET", "/checkout", Sent::Nothing, [303; 6]),
    ("POST", "/checkout", Sent::Form("action=pay"), [303; 6]),
    ("POST", "/checkout/begin", Sent::Form("version=1"), [303; 6]),
    ("POST", "/checkout/points", Sent::Form("filter=x"), [403; 6]),
    ("POST", "/checkout/couriers", Sent::Form("address=x"), [403; 6]),
    ("GET", "/checkout/pay", Sent::Nothing, [303; 6]),
    ("POST", "/checkout/pay", Sent::Form("means=QR_PAY"), [303; 6]),
    ("POST", "/orders/{id}/process", Sent::Form("version=0"), [303; 6]),
    ("POST", "/orders/{id}/cancel", Sent::Form("version=0"), [303; 6]),
    ("POST", "/orders/{id}/again", Sent::Form("to=edit"), [303; 6]),
    ("GET", "/orders", Sent::Nothing, [303, 200, 200, 200, 200, 303]),
    ("GET", "/orders/{id}", Sent::Nothing, [303, 404, 404, 404, 404, 303]),
    ("GET", "/register", Sent::Nothing, [200, 200, 200, 200, 200, 200]),
    ("POST", "/register", Sent::Form("username=x1"), [403, 403, 403, 403, 403, 403]),
    ("GET", "/login", Sent::Nothing, [200, 200, 200, 200, 200, 200]),
    ("POST", "/login", Sent::Form("username=x1&password=wrong"), [403, 403, 403, 403, 403, 403]),
    ("POST", "/logout", Sent::Form("form_token=forged"), [303, 303, 303, 303, 303, 303]),
    ("GET", "/account", Sent::Nothing, [303, 200, 200, 200, 200, 303]),
    ("GET", "/account/notifications", Sent::Nothing, [303, 200, 200, 200, 200, 303]),
    ("POST", "/account/notifications", Sent::Form("wallet=yes"), [303; 6]),
    ("GET", "/account/wallet", Sent::Nothing, [303, 200, 200, 200, 200, 303]),
    ("GET", "/account/wallet?cursor=x", Sent::Nothing, [303, 404, 404, 404, 404, 303]),
    ("POST", "/account/sessions", Sent::Form("id=x"), [303, 303, 303, 303, 303, 303]),
    ("POST", "/account/verify", Sent::Form("form_token=forged"), [303, 303, 303, 303, 303, 303]),
    ("POST", "/account/phone", Sent::Form("code=1"), [303; 6]),
    ("POST", "/account/phone/send", Sent::Form("form_token=forged"), [303; 6]),
    ("GET", "/account/data", Sent::Nothing, [303, 200, 200, 200, 200, 303]),
    ("POST", "/account/data", Sent::Form("firstName=x"), [303, 303, 303, 303, 303, 303]),
    ("GET", "/account/password", Sent::Nothing, [303, 200, 200, 200, 200, 303]),
    ("POST", "/account/password", Sent::Form("password=x"), [303, 303, 303, 303, 303, 303]),
    ("GET", "/verify/{token}", Sent::Nothing, [422; 6]),
    ("POST", "/verify/{token}", Sent::Form("form_token=forged"), [422; 6]),
    ("GET", "/reset", Sent::Nothing, [200, 200, 200, 200, 200, 200]),
    ("POST", "/reset", Sent::Form("username=x1"), [403, 403, 403, 403, 403, 403]),
    ("GET", "/reset/{token}", Sent::Nothing, [422; 6]),
    ("POST", "/reset/{token}", Sent::Form("password=x"), [422; 6]),
    ("GET", "/assets/shop.css", Sent::Nothing, [200, 200, 200, 200, 200, 200]),
    ("GET", "/assets/shop.js", Sent::Nothing, [200, 200, 200, 200, 200, 200]),
];
