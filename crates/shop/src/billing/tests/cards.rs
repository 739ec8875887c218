//! Gift cards that are ordered.

use super::*;

fn order(cards: &Value) -> Value {
    json!({"orderId": ORDER, "cards": cards})
}

fn card(id: u64, balance: u64, email: &str) -> Value {
    json!({"id": id, "balance": balance, "grantee": {"firstName": "Борис", "email": email}})
}

#[tokio::test]
async fn cards_of_an_order_are_made_once_and_hold_nothing() {
    let world = World::new();
    let two = order(&json!([card(1, 2000, "b@example.org"), card(2, 500, "c@example.org")]));
    let (status, body) = world.post("/token/create", &two).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let cards = body["cards"].as_array().expect("cards");
    assert_eq!(cards.len(), 2);
    assert_ne!(cards[0]["tokenId"], cards[1]["tokenId"]);
    for card in cards {
        assert_eq!(card["status"], "CREATED");
        let masked = card["maskedTokenId"].as_str().expect("text");
        assert!(masked.starts_with("•••• ") && masked.chars().count() == 9, "{masked}");
        assert_eq!(world.holds(&format!("card:{}", card["tokenId"])).await, 0);
    }
    assert_eq!(world.post("/token/create", &two).await, (status, body.clone()));
    for other in [card(1, 2001, "b@example.org"), card(1, 2000, "x@example.org")] {
        let (status, body) = world.post("/token/create", &order(&json!([other]))).await;
        assert_eq!(
            (status, &body["type"]),
            (StatusCode::CONFLICT, &json!("urn:tillgate:problem:id-reused"))
        );
    }
    // A card that is nobody's pays for nothing.
    world.wallet("anna", 0).await;
    let id = TokenId::parse(&cards[0]["tokenId"].to_string()).expect("a number");
    assert_eq!(world.charge(&hold("p1", id, "1")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_wrong_card_is_refused_with_its_place_in_the_request() {
    let world = World::new();
    let wrong = order(&json!([
        card(1, 2000, "b@example.org"),
        {"id": 0, "balance": 1.005, "colour": "red", "grantee": {"email": "nobody", "age": 7}},
    ]));
    let (status, body) = world.post("/token/create", &wrong).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let errors = body["errors"].as_array().expect("errors");
    let places: Vec<&str> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
    assert_eq!(
        places,
        [
            "/cards/1/id",
            "/cards/1/balance",
            "/cards/1/grantee/email",
            "/cards/1/grantee/age",
            "/cards/1/colour"
        ]
    );
}
