//! Addresses that are proved, passwords that are forgotten.

use super::*;

const EMAIL: &str = "anna@example.org";
const NEW_PASSWORD: &str = "lantern-copper-77-road";

fn token(letters: &[Letter]) -> String {
    match letters {
        [Letter::Verify { token } | Letter::Reset { token }] => token.expose().to_owned(),
        other => panic!("one letter with a link, not {other:?}"),
    }
}

async fn registered(world: &World) -> Browser {
    let mut browser = world.browser();
    assert_eq!(browser.post("/register", &anna()).await.status, StatusCode::OK);
    browser
}

async fn is_verified(browser: &mut Browser) -> bool {
    let reply = browser.get("/me").await;
    assert_eq!(reply.status, StatusCode::OK);
    reply.body["emailVerified"] == true
}

#[tokio::test]
async fn an_address_is_proved_by_the_link_of_its_letter() {
    let world = World::new();
    let mut owner = registered(&world).await;
    assert!(!is_verified(&mut owner).await);
    let letters = world.letters_to(EMAIL).await;
    assert!(matches!(letters[..], [Letter::Verify { .. }]));
    let token = token(&letters);
    // Any browser may open the link, and more than once.
    for _ in 0..2 {
        let reply = world.browser().post("/verify", &json!({ "token": token })).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
    }
    assert!(is_verified(&mut owner).await);
    for wrong in ["", "x", &"A".repeat(43), &format!("{token}A")] {
        let reply = world.browser().post("/verify", &json!({ "token": wrong })).await;
        assert!(reply.status.is_client_error(), "{wrong}");
    }
    // A link for one thing opens nothing else.
    let body = json!({"token": token, "password": NEW_PASSWORD});
    let reply = world.browser().post("/reset/confirm", &body).await;
    assert_eq!((reply.status.as_u16(), kind(&reply)), (422, "link-not-valid"));
}

