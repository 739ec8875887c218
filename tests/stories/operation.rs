//! The binary, as an operator runs it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tillgate_lab::sandbox::{Sandbox, Setup};

use crate::world::created;
use crate::world::database::Server;

pub const BINARY: &str = env!("CARGO_BIN_EXE_tillgate");

/// A gateway in its own process.
pub struct Process {
    child: Child,
    pub url: String,
    folder: PathBuf,
    /// What it printed until it was ready.
    printed: Vec<String>,
}

impl Process {
    /// Starts the binary with the configuration in `folder`, and waits until it
    /// is ready.
    pub fn start(folder: &Path) -> Process {
        Process::start_with(folder, &[]).unwrap_or_else(|_| {
            panic!(
                "it did not start: {}",
                std::fs::read_to_string(folder.join("log")).expect("a log")
            )
        })
    }

    /// The same with these environment variables. The error is the exit code of
    /// a process that ended before it was ready.
    pub fn start_with(folder: &Path, variables: &[(&str, &str)]) -> Result<Process, Option<i32>> {
        Process::start_as(folder, &[], variables)
    }

    /// The same with these options of `serve`.
    pub fn start_as(
        folder: &Path,
        options: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Process, Option<i32>> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .expect("a log");
        let mut child = Command::new(BINARY)
            .args(["serve", "--config", "tillgate.toml"])
            .args(options)
            .current_dir(folder)
            .env_remove("TILLGATE_CONFIG")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (mut url, mut printed) = (None, Vec::new());
        for line in &mut lines {
            let line = line.expect("text");
            printed.push(line.clone());
            if let Some((_, address)) = line.split_once(" listens on ") {
                url = Some(address.to_owned());
            }
            if line == "ready"
                && let Some(url) = url
            {
                return Ok(Process { child, url, folder: folder.to_owned(), printed });
            }
        }
        Err(child.wait().expect("it ends").code())
    }

    /// The rest of the line that it printed with this beginning.
    #[cfg_attr(not(feature = "shop"), expect(dead_code, reason = "the shop's stories read it"))]
    pub fn said(&self, beginning: &str) -> Option<String> {
        self.printed.iter().find_map(|line| line.strip_prefix(beginning)).map(str::to_owned)
    }

    /// Waits until the process has ended by itself, and returns its exit code.
    pub fn ended(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The address that it listens on, for example `127.0.0.1:8080`.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("an address")
    }

    /// The log so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.join("log")).expect("a log"))
            .into_owned()
    }

    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Sends SIGTERM, and returns the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
        self.child.wait().expect("it ends").code()
    }

    /// Runs another command of the binary against this gateway.
    pub fn command(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY)
            .args(arguments)
            .current_dir(&self.folder)
            .env("TILLGATE_SERVER", &self.url)
            .output()
            .expect("the command runs")
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).expect("json")
    }
}

/// No process outlives its test.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

/// The five lines of the README, with a free port.
pub fn configure(folder: &Path) {
    let settings = "listen = \"127.0.0.1:0\"\n\
        admin_token = \"token-of-the-operator\"\n\
        [sources.sm]\n\
        protocol = \"sm\"\n\
        token = \"token-of-the-marketplace\"\n";
    std::fs::write(folder.join("tillgate.toml"), settings).expect("written");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn five_lines_of_configuration_and_the_fixtures_are_enough() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let gateway = Process::start(folder.path());
    let mut fixtures: Vec<PathBuf> =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sm"))
            .expect("fixtures")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
    fixtures.sort();
    let hooks = format!("{}/hooks/sm", gateway.url);
    let mut arguments = vec!["send", "--to", hooks.as_str()];
    arguments.extend(fixtures.iter().map(|path| path.to_str().expect("text")));
    let sent = gateway.command(&arguments);
    assert!(sent.status.success(), "{}{}", text(&sent.stdout), text(&sent.stderr));
    assert_eq!(text(&sent.stdout).lines().count(), fixtures.len());

    let before = gateway.json(&["orders", "list", "--json"]);
    assert_eq!(before.as_array().expect("a list").len(), 6);
    gateway.kill();
    let gateway = Process::start(folder.path());
    assert_eq!(gateway.json(&["orders", "list", "--json"]), before);

    let table = text(&gateway.command(&["orders", "list"]).stdout);
    assert!(table.contains("H2611220001") && table.contains("delivered"), "{table}");
    let delivered =
        before.as_array().expect("a list").iter().find(|order| order["state"] == "delivered");
    let number =
        delivered.expect("a delivered order")["number"].as_str().expect("a number").to_owned();
    let shown = text(&gateway.command(&["orders", "show", &number]).stdout);
    assert!(shown.contains("order.paid") && shown.contains("paid → shipped"), "{shown}");
    let hooks = text(&gateway.command(&["hooks", "list", "--verdict", "ignored"]).stdout);
    assert!(hooks.contains("courier.assigned"), "{hooks}");
    assert_eq!(gateway.terminate(), Some(0));
}

