//! A PostgreSQL server for the tests: `scripts/postgres`, which stops when this
//! process dies.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

pub struct Server {
    /// The URL of its first database.
    pub url: String,
    orders: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _process: Child,
}

impl Server {
    /// Starts a server. A test without a server fails.
    pub fn start(settings: &[&str]) -> Server {
        let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let script = folders
            .find_map(|folder| Some(folder.join("scripts/postgres")).filter(|it| it.exists()));
        let script = script.expect("scripts/postgres is in this repository");
        let mut process = Command::new(&script)
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|why| panic!("{}: {why}", script.display()));
        let (input, output) =
            (process.stdin.take().expect("a pipe"), process.stdout.take().expect("a pipe"));
        let mut output = BufReader::new(output);
        let mut url = String::new();
        output.read_line(&mut url).expect("a line");
        let url = url.trim().to_owned();
        assert!(!url.is_empty(), "scripts/postgres did not start a server; the reason is above");
        Server { url, orders: Mutex::new((input, output)), _process: process }
    }

    /// The server that most tests share. It is durable, as in production.
    pub fn shared() -> &'static Server {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Server::start(&[]))
    }

    /// Creates a new, empty database and returns its URL.
    pub async fn new_database(&self) -> String {
        let name = format!("t_{:016x}", u64::from_be_bytes(super::random_bytes()));
        let (client, connection) = tokio_postgres::connect(&self.url, tokio_postgres::NoTls)
            .await
            .expect("a connection to the server");
        let connection = tokio::spawn(connection);
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a new database");
        drop(client);
        connection.await.expect("no panic").expect("the connection closes without an error");
        let (server, _) = self.url.rsplit_once('/').expect("an address with a database");
        format!("{server}/{name}")
    }

    /// Runs a command on the server or one of its standbys: see
    /// `scripts/postgres`.
    pub fn order(&self, order: &str) {
        let output = self.ask(order);
        assert!(output.is_empty(), "{order}: {output:?}");
    }

    /// Starts a standby of the server and returns its URL.
    pub fn standby(&self) -> String {
        self.ask("standby").remove(0)
    }

    fn ask(&self, order: &str) -> Vec<String> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(orders.0, "{order}").expect("the script reads its input");
        let mut output = Vec::new();
        loop {
            let mut line = String::new();
            orders.1.read_line(&mut line).expect("an answer");
            match line.trim() {
                "done" => return output,
                "" => panic!("{order}: the script has ended"),
                line => output.push(line.to_owned()),
            }
        }
    }
}
