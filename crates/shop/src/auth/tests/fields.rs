//! Every field of every request of the contract, in every wrong form.

use super::*;
use crate::auth::contract::contract;
use crate::contract::trial::{fits, wrong_values};
use crate::contract::{Field, Operation, Shape};
use crate::form::BODY_BYTES_MAX;

/// A value that the field takes.
fn good(field: &Field, client: &str) -> Value {
    match (field.name, field.shape) {
        ("password", _) => json!(PASSWORD),
        ("newPassword", _) => json!("lantern-copper-77-road"),
        ("username", _) => json!(client),
        (_, Shape::Email) => json!("anna@example.org"),
        (_, Shape::Phone) => json!("+7 999 000-00-00"),
        _ => json!("Анна"),
    }
}

fn body(operation: &Operation, client: &str) -> Value {
    let fields = operation.body.unwrap_or_default().iter();
    fields.map(|field| (field.name.to_owned(), good(field, client))).collect()
}

/// What is wrong with a field, in the answer to a request.
async fn said_of(browser: &mut Browser, operation: &Operation, body: String, name: &str) -> String {
    let method = operation.method.parse().expect("a method");
    let reply = browser.send(method, operation.path, "application/json", body.into()).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{} {name}: {}", operation.id, reply.body);
    assert_eq!(reply.body["errorMessage"], reply.body["detail"]);
    assert!(reply.body["detail"].as_str().is_some_and(|text| !text.is_empty()));
    let errors = reply.body["errors"].as_array().cloned().unwrap_or_default();
    let pointer = format!("/{name}");
    let error = errors.into_iter().find(|error| error["pointer"] == pointer.as_str());
    error.map_or_else(String::new, |error| error["detail"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn every_wrong_field_is_refused_with_its_name_and_what_to_do() {
    let world = World::new();
    let mut browser = world.browser();
    assert_eq!(browser.post("/register", &anna()).await.status, StatusCode::OK);
    let mut tried = 0;
    for operation in contract().operations {
        let Some(fields) = operation.body else { continue };
        let good = body(&operation, "someone");
        for field in fields {
            let name = field.name;
            for (what, value, expected) in wrong_values(field) {
                let mut wrong = good.clone();
                wrong[name] = value;
                let said = said_of(&mut browser, &operation, wrong.to_string(), name).await;
                assert_eq!(said, expected, "{}: {name}: {what}", operation.id);
                tried += 1;
            }
            if field.is_required {
                let mut wrong = good.clone();
                wrong.as_object_mut().expect("an object").remove(name);
                let said = said_of(&mut browser, &operation, wrong.to_string(), name).await;
                assert_eq!(said, "Заполните это поле", "{}: {name}", operation.id);
            }
            // A name that occurs twice could be read differently elsewhere.
            let text = good.to_string();
            let twice = format!("{},\"{name}\":{}}}", &text[..text.len() - 1], good[name]);
            let said = said_of(&mut browser, &operation, twice, name).await;
            assert_eq!(said, "Поле указано дважды", "{}: {name}", operation.id);
        }
        let mut unknown = good.clone();
        unknown["colour"] = json!("red");
        let said = said_of(&mut browser, &operation, unknown.to_string(), "colour").await;
        assert_eq!(said, "В этом запросе нет такого поля", "{}", operation.id);
    }
    assert!(tried > 150, "{tried} wrong fields");
}

#[tokio::test]
async fn a_body_that_is_no_form_is_refused() {
    let world = World::new();
    let mut browser = world.browser();
    assert_eq!(browser.post("/register", &anna()).await.status, StatusCode::OK);
    for operation in contract().operations.iter().filter(|one| one.body.is_some()) {
        let json = "application/json";
        let good = body(operation, "someone").to_string();
        let latin = good.replace("Анна", "Anna").into_bytes();
        // In windows-1251, and in UTF-16.
        let foreign = [&latin[..1], b"\"a\":\"\xc0\xed\xed\xe0\",", &latin[1..]].concat();
        let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let long = format!("{{\"username\":\"{}\"}}", "a".repeat(BODY_BYTES_MAX));
        for (what, kind, bytes, status) in [
            ("another encoding", json, foreign, 400),
            ("UTF-16", json, wide, 400),
            ("nothing", json, Vec::new(), 400),
            ("a list", json, b"[]".to_vec(), 400),
            ("a part", json, b"{\"username\":".to_vec(), 400),
            ("as text", "text/plain", latin.clone(), 415),
            ("as a form", "application/x-www-form-urlencoded", latin.clone(), 415),
            ("without a type", "", latin.clone(), 415),
            ("too long", json, long.into_bytes(), 413),
        ] {
            let method = operation.method.parse().expect("a method");
            let reply = browser.send(method, operation.path, kind, bytes).await;
            assert_eq!(reply.status.as_u16(), status, "{}: {what}", operation.id);
            let detail = reply.body["detail"].as_str().unwrap_or_default();
            assert!(!detail.is_empty(), "{}: {what}", operation.id);
        }
    }
}

/// What is answered is what the contract describes.
#[tokio::test]
async fn the_bodies_of_answers_have_the_members_of_the_contract() {
    let world = World::new();
    let mut browser = world.browser();
    assert_eq!(browser.post("/register", &anna()).await.status, StatusCode::OK);
    let contract = contract();
    let mut checked = 0;
    for operation in &contract.operations {
        let Some(name) = operation.answer.body else { continue };
        let mut sent = match operation.id {
            "register" => {
                json!({"username": "other", "password": PASSWORD, "email": "b@b.example"})
            }
            "reset" => continue, // its letter is followed by another test
            _ => body(operation, "buyer7"),
        };
        if operation.id == "correctOwnData" {
            sent = json!({"firstName": "Анна"});
        }
        let method: Method = operation.method.parse().expect("a method");
        let bytes = if operation.body.is_some() { sent.to_string() } else { String::new() };
        let kind = if operation.body.is_some() { "application/json" } else { "" };
        let reply = browser.send(method, operation.path, kind, bytes.into()).await;
        assert_eq!(reply.status, operation.answer.status, "{}: {}", operation.id, reply.body);
        fits(&contract, name, &reply.body);
        checked += 1;
    }
    assert!(checked >= 6, "{checked} bodies");
}
