//! What the PostgreSQL engine promises in addition to the common list.

use std::sync::Arc;
use std::time::Duration;
use tillgate_kernel::Partition;

use super::{Address, Migration, OpenError, Postgres};
use crate::conformance::NOTES;
use crate::{Batch, Body, CommitError, CounterChange, CounterKey, Expect, Store, Unavailable};
use tillgate_kernel::DocKey;
use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::{Clock, Timestamp};

#[path = "../../../../tests/world/database.rs"]
pub mod database;

/// Opens the store in a database. `clock` decides when messages are due.
pub async fn open_by(url: &str, clock: &Clock) -> Store {
    Store::Postgres(Arc::new(
        Postgres::open(&address(url), Migration::Apply, clock).await.expect("the store opens"),
    ))
}

/// Opens the store in a database. The database's clock decides when messages
/// are due.
pub async fn open(url: &str) -> Store {
    open_by(url, &Clock::System).await
}

fn address(url: &str) -> Address {
    url.parse().expect("an address")
}

async fn client(url: &str) -> tokio_postgres::Client {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("the database answers");
    tokio::spawn(connection);
    client
}

#[test]
fn an_address_does_not_print_its_password() {
    let url =
        "postgres://shop:hunter2@db.example:5433/shop?sslmode=verify-full&sslrootcert=/etc/ca.pem";
    let address = address(url);
    assert_eq!(
        format!("{address} {address:?}").matches("postgres://db.example:5433/shop").count(),
        2
    );
    for bad in [
        "postgres://shop:hunter2@",
        "postgres://shop:hunter2@db/shop?sslmode=hunter2",
        "postgres:///",
    ] {
        let why = bad.parse::<Address>().expect_err("no address").to_string();
        assert!(!why.contains("hunter2") && why.contains("postgres://user:password@host"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_is_made_once_and_a_newer_one_is_refused() {
    let url = database::Server::shared().new_database().await;
    let untouched = Postgres::open(&address(&url), Migration::Refuse, &Clock::System)
        .await
        .expect_err("there is no schema");
    assert!(matches!(untouched, OpenError::Older { found: 0, .. }), "{untouched}");
    assert!(untouched.to_string().contains("tillgate migrate"), "{untouched}");

    // Several receivers start at the same moment.
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let address = address(&url);
        opening.spawn(async move {
            Postgres::open(&address, Migration::Apply, &Clock::System).await.map(drop)
        });
    }
    for opened in opening.join_all().await {
        opened.expect("it opens");
    }
    Postgres::open(&address(&url), Migration::Refuse, &Clock::System)
        .await
        .expect("the schema exists now");

    let client = client(&url).await;
    let newer = "INSERT INTO tillgate.schema_versions (version, oldest_program) VALUES (99, $1)";
    // A version that this program still works with, while the two versions run
    // side by side.
    client.execute(newer, &[&1_i32]).await.expect("written");
    Postgres::open(&address(&url), Migration::Apply, &Clock::System).await.expect("it still works");
    client
        .execute("UPDATE tillgate.schema_versions SET oldest_program = 99 WHERE version = 99", &[])
        .await
        .expect("written");
    let newer = Postgres::open(&address(&url), Migration::Apply, &Clock::System)
        .await
        .expect_err("it is too new");
    assert!(matches!(newer, OpenError::Newer { found: 99, .. }), "{newer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_the_version_before_is_brought_up_to_date_with_its_data() {
    use crate::{CounterChange, CounterKey, Floor};

    let url = database::Server::shared().new_database().await;
    let (milk, bread) = (CounterKey::named("17", "milk"), CounterKey::named("17", "bread"));
    let add = |amount| {
        let mut batch = Batch::new();
        let partition = Partition::from_u64(amount);
        let key = DocKey { partition, kind: NOTES, id: 0 };
        let (listed_at, lists) = (Timestamp::UNIX_EPOCH, Vec::new());
        batch.put_body(key, Expect::Absent, Body { schema: 1, listed_at, lists, bytes: vec![7] });
        batch.bump(milk.clone(), CounterChange::Add(amount.cast_signed()));
        batch.bump(bread.clone(), CounterChange::Add(amount.cast_signed()));
        batch
    };
    let store = open(&url).await;
    let mut floored = add(50);
    floored.floor(Floor { plus: vec![milk.clone()], minus: Vec::new(), least: 0 });
    store.commit(floored).await.expect("committed");
    store.commit(add(7)).await.expect("committed");
    drop(store);
    // As version 2 has left it.
    let client = client(&url).await;
    let back = "DROP INDEX tillgate.counter_parts_of; DROP INDEX tillgate.counters_by_name; \
                DELETE FROM tillgate.schema_versions WHERE version = 3";
    client.batch_execute(back).await.expect("an older schema");
    let older = Postgres::open(&address(&url), Migration::Refuse, &Clock::System)
        .await
        .expect_err("it is older");
    assert!(matches!(older, OpenError::Older { found: 2, known: 3, .. }), "{older}");
    let store = open(&url).await;
    assert_eq!(store.balances(&[milk, bread]).await, Ok(vec![57, 57]));
    let text = "SELECT count(*) FROM pg_indexes WHERE indexname = 'counter_parts_of'";
    let count: i64 = client.query_one(text, &[]).await.expect("a count").get(0);
    assert_eq!(count, 1);
}

/// The service needs no right to change the schema.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_without_rights_over_the_schema_works() {
    let url = database::Server::shared().new_database().await;
    drop(open(&url).await);
    let client = client(&url).await;
    let role = format!("service_{:016x}", u64::from_be_bytes(random_bytes()));
    client
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA tillgate TO {role}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tillgate TO {role}"
        ))
        .await
        .expect("granted");
    let store = open(&url.replace("postgres@", &format!("{role}@"))).await;
    let mut batch = Batch::new();
    let key = DocKey { partition: Partition::from_u64(1), kind: NOTES, id: 0 };
    let body = Body {
        schema: 1,
        listed_at: Timestamp::UNIX_EPOCH,
        lists: Vec::new(),
        bytes: vec![7; 100_000],
    };
    batch.put_body(key, Expect::Absent, body);
    store.commit(batch).await.expect("committed");
    assert_eq!(
        store.load(&[key]).await.expect("read")[0].as_ref().expect("there").body.bytes.len(),
        100_000
    );
    assert_eq!(store.unwritable().await, Ok(Vec::new()));
    client
        .batch_execute(&format!("REVOKE INSERT ON tillgate.pages FROM {role}"))
        .await
        .expect("revoked");
    assert_eq!(store.unwritable().await, Ok(vec!["tillgate.pages".to_owned()]));
    client
        .batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await
        .expect("dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_required_and_verified_when_that_is_asked() {
    let server = database::Server::start(&["--tls"]);
    let url = server.url.as_str();
    drop(open(url).await);
    // The same server, with its certificate not trusted, or without TLS.
    let (base, _) = url.split_once('?').expect("options");
    for (options, word) in
        [("?sslmode=require", "certificate"), ("?sslmode=disable", "no encryption")]
    {
        let refused =
            Postgres::open(&address(&format!("{base}{options}")), Migration::Apply, &Clock::System)
                .await;
        let why = refused.expect_err("no connection").to_string();
        assert!(why.contains(word), "{options}: {why}");
    }
}

/// The server closes all connections of a running store. Waiting calls get an
/// error, and later ones are committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_are_replaced() {
    let url = database::Server::shared().new_database().await;
    let (store, client) = (open(&url).await, client(&url).await);
    for round in 0..20 {
        let key = DocKey { partition: Partition::from_u64(round), kind: NOTES, id: 0 };
        let put = || {
            let mut batch = Batch::new();
            let body = Body {
                schema: 1,
                listed_at: Timestamp::UNIX_EPOCH,
                lists: Vec::new(),
                bytes: b"x".to_vec(),
            };
            batch.put_body(key, Expect::Absent, body);
            batch
        };
        client
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = 'tillgate' AND datname = current_database()",
                &[],
            )
            .await
            .expect("they end");
        let in_the_end = async {
            loop {
                match store.commit(put()).await {
                    // An unknown outcome may have been a commit. Then the
                    // document exists.
                    Ok(()) | Err(CommitError::Conflict) => return,
                    Err(CommitError::Unavailable(Unavailable::Unreachable(_))) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), in_the_end).await.expect("it recovers");
        assert!(store.load(&[key]).await.expect("read")[0].is_some());
    }
}

/// Another session holds the lock on the row of an order: a commit that waits
/// for it fails in time, and all others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_gives_up_in_time_while_a_lock_is_held() {
    let url = database::Server::shared().new_database().await;
    let (store, client) = (open(&url).await, client(&url).await);
    let key = |partition| DocKey { partition: Partition::from_u64(partition), kind: NOTES, id: 0 };
    let put = |partition, expect| {
        let mut batch = Batch::new();
        let body = Body {
            schema: 1,
            listed_at: Timestamp::UNIX_EPOCH,
            lists: Vec::new(),
            bytes: b"x".to_vec(),
        };
        batch.put_body(key(partition), expect, body);
        batch
    };
    store.commit(put(1, Expect::Absent)).await.expect("committed");
    let version = store.load(&[key(1)]).await.expect("read")[0].as_ref().expect("there").version;
    client.batch_execute("BEGIN; SELECT * FROM tillgate.pages FOR UPDATE").await.expect("locked");
    let watch = tillgate_kernel::Stopwatch::start();
    let refused = store.commit(put(1, Expect::At(version))).await;
    assert!(
        matches!(refused, Err(CommitError::Unavailable(Unavailable::Unreachable(_)))),
        "{refused:?}"
    );
    assert!(watch.elapsed() < Duration::from_millis(2500), "{:?}", watch.elapsed());
    store.commit(put(2, Expect::Absent)).await.expect("another order is committed");
    client.batch_execute("ROLLBACK").await.expect("released");
    store.commit(put(1, Expect::At(version))).await.expect("committed once the lock is released");
}

