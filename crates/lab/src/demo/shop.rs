//! The demonstration of the shop: a client comes, and comes back.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};
use tillgate_peer::Client;

use super::narrator::Narrator;
use super::world::DEADLINE;
use crate::mailbox::{Letter, Mailbox};

const EMAIL: &str = "anna@example.org";
const PASSWORD: &str = "верный конь везёт сено";

/// The longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A client's device.
struct Device<'a> {
    client: &'a Client,
    url: &'a str,
    name: &'static str,
    cookies: BTreeMap<String, String>,
}

impl<'a> Device<'a> {
    const fn new(client: &'a Client, url: &'a str, name: &'static str) -> Device<'a> {
        Device { client, url, name, cookies: BTreeMap::new() }
    }

    /// Calls the service. Returns the status and the body; 0 without an answer.
    async fn send(&mut self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut headers = HeaderMap::new();
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        headers.insert(header::USER_AGENT, HeaderValue::from_static(self.name));
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("en"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(cookies) = HeaderValue::from_str(&cookies) {
            headers.insert(header::COOKIE, cookies);
        }
        let url = format!("{}/shop/auth{path}", self.url);
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let Ok(reply) = self.client.call(method, &url, headers, body.into_bytes()).await else {
            return (0, Value::Null);
        };
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().ok().and_then(|cookie| cookie.split(';').next());
            if let Some((name, value)) = pair.and_then(|pair| pair.split_once('=')) {
                self.cookies.insert(name.into(), value.into());
            }
        }
        let body = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        (reply.status.as_u16(), body)
    }
}

/// Prints a letter.
pub fn show(letter: &Letter) {
    let narrator = Narrator::new();
    narrator.say(format_args!("     {}", narrator.paint("2", &format!("┌ to {}", letter.to))));
    for line in letter.text.lines() {
        narrator.say(format_args!("     {} {line}", narrator.paint("2", "│")));
    }
}

/// The token in the link of a letter.
fn token(letter: &Letter) -> &str {
    letter.link().and_then(|link| link.rsplit('/').next()).unwrap_or_default()
}

/// Plays the story against the shop at `url`, whose letters arrive in the
/// mailbox. Returns whether all went as expected.
pub async fn tell(url: &str, mailbox: &Mailbox) -> bool {
    let mut narrator = Narrator::new();
    let client = match Client::new(DEADLINE, ANSWER_BYTES_MAX) {
        Ok(client) => client,
        Err(why) => {
            narrator.check(false, &why.to_string());
            return narrator.sum_up();
        }
    };
    let mut phone = Device::new(&client, url, "Anna's phone");
    let mut laptop = Device::new(&client, url, "Anna's laptop");

    narrator.chapter("A client registers");
    let anna = json!({"username": "anna", "password": PASSWORD, "email": EMAIL,
        "phone": "+7 999 000-00-00", "firstName": "Anna", "lastName": "Ivanova"});
    let weak = json!({"username": "anna", "password": "qwerty1234", "email": EMAIL});
    let (status, refused) = phone.send(Method::POST, "/register", Some(weak)).await;
    let why = refused["detail"].as_str().unwrap_or_default();
    narrator.check(status == 400, &format!("the password qwerty1234 is refused: {why}"));
    let (status, _) = phone.send(Method::POST, "/register", Some(anna)).await;
    narrator.check(status == 200, "with four random words she is registered, and logged in");
    let (status, me) = phone.send(Method::GET, "/me", None).await;
    let is_open = status == 200 && me["emailVerified"] == false;
    narrator.check(is_open, "her address is not confirmed yet");

    narrator.chapter("She confirms the address from the letter");
    let letter = mailbox.letter_to(EMAIL, 1, DEADLINE).await;
    narrator.check(letter.is_some(), "a letter has arrived");
    if let Some(letter) = &letter {
        show(letter);
        let body = json!({ "token": token(letter) });
        let (status, _) = laptop.send(Method::POST, "/verify", Some(body)).await;
        narrator.check(status == 204, "she follows its link on another device");
    }
    let (_, me) = phone.send(Method::GET, "/me", None).await;
    narrator.check(me["emailVerified"] == true, "the address is confirmed");

    narrator.chapter("She logs in on another device");
    let wrong = json!({"username": EMAIL, "password": "not this one"});
    let (known, _) = laptop.send(Method::POST, "/login", Some(wrong)).await;
    let nobody = json!({"username": "nobody@example.org", "password": "not this one"});
    let (unknown, _) = laptop.send(Method::POST, "/login", Some(nobody)).await;
    let is_alike = (known, unknown) == (401, 401);
    narrator.check(is_alike, "a wrong password and an unknown name are answered alike");
    let right = json!({"username": EMAIL, "password": PASSWORD});
    let (status, _) = laptop.send(Method::POST, "/login", Some(right)).await;
    narrator.check(status == 200, "by the address and the password she is in");

    narrator.chapter("She ends the session of her phone");
    let (_, sessions) = laptop.send(Method::GET, "/me/sessions", None).await;
    let sessions = sessions["items"].as_array().cloned().unwrap_or_default();
    for session in &sessions {
        let (device, used_at) = (&session["device"], &session["usedAt"]);
        narrator.say(format_args!("     {device}, last used {used_at}"));
    }
    narrator.check(sessions.len() == 2, "she sees both devices");
    let other = sessions.iter().find(|session| session["device"] == "Anna's phone");
    let id = other.and_then(|session| session["id"].as_str()).unwrap_or_default();
    let (status, _) = laptop.send(Method::DELETE, &format!("/me/sessions/{id}"), None).await;
    narrator.check(status == 204, "she ends the other one");
    let (status, _) = phone.send(Method::GET, "/me", None).await;
    narrator.check(status == 401, "the phone is logged out");

    narrator.chapter("She has forgotten the password");
    let body = json!({ "username": "anna" });
    let (status, _) = phone.send(Method::POST, "/reset", Some(body)).await;
    narrator.check(status == 204, "she asks for a letter");
    let letter = mailbox.letter_to(EMAIL, 2, DEADLINE).await;
    narrator.check(letter.is_some(), "it has arrived");
    if let Some(letter) = &letter {
        show(letter);
        let body = json!({"token": token(letter), "password": "lantern-copper-77-road"});
        let (status, _) = phone.send(Method::POST, "/reset/confirm", Some(body.clone())).await;
        narrator.check(status == 200, "with its link she chooses a new password");
        let (status, _) = laptop.send(Method::GET, "/me", None).await;
        narrator.check(status == 401, "all her other sessions have ended");
        let (status, _) = laptop.send(Method::POST, "/reset/confirm", Some(body)).await;
        narrator.check(status == 422, "the link works once");
    }
    narrator.sum_up()
}