#[tokio::test]
async fn a_link_ends() {
    let world = World::new();
    let mut owner = registered(&world).await;
    let first = token(&world.letters_to(EMAIL).await);
    world.clock.advance(Duration::from_secs(3 * 24 * 3600));
    let reply = world.browser().post("/verify", &json!({ "token": first })).await;
    assert_eq!((reply.status.as_u16(), kind(&reply)), (422, "link-not-valid"));
    let reply = owner.post("/verify/send", &Value::Null).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    let second = token(&world.letters_to(EMAIL).await);
    assert_ne!(first, second);
    let reply = world.browser().post("/verify", &json!({ "token": second })).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn who_registers_with_an_address_of_another_gets_nothing_and_the_owner_a_letter() {
    let world = World::new();
    registered(&world).await;
    // Nobody has proved the address: the letter says who can.
    let mut other = anna();
    other["username"] = json!("second");
    let mut second = world.browser();
    let shown = second.post("/register", &other).await;
    assert_eq!(shown.status, StatusCode::OK);
    let letters = world.letters_to(EMAIL).await;
    assert_eq!(letters.len(), 2, "{letters:?}");
    // The owner is who reads the letters, though the other came first.
    assert_eq!(second.post("/verify/send", &Value::Null).await.status, StatusCode::NO_CONTENT);
    let proof = token(&world.letters_to(EMAIL).await);
    assert_eq!(second.post("/verify", &json!({ "token": proof })).await.status, 204);
    let mut browser = world.browser();
    let reply = browser.log_in(EMAIL, PASSWORD).await;
    assert_eq!(reply.body["username"], "second", "{}", reply.body);

    // From now on the owner is warned, and nobody else can prove the address.
    other["username"] = json!("third");
    let mut third = world.browser();
    let reply = third.post("/register", &other).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(world.letters_to(EMAIL).await, [Letter::AddressTaken]);
    let reply = third.post("/reset", &json!({"username": "third"})).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert_eq!(world.letters_to(EMAIL).await, [], "it is not the third one's address");
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_once() {
    let world = World::new();
    let mut old_session = registered(&world).await;
    world.letters_to(EMAIL).await;
    // By any name of the account; an unknown one is answered alike.
    for name in ["buyer7", "Anna@example.org", "8 999 000-00-00"] {
        let reply = world.browser().post("/reset", &json!({ "username": name })).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{name}");
        assert!(matches!(world.letters_to(EMAIL).await[..], [Letter::Reset { .. }]), "{name}");
    }
    for name in ["nobody", "nobody@example.org", "+7 999 000-00-01", "?"] {
        let reply = world.browser().post("/reset", &json!({ "username": name })).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{name}");
        assert_eq!(world.letters_to(EMAIL).await, [], "{name}");
    }
    let reply = world.browser().post("/reset", &json!({"username": "buyer7"})).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    let token = token(&world.letters_to(EMAIL).await);
    let set = |password: &str| json!({"token": token, "password": password});
    let mut reader = world.browser();
    let reply = reader.post("/reset/confirm", &set("qwerty1234")).await;
    assert_eq!((reply.status.as_u16(), kind(&reply)), (400, "weak-password"));
    let reply = reader.post("/reset/confirm", &set(NEW_PASSWORD)).await;
    assert_eq!((reply.status, &reply.body["username"]), (StatusCode::OK, &json!("buyer7")));
    assert!(is_verified(&mut reader).await, "the letter has arrived");
    assert_eq!(old_session.get("/me").await.status, StatusCode::UNAUTHORIZED);
    let reply = world.browser().post("/reset/confirm", &set(NEW_PASSWORD)).await;
    assert_eq!((reply.status.as_u16(), kind(&reply)), (422, "link-not-valid"));
    assert_eq!(world.browser().log_in("buyer7", PASSWORD).await.status, 401);
    assert_eq!(world.browser().log_in("buyer7", NEW_PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_reset_link_ends_after_an_hour_and_when_the_password_changes() {
    let world = World::new();
    let mut owner = registered(&world).await;
    world.letters_to(EMAIL).await;
    let ask = async || {
        let reply = world.browser().post("/reset", &json!({"username": "buyer7"})).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
        token(&world.letters_to(EMAIL).await)
    };
    let late = ask().await;
    world.clock.advance(Duration::from_secs(3600));
    let early = ask().await;
    let change = json!({"password": PASSWORD, "newPassword": NEW_PASSWORD});
    assert_eq!(owner.post("/password", &change).await.status, StatusCode::OK);
    for token in [late, early] {
        let body = json!({"token": token, "password": "another-long-word-55"});
        let reply = world.browser().post("/reset/confirm", &body).await;
        assert_eq!((reply.status.as_u16(), kind(&reply)), (422, "link-not-valid"));
    }
}

#[tokio::test]
async fn letters_are_limited_for_an_account_and_a_network() {
    let world = World::new();
    registered(&world).await;
    let body = json!({"username": "buyer7"});
    for _ in 0..10 {
        let reply = world.browser().post("/reset", &body).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
    }
    let reply = world.browser().post("/reset", &body).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(reply.headers.contains_key(header::RETRY_AFTER));
    for number in 0..19 {
        let other = json!({ "username": format!("someone{number}") });
        let reply = world.browser().post("/reset", &other).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{number}");
    }
    let reply = world.browser().post("/reset", &json!({"username": "someone-else"})).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    let mut elsewhere = world.another_node().browser();
    elsewhere.address = "198.51.100.1";
    let reply = elsewhere.post("/reset", &json!({"username": "someone-else"})).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_new_address_needs_the_password_and_is_proved_again() {
    let world = World::new();
    let mut owner = registered(&world).await;
    let proof = token(&world.letters_to(EMAIL).await);
    assert_eq!(owner.post("/verify", &json!({ "token": proof })).await.status, 204);
    let patch = async |owner: &mut Browser, body: Value| {
        owner.send(Method::PATCH, "/me", "application/json", body.to_string().into()).await
    };
    let reply = patch(&mut owner, json!({"email": "new@example.org"})).await;
    assert_eq!((reply.status, kind(&reply)), (StatusCode::BAD_REQUEST, "bad-request"));
    let wrong = json!({"email": "new@example.org", "password": "not this one"});
    assert_eq!(patch(&mut owner, wrong).await.status, StatusCode::UNAUTHORIZED);
    // The same address again needs none.
    assert_eq!(patch(&mut owner, json!({"email": EMAIL})).await.status, StatusCode::OK);

    let right = json!({"email": "new@example.org", "password": PASSWORD, "phone": null});
    let reply = patch(&mut owner, right).await;
    assert_eq!((reply.status, &reply.body["email"]), (StatusCode::OK, &json!("new@example.org")));
    assert_eq!((&reply.body["emailVerified"], &reply.body["phone"]), (&json!(false), &Value::Null));
    assert_eq!(reply.body["firstName"], "Анна", "what is not sent stays");
    world.inbox.take_all_twice().await;
    world.letters.take_all_twice().await;
    let letters = world.letters.consumer.0.lock().expect("no panic").clone();
    let sent: BTreeMap<&str, &Letter> =
        letters.values().map(|letter| (letter.to.expose(), &letter.letter)).collect();
    assert_eq!(sent[EMAIL], &Letter::AddressChanged);
    assert!(matches!(sent["new@example.org"], Letter::Verify { .. }), "{sent:?}");
    // The old names lead nowhere, and the old link proves nothing.
    for name in [EMAIL, "+7 999 000-00-00"] {
        assert_eq!(world.browser().log_in(name, PASSWORD).await.status, 401, "{name}");
    }
    assert_eq!(world.browser().log_in("new@example.org", PASSWORD).await.status, 200);
    let reply = owner.post("/verify", &json!({ "token": proof })).await;
    assert_eq!(reply.status.as_u16(), 422);
    assert!(!is_verified(&mut owner).await);
}

const PHONE: &str = "79990000000";

fn code(letters: &[Letter]) -> String {
    match letters {
        [Letter::PhoneCode { code }] => code.expose().to_owned(),
        other => panic!("one code, not {other:?}"),
    }
}

#[tokio::test]
async fn a_number_is_proved_by_the_code_of_its_message() {
    let world = World::new();
    let mut owner = registered(&world).await;
    // A message costs money: it takes an address that was confirmed.
    let reply = owner.post("/verify/phone/send", &Value::Null).await;
    assert_eq!((reply.status, kind(&reply)), (StatusCode::CONFLICT, "no-phone"));
    let proof = token(&world.letters_to(EMAIL).await);
    assert_eq!(owner.post("/verify", &json!({ "token": proof })).await.status, 204);
    let send = async |owner: &mut Browser| owner.post("/verify/phone/send", &Value::Null).await;
    assert_eq!(send(&mut owner).await.status, StatusCode::NO_CONTENT);
    let first = code(&world.letters_to(PHONE).await);
    let typed = |code: &str| json!({ "code": code });
    let wrong = if first == "123456" { "123457" } else { "123456" };
    let reply = owner.post("/verify/phone", &typed(wrong)).await;
    assert_eq!((reply.status, kind(&reply)), (StatusCode::BAD_REQUEST, "bad-request"));
    assert_eq!(reply.body["errors"][0]["pointer"], "/code");
    assert_eq!(owner.get("/me").await.body["phoneVerified"], false);
    let reply = owner.post("/verify/phone", &typed(&first)).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert_eq!(owner.get("/me").await.body["phoneVerified"], true);
    let reply = owner.post("/verify/phone", &typed(&first)).await;
    assert_eq!((reply.status.as_u16(), kind(&reply)), (422, "code-not-valid"), "once");

    // A code ends after ten minutes, and after five tries.
    assert_eq!(send(&mut owner).await.status, StatusCode::NO_CONTENT);
    let late = code(&world.letters_to(PHONE).await);
    world.clock.advance(Duration::from_secs(600));
    let reply = owner.post("/verify/phone", &typed(&late)).await;
    assert_eq!((reply.status.as_u16(), kind(&reply)), (422, "code-not-valid"));
    assert_eq!(send(&mut owner).await.status, StatusCode::NO_CONTENT);
    let guessed = code(&world.letters_to(PHONE).await);
    let wrong = if guessed == "123456" { "123457" } else { "123456" };
    for _ in 0..5 {
        assert_eq!(owner.post("/verify/phone", &typed(wrong)).await.status, 400);
    }
    assert_eq!(owner.post("/verify/phone", &typed(&guessed)).await.status, 422);
    for status in [204, 204, 429] {
        assert_eq!(send(&mut owner).await.status.as_u16(), status);
    }
}

#[tokio::test]
async fn a_number_leads_to_who_has_proved_it_last() {
    let world = World::new();
    let prove = async |username: &str| {
        let mut body = anna();
        body["username"] = json!(username);
        let email = format!("{username}@example.org");
        body["email"] = json!(email);
        let mut browser = world.browser();
        assert_eq!(browser.post("/register", &body).await.status, StatusCode::OK);
        let proof = token(&world.letters_to(&email).await);
        assert_eq!(browser.post("/verify", &json!({ "token": proof })).await.status, 204);
        let reply = browser.post("/verify/phone/send", &Value::Null).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
        let code = code(&world.letters_to(PHONE).await);
        let reply = browser.post("/verify/phone", &json!({ "code": code })).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT);
        world.inbox.take_all_twice().await;
        world.browser().log_in(PHONE, PASSWORD).await.body["username"].clone()
    };
    assert_eq!(prove("first").await, "first");
    assert_eq!(prove("second").await, "second", "numbers get new owners");
}

/// One account has one limit, however its name is spelt.
#[tokio::test]
async fn another_spelling_of_a_name_is_not_another_try() {
    let world = World::new();
    registered(&world).await;
    world.letters_to(EMAIL).await;
    let spellings = ["+7 999 000-00-00", "8(999)0000000", "7 999 0000000", "+79990000000"];
    let mut refused = 0;
    for guess in 0..12 {
        let mut attacker = world.browser();
        attacker.address = ["198.51.100.1", "192.0.2.1", "2001:db8::1"][guess % 3];
        let reply = attacker.log_in(spellings[guess % 4], "догадка").await;
        refused += usize::from(reply.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(refused, 7, "five guesses are free");
    for number in 0..10 {
        let body = json!({ "username": spellings[number % 4] });
        assert_eq!(world.browser().post("/reset", &body).await.status, 204, "{number}");
    }
    let reply = world.browser().post("/reset", &json!({"username": "mailto:x"})).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    let reply = world.browser().post("/reset", &json!({"username": spellings[1]})).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_reset_link_to_an_old_address_sets_no_password() {
    let world = World::new();
    let mut owner = registered(&world).await;
    world.letters_to(EMAIL).await;
    assert_eq!(world.browser().post("/reset", &json!({"username": "buyer7"})).await.status, 204);
    let old = token(&world.letters_to(EMAIL).await);
    let body = json!({"email": "new@example.org", "password": PASSWORD}).to_string();
    let reply = owner.send(Method::PATCH, "/me", "application/json", body.into()).await;
    assert_eq!(reply.status, StatusCode::OK);
    let body = json!({"token": old, "password": NEW_PASSWORD});
    let reply = world.browser().post("/reset/confirm", &body).await;
    assert_eq!((reply.status.as_u16(), kind(&reply)), (422, "link-not-valid"));
}

/// Nobody is written to over and over by somebody who changes the address.
#[tokio::test]
async fn changes_of_the_address_are_limited() {
    let world = World::new();
    let mut owner = registered(&world).await;
    world.letters_to(EMAIL).await;
    let mut statuses = Vec::new();
    for number in 0..12 {
        let email = ["victim@example.org", "other@example.org", "third@example.org"][number % 3];
        let body = json!({"email": email, "password": PASSWORD}).to_string();
        let reply = owner.send(Method::PATCH, "/me", "application/json", body.into()).await;
        statuses.push(reply.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 429, 429]);
    assert!(world.letters_to("victim@example.org").await.len() <= 10);
}

/// Failures of strangers do not keep the owner from a change.
#[tokio::test]
async fn a_client_who_is_logged_in_confirms_a_change_whatever_strangers_try() {
    let world = World::new();
    let mut owner = registered(&world).await;
    for _ in 0..8 {
        world.browser().log_in("buyer7", "догадка").await;
    }
    let reply = world.browser().log_in("buyer7", PASSWORD).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    let change = json!({"password": PASSWORD, "newPassword": NEW_PASSWORD});
    assert_eq!(owner.post("/password", &change).await.status, StatusCode::OK);
}