#[test]
fn a_second_gateway_on_the_same_store_says_so_in_one_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let gateway = Process::start(folder.path());
    let second = gateway.command(&["serve"]);
    assert_eq!(second.status.code(), Some(1));
    let stderr = text(&second.stderr);
    let last = stderr.lines().last().expect("a message");
    assert!(
        last.starts_with("tillgate: ") && last.contains("another tillgate is running"),
        "{stderr}"
    );
    gateway.kill();
}

#[test]
fn mistakes_in_the_configuration_are_explained_with_exit_code_2() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = "[sources.sm]\nprotocol = \"sm\"\n";
    let bank = "[gateways.bank]\nprotocol = \"invoicebox\"\ntoken = \"t\"\nmerchant_id = \"m\"\n\
        signing_key = \"s\"\n";
    let merchant = "[merchants.site]\n";
    let mistakes = [
        (format!("{source}token = \"short\"\n"), "at least 16"),
        (format!("{source}token = \"\"\n"), "at least 16"),
        (source.to_owned(), "no token"),
        ("[sources.sm]\nprotocol = \"ozon\"\ntoken = \"0123456789abcdef\"\n".to_owned(), "ozon"),
        ("lisen = \"127.0.0.1:1\"\n".to_owned(), "lisen"),
        ("listen = \"nowhere\"\n".to_owned(), "listen"),
        ("store = \"mysql://x\"\n".to_owned(), "sled:<directory>"),
        ("[notify.telegram]\ntoken = \"t\"\n".to_owned(), "chats"),
        (format!("{source}token_file = \"missing\"\n"), "missing"),
        ("listen = \n".to_owned(), "tillgate.toml"),
        (format!("{merchant}api_key = \"0123456789abcdef\"\n"), "[gateways.<name>]"),
        (format!("{bank}{merchant}"), "no api_key"),
        (format!("{bank}{merchant}api_key = \"short\"\n"), "at least 16"),
        (
            format!("{bank}{merchant}api_key = \"0123456789abcdef\"\ngateway = \"other\"\n"),
            "no [gateways.other]",
        ),
        (
            format!(
                "{bank}{merchant}api_key = \"0123456789abcdef\"\ncallback_url = \
                 \"https://x.example\"\n"
            ),
            "callback_secret is missing",
        ),
        (
            format!(
                "{bank}{merchant}api_key = \"0123456789abcdef\"\n{}",
                merchant.replace("site", "second")
            ) + "api_key = \"0123456789abcdef\"\n",
            "are the same secret",
        ),
        (
            format!("{}{source}token = \"0123456789abcdef\"\n", bank.replace("bank", "sm")),
            "a source has this name",
        ),
        (bank.replace("\"s\"", "\"\""), "signing_key is empty"),
        (format!("{bank}payment_hosts = [\"https://pay.example\"]\n"), "bare host name"),
        (
            format!(
                "{bank}{merchant}api_key = \"0123456789abcdef\"\ncallback_url = \
                 \"https://x.example\"\n\
                 callback_secret = \"whsec_\"\n"
            ),
            "at least 24 random bytes",
        ),
        (bank.replace("signing_key =", "signing_key_file ="), "cannot read"),
        (
            format!("{source}token = \"0123456789abcdef\"\npayment = \"link\"\n"),
            "[gateways.<name>]",
        ),
        (format!("{source}token = \"0123456789abcdef\"\npayment = \"later\"\n"), "later"),
    ];
    for (settings, word) in mistakes {
        std::fs::write(folder.path().join("tillgate.toml"), &settings).expect("written");
        let output = Command::new(BINARY)
            .arg("serve")
            .current_dir(folder.path())
            .output()
            .expect("the binary runs");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{settings}: {stderr}");
        assert!(stderr.contains(word), "{settings}: {stderr}");
    }
}

