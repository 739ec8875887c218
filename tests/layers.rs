//! Imports point one way. A module may name those below it, and a few crates have one home each.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module with the modules of ours that it may name.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("orders", &["kernel", "outbox"]),
    ("payments", &["kernel", "outbox", "orders"]),
    ("dedup", &["kernel", "orders", "payments"]),
    ("texts", &["kernel", "orders", "payments", "dedup"]),
    ("views", &["kernel", "orders", "payments", "texts"]),
    ("webhooks", &["kernel", "orders", "payments", "dedup"]),
    // Its conformance tests run on the laboratory's payment system.
    ("gateway/conformance", &["kernel", "orders", "payments", "peer", "gateway", "lab"]),
    ("gateway", &["kernel", "orders", "payments", "dedup", "webhooks", "peer"]),
    ("marketplace", &["kernel", "orders", "peer"]),
    ("notify/channel", &["kernel", "notify", "peer"]),
    ("notify", &["kernel", "outbox", "orders", "texts"]),
    (
        "flows",
        &[
            "kernel",
            "outbox",
            "orders",
            "payments",
            "dedup",
            "webhooks",
            "store",
            "notify",
            "texts",
            "views",
            "telemetry",
        ],
    ),
    ("telemetry", &["kernel", "outbox", "dedup"]),
    (
        "workers",
        &[
            "kernel",
            "outbox",
            "orders",
            "payments",
            "dedup",
            "webhooks",
            "store",
            "gateway",
            "marketplace",
            "notify",
            "peer",
            "flows",
            "texts",
            "views",
            "telemetry",
        ],
    ),
    (
        "http",
        &[
            "kernel",
            "outbox",
            "orders",
            "payments",
            "dedup",
            "webhooks",
            "marketplace",
            "store",
            "notify",
            "peer",
            "flows",
            "workers",
            "texts",
            "views",
            "telemetry",
            "web",
        ],
    ),
    (
        "config",
        &["lab", "kernel", "payments", "dedup", "webhooks", "gateway", "marketplace", "notify", "texts"],
    ),
    (
        "app",
        &[
            "kernel",
            "orders",
            "payments",
            "dedup",
            "webhooks",
            "gateway",
            "marketplace",
            "store",
            "notify",
            "peer",
            "flows",
            "workers",
            "http",
            "config",
            "telemetry",
            "web",
        ],
    ),
    (
        "cli",
        &[
            "kernel",
            "orders",
            "gateway",
            "webhooks",
            "flows",
            "http",
            "app",
            "config",
            "lab",
            "peer",
            "store",
            "telemetry",
        ],
    ),
];

/// Each of these crates with the only places that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("sled::", &["store/", "app.rs", "cli/check.rs", "cli/store.rs", "lib.rs"]),
    ("tokio_postgres::", &["store/postgres/"]),
    ("rustls", &["store/postgres/address.rs", "store/postgres/server.rs", "peer/socket.rs"]),
    ("tungstenite", &["peer/socket.rs"]),
    ("backoff::", &["peer/retry.rs"]),
    ("reqwest::", &["peer/"]),
    ("StatusCode", &["http/", "web/", "peer/client.rs", "lab/", "notify/channel/telegram.rs"]),
    ("getrandom::", &["kernel/chance.rs"]),
    ("utoipa", &["views/", "http/", "web/page.rs", "web/problem.rs"]),
];

/// The crates of the workspace besides the gateway itself, with those of ours that each may depend on: Cargo keeps the
/// borders between them, and this keeps the list.
const CRATES: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("store", &["kernel"]),
    ("peer", &["kernel"]),
    ("web", &["kernel", "store"]),
    ("lab", &["kernel", "peer", "web"]),
];

/// The sources of the gateway by their paths in `src`, and those of a crate by theirs behind its name.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("src is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates =
        CRATES.iter().map(|(name, _)| (format!("{name}/"), root.join("crates").join(name).join("src")));
    let mut all = Vec::new();
    for (prefix, folder) in crates.chain([(String::new(), root.join("src"))]) {
        let mut paths = Vec::new();
        walk(&folder, &mut paths);
        all.extend(paths.into_iter().map(|path| {
            let name = path.strip_prefix(&folder).expect("inside").to_string_lossy();
            (format!("{prefix}{name}"), fs::read_to_string(&path).expect("a source file"))
        }));
    }
    all
}

