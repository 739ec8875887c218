//! Every field of every request of the contract, in every wrong form.

use super::*;
use crate::billing::contract::contract;
use crate::contract::trial::{fits, wrong_values};
use crate::contract::{Field, Shape};
use crate::form::Fault;
use tillgate_kernel::Language;

fn good(field: &Field) -> Value {
    match field.shape {
        Shape::Choice(_) => json!("RECEIVE"),
        Shape::Order => json!(ORDER),
        Shape::Whole(..) => json!(7),
        Shape::Amount => json!(10),
        Shape::Email => json!("b@example.org"),
        Shape::Object(fields) => body(fields),
        Shape::Objects(fields, _) => json!([body(fields)]),
        Shape::Switch => json!(true),
        Shape::Text(_) if field.name == "cursor" => Value::Null,
        Shape::Cost
        | Shape::Day
        | Shape::Hour
        | Shape::Text(_)
        | Shape::Username(_)
        | Shape::Phone
        | Shape::Password
        | Shape::Id(_) => json!("anna"),
    }
}

fn body(fields: &[Field]) -> Value {
    fields.iter().map(|field| (field.name.to_owned(), good(field))).collect()
}

/// A request in which one field is to be wrong. No operation takes all of them.
fn body_for(fields: &[Field], name: &str) -> Value {
    let mut body = body(fields);
    if !fields.iter().any(|field| field.name == "operation") {
        return body;
    }
    let (operation, foreign): (_, &[&str]) = match name {
        "tokenId" => ("HOLD", &["paymentSystem", "refundId"]),
        "refundId" => ("REPAID", &["paymentSystem"]),
        _ => ("RECEIVE", &["tokenId", "refundId"]),
    };
    body["operation"] = json!(operation);
    let members = body.as_object_mut().expect("an object");
    members.retain(|member, _| !foreign.contains(&member.as_str()));
    body
}

async fn said_of(world: &World, path: &str, body: &str, pointer: &str) -> String {
    let (status, answer) = world.send(path, Some(body)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{path} {pointer}: {body}: {answer}");
    assert_eq!(answer["errorMessage"], answer["detail"]);
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    let error = errors.into_iter().find(|error| error["pointer"] == pointer);
    error.map_or_else(String::new, |error| error["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn every_wrong_field_is_refused_with_its_name_and_what_to_do() {
    let world = World::new();
    let mut tried = 0;
    for operation in contract().operations {
        let Some(fields) = operation.body else { continue };
        for field in fields {
            let good = body_for(fields, field.name);
            let pointer = format!("/{}", field.name);
            for (what, value, expected) in wrong_values(field) {
                let mut wrong = good.clone();
                wrong[field.name] = value;
                let said = said_of(&world, operation.path, &wrong.to_string(), &pointer).await;
                assert_eq!(said, expected, "{}: {}: {what}", operation.id, field.name);
                tried += 1;
            }
            let text = good.to_string();
            let twice =
                format!("{},\"{}\":{}}}", &text[..text.len() - 1], field.name, good[field.name]);
            let said = said_of(&world, operation.path, &twice, &pointer).await;
            assert_eq!(said, "Поле указано дважды", "{}: {}", operation.id, field.name);
        }
        let mut unknown = body_for(fields, "amount");
        unknown["colour"] = json!("red");
        let said = said_of(&world, operation.path, &unknown.to_string(), "/colour").await;
        assert_eq!(said, "В этом запросе нет такого поля");
    }
    assert!(tried > 80, "{tried} wrong fields");
}

#[tokio::test]
async fn each_operation_names_the_fields_that_it_needs() {
    let world = World::new();
    let missing = Fault::Missing.text(Language::Ru);
    let needed: [(&str, &[&str]); 7] = [
        ("HOLD", &["orderId", "username", "tokenId", "amount"]),
        ("TOP_UP", &["username", "tokenId", "amount", "paymentSystem"]),
        ("RECEIVE", &["orderId", "username", "amount", "paymentSystem"]),
        ("CONFIRM", &["amount"]),
        ("SHORT", &["amount"]),
        ("REPAID", &["amount", "refundId"]),
        ("REVERSE", &[]),
    ];
    for (operation, needed) in needed {
        let bare = json!({"operation": operation, "paymentId": "p9"});
        let (status, answer) = world.charge(&bare).await;
        let errors = answer["errors"].as_array().cloned().unwrap_or_default();
        let named: Vec<String> = errors
            .iter()
            .map(|error| {
                assert_eq!(error["detail"], missing.as_str());
                error["pointer"].as_str().unwrap_or_default().trim_start_matches('/').to_owned()
            })
            .collect();
        assert_eq!(named, needed, "{operation}");
        assert_eq!(status.as_u16(), if needed.is_empty() { 200 } else { 400 });
        for (field, takers) in
            [("paymentSystem", ["TOP_UP", "RECEIVE"]), ("refundId", ["REPAID"; 2])]
        {
            let mut with = bare.clone();
            with[field] = json!("x");
            let (_, answer) = world.charge(&with).await;
            let errors = answer["errors"].as_array().cloned().unwrap_or_default();
            let is_unknown = errors.iter().any(|error| {
                error["pointer"] == format!("/{field}").as_str()
                    && error["detail"] != missing.as_str()
            });
            assert_eq!(is_unknown, !takers.contains(&operation), "{operation}: {field}");
        }
    }
}

#[tokio::test]
async fn the_bodies_of_answers_have_the_members_of_the_contract() {
    let world = World::new();
    let wallet = world.wallet("anna", 10_000).await;
    let contract = contract();
    let cards = json!({"orderId": ORDER, "cards": [{"id": 1, "balance": 5, "grantee": {"email": "b@example.org"}}]});
    let asked = [
        ("/token/charge", Some(hold("p1", wallet, "10"))),
        ("/token/create", Some(cards)),
        ("/trxn/get", Some(json!({"username": "anna", "tokenId": wallet}))),
        ("/token/get?username=anna", None),
    ];
    for (path, sent) in asked {
        let sent = sent.map(|sent| sent.to_string());
        let (status, answer) = world.send(path, sent.as_deref()).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        let route = path.split('?').next().unwrap_or_default();
        let operation = contract.operations.iter().find(|one| one.path == route).expect("one");
        fits(&contract, operation.answer.body.expect("a body"), &answer);
    }
}
