//! What each verb moves, once.

use super::*;

fn verb(operation: &str, payment: &str, amount: &str) -> Value {
    json!({"operation": operation, "paymentId": payment, "amount": sum(amount)})
}

fn receive(payment: &str, amount: &str) -> Value {
    json!({"operation": "RECEIVE", "paymentId": payment, "orderId": ORDER, "username": "anna",
        "amount": sum(amount), "paymentSystem": "bank"})
}

fn balance_of(answer: &(StatusCode, Value)) -> String {
    assert_eq!(answer.0, StatusCode::OK, "{}", answer.1);
    answer.1["balance"].to_string()
}

fn refused(answer: &(StatusCode, Value)) -> &str {
    assert_eq!(answer.0, StatusCode::CONFLICT, "{}", answer.1);
    answer.1["type"].as_str().and_then(|kind| kind.rsplit(':').next()).unwrap_or_default()
}

#[tokio::test]
async fn a_wallet_pays_the_order_is_agreed_on_and_a_part_and_the_rest_go_back() {
    let world = World::new();
    let wallet = world.wallet("anna", 200_000).await;
    let (order, purse) = (format!("order:{ORDER}"), format!("wallet:{wallet}"));
    assert_eq!(balance_of(&world.charge(&hold("p1", wallet, "1558.80")).await), "441.2");
    assert_eq!((world.holds(&order).await, world.holds(&purse).await), (155_880, 44_120));
    // More than was held is not earned.
    let more = world.charge(&verb("CONFIRM", "p1", "1558.81")).await;
    assert_eq!(refused(&more), "wrong-state");
    assert_eq!(refused(&world.charge(&verb("SHORT", "p1", "1")).await), "wrong-state");
    balance_of(&world.charge(&verb("CONFIRM", "p1", "1500.00")).await);
    assert_eq!((world.holds(&order).await, world.holds("sales").await), (5_880, 150_000));
    assert_eq!(balance_of(&world.charge(&verb("SHORT", "p1", "100")).await), "541.2");
    let reverse = json!({"operation": "REVERSE", "paymentId": "p1"});
    assert_eq!(balance_of(&world.charge(&reverse).await), "2000.0");
    for (account, kopecks) in
        [(order.as_str(), 0), ("sales", 0), (&purse, 200_000), ("given", -200_000)]
    {
        assert_eq!(world.holds(account).await, kopecks, "{account}");
    }
    world.is_right().await;
}

#[tokio::test]
async fn the_same_verb_moves_money_once_and_answers_alike() {
    let world = World::new();
    let wallet = world.wallet("anna", 10_000).await;
    let steps = [
        hold("p1", wallet, "60.00"),
        verb("CONFIRM", "p1", "60.00"),
        verb("SHORT", "p1", "20.00"),
        json!({"operation": "REVERSE", "paymentId": "p1", "amount": 60}),
    ];
    for step in &steps {
        let first = world.charge(step).await;
        assert_eq!(first.0, StatusCode::OK, "{step}: {}", first.1);
        for _ in 0..9 {
            assert_eq!(world.charge(step).await, first, "{step}");
        }
        let mut other = step.clone();
        other["amount"] = json!(59);
        assert_eq!(refused(&world.charge(&other).await), "id-reused", "{other}");
    }
    // What is reversed stays so.
    for step in &steps[..3] {
        assert_eq!(refused(&world.charge(step).await), "wrong-state", "{step}");
    }
    assert_eq!(world.holds(&format!("wallet:{wallet}")).await, 10_000);
    let (books, _) = world.books().await;
    assert_eq!(books.size().0, 5, "the credit and four verbs");
    world.is_right().await;
}

#[tokio::test]
async fn a_payment_that_was_reversed_before_it_came_brings_nothing() {
    let world = World::new();
    let wallet = world.wallet("anna", 10_000).await;
    let reverse = json!({"operation": "REVERSE", "paymentId": "p1"});
    let answer = world.charge(&reverse).await;
    assert_eq!((answer.0, &answer.1["balance"]), (StatusCode::OK, &Value::Null));
    assert_eq!(world.charge(&reverse).await, answer);
    assert_eq!(refused(&world.charge(&hold("p1", wallet, "60.00")).await), "wrong-state");
    assert_eq!(refused(&world.charge(&receive("p1", "60.00")).await), "wrong-state");
    assert_eq!(world.holds(&format!("wallet:{wallet}")).await, 10_000);
    world.is_right().await;
}

