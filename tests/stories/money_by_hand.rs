//! The operator's money: sums before decisions, amounts, reasons and names, and
//! orders that are placed and changed for a merchant.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tillgate_lab::sandbox::{Call, Outcome, Trouble};

use super::operation::BINARY;
use crate::world::ADMIN_TOKEN;
use crate::world::till::{Till, json_of, order, text};

/// The command line, without a terminal.
fn tillgate(till: &Till, arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(Path::new("/")).stdin(Stdio::null());
    command.env("TILLGATE_SERVER", till.url()).env("TILLGATE_ADMIN_TOKEN", ADMIN_TOKEN);
    command.env("USER", "olga").env_remove("SUDO_USER");
    command.output().expect("the binary runs")
}

fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// The number of an order that was paid with another sum than was asked for:
/// the payment system has another sum from the beginning, or shows it once the
/// buyer has paid.
async fn paid_with_another_sum(till: &Till, id: &str, is_shown_late: bool) -> String {
    if !is_shown_late {
        till.bank.misbehave(Call::Create, [Trouble::OtherAmount]);
    }
    let number = text(&till.place(id, id).await["number"]);
    till.order_in(&number, if is_shown_late { "linked" } else { "failed" }).await;
    till.bank.misbehave_always(Call::Notification, Some(Trouble::Lost));
    if is_shown_late {
        till.bank.misbehave_always(Call::Other, Some(Trouble::OtherAmount));
    }
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    number
}

/// A notification of a wrong sum takes two commands: a look, and a decision.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_sum_is_settled_with_two_commands() {
    let till = Till::open().await;
    for (id, decision, state) in [("A-1", "accept", "paid"), ("A-2", "refund", "refunded")] {
        let number = paid_with_another_sum(&till, id, decision == "accept").await;
        let payment = format!("{number}-1");

        let looked = shown(&tillgate(&till, &["payments", "look", &payment]));
        for part in ["needs_review", "614.80 RUB", "615.80 RUB", "difference", "1.00 RUB"] {
            assert!(looked.contains(part), "{part}: {looked}");
        }
        let next = format!("$ tillgate payments {decision} {payment}");
        assert!(looked.contains(&next), "{looked}");

        let asked = tillgate(&till, &["payments", decision, &payment]);
        assert_eq!(asked.status.code(), Some(2), "{}", shown(&asked));
        assert!(shown(&asked).contains("add --yes"), "{}", shown(&asked));
        let arguments = ["payments", decision, &payment, "--yes", "--reason", "the bank rounded"];
        let done = tillgate(&till, &arguments);
        assert!(done.status.success(), "{}", shown(&done));

        let document = till.document_in(&number, state).await;
        assert_eq!(document["attention"], json!([]), "{document}");
        let money = &document["money"];
        assert_eq!(money["paid"]["amount"], "615.80", "{document}");
        let refunded = if decision == "refund" { json!("615.80") } else { Value::Null };
        assert_eq!(money["refunded"]["amount"], refunded, "{document}");
        let journal = till.admin(&format!("/orders/{number}/journal")).await.to_string();
        for part in ["the bank rounded", "who gave the name \\\"olga\\\""] {
            assert!(journal.contains(part), "{part}: {journal}");
        }
        till.bank.misbehave_always(Call::Notification, None);
        till.bank.misbehave_always(Call::Other, None);
    }
    till.close().await;
}

/// A part of the money goes back, and never more than is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_amount_is_refunded_by_hand() {
    let till = Till::open().await;
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "linked").await;
    assert!(till.bank.buyer_acts(&till.remote(&number).container, Outcome::Pay));
    till.order_in(&number, "paid").await;
    let payment = format!("{number}-1");
    let refund = |amount: &str| {
        let arguments = ["payments", "refund", &payment, "--amount", amount, "--yes"];
        tillgate(&till, &arguments)
    };
    let first = refund("14.80");
    assert!(first.status.success(), "{}", shown(&first));
    assert!(shown(&first).contains("is being refunded"), "{}", shown(&first));
    let too_much = refund("600.01");
    assert!(shown(&too_much).contains("600.00 is left to refund"), "{}", shown(&too_much));
    assert!(refund("600.00").status.success());
    let document = till.document_in(&number, "refunded").await;
    assert_eq!(document["money"]["refunded"]["amount"], "614.80", "{document}");
    till.close().await;
}

