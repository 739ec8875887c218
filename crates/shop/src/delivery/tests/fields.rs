//! Every field of every request in every wrong form.

use super::*;
use crate::contract::trial::wrong_values;

#[tokio::test]
async fn every_wrong_field_is_refused_with_its_name_and_what_to_do() {
    let world = World::new().await;
    let contract = contract();
    let book = contract.operations.iter().find(|one| one.id == "book").expect("one");
    let by_courier = courier(ANNAS[0], "30.11.2026", "13:00", "15:00", json!(199));
    let at_point = json!({"orderId": ANNAS[0], "version": 2, "pickupPointId": 120});
    for (fields, right) in [(book.body, by_courier), (book.other_body, at_point)]
        .map(|(all, one)| (all.expect("fields"), one))
    {
        for field in fields {
            for (what, value, expected) in wrong_values(field) {
                let mut body = right.clone();
                body[field.name] = value;
                let (status, said) = world.book("anna", &body).await;
                let error = &said["errors"][0];
                assert_eq!(status, StatusCode::BAD_REQUEST, "{}: {what}: {said}", field.name);
                assert_eq!(error["pointer"], format!("/{}", field.name), "{what}");
                assert_eq!(error["detail"], expected.as_str(), "{}: {what}", field.name);
            }
        }
    }
    let mut both = courier(ANNAS[0], "30.11.2026", "13:00", "15:00", json!(199));
    both["pickupPointId"] = json!(120);
    assert_eq!(world.book("anna", &both).await.0, StatusCode::BAD_REQUEST);
    let long = encoded(&"а".repeat(301));
    for path in [
        "/variants".to_owned(),
        format!("/variants?address={long}"),
        "/variants?address=%07".to_owned(),
        format!("/points?addressFilter={long}"),
        "/points?x=1".to_owned(),
        "/case".to_owned(),
    ] {
        assert_eq!(world.get(&path).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
}
