//! A gateway moves from one store to another.

use std::path::Path;

use serde_json::Value;

use super::operation::{BINARY, Process, configure};
use crate::world::database::Server;

fn run(arguments: &[&str], folder: &Path) -> (Option<i32>, String, String) {
    let output = std::process::Command::new(BINARY)
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn fill(gateway: &Process) {
    let hooks = format!("{}/hooks/sm", gateway.url);
    let mut fixtures: Vec<String> =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sm"))
            .expect("fixtures")
            .map(|entry| entry.expect("an entry").path().display().to_string())
            .filter(|path| path.ends_with(".json"))
            .collect();
    fixtures.sort();
    let mut arguments = vec!["send", "--to", hooks.as_str()];
    arguments.extend(fixtures.iter().map(String::as_str));
    let sent = gateway.command(&arguments);
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
}

/// Everything that the operator can list.
fn seen(gateway: &Process) -> Vec<Value> {
    let orders = gateway.json(&["orders", "list", "--json", "--limit", "0"]);
    let number = orders[0]["number"].as_str().expect("a number").to_owned();
    vec![
        orders,
        gateway.json(&["orders", "show", &number, "--json"]),
        gateway.json(&["hooks", "list", "--json", "--limit", "0"]),
        gateway.json(&["stock", "show", "--json"]),
        gateway.json(&["outbox", "list", "--json"]),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_moves_to_a_database_and_back_without_losing_anything() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    configure(folder);
    let gateway = Process::start(folder);
    fill(&gateway);
    let before = seen(&gateway);
    assert!(!before[3].as_array().expect("stock").is_empty());
    assert_eq!(gateway.terminate(), Some(0));

    let database = Server::shared().new_database().await;
    let moving = ["migrate", "--from", "sled:data", "--to", &database];
    let (code, output, errors) = run(&moving, folder);
    assert_eq!(code, Some(0), "{errors}");
    assert!(output.contains("hold the same: ") && output.contains("6 orders"), "{output}");
    // A migration that is run again, interrupted before or not, finds
    // everything in place.
    assert_eq!(run(&moving, folder), (Some(0), output.clone(), String::new()));

    let settings = std::fs::read_to_string(folder.join("tillgate.toml")).expect("settings");
    let moved = format!("store = \"{database}\"\n{settings}");
    std::fs::write(folder.join("tillgate.toml"), &moved).expect("written");
    let gateway = Process::start(folder);
    assert_eq!(seen(&gateway), before);
    // Hooks that the marketplace sends again are recognised.
    fill(&gateway);
    assert_eq!(seen(&gateway)[0], before[0]);
    assert_eq!(gateway.terminate(), Some(0));

    // The database has changed since the migration: stock was counted. Another
    // migration must not undo this.
    let gateway = Process::start(folder);
    std::fs::write(folder.join("count.csv"), "store_id,sku,quantity\n17,100201,77\n")
        .expect("written");
    assert!(gateway.command(&["stock", "import", "count.csv"]).status.success());
    let counted = gateway.json(&["stock", "show", "--json"]);
    assert_eq!(gateway.terminate(), Some(0));
    let (code, output, errors) = run(&moving, folder);
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(errors.contains("already exists in the target and differs"), "{errors}");
    let gateway = Process::start(folder);
    assert_eq!(gateway.json(&["stock", "show", "--json"]), counted);
    assert_eq!(gateway.terminate(), Some(0));

    let (code, output, errors) =
        run(&["migrate", "--from", &database, "--to", "sled:back"], folder);
    assert_eq!(code, Some(0), "{errors}");
    assert!(output.contains("6 orders"), "{output}");
}

#[test]
fn an_impossible_migration_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases: [(&[&str], &str); 4] = [
        (&["migrate"], "has no schema"),
        (&["migrate", "--from", "sled:nothing", "--to", "memory:"], "there is no store"),
        (&["migrate", "--from", "sled:nothing"], "--to"),
        (&["migrate", "--from", "mysql://x", "--to", "memory:"], "postgres://user@host/database"),
    ];
    for (arguments, word) in cases {
        let (code, _, errors) = run(arguments, folder.path());
        assert_eq!(code, Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(word), "{arguments:?}: {errors}");
    }
}