/// What waits for a person names its next steps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attention_names_the_commands_that_settle_it() {
    let till = Till::open().await;
    till.bank.misbehave(Call::Create, [Trouble::Refused]);
    let number = text(&till.place("A-1", "key").await["number"]);
    till.order_in(&number, "failed").await;
    for arguments in [&["orders", "list", "--attention"][..], &["payments", "list"]] {
        let listed = shown(&tillgate(&till, arguments));
        assert!(listed.contains("site/A-1  open\n    ! "), "{listed}");
        assert!(listed.contains(&format!("$ tillgate payments retry {number}-1")), "{listed}");
        assert!(listed.contains(&format!("$ tillgate orders seen {number}")), "{listed}");
    }
    assert!(
        tillgate(&till, &["payments", "retry", &format!("{number}-1"), "--yes"]).status.success()
    );
    till.order_in(&number, "linked").await;
    let listed = shown(&tillgate(&till, &["orders", "list", "--attention"]));
    assert_eq!(listed, "nothing needs attention\n");
    till.close().await;
}

/// An invoice without a developer, and what the operator does with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_placed_and_cancelled_for_a_merchant() {
    let till = Till::open().await;
    let arguments =
        ["orders", "create", "--merchant", "site", "--item", "Чай=99.90x2", "--id", "INV-1"];
    let created = tillgate(&till, &arguments);
    let printed = shown(&created);
    assert!(created.status.success(), "{printed}");
    assert!(printed.contains("199.80 RUB") && printed.contains("/pay/"), "{printed}");
    assert!(printed.lines().filter(|line| line.contains('█')).count() > 10, "a QR code: {printed}");
    let listed = shown(&tillgate(&till, &["orders", "show", "site/INV-1"]));
    assert!(listed.contains("199.80"), "{listed}");
    let cancelled = tillgate(&till, &["orders", "cancel", "site/INV-1", "--yes"]);
    assert!(shown(&cancelled).contains("cancelled"), "{}", shown(&cancelled));
    let unknown = tillgate(&till, &["orders", "show", "site/INV-2"]);
    assert!(shown(&unknown).contains("site has no order INV-2"), "{}", shown(&unknown));
    till.close().await;
}

/// The routes that act for a merchant need the admin token, and a merchant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acting_for_a_merchant_takes_the_admin_token() {
    let till = Till::open().await;
    let url = format!("{}/admin/v1/as-merchant/v1/orders", till.url());
    let place = async |token: &str, merchant: Option<&'static str>| {
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header");
        headers.insert("authorization", bearer);
        headers.insert("idempotency-key", HeaderValue::from_static("k"));
        if let Some(merchant) = merchant {
            headers.insert("tillgate-merchant", HeaderValue::from_static(merchant));
        }
        let body = order("A-9").to_string().into_bytes();
        let reply = till.client.call(Method::POST, &url, headers, body).await.expect("an answer");
        (reply.status.as_u16(), json_of(&reply))
    };
    assert_eq!(place(crate::world::till::API_KEY, Some("site")).await.0, 401);
    assert_eq!(place(ADMIN_TOKEN, None).await.0, 400);
    assert_eq!(place(ADMIN_TOKEN, Some("nobody")).await.0, 403);
    assert_eq!(place(ADMIN_TOKEN, Some("site")).await.0, 201);
    till.close().await;
}

/// Money that needs a decision stays listed, and mistyped ids say what to type.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_say_what_to_do() {
    let till = Till::open().await;
    let run = |arguments: &[&str]| shown(&tillgate(&till, arguments));
    assert!(run(&["orders", "show"]).contains("there are no orders yet"));
    let number = paid_with_another_sum(&till, "A-1", false).await;
    let payment = format!("{number}-1");
    assert!(run(&["orders", "show"]).contains("site/A-1"), "the latest order");
    let unknown = run(&["orders", "show", "A-1"]);
    assert!(unknown.contains("name the source too: SOURCE/A-1"), "{unknown}");
    let unknown = run(&["payments", "refund", "site/A-1"]);
    assert!(unknown.contains("is no id of a payment, such as 482993011752-1"), "{unknown}");

    let dropped = run(&["payments", "drop", &payment, "--yes"]);
    assert!(dropped.contains("615.80 RUB came for it. Accept or refund it"), "{dropped}");
    let seen = run(&["orders", "seen", &number]);
    let next = format!("$ tillgate payments accept {payment}");
    assert!(seen.contains("money needs a decision") && seen.contains(&next), "{seen}");

    till.site.fails(10);
    assert!(run(&["payments", "accept", &payment, "--yes"]).contains("is paid by payment"));
    till.has_failed("callback", 1).await;
    let retried = run(&["outbox", "retry", "--all", "--lane", "callback", "--yes"]);
    assert!(retried.contains("0 messages will be sent now"), "{retried}");
    assert!(retried.contains("to send one now: tillgate outbox retry"), "{retried}");
    till.close().await;
}