/// A lock held elsewhere, be it on an existing page or on one that another
/// session is about to insert, delays no other order: neither in its own group
/// nor in later ones, however often the locked page is requested.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_held_delays_no_other_order() {
    const OTHERS: u64 = 200;
    let url = database::Server::shared().new_database().await;
    let (store, client) = (open(&url).await, client(&url).await);
    let key = |partition| DocKey { partition: Partition::from_u64(partition), kind: NOTES, id: 0 };
    let put = |partition, expect| {
        let mut batch = Batch::new();
        let body = Body {
            schema: 1,
            listed_at: Timestamp::UNIX_EPOCH,
            lists: Vec::new(),
            bytes: b"x".to_vec(),
        };
        batch.put_body(key(partition), expect, body);
        batch
    };
    store.commit(put(1, Expect::Absent)).await.expect("committed");
    let version = store.load(&[key(1)]).await.expect("read")[0].as_ref().expect("there").version;
    for (round, expect, lock) in [
        (1, Expect::At(version), "BEGIN; SELECT * FROM tillgate.pages FOR UPDATE".to_owned()),
        (
            2,
            Expect::Absent,
            format!(
                "BEGIN; INSERT INTO tillgate.pages VALUES ({}, 'x')",
                super::codec::signed(Partition::from_u64(2))
            ),
        ),
    ] {
        client.batch_execute(&lock).await.expect("locked");
        let locked = (0..20).map(|_| {
            let (store, batch) = (store.clone(), put(round, expect));
            tokio::spawn(async move { store.commit(batch).await })
        });
        let locked: Vec<_> = locked.collect();
        let mut slowest = Duration::ZERO;
        for other in 0..OTHERS {
            let watch = tillgate_kernel::Stopwatch::start();
            store
                .commit(put(round * 1000 + other, Expect::Absent))
                .await
                .expect("another order is committed");
            slowest = slowest.max(watch.elapsed());
        }
        // Less than a sender waits, and less than the locked commits wait.
        assert!(slowest < Duration::from_millis(1400), "{round}: {slowest:?}");
        for refused in locked {
            let refused = refused.await.expect("no panic");
            assert!(
                matches!(refused, Err(CommitError::Unavailable(Unavailable::Unreachable(_)))),
                "{refused:?}"
            );
        }
        client.batch_execute("ROLLBACK").await.expect("released");
        store.commit(put(round, expect)).await.expect("committed once the lock is released");
    }
}