/// A mistake in a secret is explained without printing the secret.
#[test]
fn mistakes_around_secrets_do_not_print_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mistakes = [
        "[sources.sm]\nprotocol = \"sm\"\ntoken = \"canary-4242-canary\n",
        "[sources.sm]\nprotocol = \"sm\"\ntoken = 4242424242424242\n",
        "admin_token = \"canary-4242-canary\"\nadmin_token = \"canary-4242-canary\"\n",
        "[sources.sm]\nprotocol = \"sm\"\ntoken = \"4242\"\n",
    ];
    for settings in mistakes {
        std::fs::write(folder.path().join("tillgate.toml"), settings).expect("written");
        let output = Command::new(BINARY)
            .arg("serve")
            .current_dir(folder.path())
            .output()
            .expect("the binary runs");
        let stderr = text(&output.stderr);
        assert!(output.status.code() == Some(2) && !stderr.contains("4242"), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn the_environment_and_secret_files_override_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    std::fs::write(folder.path().join("secret"), "token-from-a-secret-file\n").expect("written");
    let check = |environment: &[(&str, &str)]| {
        let mut command = Command::new(BINARY);
        command.arg("check").current_dir(folder.path()).envs(environment.iter().copied());
        let output = command.output().expect("the binary runs");
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (code, output) = check(&[
        ("TILLGATE_SOURCES__SM__TOKEN_FILE", "secret"),
        ("TILLGATE_LISTEN", "127.0.0.1:7777"),
    ]);
    assert!(code == Some(0) && output.contains("127.0.0.1:7777/hooks/sm"), "{output}");
    let (code, output) =
        check(&[("TILLGATE_SOURCES__SM__TOKENS", "the-new-token-of-sm,the-old-token-of-sm")]);
    assert!(code == Some(0) && output.contains("3 tokens are valid"), "{output}");
    // Unknown variables are named, and do not prevent the start.
    for name in ["TILLGATE_SOURCES__SM__COLOUR", "TILLGATE_LISTEN__X", "TILLGATE_VERSION"] {
        let (code, output) = check(&[(name, "1")]);
        assert!(code == Some(0) && output.contains(name), "{output}");
    }
    // Variables that Kubernetes sets in a pod for a Service named tillgate are
    // ignored silently.
    let (code, output) = check(&[
        ("TILLGATE_SERVICE_HOST", "10.96.0.17"),
        ("TILLGATE_PORT", "tcp://10.96.0.17:8080"),
        ("TILLGATE_PORT_8080_TCP_ADDR", "10.96.0.17"),
    ]);
    assert!(code == Some(0) && !output.contains("TILLGATE_"), "{output}");
}

/// `listen` may be a host name. An unreadable file is an error, unlike a
/// missing one. The file in use is named.
#[test]
fn the_configuration_that_is_used_is_named_and_one_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("tillgate.toml");
    let check = || {
        let output = Command::new(BINARY)
            .arg("check")
            .current_dir(folder.path())
            .output()
            .expect("the binary runs");
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let source = "[sources.sm]\nprotocol = \"sm\"\ntoken = \"0123456789abcdef\"\n";
    std::fs::write(&file, format!("listen = \"localhost:0\"\n{source}")).expect("written");
    let (code, output) = check();
    assert!(code == Some(0) && output.contains("configuration: tillgate.toml"), "{output}");
    assert!(output.contains("listen: 127.0.0.1:0 is free"), "{output}");
    std::fs::write(&file, format!("listen = \"no-such-host.invalid:8080\"\n{source}"))
        .expect("written");
    let (code, output) = check();
    assert!(code == Some(2) && output.contains("no-such-host.invalid"), "{output}");
    std::fs::remove_file(&file).expect("removed");
    std::fs::create_dir(&file).expect("a folder of that name");
    let (code, output) = check();
    assert!(code == Some(2) && output.contains("cannot read the configuration"), "{output}");
}

/// `check` tries what `serve` will do, and distinguishes its own receiver from
/// another program. Commands find the running receiver wherever it listens.
#[test]
fn the_check_and_the_commands_find_the_receiver_that_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(BINARY);
        let output =
            command.args(arguments).current_dir(folder.path()).output().expect("the binary runs");
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let gateway = Process::start(folder.path()); // on a port of the system's choice
    let address = gateway.url.trim_start_matches("http://").to_owned();
    let (code, output) = run(&["orders", "list"]);
    assert_eq!(code, Some(0), "{output}");
    let (code, output) = run(&["check"]);
    assert!(
        code == Some(0) && output.contains(&format!("at {address}")) && output.contains("ready"),
        "{output}"
    );
    let settings = std::fs::read_to_string(folder.path().join("tillgate.toml")).expect("settings");
    let there = settings.replace("127.0.0.1:0", &address);
    std::fs::write(folder.path().join("tillgate.toml"), &there).expect("written");
    let (code, output) = run(&["check"]);
    assert!(
        code == Some(0) && output.contains(&format!("{address} is taken by tillgate")),
        "{output}"
    );
    // At the address of this configuration there is a receiver of another
    // store.
    let other_store = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(other_store.path().join("tillgate.toml"), &there).expect("written");
    let output = Command::new(BINARY)
        .arg("check")
        .current_dir(other_store.path())
        .output()
        .expect("it runs");
    let stdout = text(&output.stdout);
    let is_named =
        |line: &str| line.starts_with("FAIL") && line.contains("which has another store");
    assert!(output.status.code() == Some(1) && stdout.lines().any(is_named), "{stdout}");
    // The receiver listens elsewhere, and another program has the configured
    // address.
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let elsewhere =
        settings.replace("127.0.0.1:0", &other.local_addr().expect("an address").to_string());
    std::fs::write(folder.path().join("tillgate.toml"), elsewhere).expect("written");
    let (code, output) = run(&["check"]);
    let is_named = |line: &str| {
        line.starts_with("FAIL")
            && line.contains("is taken by another program")
            && line.contains(&address)
    };
    assert!(code == Some(1) && output.lines().any(is_named), "{output}");
    drop(other);
    assert_eq!(gateway.terminate(), Some(0));
    assert!(!folder.path().join("data/receiver").exists(), "the file with the address is removed");

    // A dangling symlink is a configuration that cannot be read.
    let dangling = tempfile::tempdir().expect("a temporary folder");
    std::os::unix::fs::symlink("/nowhere/x.toml", dangling.path().join("tillgate.toml"))
        .expect("a link");
    let output =
        Command::new(BINARY).arg("check").current_dir(dangling.path()).output().expect("it runs");
    assert!(output.status.code() == Some(2), "{}", text(&output.stderr));

    // Another program has the port, and the callback address is unreachable.
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = other.local_addr().expect("an address").to_string();
    let bank = "[gateways.bank]\nprotocol = \"yookassa\"\nurl = \"http://127.0.0.1:9\"\ntoken = \
        \"t\"\nmerchant_id = \"1\"\n\
                [merchants.site]\napi_key = \"0123456789abcdef\"\ncallback_url = \
                    \"http://127.0.0.1:9/x\"\n\
                callback_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n";
    let settings = settings.replace("127.0.0.1:0", &taken);
    std::fs::write(folder.path().join("tillgate.toml"), format!("{settings}\n{bank}"))
        .expect("written");
    let (code, output) = run(&["check"]);
    assert_eq!(code, Some(1), "{output}");
    for failure in [
        format!("{taken} is taken by another program"),
        "http://127.0.0.1:9/x is not reached".into(),
    ] {
        assert!(
            output.lines().any(|line| line.starts_with("FAIL") && line.contains(&failure)),
            "{failure}: {output}"
        );
    }
}

/// Several receivers of one database on one machine all count as its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_knows_each_of_several_receivers_of_a_database() {
    let database = Server::shared().new_database().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let file = folder.path().join("tillgate.toml");
    let settings = std::fs::read_to_string(&file).expect("settings");
    let settings =
        settings.lines().filter(|line| !line.starts_with("store ")).collect::<Vec<_>>().join("\n");
    let settings = format!("store = \"{database}\"\n{settings}");
    std::fs::write(&file, &settings).expect("written");
    let receivers = [Process::start(folder.path()), Process::start(folder.path())];
    for receiver in &receivers {
        let address = receiver.url.trim_start_matches("http://");
        std::fs::write(&file, settings.replace("127.0.0.1:0", address)).expect("written");
        let output =
            Command::new(BINARY).arg("check").current_dir(folder.path()).output().expect("it runs");
        let output = text(&output.stdout) + &text(&output.stderr);
        assert!(
            output.contains(&format!("ok    listen: {address} is taken by tillgate")),
            "{output}"
        );
    }
    for receiver in receivers {
        assert_eq!(receiver.terminate(), Some(0));
    }
}

