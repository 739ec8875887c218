//! The condition of the database: which server is the primary, which standbys
//! follow it, and what its settings lack for what tillgate promises.

use super::reader::query;
use super::{Address, Postgres};
use crate::{Condition, Unavailable};

/// A server that follows the primary.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standby {
    name: String,
    /// The replication state as the server reports it; none if this user may
    /// not see it.
    state: Option<String>,
    /// Whether commits may wait for this standby.
    is_waited_for: bool,
}

/// What the primary reports.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PrimaryStatus {
    waits_for: String,
    fsync: bool,
    full_page_writes: bool,
    can_be_rewound: bool,
    standbys: Vec<Standby>,
}

pub async fn condition(store: &Postgres) -> Result<Condition, Unavailable> {
    let text = "SELECT current_setting('synchronous_standby_names'), \
                current_setting('fsync')::boolean, \
                current_setting('full_page_writes')::boolean, \
                current_setting('wal_log_hints')::boolean \
                OR current_setting('data_checksums')::boolean";
    let rows = query(&store.looks, text, &[]).await?;
    let settings = rows
        .first()
        .ok_or_else(|| Unavailable::Unreachable("the database returned no settings".into()))?;
    let text = "SELECT application_name, state, \
                coalesce(sync_state IN ('sync', 'quorum', 'potential'), false) \
                FROM pg_stat_replication ORDER BY application_name";
    let standbys = query(&store.looks, text, &[]).await?;
    let status = PrimaryStatus {
        waits_for: settings.get(0),
        fsync: settings.get(1),
        full_page_writes: settings.get(2),
        can_be_rewound: settings.get(3),
        standbys: standbys
            .iter()
            .map(|row| Standby {
                name: row.get::<_, Option<String>>(0).unwrap_or_default(),
                state: row.get(1),
                is_waited_for: row.get(2),
            })
            .collect(),
    };
    Ok(of(&status, &store.address))
}

fn of(status: &PrimaryStatus, address: &Address) -> Condition {
    let server = address.chosen().unwrap_or_default();
    let timeline = address.seen().timeline.unwrap_or_default();
    let mut text = format!("{server} is the primary, on timeline {timeline}");
    if status.standbys.is_empty() {
        text.push_str("; no standby follows it");
    }
    for standby in &status.standbys {
        let state = standby.state.as_deref().unwrap_or("not shown to this user");
        let waited = if standby.is_waited_for { ", waited for" } else { "" };
        text.push_str(&format!("; standby {} ({state}{waited})", standby.name));
    }
    let (broken, missing) = gaps(status, address);
    Condition { text, broken, missing }
}

/// What breaks the promise of durability, and what is missing for that of a
/// fail-over.
fn gaps(status: &PrimaryStatus, address: &Address) -> (Vec<String>, Vec<String>) {
    let (mut broken, mut missing) = (Vec::new(), Vec::new());
    if !status.fsync {
        broken.push(
            "fsync is off: a crash of the machine loses acknowledged orders. Set fsync = on"
                .to_owned(),
        );
    }
    if !status.full_page_writes {
        broken.push(
            "full_page_writes is off: a crash of the machine can damage the stored data. \
             Set full_page_writes = on"
                .to_owned(),
        );
    }
    let waited_for = status.standbys.iter().filter(|standby| standby.is_waited_for).count();
    let is_seen = status.standbys.iter().all(|standby| standby.state.is_some());
    match (address.count() > 1, status.waits_for.is_empty()) {
        (true, true) => missing.push(
            "several servers are named, and commits wait for none of the standbys: \
             a fail-over loses what was acknowledged last. Set \
             synchronous_standby_names = 'ANY 1 (…)'"
                .to_owned(),
        ),
        (_, false) if !is_seen => missing.push(
            "this user may not see whether the standbys are connected: GRANT \
             pg_read_all_stats to it"
                .to_owned(),
        ),
        (_, false) if waited_for == 0 => broken.push(format!(
            "commits wait for {}, and no such standby is connected: nothing is \
             acknowledged until one is",
            status.waits_for
        )),
        (_, false) if waited_for == 1 => missing.push(
            "commits wait for only one standby: when it is away, nothing is \
             acknowledged until another is named. Patroni does that by itself; by \
             hand: synchronous_standby_names = 'ANY 1 (…, …)'"
                .to_owned(),
        ),
        (_, _) => {}
    }
    if address.count() > 1 && !status.can_be_rewound {
        missing.push(
            "after a fail-over the old primary cannot be rewound (pg_rewind), only \
             set up again from a base backup: set wal_log_hints = on, or use data \
             checksums"
                .to_owned(),
        );
    }
    (broken, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(standbys: &[(&str, Option<&str>, bool)]) -> PrimaryStatus {
        let standby = |&(name, state, is_waited_for): &(&str, Option<&str>, bool)| Standby {
            name: name.into(),
            state: state.map(Into::into),
            is_waited_for,
        };
        PrimaryStatus {
            waits_for: "ANY 1 (b, c)".into(),
            fsync: true,
            full_page_writes: true,
            can_be_rewound: true,
            standbys: standbys.iter().map(standby).collect(),
        }
    }

    fn several() -> Address {
        "postgres://t@a,b,c/t?sslmode=require".parse().expect("an address")
    }

    #[test]
    fn what_the_settings_lack_for_the_promise_is_reported() {
        let two = said(&[("b", Some("streaming"), true), ("c", Some("streaming"), true)]);
        let good = of(&two, &several());
        assert_eq!((good.broken.len(), good.missing.len()), (0, 0), "{good:?}");
        assert!(good.text.contains("standby b (streaming, waited for)"), "{}", good.text);
        let missing = |said: &PrimaryStatus, word: &str| {
            let condition = of(said, &several());
            assert!(
                condition.missing.iter().any(|missing| missing.contains(word)),
                "{word}: {condition:?}"
            );
        };
        missing(&said(&[("b", Some("streaming"), true)]), "only one standby");
        missing(&said(&[("b", None, false)]), "pg_read_all_stats");
        missing(&PrimaryStatus { waits_for: String::new(), ..two.clone() }, "a fail-over loses");
        missing(&PrimaryStatus { can_be_rewound: false, ..two.clone() }, "pg_rewind");
        assert_eq!(of(&PrimaryStatus { fsync: false, ..two.clone() }, &several()).broken.len(), 1);
        assert_eq!(
            of(&PrimaryStatus { full_page_writes: false, ..two }, &several()).broken.len(),
            1
        );
        // A single server promises nothing about standbys.
        let alone = "postgres://t@localhost/t".parse().expect("an address");
        let condition = of(
            &PrimaryStatus { waits_for: String::new(), can_be_rewound: false, ..said(&[]) },
            &alone,
        );
        assert_eq!(condition.missing, [""; 0], "{condition:?}");
    }
}