/// The server refuses at the end of the transaction: nothing is reported as
/// committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_commit_is_not_reported_as_committed() {
    let url = database::Server::shared().new_database().await;
    let (store, client) = (open(&url).await, client(&url).await);
    client
        .batch_execute(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql \
             AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
             CREATE CONSTRAINT TRIGGER no AFTER INSERT ON tillgate.pages \
             DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION no()",
        )
        .await
        .expect("a trigger");
    let key = DocKey { partition: Partition::from_u64(1), kind: NOTES, id: 0 };
    let mut batch = Batch::new();
    let body = Body {
        schema: 1,
        listed_at: Timestamp::UNIX_EPOCH,
        lists: Vec::new(),
        bytes: b"x".to_vec(),
    };
    batch.put_body(key, Expect::Absent, body);
    let refused = store.commit(batch).await;
    assert!(
        matches!(refused, Err(CommitError::Unavailable(Unavailable::Unreachable(_)))),
        "{refused:?}"
    );
    assert!(store.load(&[key]).await.expect("read")[0].is_none());
}

/// A store that cannot be written to is not ready, even if it can be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_no_writes_is_not_ready() {
    let url = database::Server::shared().new_database().await;
    let (store, client) = (open(&url).await, client(&url).await);
    store.probe().await.expect("it is ready");
    let database = url.rsplit('/').next().expect("a name");
    for (closes, opens) in [
        (
            format!("ALTER DATABASE {database} SET default_transaction_read_only = on"),
            "ALTER DATABASE {} RESET ALL",
        ),
        (
            "ALTER TABLE tillgate.pages RENAME TO others".into(),
            "ALTER TABLE tillgate.others RENAME TO pages",
        ),
    ] {
        client.batch_execute(&closes).await.expect("closed");
        // Only new connections read the settings.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE application_name = 'tillgate' AND datname = current_database()";
        client.execute(end, &[]).await.expect("they end");
        let is_refused = async {
            while store.probe().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), is_refused).await.expect("it is not ready");
        let opens =
            format!("SET default_transaction_read_only = off; {}", opens.replace("{}", database));
        client.batch_execute(&opens).await.expect("open again");
        client.execute(end, &[]).await.expect("they end");
        let is_ready = async {
            while store.probe().await.is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), is_ready).await.expect("it is ready again");
    }
}