/// The check places no order, and finds a wrong shop although the shop has no
/// orders yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_verifies_the_shop_at_the_payment_system() {
    let bank = Sandbox::start(Setup::default()).await.expect("a payment system");
    let (token, own) = (bank.setup().token.expose().to_owned(), bank.setup().merchant_id.clone());
    let wrong = own.replace("018f", "018e");
    for (protocol, path, shop, is_ours) in [
        ("invoicebox", "", own.clone(), true),
        ("invoicebox", "", own.to_uppercase(), true),
        ("invoicebox", "", wrong.clone(), false),
        ("yookassa", "/yookassa", own, true),
        ("yookassa", "/yookassa", wrong, false),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        configure(folder.path());
        let file = folder.path().join("tillgate.toml");
        let settings = std::fs::read_to_string(&file).expect("settings");
        let key = if protocol == "invoicebox" { "signing_key = \"k\"" } else { "" };
        let gateway = format!(
            "[gateways.bank]\nprotocol = \"{protocol}\"\nurl = \"{}{path}\"\ntoken = \"{token}\"\n\
             merchant_id = \"{shop}\"\n{key}\n",
            bank.url()
        );
        std::fs::write(&file, format!("{settings}\n{gateway}")).expect("written");
        let check = move || {
            Command::new(BINARY)
                .arg("check")
                .current_dir(folder.path())
                .output()
                .expect("the binary runs")
        };
        let output = tokio::task::spawn_blocking(check).await.expect("it ends");
        let output = text(&output.stdout) + &text(&output.stderr);
        let line = output.lines().find(|line| line.contains("gateway: bank")).unwrap_or_default();
        assert_eq!(line.starts_with("ok"), is_ours, "{protocol} {shop}: {output}");
        assert!(is_ours || (line.starts_with("FAIL") && line.contains("merchant_id")), "{output}");
    }
    assert!(bank.ledger().is_empty());
}