#[tokio::test]
async fn money_of_a_payment_system_goes_back_through_it() {
    let world = World::new();
    world.wallet("anna", 0).await;
    let answer = world.charge(&receive("p1", "1558.80")).await;
    assert_eq!((answer.0, &answer.1["balance"]), (StatusCode::OK, &Value::Null));
    world.charge(&verb("CONFIRM", "p1", "1558.80")).await;
    world.charge(&verb("SHORT", "p1", "58.80")).await;
    let owed = format!("owed:{ORDER}");
    assert_eq!((world.holds(&owed).await, world.holds("gateway:bank").await), (5_880, -155_880));
    let mut repaid = verb("REPAID", "p1", "58.80");
    repaid["refundId"] = json!("r1");
    for _ in 0..3 {
        assert_eq!(world.charge(&repaid).await.0, StatusCode::OK);
    }
    assert_eq!((world.holds(&owed).await, world.holds("gateway:bank").await), (0, -150_000));
    // No more is paid back than is owed, under whichever refund.
    repaid["refundId"] = json!("r2");
    assert_eq!(refused(&world.charge(&repaid).await), "wrong-state");
    world.charge(&json!({"operation": "REVERSE", "paymentId": "p1"})).await;
    assert_eq!(world.holds(&owed).await, 150_000);
    repaid["amount"] = json!(1500);
    assert_eq!(world.charge(&repaid).await.0, StatusCode::OK);
    for account in [owed.as_str(), "gateway:bank", "sales", &format!("order:{ORDER}")] {
        assert_eq!(world.holds(account).await, 0, "{account}");
    }
    world.is_right().await;
}

#[tokio::test]
async fn a_top_up_fills_a_wallet_and_is_final() {
    let world = World::new();
    let wallet = world.wallet("anna", 0).await;
    let top_up = json!({"operation": "TOP_UP", "paymentId": "t1", "username": "anna",
        "tokenId": wallet, "amount": 500, "paymentSystem": "bank"});
    assert_eq!(balance_of(&world.charge(&top_up).await), "500.0");
    assert_eq!(balance_of(&world.charge(&top_up).await), "500.0");
    let confirm = verb("CONFIRM", "t1", "500");
    assert_eq!(refused(&world.charge(&confirm).await), "wrong-state");
    let reverse = json!({"operation": "REVERSE", "paymentId": "t1"});
    assert_eq!(refused(&world.charge(&reverse).await), "wrong-state");
    assert_eq!(refused(&world.charge(&hold("t1", wallet, "500")).await), "id-reused");
    world.is_right().await;
}

#[tokio::test]
async fn what_a_payment_has_no_place_for_is_refused_the_first_time() {
    let world = World::new();
    let wallet = world.wallet("anna", 0).await;
    let top_up = json!({"operation": "TOP_UP", "paymentId": "t1", "username": "anna",
        "tokenId": wallet, "amount": 500, "paymentSystem": "bank", "orderId": ORDER});
    let mut received = receive("p1", "10");
    received["tokenId"] = json!(wallet);
    for (body, place) in [(top_up, "/orderId"), (received, "/tokenId")] {
        let (status, answer) = world.charge(&body).await;
        assert_eq!(
            (status, &answer["errors"][0]["pointer"]),
            (StatusCode::BAD_REQUEST, &json!(place))
        );
    }
    assert_eq!(world.books().await.0.size().0, 0);
}

#[tokio::test]
async fn no_more_is_paid_back_for_a_payment_than_it_has_brought() {
    let world = World::new();
    world.wallet("anna", 0).await;
    for (payment, system) in [("p1", "bank"), ("p2", "sbp")] {
        let mut body = receive(payment, "100");
        body["paymentSystem"] = json!(system);
        assert_eq!(world.charge(&body).await.0, StatusCode::OK);
        let reverse = json!({"operation": "REVERSE", "paymentId": payment});
        assert_eq!(world.charge(&reverse).await.0, StatusCode::OK);
    }
    let mut repaid = verb("REPAID", "p1", "200");
    repaid["refundId"] = json!("r1");
    assert_eq!(refused(&world.charge(&repaid).await), "wrong-state");
    for payment in ["p1", "p2"] {
        let mut repaid = verb("REPAID", payment, "100");
        repaid["refundId"] = json!("r1");
        assert_eq!(world.charge(&repaid).await.0, StatusCode::OK, "{payment}");
    }
    for account in ["gateway:bank", "gateway:sbp"] {
        assert_eq!(world.holds(account).await, 0, "{account}");
    }
    world.is_right().await;
}

