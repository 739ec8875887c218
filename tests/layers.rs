//! Imports point in one direction: a module may only import the modules listed
//! for it, which are below it. Some crates may only be used in one place.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module and the modules of this workspace that it may import.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("orders", &["kernel", "outbox"]),
    ("payments", &["kernel", "outbox", "orders"]),
    ("dedup", &["kernel", "orders", "payments"]),
    ("texts", &["kernel", "orders", "payments", "dedup"]),
    ("views", &["kernel", "orders", "payments", "texts"]),
    ("webhooks", &["kernel", "orders", "payments", "dedup"]),
    // Its conformance tests run against the sandbox payment system of the `lab`
    // crate.
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
            // It lists everything that is stored, with the shop's part.
            "shop/stored",
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
        &[
            "lab",
            "kernel",
            "payments",
            "dedup",
            "webhooks",
            "gateway",
            "marketplace",
            "notify",
            "texts",
        ],
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
            "shop",
            "identity",
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
            // It prints the document, adds up the books of a live shop, and
            // measures wallets.
            "shop",
        ],
    ),
];

/// Each of these crates and the only places that may use it.
const HOMES: &[(&str, &[&str])] = &[
    ("sled::", &["store/", "app.rs", "cli/check.rs", "cli/store.rs", "lib.rs"]),
    ("tokio_postgres::", &["store/postgres/"]),
    ("rustls", &["store/postgres/address.rs", "store/postgres/server.rs", "peer/socket.rs"]),
    ("tungstenite", &["peer/socket.rs"]),
    ("backoff::", &["peer/retry.rs"]),
    ("reqwest::", &["peer/"]),
    (
        "StatusCode",
        &["http/", "web/", "shop/", "peer/client.rs", "lab/", "notify/channel/telegram.rs"],
    ),
    ("getrandom::", &["kernel/chance.rs"]),
    ("utoipa", &["views/", "http/", "web/page.rs", "web/problem.rs"]),
];

/// The workspace crates other than the gateway itself, each with the workspace
/// crates that it may depend on. Cargo enforces the boundaries; this list
/// records which dependencies are allowed.
const CRATES: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("identity", &["kernel"]),
    ("shop", &["identity", "kernel", "peer", "store", "web"]),
    ("store", &["kernel"]),
    ("peer", &["kernel"]),
    ("web", &["kernel", "store"]),
    ("lab", &["kernel", "peer", "web"]),
];

/// All source files: those of the gateway by their path in `src`, those of a
/// crate by their path behind the crate's name.
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
    let crates = CRATES
        .iter()
        .map(|(name, _)| (format!("{name}/"), root.join("crates").join(name).join("src")));
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

