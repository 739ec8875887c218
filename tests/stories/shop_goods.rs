//! The catalogue, from the outside: feeds of another program, the search, and
//! receivers that start before and after a change.

use std::path::Path;
use std::process::Command;

use base64::Engine;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tillgate::peer::Client;

use super::operation::Process;
use crate::world::database::Server;
use crate::world::{DEADLINE, ask_again_soon};

fn folder(store: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = format!(
        "listen = \"127.0.0.1:0\"\nidle_drain_seconds = 0\nstore = \"{store}\"\n\
         store_cache_mebibytes = 16\nadmin_token = \"token-of-the-operator\"\n[shop]\n\
         key = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\n"
    );
    std::fs::write(folder.path().join("tillgate.toml"), settings).expect("written");
    folder
}

/// A feed of `scripts/feed`, which has the oddities of real ones.
fn feed(options: &[&str]) -> Vec<u8> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/feed");
    let made = Command::new(script).args(options).output().expect("python3 runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

/// Imports a feed. Returns what the command says.
fn import(process: &Process, folder: &TempDir, feed: &[u8], more: &[&str]) -> (Option<i32>, Value) {
    std::fs::write(folder.path().join("feed.xml"), feed).expect("written");
    let output = process.command(&[&["shop", "import", "feed.xml", "--json"], more].concat());
    let said = serde_json::from_slice(&output.stdout);
    let said = said.unwrap_or_else(|_| String::from_utf8_lossy(&output.stderr).into());
    (output.status.code(), said)
}

async fn ask(process: &Process, path: &str) -> Value {
    let client = Client::new(DEADLINE, 1 << 22).expect("a client");
    let url = format!("{}/shop/menu{path}", process.url);
    let reply = client.call(Method::GET, &url, HeaderMap::new(), Vec::new()).await;
    let reply = reply.expect("an answer");
    let body = serde_json::from_slice(&reply.body).expect("JSON");
    if reply.status == 200 { body } else { json!({"status": reply.status.as_u16()}) }
}

/// The products that are found, when the answer has this many.
async fn found(process: &Process, path: &str, count: usize) -> Vec<Value> {
    let found = async {
        loop {
            let answer = ask(process, path).await;
            match answer["items"].as_array() {
                Some(items) if items.len() == count => return items.clone(),
                _ => ask_again_soon().await,
            }
        }
    };
    let items = tokio::time::timeout(DEADLINE, found).await;
    let Ok(items) = items else { panic!("{path}: {}", ask(process, path).await) };
    items
}

/// What both answer, when they answer the same.
async fn same(one: &Process, other: &Process, path: &str) -> Value {
    let same = async {
        loop {
            let (one, other) = (ask(one, path).await, ask(other, path).await);
            if one == other {
                return one;
            }
            ask_again_soon().await;
        }
    };
    let same = tokio::time::timeout(DEADLINE, same).await;
    same.unwrap_or_else(|_| panic!("the answers to {path} differ"))
}

/// «Молоко», and with a typo.
const MILK: &str = "%D0%9C%D0%BE%D0%BB%D0%BE%D0%BA%D0%BE";
const MILK_WITH_A_TYPO: &str = "%D0%BC%D0%BE%D0%BB%D0%B0%D0%BA%D0%BE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_is_imported_and_then_only_what_differs() {
    let folder = folder("sled:data");
    let process = Process::start(folder.path());
    let sizes = ["--offers", "2000", "--categories", "40"];
    let whole = feed(&sizes);
    let (code, dry) = import(&process, &folder, &whole, &["--dry-run"]);
    assert_eq!((code, &dry["dry_run"]), (Some(0), &json!(true)), "{dry}");
    assert_eq!(found(&process, "/products", 0).await, Vec::<Value>::new());
    let (code, first) = import(&process, &folder, &whole, &[]);
    assert_eq!(code, Some(0), "{first}");
    assert_eq!(first["counts"], dry["counts"]);
    let left_out = first["skipped"].as_array().expect("a list");
    let count = |said: &Value, what: &str| said["counts"][what].as_u64().expect("a number");
    assert_eq!(count(&first, "new") + left_out.len() as u64, 2000, "{}", first["counts"]);
    assert!(left_out.iter().any(|one| one["why"] == "it has no price"), "{left_out:?}");
    // The same again, in the other encoding.
    let russian = feed(&[&sizes[..], &["--encoding", "windows-1251"]].concat());
    let (_, same) = import(&process, &folder, &russian, &[]);
    assert_eq!(count(&same, "same"), count(&first, "new"), "{same}");
    let other = feed(&[&sizes[..], &["--changed", "1"]].concat());
    let (_, second) = import(&process, &folder, &other, &[]);
    let differing = ["new", "changed", "vanished"].map(|what| count(&second, what));
    assert_eq!(differing, [10, 10, 10], "{}", second["counts"]);
    assert_eq!(second["counts"]["categories_changed"], false);
    // Searched for by a word, its beginning, with a typo, by article.
    let page = found(&process, &format!("/products?query={MILK}&limit=50"), 50).await;
    for one in &page {
        assert!(one["name"].as_str().expect("a name").contains("Молоко"), "{one}");
    }
    let with_typo = ask(&process, &format!("/products?query={MILK_WITH_A_TYPO}&limit=50")).await;
    assert_eq!(with_typo["items"].as_array().map(Vec::len), Some(50));
    assert_eq!(found(&process, "/products?query=usb", 24).await.len(), 24);
    let by_article = found(&process, "/products?query=1001", 1).await;
    assert_eq!(by_article[0]["id"], 1001);
    let product = ask(&process, "/product?productId=1001").await;
    assert_eq!(product["article"], "1001");
    let said = |arguments: &[&str]| {
        let output = process.command(&[&["shop", "products"], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let list = said(&["list", "молоко", "--limit", "7"]);
    assert!(list.lines().count() == 9 && list.contains("… and more: this shows 7"), "{list}");
    let shown = said(&["show", "1001"]);
    let name = product["name"].as_str().expect("a name");
    assert!(shown.starts_with(&format!("1001 {name}, on sale\n  price ")), "{shown}");
    assert_eq!(process.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_feed_changes_nothing_and_is_named_by_line_and_field() {
    let folder = folder("sled:data");
    let process = Process::start(folder.path());
    let whole = feed(&["--offers", "300", "--categories", "5"]);
    let (code, _) = import(&process, &folder, &whole, &[]);
    assert_eq!(code, Some(0));
    let text = String::from_utf8(whole).expect("UTF-8");
    let changed = text.replace("<price>", "<price>9");
    let end = changed.rfind("<vendorCode>").expect("a code");
    let price = changed.rfind("<price>").expect("a price");
    let wrong = format!("{}<price>x{}", &changed[..price], &changed[price + 7..]);
    let line = changed[..price].lines().count();
    for (broken, named) in [
        (&changed[..end], "the file ends in the middle of <offer>".to_owned()),
        (&wrong[..], format!("line {line}: offer \"1299\", <price>: \"x9")),
    ] {
        let (code, said) = import(&process, &folder, broken.as_bytes(), &[]);
        let said = said.as_str().expect("a message");
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&named) && said.contains("Nothing was changed"), "{said}");
    }
    // One by which most products would go is probably broken.
    let (head, _) = text.split_once("<offers>").expect("offers");
    let empty = format!("{head}<offers></offers></shop></yml_catalog>");
    let (code, said) = import(&process, &folder, empty.as_bytes(), &[]);
    assert!(code == Some(1) && said.as_str().expect("a message").contains("--force"), "{said}");
    let (code, dry) = import(&process, &folder, empty.as_bytes(), &["--dry-run"]);
    assert!(code == Some(0) && dry["counts"]["vanished"].as_u64() > Some(200), "{dry}");
    let (_, same) = import(&process, &folder, text.as_bytes(), &[]);
    assert_eq!((&same["counts"]["changed"], &same["counts"]["new"]), (&json!(0), &json!(0)));
    let (code, forced) = import(&process, &folder, empty.as_bytes(), &["--force"]);
    assert_eq!(code, Some(0), "{forced}");
    found(&process, "/products", 0).await;
    let unnamed = process.command(&["shop", "import"]);
    let said = String::from_utf8_lossy(&unnamed.stderr).into_owned();
    assert!(unnamed.status.code() == Some(2) && said.contains("set feed in [shop]"), "{said}");
    assert_eq!(process.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_was_just_started_finds_what_one_that_ran_all_the_time_finds() {
    let database = Server::shared().new_database().await;
    let folders = [folder(&database), folder(&database)];
    let old = Process::start(folders[0].path());
    let sizes = ["--offers", "1500", "--categories", "40"];
    assert_eq!(import(&old, &folders[0], &feed(&sizes), &[]).0, Some(0));
    found(&old, "/products?query=1001", 1).await;
    let writer = Process::start(folders[1].path());
    let changed = feed(&[&sizes[..], &["--changed", "10"]].concat());
    assert_eq!(import(&writer, &folders[1], &changed, &[]).0, Some(0));
    assert_eq!(writer.terminate(), Some(0));
    let new = Process::start(folders[1].path());
    found(&new, "/products?query=1001", 1).await;
    for path in [
        "/products?limit=100".to_owned(),
        format!("/products?query={MILK}&limit=100"),
        format!("/products?query={MILK_WITH_A_TYPO}&limit=100&sort=cheapest"),
        "/products?query=usb+nike&limit=100&sort=dearest&priceFrom=100&priceTo=3000".to_owned(),
        "/products?category=7&limit=100".to_owned(),
        "/categories".to_owned(),
        "/categories?category=2".to_owned(),
        "/product?productId=1001".to_owned(),
    ] {
        same(&old, &new, &path).await;
    }
    // Page by page through everything.
    let (mut cursor, mut count) = (String::new(), 0);
    loop {
        let path = format!("/products?limit=97{cursor}");
        let one = same(&old, &new, &path).await;
        count += one["items"].as_array().expect("a list").len();
        let Some(next) = one["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert!(count > 1300, "{count}");
    assert_eq!((old.terminate(), new.terminate()), (Some(0), Some(0)));
}

/// A picture of one red pixel, as PNG.
const RED_PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";

/// A host with one picture and a page that is none. Returns its address.
async fn host_of_pictures() -> String {
    let picture = base64::engine::general_purpose::STANDARD.decode(RED_PIXEL).expect("base64");
    let routes = axum::Router::new()
        .route("/milk.png", axum::routing::get(async move || picture))
        .route("/page.html", axum::routing::get(async || "<html></html>"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_are_fetched_once_and_shown_from_the_shop() {
    let (folder, host) = (folder("sled:data"), host_of_pictures().await);
    let process = Process::start(folder.path());
    let feed = format!(
        "<yml_catalog><shop><categories><category id=\"1\">Еда</category></categories><offers>\
         <offer id=\"1\"><price>1</price><categoryId>1</categoryId><name>Молоко</name>\
         <picture>{host}/milk.png</picture></offer>\
         <offer id=\"2\"><price>1</price><categoryId>1</categoryId><name>Кефир</name>\
         <picture>{host}/milk.png</picture></offer>\
         <offer id=\"3\"><price>1</price><categoryId>1</categoryId><name>Чай</name>\
         <picture>{host}/page.html</picture></offer>\
         <offer id=\"4\"><price>1</price><categoryId>1</categoryId><name>Хлеб</name>\
         <picture>{host}/none.jpg</picture></offer></offers></shop></yml_catalog>"
    );
    let (code, said) = import(&process, &folder, feed.as_bytes(), &["--no-pictures"]);
    assert_eq!((code, &said["new_pictures"]), (Some(0), &json!(0)), "{said}");
    let (_, said) = import(&process, &folder, feed.as_bytes(), &[]);
    assert_eq!(said["new_pictures"], 2, "{said}");
    let dead: Vec<&str> = said["dead_pictures"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["why"].as_str())
        .collect();
    assert_eq!(dead, ["the answer is 404 Not Found", "it is no JPEG, PNG or WebP"], "{said}");
    // What is there is not fetched again.
    let (_, again) = import(&process, &folder, feed.as_bytes(), &[]);
    assert_eq!((&again["new_pictures"], &again["counts"]["same"]), (&json!(0), &json!(4)));
    let path = async {
        loop {
            let product = ask(&process, "/product?productId=1").await;
            if let Some(path) = product["picture"].as_str() {
                return path.to_owned();
            }
            ask_again_soon().await;
        }
    };
    let path = tokio::time::timeout(DEADLINE, path).await.expect("the picture is shown");
    assert_eq!(ask(&process, "/product?productId=2").await["picture"], path.as_str());
    assert_eq!(ask(&process, "/product?productId=3").await["picture"], Value::Null);
    let client = Client::new(DEADLINE, 1 << 20).expect("a client");
    let get = async |path: &str| {
        let url = format!("{}{path}", process.url);
        client.call(Method::GET, &url, HeaderMap::new(), Vec::new()).await.expect("an answer")
    };
    let picture = get(&path).await;
    assert_eq!((picture.status.as_u16(), &picture.body[..3]), (200, &b"\xff\xd8\xff"[..]));
    assert_eq!(picture.headers["content-type"], "image/jpeg");
    assert!(picture.headers["cache-control"].to_str().is_ok_and(|kept| kept.contains("immutable")));
    let page = get("/goods/1").await;
    let page = String::from_utf8_lossy(&page.body).into_owned();
    assert!(page.contains(&format!("<img class=\"picture\" src=\"{path}\"")), "{page}");
    assert_eq!(get("/pictures/00.jpg").await.status, 404);
    // A feed with another address: the old picture is not shown for it.
    let other = feed.replacen("/milk.png", "/none.jpg", 1);
    import(&process, &folder, other.as_bytes(), &[]);
    let gone = async {
        while !ask(&process, "/product?productId=1").await["picture"].is_null() {
            ask_again_soon().await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("it is not shown any more");
    assert_eq!(process.terminate(), Some(0));
}