#[test]
fn commands_without_a_gateway_say_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let run = |arguments: &[&str]| {
        let output = Command::new(BINARY)
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .expect("the binary runs");
        (output.status.code(), text(&output.stderr))
    };
    let (code, stderr) = run(&["orders", "list", "--server", "http://127.0.0.1:9"]);
    assert!(code == Some(1) && stderr.contains("Is tillgate serve running?"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1);
    let (code, _) = run(&["orders", "lst"]);
    assert_eq!(code, Some(2));
    let (code, stderr) =
        run(&["send", "no-such-file.json", "--to", "http://127.0.0.1:9", "--token", "t"]);
    assert!(code == Some(2) && stderr.contains("no-such-file.json"), "{stderr}");
    std::fs::write(folder.path().join("tillgate.toml"), "").expect("written");
    let (code, stderr) = run(&["orders", "list"]);
    assert!(code == Some(2) && stderr.contains("admin_token"), "{stderr}");
}

/// The log has one line for each hook, with ids, verdict and duration, and
/// without personal data or secrets.
#[test]
fn logs_contain_hooks_and_no_personal_data() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let gateway = Process::start(folder.path());
    let file = folder.path().join("hook.json");
    std::fs::write(&file, created("H-CANARY")).expect("written");
    let url = format!("{}/hooks/sm", gateway.url);
    let path = file.to_str().expect("text");
    assert!(gateway.command(&["send", path, "--to", &url]).status.success());
    let wrong = gateway.command(&["send", path, "--to", &url, "--token", "wrong-canary-token"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(gateway.terminate(), Some(0));
    let mut log = String::new();
    std::fs::File::open(folder.path().join("log"))
        .expect("a log")
        .read_to_string(&mut log)
        .expect("text");
    let line =
        log.lines().find(|line| line.contains("hook answered")).expect("a line for the hook");
    let line: Value = serde_json::from_str(line).expect("a line is JSON");
    assert_eq!(
        (&line["order.external_id"], &line["verdict"]),
        (&Value::from("H-CANARY"), &Value::from("applied"))
    );
    assert!(
        line["duration_ms"].is_number()
            && line["hook.id"].is_string()
            && line["order.number"].is_number(),
        "{line}"
    );
    for canary in
        ["Канарейкина", "79991234567", "Тайная", "4242", "token-of-the", "wrong-canary-token"]
    {
        assert!(!log.contains(canary), "{canary} in the log");
    }
}

/// Started as by systemd with `Type=notify` and a socket: it reports when it is
/// ready and when it stops, and serves the connections that already wait in the
/// socket.
#[test]
fn a_service_manager_is_notified_and_its_socket_is_used() {
    use std::io::Write;
    use std::os::fd::OwnedFd;

    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let manager =
        std::os::unix::net::UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
    manager.set_read_timeout(Some(crate::world::DEADLINE)).expect("set");
    let notification = || {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).expect("the manager is notification");
        text(&buffer[..length])
    };
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    // A client that connects before the process runs waits.
    let mut early = std::net::TcpStream::connect(address).expect("a connection");
    early
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .expect("sent");
    let script = concat!(
        r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 "#,
        r#"exec "$0" serve --config tillgate.toml"#
    );
    let mut service = Command::new("sh")
        .args(["-c", script, BINARY])
        .current_dir(folder.path())
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    assert!(notification().contains("READY=1"));
    let mut answer = String::new();
    early.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let id = service.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
    assert!(notification().contains("STOPPING=1"));
    assert_eq!(service.wait().expect("it ends").code(), Some(0));
}