/// The modules of this workspace that a source imports, outside comments, each
/// with its line number.
fn named(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, text) in source.lines().enumerate() {
        let code = text.split("//").next().unwrap_or_default();
        let own = code.match_indices("crate::").map(|(place, found)| (place, place + found.len()));
        let of_crates =
            code.match_indices("tillgate_").map(|(place, found)| (place, place + found.len()));
        for (place, behind) in own.chain(of_crates) {
            // `$crate` in a macro and `other_crate::` are not modules of ours.
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
        let home = MAY_NAME.iter().find(|(module, _)| {
            file.starts_with(&format!("{module}/")) || file == format!("{module}.rs")
        });
        let Some((module, allowed)) = home else {
            wrong.push(format!(
                "src/{file} is in no layer: add its module to MAY_NAME in tests/layers.rs"
            ));
            continue;
        };
        for (line, path) in named(&source) {
            let inside = path.starts_with(module) || module.starts_with(&path);
            // Permission for `notify` does not include its channels, which make
            // network calls.
            let reaches_channel = path.starts_with("notify/channel")
                && !matches!(*module, "workers" | "app" | "notify/channel");
            let permitted = allowed
                .iter()
                .any(|other| path == *other || path.starts_with(&format!("{other}/")));
            if (!inside && !permitted) || reaches_channel {
                wrong.push(format!("src/{file}:{line} ({module}) must not import {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The modules of the shop, each with those that it may import. A service
/// imports no other service: it calls the other's HTTP contract.
const OF_THE_SHOP: &[(&str, &[&str])] = &[
    // The tests of who may do what go through all services.
    (
        "access",
        &[
            "assertion",
            "auth",
            "billing",
            "booked",
            "client_orders",
            "delivery",
            "front",
            "menu",
            "notification",
            "orchestra",
            "order",
            "payment",
            "prices",
            "seal",
            "service_client",
            "sessions",
            "store",
            "username",
        ],
    ),
    // It lists what all services store.
    (
        "stored",
        &[
            "auth",
            "billing",
            "bus",
            "delivery",
            "menu",
            "notification",
            "orchestra",
            "order",
            "outlets",
            "payment",
            "reservation",
            "store",
            "sweeper",
        ],
    ),
    // The tests of the agreement go through all services that take part in it.
    (
        "agreement",
        &[
            "billing",
            "booked",
            "bus",
            "client_orders",
            "cookie",
            "delivery",
            "formats",
            "menu",
            "orchestra",
            "order",
            "order_id",
            "outlets",
            "payment",
            "prices",
            "product_id",
            "reservation",
            "seal",
            "service_client",
            "sessions",
            "stock_levels",
            "store",
            "username",
        ],
    ),
    ("orchestra", &["bus", "form", "formats", "order_id", "product_id", "refusal", "seal"]),
    (
        "payment",
        &[
            "asked",
            "assertion",
            "booked",
            "bus",
            "client_orders",
            "contract",
            "form",
            "formats",
            "order_id",
            "order_problem",
            "payment_problem",
            "prices",
            "refusal",
            "roubles",
            "seal",
            "service_client",
            "sessions",
            "username",
        ],
    ),
    ("booked", &["order_id", "refusal", "roubles", "service_client"]),
    ("payment_problem", &[]),
    ("sweeper", &[]),
    (
        "auth",
        &[
            "asked",
            "assertion",
            "bus",
            "contract",
            "form",
            "formats",
            "refusal",
            "seal",
            "username",
        ],
    ),
    (
        "billing",
        &[
            "asked",
            "assertion",
            "bus",
            "contract",
            "form",
            "formats",
            "order_id",
            "refusal",
            "roubles",
            "seal",
            "sessions",
            "username",
        ],
    ),
    (
        "notification",
        &[
            "asked",
            "assertion",
            "bus",
            "contract",
            "form",
            "formats",
            "order_id",
            "product_id",
            "refusal",
            "seal",
            "sessions",
            "username",
        ],
    ),
    (
        "menu",
        &[
            "asked",
            "assertion",
            "contract",
            "form",
            "outlets",
            "prices",
            "product_id",
            "refusal",
            "roubles",
            "seal",
            "stock_levels",
        ],
    ),
    (
        "order",
        &[
            "asked",
            "assertion",
            "booked",
            "bus",
            "contract",
            "form",
            "formats",
            "order_id",
            "order_problem",
            "prices",
            "product_id",
            "refusal",
            "roubles",
            "seal",
            "sessions",
            "username",
        ],
    ),
    (
        "store",
        &[
            "asked",
            "assertion",
            "bus",
            "client_orders",
            "contract",
            "form",
            "formats",
            "order_id",
            "order_problem",
            "outlets",
            "prices",
            "product_id",
            "refusal",
            "reservation",
            "seal",
            "service_client",
            "sessions",
            "stock_levels",
        ],
    ),
    (
        "delivery",
        &[
            "asked",
            "assertion",
            "bus",
            "client_orders",
            "contract",
            "delivery_problem",
            "form",
            "formats",
            "order_id",
            "order_problem",
            "outlets",
            "refusal",
            "reservation",
            "roubles",
            "seal",
            "sessions",
            "username",
        ],
    ),
    (
        "reservation",
        &["bus", "contract", "form", "formats", "order_id", "order_problem", "refusal", "seal"],
    ),
    (
        "client_orders",
        &[
            "form",
            "order_id",
            "order_problem",
            "product_id",
            "refusal",
            "roubles",
            "service_client",
        ],
    ),
    ("prices", &["order_problem", "product_id", "refusal", "roubles", "service_client"]),
    ("front", &["cookie", "form", "formats", "refusal", "roubles", "service_client"]),
    ("formats", &["bus", "order_id", "product_id"]),
    ("bus", &["refusal", "seal"]),
    (
        "asked",
        &["assertion", "cookie", "form", "refusal", "service_client", "sessions", "username"],
    ),
    ("sessions", &["refusal", "service_client", "username"]),
    ("service_client", &["assertion", "refusal", "username"]),
    ("assertion", &["seal", "username"]),
    ("contract", &["assertion", "form", "order_id", "refusal"]),
    // It describes all services.
    (
        "openapi",
        &[
            "auth",
            "billing",
            "contract",
            "delivery",
            "menu",
            "notification",
            "order",
            "payment",
            "store",
        ],
    ),
    ("refusal", &["delivery_problem", "form", "order_problem", "payment_problem"]),
    ("delivery_problem", &["roubles"]),
    ("outlets", &[]),
    ("stock_levels", &["contract", "outlets"]),
    ("form", &["order_id"]),
    ("order_id", &["username"]),
    ("order_problem", &["formats", "product_id", "roubles"]),
    ("product_id", &[]),
    ("roubles", &[]),
    ("username", &[]),
    ("seal", &[]),
    ("cookie", &[]),
];

#[test]
fn services_of_the_shop_import_no_other_service() {
    let mut wrong = Vec::new();
    for (file, source) in sources() {
        // A test of one service may look at what the others make of it.
        let is_code = |file: &&str| *file != "lib.rs" && !file.contains("/tests/");
        let Some(file) = file.strip_prefix("shop/").filter(is_code) else { continue };
        let home = file.split(['/', '.']).next().unwrap_or_default();
        let allowed = OF_THE_SHOP.iter().find(|(module, _)| *module == home);
        let Some((_, allowed)) = allowed else {
            wrong.push(format!("shop/{file}: add {home} to OF_THE_SHOP in tests/layers.rs"));
            continue;
        };
        let own = source.lines().enumerate().filter(|(_, line)| line.contains("crate::"));
        for (line, text) in own {
            let code = text.split("//").next().unwrap_or_default();
            let behind = code.split("crate::").skip(1);
            let named = behind.flat_map(|path| match path.strip_prefix('{') {
                Some(several) => several.split(',').map(str::trim).collect::<Vec<_>>(),
                None => vec![path],
            });
            for path in named {
                let module: String =
                    path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                // Types that lib.rs exports under their own names.
                let module = if module == "Refusal" { "refusal".into() } else { module };
                if module != home && !allowed.contains(&module.as_str()) {
                    wrong.push(format!("shop/{file}:{} must not import {module}", line + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn crates_depend_only_on_crates_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = fs::read_dir(root.join("crates")).expect("a folder");
    let mut there: Vec<String> = folders
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    let mut listed: Vec<&str> = CRATES.iter().map(|(name, _)| *name).collect();
    there.sort();
    listed.sort_unstable();
    assert_eq!(there, listed);
    for (name, allowed) in CRATES {
        let manifest =
            fs::read_to_string(root.join(format!("crates/{name}/Cargo.toml"))).expect("a manifest");
        let named =
            manifest.lines().filter_map(|line| line.strip_prefix("tillgate-")?.split('.').next());
        let named: Vec<&str> = named.collect();
        assert!(named.iter().all(|other| allowed.contains(other)), "{name} depends on {named:?}");
    }
}

#[test]
fn some_crates_are_used_in_one_place() {
    let mut wrong = Vec::new();
    for (file, source) in sources() {
        for (line, text) in source.lines().enumerate() {
            let code = text.split("//").next().unwrap_or_default();
            for (name, homes) in HOMES {
                if code.contains(name) && !homes.iter().any(|home| file.starts_with(home)) {
                    wrong.push(format!(
                        "src/{file}:{} must not use {name}: only {homes:?} may",
                        line + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The pure modules do no I/O and have no async code.
#[test]
fn pure_modules_do_no_io() {
    let mut wrong = Vec::new();
    for (file, source) in sources() {
        let is_pure = [
            "kernel/",
            "identity/",
            "orders/",
            "payments/",
            "dedup/",
            "webhooks/",
            "texts/",
            "views/",
        ]
        .iter()
        .any(|module| file.starts_with(module));
        for (line, text) in source.lines().enumerate().filter(|_| is_pure) {
            let code = text.split("//").next().unwrap_or_default();
            if code.contains("async ")
                || code.contains("tokio::")
                || code.contains("std::fs")
                || code.contains("std::net")
            {
                wrong.push(format!(
                    "src/{file}:{} does I/O or is async: {}",
                    line + 1,
                    code.trim()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Every decision is in the index, under its title.
#[test]
fn decisions_are_in_their_index() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/adr");
    let index = fs::read_to_string(folder.join("README.md")).expect("an index");
    let files =
        fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
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
    assert_eq!(index.matches("\n| [").count(), listed, "the index has one row for each decision");
}

/// The tests that the documents quote as evidence exist.
#[test]
fn documents_name_existing_tests() {
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

/// Secrets are compared only by the `hmac` crate's verification, which takes
/// constant time. A timing measurement would not be reliable, so this test
/// checks that the code has no other comparison of a secret.
#[test]
fn secrets_are_compared_in_constant_time() {
    let mut checked = 0;
    for (path, text) in sources() {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if path.starts_with("lab/") || !(code.contains("Hmac") || code.contains("use hmac")) {
            continue;
        }
        checked +=
            code.matches("verify_slice(").count() + code.matches("verify_truncated_left(").count();
        for (number, line) in (1..).zip(code.lines()) {
            let compares = line.contains(" == ") || line.contains(" != ") || line.contains(".eq(");
            let is_about =
                ["mac", "sign", "claimed", "token", "digest", "secret", "candidate", "key"];
            let is_secret = is_about.iter().any(|word| line.to_ascii_lowercase().contains(word));
            assert!(
                !(compares && is_secret),
                "src/{path}:{number} may compare a secret in variable time: {}",
                line.trim()
            );
        }
    }
    assert_eq!(
        checked, 8,
        "one each for tokens, buyers' addresses, both hashes of signed bodies, Standard \
         Webhooks here and in the shop, signed cookies, and one-time codes"
    );
}

/// Words that this project does not use: a plainer word says the same. They are
/// searched as whole words, in any case.
const ODD_WORDS: &[&str] = &[
    "told", "tells", "hears", "heard", "stands", "whoever", "whomever", "anew", "reckon",
    "reckons", "reckoned", "besides", "nought", "tiding", "tidings", "dossier", "herald", "envoy",
    "clerk", "tally", "watchman", "doubtful", "doubts", "lest", "heed", "hitherto", "thereof",
    "wherein", "amiss",
];

/// Files of which every word counts: code, tests, scripts and documents.
fn texts() -> Vec<(String, String)> {
    const PLACES: &[&str] = &[
        "src",
        "crates",
        "tests",
        "docs",
        "scripts",
        "nginx",
        "systemd",
        "assets",
        "templates",
        "examples",
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "Cargo.toml",
    ];
    // The glossary and this list name the words that are not used. Generated
    // pages are checked where they come from.
    const EXCEPT: &[&str] =
        &["docs/glossary.md", "tests/layers.rs", "docs/openapi.json", "docs/shop-openapi.json"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open: Vec<PathBuf> = PLACES.iter().map(|place| root.join(place)).collect();
    let mut texts = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder");
            open.extend(entries.map(|entry| entry.expect("an entry").path()));
            continue;
        }
        let name = path.strip_prefix(root).expect("inside").display().to_string();
        if let Ok(text) = fs::read_to_string(&path)
            && !EXCEPT.contains(&name.as_str())
        {
            texts.push((name, text));
        }
    }
    texts
}

#[test]
fn words_are_plain() {
    let mut found = Vec::new();
    for (name, text) in texts() {
        for (line, number) in text.lines().zip(1..) {
            let words = line.split(|sign: char| !sign.is_alphanumeric() && sign != '_');
            for word in words.map(str::to_lowercase) {
                if ODD_WORDS.contains(&word.as_str()) {
                    found.push(format!("{name}:{number}: {word}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "docs/glossary.md has better words:\n{}", found.join("\n"));
}

/// Comments are at most 80 columns wide, so that they are read and not scanned.
/// The formatter checks the width of code.
#[test]
fn comments_are_narrow() {
    const COLUMNS_MAX: usize = 80;
    let is_wide = |line: &&str| {
        let is_comment = line.trim_start().starts_with("//");
        is_comment && line.chars().count() > COLUMNS_MAX && !line.contains("://")
    };
    let mut wide = Vec::new();
    for (name, text) in texts().into_iter().filter(|(name, _)| name.ends_with(".rs")) {
        let lines = text.lines().zip(1..).filter(|(line, _)| is_wide(line));
        wide.extend(lines.map(|(_, number)| format!("{name}:{number}")));
    }
    assert!(wide.is_empty(), "wider than {COLUMNS_MAX} columns: {}", wide.join(", "));
}
