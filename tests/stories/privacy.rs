//! Confidentiality: personal data and secrets in logs, card numbers,
//! permissions of files. And text that would act as control characters when it
//! is shown.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tillgate::kernel::text::is_obeyed;
use tillgate::peer::Client;
use tillgate_lab::sandbox::{Sandbox, Setup};

use super::operation::{BINARY, Process, configure};
use crate::world::database::Server;
use crate::world::till::{API_KEY, CALLBACK_SECRET, Till, json_of, order, text};
use crate::world::{ADMIN_TOKEN, DEADLINE, Services, TOKEN, hook};

/// Personal data that occurs nowhere else in these tests.
const NAME: &str = "Zinaida Canary-Quux";
const PHONE: &str = "+79031239876";
const EMAIL: &str = "canary-quux@example.org";
const ADDRESS: &str = "Canary street 4242";

/// Every form in which a text may appear in a log.
fn forms(text: &str) -> Vec<String> {
    use base64::Engine;
    let bytes = text.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimals: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
    // Inside a longer text, base64 groups the bytes differently; that is not
    // searched for.
    vec![text.to_owned(), hex.to_uppercase(), hex, decimals.join(", "), decimals.join(","), base64]
}

fn found_in(log: &str, secrets: &[&str]) -> Vec<String> {
    let forms = secrets
        .iter()
        .flat_map(|secret| forms(secret).into_iter().map(move |form| ((*secret).to_owned(), form)));
    forms
        .filter(|(_, form)| log.contains(form))
        .map(|(secret, form)| format!("{secret} as {form}"))
        .collect()
}

