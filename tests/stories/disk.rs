//! Which disk operations the process performs, and what it does when one fails.
//! The library `scripts/faults/disk.c` intercepts them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use tillgate::kernel::Secret;
use tillgate_lab::demo::marketplace::Marketplace;

use super::operation::{Process, configure};
use crate::world::created;

/// The library that intercepts the disk operations of a program, built once.
fn library() -> &'static Path {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, built) = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (source, built) = (
            Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/faults/disk.c"),
            folder.path().join("disk.so"),
        );
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&built, &source])
            .arg("-ldl")
            .status()
            .expect("a C compiler: scripts/needs compiler");
        assert!(made.success(), "{} does not compile", source.display());
        (folder, built)
    });
    built
}

/// A gateway's folder, and the log of its disk operations.
struct Disk {
    folder: tempfile::TempDir,
    log: PathBuf,
}

impl Disk {
    fn new() -> Disk {
        let folder = tempfile::tempdir().expect("a temporary folder");
        configure(folder.path());
        let log = folder.path().join("calls");
        Disk { folder, log }
    }

    /// Starts the gateway in the folder. `fault` is the kind of call that
    /// fails, the number of the call, and the error.
    fn start(&self, fault: Option<(&str, usize, &str)>) -> Result<Process, Option<i32>> {
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        let (library, directory, log) =
            (text(library()), text(self.folder.path()), text(&self.log));
        let ignored = text(&self.folder.path().join("log"));
        let mut variables = vec![
            ("LD_PRELOAD", library.as_str()),
            ("FAULT_DIRECTORY", directory.as_str()),
            ("FAULT_IGNORE", ignored.as_str()),
            ("FAULT_LOG", log.as_str()),
        ];
        let at = fault.map(|(_, at, _)| at.to_string()).unwrap_or_default();
        if let Some((call, _, error)) = fault {
            variables.extend([
                ("FAULT_CALL", call),
                ("FAULT_AT", at.as_str()),
                ("FAULT_ERROR", error),
            ]);
        }
        Process::start_with(self.folder.path(), &variables)
    }

    /// The calls so far, each with the name of the file in the folder.
    fn calls(&self) -> Vec<(String, String)> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let within = self.folder.path().to_str().expect("text").to_owned();
        let call = |line: &str| {
            let (call, path) = line.split_once(' ').expect("a call and a file");
            let name =
                path.strip_prefix(&within).unwrap_or(path).trim_start_matches('/').to_owned();
            (call.to_owned(), name)
        };
        log.lines().map(call).collect()
    }
}

fn marketplace(gateway: &Process) -> Marketplace {
    let token = Secret::new("token-of-the-marketplace");
    Marketplace::new(format!("{}/hooks/sm", gateway.url), token).expect("a client")
}

/// Before every acknowledgement, the store's file was synced after the last
/// write. In a new store the directory and its parent were synced too,
/// otherwise the file's name could be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_hooks_are_synced() {
    let disk = Disk::new();
    let gateway = disk.start(None).expect("it starts");
    let synced = |calls: &[(String, String)], name: &str| {
        calls.iter().any(|(call, file)| (call == "fsync" || call == "fdatasync") && file == name)
    };
    let calls = disk.calls();
    for name in ["data", "", "data/db", "data/durable"] {
        assert!(synced(&calls, name), "{name:?} was not synced at creation: {calls:?}");
    }
    let marketplace = marketplace(&gateway);
    for order in 0..20 {
        let before = disk.calls().len();
        assert_eq!(marketplace.post(created(&format!("H{order}")).as_bytes()).await.status(), 200);
        let calls = disk.calls();
        let of_db = |names: &[&str]| {
            calls
                .iter()
                .rposition(|(call, file)| file == "data/db" && names.contains(&call.as_str()))
        };
        let (written, synced) = (of_db(&["pwrite"]), of_db(&["fdatasync", "fsync"]));
        assert!(
            written > Some(before - 1) && synced > written,
            "order {order}: {:?}",
            &calls[before..]
        );
    }
    assert_eq!(gateway.terminate(), Some(0));
}

/// Sends a few hooks, one after another. Returns the answers of the
/// acknowledged ones, by order.
async fn run(gateway: &Process) -> BTreeMap<String, String> {
    let marketplace = marketplace(gateway);
    let mut acknowledged = BTreeMap::new();
    for order in 0..6 {
        let id = format!("H{order}");
        let attempt = marketplace.post(created(&id).as_bytes()).await;
        if attempt.status() != 200 {
            break;
        }
        acknowledged.insert(id, attempt.body().to_owned());
    }
    acknowledged
}

/// Every ninth disk operation of a scripted run (every one with
/// `TILLGATE_FAULTS=all`) fails, each in a run of its own. The process exits
/// with code 1, and after a restart everything that it has acknowledged is
/// there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_once_loses_nothing_that_was_acknowledged() {
    let whole = Disk::new();
    let gateway = whole.start(None).expect("it starts");
    assert_eq!(run(&gateway).await.len(), 6);
    assert_eq!(gateway.terminate(), Some(0));
    let calls = whole.calls();
    let count =
        |kind: &[&str]| calls.iter().filter(|(call, _)| kind.contains(&call.as_str())).count();
    let (writes, syncs) =
        (count(&["write", "pwrite", "sync_file_range"]), count(&["fsync", "fdatasync"]));
    assert!(writes > 20 && syncs > 10, "{calls:?}");
    let step =
        if std::env::var("TILLGATE_FAULTS").is_ok_and(|faults| faults == "all") { 1 } else { 9 };
    let [offset] = crate::world::random_bytes::<1>();
    let first = 1 + usize::from(offset) % step;
    let errors = ["EIO", "ENOSPC", "short"];
    let of_writes = (first..=writes).step_by(step).map(|at| ("write", at, errors[at / step % 3]));
    let of_syncs = (first..=syncs).step_by(step).map(|at| ("sync", at, "EIO"));
    let mut ended = 0;
    for fault in of_writes.chain(of_syncs) {
        let disk = Disk::new();
        let acknowledged = match disk.start(Some(fault)) {
            Ok(gateway) => {
                let acknowledged = run(&gateway).await;
                if acknowledged.len() < 6 {
                    assert_eq!(gateway.ended(), Some(1), "{fault:?}");
                    ended += 1;
                } else {
                    gateway.terminate();
                }
                acknowledged
            }
            Err(code) => {
                assert_eq!(code, Some(1), "{fault:?}");
                ended += 1;
                BTreeMap::new()
            }
        };
        let gateway = Process::start(disk.folder.path());
        let marketplace = marketplace(&gateway);
        for (id, answer) in &acknowledged {
            let answer_read: Value = serde_json::from_str(answer).expect("json");
            let number = answer_read["number"].as_str().expect("a number");
            let order = gateway.json(&["orders", "show", number, "--json"]);
            assert_eq!(order["order"]["external_id"], id.as_str(), "{fault:?}: {order}");
            let again = marketplace.post(created(id).as_bytes()).await;
            assert_eq!((again.status(), again.body()), (200, answer.as_str()), "{fault:?}");
        }
        gateway.kill();
    }
    assert!(ended > 0, "no run reached its fault");
}