#[tokio::test]
async fn nobody_pays_from_anothers_wallet_or_changes_anothers_payment() {
    let world = World::new();
    let anna = world.wallet("anna", 10_000).await;
    let boris = world.wallet("boris", 10_000).await;
    let nobodys = TokenId::new(7).expect("a number");
    // The second time the owner is remembered.
    for (what, wallet) in [("another's", boris), ("another's", boris), ("nobody's", nobodys)] {
        let (status, _) = world.charge(&hold("p1", wallet, "10")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{what}");
    }
    assert_eq!(world.charge(&hold("p1", anna, "10")).await.0, StatusCode::OK);
    for (field, value) in [
        ("username", json!("boris")),
        ("tokenId", json!(boris)),
        ("orderId", json!("000000000001")),
    ] {
        let mut other = verb("CONFIRM", "p1", "10");
        other[field] = value.clone();
        assert_eq!(refused(&world.charge(&other).await), "id-reused", "{field}");
        other["operation"] = json!("REVERSE");
        assert_eq!(refused(&world.charge(&other).await), "id-reused", "{field}");
    }
    let mut full = hold("p1", anna, "10");
    full["operation"] = json!("CONFIRM");
    assert_eq!(world.charge(&full).await.0, StatusCode::OK, "what is so may be said");
    world.is_right().await;
}

#[tokio::test]
async fn too_little_money_is_told_with_both_sums_and_moves_nothing() {
    let world = World::new();
    let wallet = world.wallet("anna", 500).await;
    let answer = world.charge(&hold("p1", wallet, "10.00")).await;
    assert_eq!(refused(&answer), "not-enough-money");
    assert_eq!(answer.1["detail"], "Не хватает денег: есть 5.00, нужно 10.00");
    let (books, _) = world.books().await;
    assert_eq!(books.size().0, 1, "the credit alone");
    assert_eq!(world.charge(&hold("p1", wallet, "5.00")).await.0, StatusCode::OK);
    // A repeated one is no question of money.
    assert_eq!(world.charge(&hold("p1", wallet, "5.00")).await.0, StatusCode::OK);
    world.is_right().await;
}

#[tokio::test]
async fn a_credit_is_given_once_for_each_key_and_the_client_reads_why() {
    let world = World::new();
    let wallet = world.wallet("anna", 0).await;
    for _ in 0..3 {
        let (status, body) = world.credit("anna", "k1", 50_000).await;
        assert_eq!((status, body["balance"].to_string()), (StatusCode::OK, "500.0".into()));
    }
    assert_eq!(refused(&world.credit("anna", "k1", 50_001).await), "id-reused");
    assert_eq!(world.credit("nobody", "k2", 1).await.0, StatusCode::NOT_FOUND);
    let body = json!({"username": "anna", "tokenId": wallet});
    let (status, statement) = world.post("/trxn/get", &body).await;
    assert_eq!(status, StatusCode::OK);
    let items = statement["items"].as_array().expect("entries");
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["operation"], "CREDIT");
    assert_eq!(items[0]["reason"], "За долгое ожидание");
    world.is_right().await;
}

#[tokio::test]
async fn an_account_is_listed_page_by_page_without_gap_or_repeat() {
    let world = World::new();
    let wallet = world.wallet("anna", 100_000).await;
    for payment in 0..25 {
        let body = hold(&format!("p{payment}"), wallet, "1.29");
        assert_eq!(world.charge(&body).await.0, StatusCode::OK);
    }
    let (mut seen, mut total, mut cursor) = (std::collections::BTreeSet::new(), 0, Value::Null);
    loop {
        let body = json!({"username": "anna", "tokenId": wallet, "limit": 7, "cursor": cursor});
        let (status, page) = world.post("/trxn/get", &body).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let items = page["items"].as_array().expect("entries");
        assert!(items.len() <= 7);
        for item in items {
            assert!(seen.insert(item["id"].to_string()), "twice: {item}");
            total += tillgate_kernel::Money::from_peer(&item["amount"].to_string())
                .expect("a sum")
                .kopecks();
        }
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!((seen.len(), total), (26, 100_000 - 25 * 129));
    let stranger = json!({"username": "boris", "tokenId": wallet});
    assert_eq!(world.post("/trxn/get", &stranger).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_client_who_registers_gets_a_wallet() {
    use crate::bus::inbox::Inbox;
    use crate::bus::{self, Envelope, message_id};
    use crate::formats::Contacts;
    use tillgate_kernel::{Language, Private};
    use tillgate_store::Batch;

    let world = World::new();
    let contacts = Contacts {
        username: "Anna".into(),
        first_name: None,
        last_name: None,
        email: Private::new("anna@example.org"),
        phone: None,
        language: Language::Ru,
        revision: 1,
    };
    let keys = world.billing.keys.clone();
    let id = message_id(bus::Service::Auth, client("anna").partition(), 1);
    let mut batch = Batch::new();
    let now = world.billing.clock.now();
    batch.send(Envelope::message(bus::Service::Billing, id, &contacts, &keys, now));
    world.billing.store.commit(batch).await.expect("committed");
    let consumer = Arc::clone(&world.billing);
    let inbox = Inbox { consumer, store: world.billing.store.clone(), keys };
    assert_eq!(inbox.take_all_twice().await, 1);
    let (status, body) = world.send("/token/get?username=anna", None).await;
    assert_eq!(status, StatusCode::OK);
    let tokens = body["tokens"].as_array().expect("tokens");
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0]["id"], json!(TokenId::of_wallet(client("anna"), 0)));
    let shown =
        (&tokens[0]["tokenType"], &tokens[0]["description"], tokens[0]["balance"].to_string());
    assert_eq!(shown, (&json!("WALLET"), &json!("Кошелёк"), "0.0".into()));
    assert_eq!(world.send("/token/get?username=boris", None).await.0, StatusCode::NOT_FOUND);
}
