//! Every field of every request of the contract, in every wrong form.

use super::*;
use crate::contract::trial::{fits, wrong_values};
use crate::contract::{Field, Shape};
use crate::order::contract::contract;

fn good(field: &Field) -> Value {
    match field.shape {
        Shape::Choice(_) => json!("NEW"),
        Shape::Whole(..) => json!(1),
        Shape::Amount => json!(10),
        Shape::Object(fields) => body(fields),
        Shape::Objects(fields, _) => json!([body(fields)]),
        Shape::Order
        | Shape::Cost
        | Shape::Day
        | Shape::Hour
        | Shape::Email
        | Shape::Switch
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

/// All fields of a request with where they are.
fn all_fields(fields: &'static [Field], place: &str) -> Vec<(String, &'static Field)> {
    let each = fields.iter().flat_map(|field| {
        let pointer = format!("{place}/{}", field.name);
        let within = if let Shape::Object(inner) = field.shape {
            all_fields(inner, &pointer)
        } else if let Shape::Objects(inner, _) = field.shape {
            all_fields(inner, &format!("{pointer}/0"))
        } else {
            Vec::new()
        };
        [(pointer, field)].into_iter().chain(within).collect::<Vec<_>>()
    });
    each.collect()
}

impl World {
    async fn said_of(&self, method: &str, path: &str, body: &Value, pointer: &str) -> String {
        let method = method.parse().expect("a method");
        let (status, answer) = self.send_text("anna", method, path, Some(&body.to_string())).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path} {pointer}: {body}: {answer}");
        let errors = answer["errors"].as_array().cloned().unwrap_or_default();
        let error = errors.into_iter().find(|error| error["pointer"] == pointer);
        error.map_or_else(String::new, |error| error["detail"].as_str().unwrap_or_default().into())
    }
}

#[tokio::test]
async fn every_wrong_field_is_refused_with_its_name_and_what_to_do() {
    let world = World::new().await;
    let mut tried = 0;
    for operation in contract().operations {
        let Some(fields) = operation.body else { continue };
        for (pointer, field) in all_fields(fields, "") {
            for (what, value, expected) in wrong_values(field) {
                let mut wrong = body(fields);
                *wrong.pointer_mut(&pointer).expect("a field") = value;
                let said = world.said_of(operation.method, operation.path, &wrong, &pointer).await;
                assert_eq!(said, expected, "{}: {pointer}: {what}", operation.id);
                tried += 1;
            }
        }
        let mut unknown = body(fields);
        unknown["orderItems"][0]["product"]["colour"] = json!("red");
        let pointer = "/orderItems/0/product/colour";
        let said = world.said_of(operation.method, operation.path, &unknown, pointer).await;
        assert_eq!(said, "В этом запросе нет такого поля");
    }
    assert!(tried > 100, "{tried} wrong fields");
}

#[tokio::test]
async fn nobody_sets_a_price_or_more_than_there_can_be() {
    let world = World::new().await;
    let place = |quantity: Value, product: Value| json!({"orderItems": [{"product": product, "quantity": quantity}]});
    for quantity in [json!(0), json!(-1), json!(1.5), json!(1_000_000), json!("2"), Value::Null] {
        let body = place(quantity, json!({"id": 1}));
        let pointer = "/orderItems/0/quantity";
        let said = world.said_of("POST", "/place", &body, pointer).await;
        assert!(said.contains("от 1 до 1000") || said == "Заполните это поле", "{body}: {said}");
    }
    let body = place(json!(1), json!({"id": 1, "price": 1}));
    let said = world.said_of("POST", "/place", &body, "/orderItems/0/product/price").await;
    assert_eq!(said, "В этом запросе нет такого поля");
    let body = json!({"orderItems": items(&[(1, 600), (1, 600)])});
    assert!(world.said_of("POST", "/place", &body, "/orderItems").await.contains("от 1 до 1000"));
    let body = json!({"id": "x", "version": 0, "orderItems": items(&[(1, 1), (1, 2)])});
    let said = world.said_of("PUT", "/adjust", &body, "/orderItems").await;
    assert_eq!(said, "Поле указано дважды");
}

#[tokio::test]
async fn answers_have_the_members_of_the_contract() {
    let world = World::new().await;
    let contract = contract();
    let (_, order) = world.place("anna", Some("web-1"), &[(1, 1)]).await;
    fits(&contract, "Order", &order);
    let (_, list) = world.get("anna", "/list").await;
    fits(&contract, "Orders", &list);
    assert_eq!(list["items"], json!([order]));
}
