//! The commands in the documents work as they are shown, one document after the
//! other in one folder, as a newcomer would type them.

use std::fmt::Write;
use std::net::TcpListener;
use std::process::Command;

use super::operation::BINARY;

const README: &str = include_str!("../../README.md");
const API: &str = include_str!("../../docs/api.md");
const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// A block of shell commands, by its document and line.
struct Block {
    place: String,
    commands: String,
}

/// The `sh` blocks of a document, but for those that it says are not run.
fn blocks(name: &str, document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut is_run = true;
    for (line, number) in document.lines().zip(1..) {
        match (&mut open, line) {
            (None, "```sh") => {
                let place = format!("{name}:{number}");
                open = Some(Block { place, commands: String::new() });
            }
            (None, line) if line.starts_with("<!-- not run here") => is_run = false,
            (None, _) => {}
            (Some(_), "```") => {
                blocks.extend(open.take().filter(|_| is_run));
                is_run = true;
            }
            (Some(block), line) => {
                block.commands.push_str(line);
                block.commands.push('\n');
            }
        }
    }
    blocks
}

/// What a newcomer's terminal does around the commands: programs in the
/// background are up before the next block, and end with the script.
const TERMINAL: &str = r#"
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
tillgate() {
    case $1 in
        init) command tillgate "$@"; sed -i 's/:8080/:GATEWAY/; s/:8090/:SANDBOX/' tillgate.toml ;;
        # These two run in the background, in place of their shell: they end
        # with it.
        sandbox) exec tillgate "$@" --listen 127.0.0.1:SANDBOX ;;
        serve) exec tillgate "$@" ;;
        listen) timeout 2 tillgate "$@" || [ $? = 124 ] ;;
        *) command tillgate "$@" ;;
    esac
}
answers() {
    for _ in $(seq 150); do curl -s -o /dev/null "$1" && return; sleep 0.2; done
    return 1
}
"#;

/// The buyer of README's order, who has a browser.
const BUYER: &str = r#"
answers http://127.0.0.1:GATEWAY/healthz
answers http://127.0.0.1:SANDBOX/sandbox/ledger
answers http://127.0.0.1:SITE/
PAGE=$(curl -sS -o page.html -L -w '%{url_effective}' http://127.0.0.1:SITE/buy)
curl -sS -L -o thanks.html -X POST "$PAGE/pay" || true
for _ in $(seq 150); do grep -q '^paid:' site.log && break; sleep 0.2; done
grep '^paid:' site.log
"#;

fn script() -> String {
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
    let ports = [free(), free(), free()].map(|port| port.expect("a free port").port());
    let mut script = TERMINAL.to_owned();
    for (name, document) in [("README.md", README), ("docs/api.md", API)] {
        for (block, number) in blocks(name, document).into_iter().zip(1..) {
            let _ = write!(script, "\necho '### {}'\n{}", block.place, block.commands);
            if name == "README.md" && number == 1 {
                script.push_str(BUYER);
            }
        }
    }
    for block in blocks("docs/operations.md", OPERATIONS) {
        let _ = write!(script, "\necho '### {}'\n{}", block.place, block.commands);
    }
    let site = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/site.py");
    script
        .replace("127.0.0.1:8080", "127.0.0.1:GATEWAY")
        .replace("127.0.0.1:8000", "127.0.0.1:SITE")
        .replace("python3 examples/site.py", &format!("PORT=SITE python3 {site}"))
        .replace("GATEWAY", &ports[0].to_string())
        .replace("SANDBOX", &ports[1].to_string())
        .replace("SITE", &ports[2].to_string())
}

#[test]
fn the_commands_in_the_documents_work_as_they_are_shown() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let programs = std::path::Path::new(BINARY).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-c", &script()])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("COLUMNS", "80")
        .output()
        .expect("bash");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (shown, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{shown}\n{errors}");
    for expected in ["payments", "paid: A-", "linked", "succeeded", "callback payment.succeeded"] {
        assert!(shown.contains(expected), "{expected}: {shown}\n{errors}");
    }
    let wide = shown.lines().find(|line| line.chars().count() > 80 && line.starts_with("NUMBER"));
    assert_eq!(wide, None, "a list of orders fits 80 columns");
}

#[test]
fn a_block_that_needs_root_or_builds_is_left_out() {
    let named: Vec<String> = blocks("README.md", README).into_iter().map(|b| b.commands).collect();
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(!named.concat().contains("apt install"));
}