/// Starts a gateway with this store and log settings, processes orders of each
/// kind, and returns its log.
async fn logged(store: &str, variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bank = Sandbox::start(Setup::default()).await.expect("a payment system");
    configure(folder.path());
    let settings = std::fs::read_to_string(folder.path().join("tillgate.toml")).expect("settings");
    let more = format!(
        "store = \"{store}\"\n{settings}payment = \"link\"\n[gateways.bank]\nprotocol = \
         \"invoicebox\"\nurl = \"{}\"\ntoken = \"{}\"\n\
         merchant_id = \"{}\"\nsigning_key = \"{}\"\n[merchants.site]\napi_key = \"{API_KEY}\"\n\
         callback_url = \"http://127.0.0.1:9/callback\"\ncallback_secret = \"{CALLBACK_SECRET}\"\n",
        bank.url(),
        bank.setup().token.expose(),
        bank.setup().merchant_id,
        bank.setup().signing_key.expose(),
    );
    std::fs::write(folder.path().join("tillgate.toml"), more).expect("written");
    let gateway = Process::start_with(folder.path(), variables).expect("it starts");
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let ask = async |method: Method, path: &str, named: &[(&'static str, &str)], body: String| {
        let mut headers = HeaderMap::new();
        for (name, value) in named {
            headers.insert(*name, HeaderValue::from_str(value).expect("a header"));
        }
        client
            .call(method, &format!("{}{path}", gateway.url), headers, body.into_bytes())
            .await
            .expect("an answer")
    };
    let payload = json!({"originalOrderId": "C-1\u{202e}\u{2028}", "storeID": "17",
        "customer": {"name": NAME, "phone": PHONE, "email": EMAIL},
        "address": {"full_address": ADDRESS}, "comment": NAME, "total": {"totalPrice": "20.00"},
        "positions": [{"id": "1", "name": "Tea", "quantity": 2, "price": "10.00",
            "totalPrice": "20.00"}]});
    for kind in ["order.created", "order.created", "order.changed"] {
        let body = hook(kind, None, payload.clone());
        assert_eq!(
            ask(Method::POST, "/hooks/sm", &[("client-token", TOKEN)], body).await.status,
            200
        );
    }
    let mut placed = order("C-2");
    placed["customer"] = json!({"name": NAME, "phone": PHONE, "email": EMAIL});
    let key = format!("Bearer {API_KEY}");
    let headers = [("authorization", key.as_str()), ("idempotency-key", "C-2")];
    let reply = ask(Method::POST, "/v1/orders", &headers, placed.to_string()).await;
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    let buyer =
        text(&json_of(&reply)["payment"]["url"]).rsplit('/').next().expect("a token").to_owned();
    assert_eq!(ask(Method::GET, &format!("/pay/{buyer}"), &[], String::new()).await.status, 303);
    let operator = format!("Bearer {ADMIN_TOKEN}");
    assert_eq!(
        ask(Method::GET, "/admin/v1/hooks", &[("authorization", &operator)], String::new())
            .await
            .status,
        200
    );
    assert_eq!(gateway.json(&["orders", "list", "--json"]).as_array().map(Vec::len), Some(2));
    let secret = buyer.split_once('-').expect("a number and a secret").1.to_owned();
    let log = gateway.log();
    gateway.kill();
    assert!(log.lines().count() > 5, "the log is too short: {log}");
    // The buyer's secret gets the same name in every log.
    forms(&secret).iter().fold(log, |log, form| log.replace(form, "BUYERS-SECRET"))
}

fn secrets() -> Vec<&'static str> {
    vec![
        NAME,
        PHONE,
        EMAIL,
        ADDRESS,
        TOKEN,
        ADMIN_TOKEN,
        API_KEY,
        CALLBACK_SECRET,
        "sandbox-signing-key",
        "BUYERS-SECRET",
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_level_of_the_log_has_customers_data_or_secrets() {
    let database = Server::shared().new_database().await;
    for level in ["trace", "info"] {
        for store in ["sled:data", database.as_str()] {
            let log = logged(store, &[("TILLGATE_LOG", level)]).await;
            assert_eq!(found_in(&log, &secrets()), Vec::<String>::new(), "{level}, {store}");
            assert!(!log.chars().any(|c| c != '\n' && is_obeyed(c)), "{level}, {store}: {log}");
        }
    }
}

/// Shows what the log limit for other crates prevents, and that an explicit
/// setting lifts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_crates_would_log_them_and_must_be_named_to_do_it() {
    let variables = [("TILLGATE_LOG", "trace"), ("TILLGATE_LOG_UNSAFE_CRATES", "tokio-postgres")];
    let log = logged(&Server::shared().new_database().await, &variables).await;
    assert!(!found_in(&log, &[EMAIL]).is_empty(), "the driver logs the parameters");
    assert!(log.contains("TILLGATE_LOG_UNSAFE_CRATES is set"), "the log has a warning about it");
}

const CARD: &str = "4111 1111 1111 1111";

/// A buyer writes a card number into every free-text field.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_of_cards_are_masked_before_they_are_kept_or_sent_on() {
    let services = Services::open().await;
    let body = hook(
        "order.created",
        Some("2026-11-22T12:00:00+03:00"),
        json!({"originalOrderId": "4111111111111111", "storeID": "17",
            "comment": format!("карта {CARD}"),
            "positions": [{"id": "4111111111111111", "name": format!("Подарок {CARD}"),
                "quantity": 1, "price": "10.00"}]}),
    );
    let first = services.acknowledged(&body).await;
    assert_eq!(services.acknowledged(&body).await, first, "the same bytes are recognised");
    let order = services.order("4111111111111111").await;
    assert_eq!(
        (&order["positions"][0]["sku"], &order["positions"][0]["name"]),
        (&json!("4111111111111111"), &json!("Подарок **** **** **** 1111"))
    );
    let messages = services.picker_messages(1).await;
    assert!(
        messages[0].contains("Подарок **** **** **** 1111 (арт. 4111111111111111)"),
        "{messages:?}"
    );
    let hooks = services.list("/hooks").await;
    let kept = services.get(&format!("/hooks/{}", hooks[0]["id"].as_str().expect("an id"))).await;
    let kept: Value = serde_json::from_str(kept["body"].as_str().expect("text")).expect("json");
    assert_eq!(kept["payload"]["comment"], "карта **** **** **** 1111");
    assert_eq!(kept["payload"]["originalOrderId"], "4111111111111111");
    // A replay recognises the hook.
    let (status, again) = services
        .ask(
            Method::POST,
            &format!("/admin/v1/hooks/{}/replay", hooks[0]["id"].as_str().expect("an id")),
            None,
        )
        .await;
    assert_eq!((status, &again["verdict"]), (200, &json!("replayed")), "{again}");
    services.close().await;

    let till = Till::open().await;
    let mut wanted = order_with_card();
    let reply =
        till.call(Method::POST, "/v1/orders", API_KEY, Some("K"), &wanted.to_string()).await;
    assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
    let number = text(&json_of(&reply)["number"]);
    let repeated =
        till.call(Method::POST, "/v1/orders", API_KEY, Some("K"), &wanted.to_string()).await;
    assert_eq!(repeated.body, reply.body);
    wanted["description"] = json!("another");
    assert_eq!(
        till.call(Method::POST, "/v1/orders", API_KEY, Some("K"), &wanted.to_string()).await.status,
        422
    );
    till.order_in(&number, "linked").await;
    let there = format!("{:?}", till.remote(&number));
    let kept = till.admin(&format!("/orders/{number}/journal")).await.to_string();
    for place in [&there, &kept, &String::from_utf8_lossy(&reply.body).into_owned()] {
        assert!(!place.contains(CARD), "{place}");
    }
    till.close().await;
}