/// The modules of ours that a source names, outside comments.
fn named(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, text) in source.lines().enumerate() {
        let code = text.split("//").next().unwrap_or_default();
        let own = code.match_indices("crate::").map(|(place, found)| (place, place + found.len()));
        let of_crates = code.match_indices("tillgate_").map(|(place, found)| (place, place + found.len()));
        for (place, behind) in own.chain(of_crates) {
            // `$crate` in a macro and `other_crate::` are not ours.
            let before = code[..place].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"') {
                continue;
            }
            let path: String = code[behind..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':')
                .collect();
            found.push((line + 1, path.replace("::", "/")));
        }
    }
    found
}

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for (file, source) in sources() {
        let is_of_crate = CRATES.iter().any(|(name, _)| file.starts_with(&format!("{name}/")));
        if file == "main.rs" || file == "lib.rs" || is_of_crate {
            continue;
        }
        let home = MAY_NAME
            .iter()
            .find(|(module, _)| file.starts_with(&format!("{module}/")) || file == format!("{module}.rs"));
        let Some((module, allowed)) = home else {
            wrong.push(format!("src/{file} belongs to no layer: enter its module in tests/layers.rs"));
            continue;
        };
        for (line, path) in named(&source) {
            let inside = path.starts_with(module) || module.starts_with(&path);
            // Naming `notify` does not include its channels, which call out.
            let reaches_channel = path.starts_with("notify/channel")
                && !matches!(*module, "workers" | "app" | "notify/channel");
            let permitted =
                allowed.iter().any(|other| path == *other || path.starts_with(&format!("{other}/")));
            if (!inside && !permitted) || reaches_channel {
                wrong.push(format!("src/{file}:{line} ({module}) must not name {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn crates_depend_on_what_is_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = fs::read_dir(root.join("crates")).expect("a folder");
    let mut there: Vec<String> =
        folders.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    let mut listed: Vec<&str> = CRATES.iter().map(|(name, _)| *name).collect();
    there.sort();
    listed.sort_unstable();
    assert_eq!(there, listed);
    for (name, allowed) in CRATES {
        let manifest =
            fs::read_to_string(root.join(format!("crates/{name}/Cargo.toml"))).expect("a manifest");
        let named = manifest.lines().filter_map(|line| line.strip_prefix("tillgate-")?.split('.').next());
        let named: Vec<&str> = named.collect();
        assert!(named.iter().all(|other| allowed.contains(other)), "{name} depends on {named:?}");
    }
}

#[test]
fn some_crates_have_one_home() {
    let mut wrong = Vec::new();
    for (file, source) in sources() {
        for (line, text) in source.lines().enumerate() {
            let code = text.split("//").next().unwrap_or_default();
            for (name, homes) in HOMES {
                if code.contains(name) && !homes.iter().any(|home| file.starts_with(home)) {
                    wrong
                        .push(format!("src/{file}:{} must not name {name}: its home is {homes:?}", line + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The pure modules stay pure.
#[test]
fn what_decides_does_not_wait() {
    let mut wrong = Vec::new();
    for (file, source) in sources() {
        let is_pure = ["kernel/", "orders/", "payments/", "dedup/", "webhooks/", "texts/", "views/"]
            .iter()
            .any(|module| file.starts_with(module));
        for (line, text) in source.lines().enumerate().filter(|_| is_pure) {
            let code = text.split("//").next().unwrap_or_default();
            if code.contains("async ")
                || code.contains("tokio::")
                || code.contains("std::fs")
                || code.contains("std::net")
            {
                wrong.push(format!("src/{file}:{} does I/O or waits: {}", line + 1, code.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Every decision is in the index, under its own title.
#[test]
fn decisions_are_in_their_index() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/adr");
    let index = fs::read_to_string(folder.join("README.md")).expect("an index");
    let files = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut listed = 0;
    for path in files.filter(|path| !path.ends_with("README.md")) {
        let text = fs::read_to_string(&path).expect("a decision");
        let (number, title) =
            text.lines().next().unwrap_or_default()[2..].split_once(". ").expect("a number");
        let file = path.file_name().expect("a name").to_string_lossy();
        let row = format!("| [{number}]({file}) | {title} | ");
        assert!(index.contains(&row), "docs/adr/README.md lacks {row}");
        listed += 1;
    }
    assert_eq!(index.matches("\n| [").count(), listed, "one row for each");
}

/// A document that names a test as its proof names one that there is.
#[test]
fn documents_name_what_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code: String = sources().into_iter().map(|(_, source)| source).collect();
    for folder in ["tests/stories", "tests/laws"] {
        for entry in fs::read_dir(root.join(folder)).expect("a folder") {
            code += &fs::read_to_string(entry.expect("an entry").path()).expect("a source file");
        }
    }
    let mut missing = Vec::new();
    for document in ["docs/security.md", "docs/promises.md"] {
        let text = fs::read_to_string(root.join(document)).expect("a document");
        let names = text.split('`').skip(1).step_by(2);
        let is_test = |name: &&str| {
            name.matches('_').count() > 2
                && name.bytes().all(|c| c == b'_' || c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        let unknown = names.filter(is_test).filter(|name| !code.contains(name));
        missing.extend(unknown.map(|name| format!("{document}: {name}")));
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// What opens a door is compared by the check of the `hmac` crate, which takes the same time wherever the first difference is.
/// No measurement shows that reliably; that nothing else compares it does.
#[test]
fn secrets_are_compared_in_constant_time() {
    let mut checked = 0;
    for (path, text) in sources() {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if path.starts_with("lab/") || !(code.contains("Hmac") || code.contains("use hmac")) {
            continue;
        }
        checked += code.matches("verify_slice(").count() + code.matches("verify_truncated_left(").count();
        for (number, line) in (1..).zip(code.lines()) {
            let compares = line.contains(" == ") || line.contains(" != ") || line.contains(".eq(");
            let is_about = ["mac", "sign", "claimed", "token", "digest", "secret", "candidate", "key"];
            let is_secret = is_about.iter().any(|word| line.to_ascii_lowercase().contains(word));
            assert!(
                !(compares && is_secret),
                "src/{path}:{number} compares what may be a secret: {}",
                line.trim()
            );
        }
    }
    assert_eq!(checked, 5, "tokens, buyers' addresses, signed bodies by either hash, and Standard Webhooks");
}