/// A gateway without connections ends at once, however long
/// `idle_drain_seconds` is.
#[test]
fn a_gateway_without_connections_ends_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let settings = std::fs::read_to_string(folder.path().join("tillgate.toml")).expect("settings");
    std::fs::write(
        folder.path().join("tillgate.toml"),
        format!("idle_drain_seconds = 60\n{settings}"),
    )
    .expect("written");
    let gateway = Process::start(folder.path());
    let (ended, has_ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(gateway.terminate()));
    assert_eq!(
        has_ended.recv_timeout(crate::world::DEADLINE),
        Ok(Some(0)),
        "it ends within 30 seconds, half of idle_drain_seconds"
    );
}

/// While draining, answers announce that their connection will be closed, and
/// idle connections stay open for a while.
#[test]
fn idle_connections_are_left_to_the_proxy_while_draining() {
    use std::io::Write;

    let folder = tempfile::tempdir().expect("a temporary folder");
    configure(folder.path());
    let gateway = Process::start(folder.path());
    let address = gateway.url.strip_prefix("http://").expect("an address").to_owned();
    let ask = |connection: &mut std::net::TcpStream| {
        connection.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
        let mut answer = String::new();
        let mut buffer = [0; 4096];
        while !answer.contains("\r\n\r\n") {
            let length = connection.read(&mut buffer).expect("an answer");
            assert!(length > 0, "closed instead of answered: {answer:?}");
            answer.push_str(&text(&buffer[..length]));
        }
        answer.to_lowercase()
    };
    let mut connection = std::net::TcpStream::connect(&address).expect("a connection");
    connection.set_read_timeout(Some(crate::world::DEADLINE)).expect("set");
    let before = ask(&mut connection);
    assert!(
        before.starts_with("http/1.1 200") && !before.contains("connection: close"),
        "{before}"
    );
    let id = gateway.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
    // New connections are still accepted, and get 503.
    let watch = tillgate::kernel::Stopwatch::start();
    let mut refused = 0;
    while refused < 5 {
        let mut another = std::net::TcpStream::connect(&address).expect("a connection");
        another.set_read_timeout(Some(std::time::Duration::from_secs(3))).expect("set");
        let answer = ask(&mut another);
        refused +=
            u32::from(answer.starts_with("http/1.1 503") && answer.contains("connection: close"));
        assert!(watch.elapsed() < crate::world::DEADLINE, "it does not drain");
    }
    let after = ask(&mut connection);
    assert!(after.starts_with("http/1.1 503") && after.contains("connection: close"), "{after}");
    let mut gateway = gateway;
    assert_eq!(gateway.child.wait().expect("it ends").code(), Some(0));
}