fn order_with_card() -> Value {
    let mut wanted = order("K-1");
    wanted["description"] = json!(format!("с карты {CARD}"));
    wanted["customer"]["name"] = json!(CARD);
    wanted["items"][0]["name"] = json!(format!("Чай {CARD}"));
    wanted
}

#[test]
fn nobody_else_on_the_machine_reads_the_store() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let with_umask = format!("umask 022; exec {BINARY} \"$@\"");
    let gateway = Process::start(folder.path());
    gateway.terminate();
    let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
    let mut files: Vec<PathBuf> = vec![folder.path().join("data")];
    while let Some(path) = files.pop() {
        assert_eq!(mode(&path) & 0o077, 0, "{} is {:o}", path.display(), mode(&path));
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(&path)
                    .expect("a folder")
                    .map(|entry| entry.expect("an entry").path()),
            );
        }
    }
    let check = |of: &str| {
        let output = Command::new("sh")
            .args(["-c", &with_umask, "sh", "check"])
            .current_dir(folder.path())
            .output()
            .expect("it runs");
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        output.lines().any(|line| line.starts_with("warn") && line.contains(of))
    };
    let let_in = |path: &str, mode: u32| {
        std::fs::set_permissions(folder.path().join(path), std::fs::Permissions::from_mode(mode))
            .expect("changed");
    };
    let_in("tillgate.toml", 0o640);
    assert!(!check("configuration:") && !check("store:"));
    let_in("tillgate.toml", 0o644);
    let_in("data", 0o755);
    assert!(check("configuration:") && check("store:"));
}

const OBEYED: &str = "\u{1b}[1A\u{1b}[2J\u{1b}]52;c;Y3VybA==\u{7}\u{9b}8m\u{202e}\u{2028}❌ \
    Отменён заказ H-777\u{200b}";

/// Names from a sender are plain text in terminals and chats: control
/// characters are escaped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_characters_are_escaped() {
    let services = Services::open().await;
    let mut payload = json!({"originalOrderId": "H\u{202e}1", "storeID": "17",
        "positions": [{"id": "1\u{2028}", "name": format!("Молоко{OBEYED}"), "quantity": 1,
            "price": "1.00"}]});
    payload[format!("field{OBEYED}")] = json!(1);
    let body = hook("order.created", None, payload);
    // A note names a field that occurs twice.
    let name = serde_json::to_string(&format!("field{OBEYED}")).expect("json");
    let body = body.replacen("\"payload\":{", &format!("\"payload\":{{{name}:2,"), 1);
    services.acknowledged(&body).await;
    services
        .acknowledged(hook(&format!("order.odd{OBEYED}"), None, json!({"originalOrderId": "H-2"})))
        .await;
    services.post(format!("not json{OBEYED}")).await;
    let messages = services.picker_messages(1).await;
    assert_eq!(messages[0].lines().count(), 5, "{messages:?}");
    assert!(!messages[0].chars().any(|c| c != '\n' && is_obeyed(c)), "{messages:?}");

    let url = services.url();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .env("TILLGATE_SERVER", &url)
            .env("TILLGATE_ADMIN_TOKEN", ADMIN_TOKEN);
        let output = command.output().expect("it runs");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    let orders: Value = serde_json::from_slice(&run(&["orders", "list", "--json"])).expect("json");
    assert_eq!(orders[0]["external_id"], "H\u{202e}1", "JSON has the name itself");
    let number = text(&orders[0]["number"]);
    let hooks: Value = serde_json::from_slice(&run(&["hooks", "list", "--json"])).expect("json");
    let ids: Vec<String> =
        hooks.as_array().expect("a list").iter().map(|hook| text(&hook["id"])).collect();
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["orders", "list"],
        vec!["orders", "list", "--attention"],
        vec!["orders", "show", &number],
        vec!["orders", "show", &number, "--json"],
        vec!["hooks", "list"],
        vec!["hooks", "list", "--json"],
        vec!["outbox", "list"],
    ];
    commands.extend(ids.iter().map(|id| vec!["hooks", "show", id]));
    for arguments in commands {
        let output = String::from_utf8(run(&arguments)).expect("text");
        let obeyed: Vec<char> = output.chars().filter(|c| *c != '\n' && is_obeyed(*c)).collect();
        assert!(obeyed.is_empty(), "{arguments:?}: {obeyed:?} in {output}");
    }
    // `--raw` prints the unchanged bytes.
    let raw: Vec<Vec<u8>> = ids.iter().map(|id| run(&["hooks", "show", id, "--raw"])).collect();
    assert!(raw.contains(&body.into_bytes()));
    services.close().await;
}