/// Data that the database refuses fails its own batch only, even if other
/// batches are in the same group.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_the_database_refuses_fails_alone() {
    let url = database::Server::shared().new_database().await;
    let (store, client) = (open(&url).await, client(&url).await);
    let put = |partition, name: &str| {
        let mut batch = Batch::new();
        let body = Body {
            schema: 1,
            listed_at: Timestamp::UNIX_EPOCH,
            lists: Vec::new(),
            bytes: b"x".to_vec(),
        };
        batch.put_body(
            DocKey { partition: Partition::from_u64(partition), kind: NOTES, id: 0 },
            Expect::Absent,
            body,
        );
        batch.bump(CounterKey { group: "17".into(), name: name.into() }, CounterChange::Add(1));
        batch
    };
    // While both writers wait for a lock, the other batches gather.
    client.batch_execute("BEGIN; LOCK tillgate.pages").await.expect("locked");
    let mut commits = tokio::task::JoinSet::new();
    for partition in 1..=40 {
        let (store, batch) =
            (store.clone(), put(partition, if partition == 20 { "no\u{0}text" } else { "milk" }));
        commits.spawn(async move { (partition, store.commit(batch).await) });
    }
    while client
        .query_one("SELECT count(*) FROM pg_locks WHERE NOT granted", &[])
        .await
        .expect("a count")
        .get::<_, i64>(0)
        < 2
    {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    client.batch_execute("ROLLBACK").await.expect("released");
    for (partition, outcome) in commits.join_all().await {
        if partition == 20 {
            assert!(matches!(outcome, Err(CommitError::Unavailable(_))), "{outcome:?}");
        } else {
            assert_eq!(outcome, Ok(()), "{partition}");
        }
    }
    assert_eq!(store.counters("17", None, 9).await.expect("counters")[0].1, 39);
}

/// Several nodes create the same orders in different sequences: there are no
/// deadlocks, and every order is created by exactly one node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_write_the_same_orders_do_not_lock_each_other_out() {
    const ORDERS: u64 = 200;
    let url = database::Server::shared().new_database().await;
    let nodes = [open(&url).await, open(&url).await, open(&url).await];
    let mut commits = tokio::task::JoinSet::new();
    for (turn, node) in (0..).zip(&nodes) {
        for order in 0..ORDERS {
            let order = if turn % 2 == 0 { order } else { ORDERS - 1 - order };
            let node = node.clone();
            commits.spawn(async move {
                let mut batch = Batch::new();
                let body = Body {
                    schema: 1,
                    listed_at: Timestamp::UNIX_EPOCH,
                    lists: Vec::new(),
                    bytes: vec![turn; 50],
                };
                batch.put_body(
                    DocKey { partition: Partition::from_u64(order), kind: NOTES, id: 0 },
                    Expect::Absent,
                    body,
                );
                node.commit(batch).await
            });
        }
    }
    let outcomes = commits.join_all().await;
    let created = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused = outcomes.iter().filter(|outcome| **outcome == Err(CommitError::Conflict)).count();
    assert_eq!(
        (created, refused),
        (200, 400),
        "{:?}",
        outcomes.iter().find(|outcome| matches!(outcome, Err(CommitError::Unavailable(_))))
    );
}

/// Three nodes change one document, each from the version that all have read:
/// exactly one succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_nodes_that_change_the_same_one_succeeds() {
    let url = database::Server::shared().new_database().await;
    let nodes = [open(&url).await, open(&url).await, open(&url).await];
    let key = DocKey { partition: Partition::from_u64(1), kind: NOTES, id: 0 };
    let put = |expect, bytes: u8| {
        let mut batch = Batch::new();
        let body = Body {
            schema: 1,
            listed_at: Timestamp::UNIX_EPOCH,
            lists: Vec::new(),
            bytes: vec![bytes; 50],
        };
        batch.put_body(key, expect, body);
        batch
    };
    nodes[0].commit(put(Expect::Absent, 0)).await.expect("committed");
    for round in 0..50 {
        let version =
            nodes[0].load(&[key]).await.expect("read")[0].as_ref().expect("there").version;
        let [one, two, three] = [&nodes[0], &nodes[1], &nodes[2]]
            .map(|node| node.commit(put(Expect::At(version), round)));
        let (one, two, three) = tokio::join!(one, two, three);
        let outcomes = [one, two, three];
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            1,
            "round {round}: {outcomes:?}"
        );
    }
}
