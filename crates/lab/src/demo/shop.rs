//! The demonstration of the shop: a client comes, comes back, fills a basket,
//! chooses how it comes, and pays.

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::json;
use tillgate_kernel::Secret;
use tillgate_peer::Client;

use super::device::Device;
use super::goods;
use super::narrator::Narrator;
use super::paying;
use super::world::DEADLINE;
use crate::mailbox::{Letter, Mailbox};
use crate::sandbox::Sandbox;

const EMAIL: &str = "anna@example.org";
const PASSWORD: &str = "верный конь везёт сено";

/// The longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

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

/// What the story needs of the program that has the shop.
pub struct Desk<'a, Credit, Service, Books, Fill> {
    /// Where the shop's letters arrive.
    pub mailbox: &'a Mailbox,
    /// Where its buyers pay.
    pub bank: &'a Sandbox,
    /// The token of a marketplace that sells from the same shelves.
    pub marketplace: Secret,
    /// Gives a client a sum in roubles, as the operator does.
    pub credit: Credit,
    /// The header of a service that takes payments.
    pub service: Service,
    /// Adds up the books: how many transfers there are, if all is right.
    pub books: Books,
    /// Gives the shop a feed of products, tables of outlets and of delivery,
    /// and one of what the outlets have.
    pub fill: Fill,
}

/// Plays the story against the shop at `url`. Returns whether all went as
/// expected.
pub async fn tell<Credit, Service, Books, Fill>(
    url: &str,
    desk: Desk<'_, Credit, Service, Books, Fill>,
) -> bool
where
    Fill: AsyncFn(&str, &[&str], &str) -> bool,
    Credit: AsyncFn(&str, &str) -> bool,
    Service: Fn() -> (&'static str, String),
    Books: AsyncFn() -> Option<u64>,
{
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
    let letter = desk.mailbox.letter_to(EMAIL, 1, DEADLINE).await;
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
    let letter = desk.mailbox.letter_to(EMAIL, 2, DEADLINE).await;
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
    pay(&mut narrator, &mut phone, &desk).await;
    let Desk { bank, marketplace, credit, fill, .. } = desk;
    goods::buy(&mut narrator, &mut phone, &marketplace, fill).await;
    paying::pay(&mut narrator, &mut phone, bank, &marketplace, &credit).await;
    narrator.sum_up()
}

/// How many payments are made at the same moment.
const PAYMENTS: u32 = 100;

/// The client pays from the wallet.
async fn pay<Credit, Service, Books, Fill>(
    narrator: &mut Narrator,
    phone: &mut Device<'_>,
    desk: &Desk<'_, Credit, Service, Books, Fill>,
) where
    Credit: AsyncFn(&str, &str) -> bool,
    Service: Fn() -> (&'static str, String),
    Books: AsyncFn() -> Option<u64>,
{
    narrator.chapter("The shop gives her 505.00, and a hundred payments of 10.00 come at once");
    let (method, get) = (Method::GET, "/token/get?username=anna");
    let (status, wallet) = phone.send_to("billing", method, get, None, HeaderMap::new()).await;
    let number = wallet["tokens"][0]["id"].clone();
    narrator.check(status == 200 && number.is_u64(), "she has a wallet");
    narrator.check((desk.credit)("anna", "505.00").await, "the operator gives her 505.00");
    let letter = desk.mailbox.letter_to(EMAIL, 3, DEADLINE).await;
    narrator.check(letter.is_some(), "a letter says so");
    if let Some(letter) = &letter {
        show(letter);
    }
    let mut headers = HeaderMap::new();
    let (name, value) = (desk.service)();
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert(name, value);
    }
    let mut payments = tokio::task::JoinSet::new();
    for payment in 0..PAYMENTS {
        let body = json!({"operation": "HOLD", "paymentId": format!("demo-{payment}"),
            "orderId": format!("{payment:012}"), "username": "anna", "tokenId": number,
            "amount": 10});
        let url = format!("{}/shop/billing/token/charge", phone.url);
        let (client, mut headers) = (phone.client.clone(), headers.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        payments.spawn(async move {
            let reply = client.call(Method::POST, &url, headers, body.to_string().into()).await;
            reply.map_or(0, |reply| reply.status.as_u16())
        });
    }
    let statuses = payments.join_all().await;
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    narrator.check(count(200) == 50, "exactly fifty succeed");
    narrator
        .check(count(409) == 50, "the other fifty are answered that the money does not suffice");
    let question = json!({"username": "anna", "tokenId": number, "limit": 2});
    let (_, page) =
        phone.send_to("billing", Method::POST, "/trxn/get", Some(question), HeaderMap::new()).await;
    for entry in page["items"].as_array().map(Vec::as_slice).unwrap_or_default() {
        narrator.say(format_args!("     {} {}", entry["operation"], entry["amount"]));
    }
    narrator.check(page["balance"] == 5.0, "5.00 are left, and she sees what has moved");
    let books = (desk.books)().await;
    if let Some(transfers) = books {
        narrator.say(format_args!("     {transfers} transfers, all accounts together are zero"));
    }
    narrator.check(books.is_some(), "the books are right, as tillgate shop ledger verify says");
}
