//! Chooses the server to work with: of the servers that an address names, the
//! one that accepts writes and was not left behind by a fail-over.
//!
//! All servers are asked in parallel, each with a deadline for everything from
//! the first packet to its status report: a server that hangs accepts
//! connections but does not answer. Of several that accept writes, the one with
//! the highest timeline wins, and none below the highest timeline that this
//! process has seen is used: an old primary that comes back must not be written
//! to.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tokio_postgres::config::Config;
use tokio_postgres::error::SqlState;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, name_of};
use super::connection::Connection;
use super::failed::words;
use super::known::{GREETING_MAX, Latest, Seen};

/// How long to wait for the other servers after one that can be written to has
/// answered, because a newer one may be among them. If nothing is known of the
/// servers yet, or two accept writes, all of them are awaited.
const OTHERS_WAIT: Duration = Duration::from_millis(250);

/// The pause between two checks of all servers. They are needed because an old
/// primary that keeps running breaks no connection when another server is
/// promoted.
const SURVEY_PAUSE: Duration = Duration::from_secs(2);

impl Latest {
    /// Whether `server` is this one: perhaps under another name, perhaps
    /// restarted.
    fn is(&self, server: &ServerStatus) -> bool {
        self.place == server.place || self.began == server.began
    }
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotConnected {
    /// A server has answered, but none can be written to now: they are
    /// standbys, or one is starting, or two both accept writes.
    NoPrimary(String),
    /// No server has answered, or they refuse the connection, or the address
    /// cannot be used.
    NotReached(String),
}

impl NotConnected {
    /// The reason as text.
    pub fn into_text(self) -> String {
        match self {
            NotConnected::NoPrimary(why) | NotConnected::NotReached(why) => why,
        }
    }
}

/// What a server reports about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ServerStatus {
    /// Its index in the address.
    place: usize,
    name: String,
    /// Whether it is a standby, which accepts no writes.
    is_standby: bool,
    /// The system identifier of its database cluster.
    system: i64,
    /// The timeline: how many times the cluster has got another primary, as far
    /// as this server knows. None on a standby.
    timeline: Option<u32>,
    /// When the server was started, to the microsecond. It distinguishes two
    /// addresses of one server from two servers.
    began: String,
}

/// A server that has answered.
#[derive(Debug)]
struct Handshake {
    standing: ServerStatus,
    client: Client,
    connection: Connection,
}

impl Address {
    /// How often the outcome of something that we sent was unconfirmed.
    pub(super) fn unconfirmed(&self) -> u64 {
        self.known.unconfirmed.load(Ordering::Acquire)
    }

    /// The number of servers in the address.
    pub(super) fn count(&self) -> usize {
        self.servers.len()
    }

    /// The name of the server that was chosen last.
    pub(super) fn chosen(&self) -> Option<String> {
        let latest = self.known.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.as_ref().and_then(|latest| self.servers.get(latest.place)).map(name_of)
    }

    /// Records that the outcome of something that we sent is unconfirmed. From
    /// now on, what any server shows must be confirmed before anything is built
    /// on it.
    pub(super) fn note_unconfirmed(&self) {
        self.known.unconfirmed.fetch_add(1, Ordering::AcqRel);
    }

    /// What was observed of the servers.
    pub(super) fn seen(&self) -> Seen {
        let latest = self.known.latest.lock().unwrap_or_else(PoisonError::into_inner);
        Seen {
            timeline: latest.as_ref().map(|latest| latest.timeline),
            primary_changes: self.known.changes.load(Ordering::Relaxed),
            unconfirmed: self.unconfirmed(),
            is_split: self.known.split.load(Ordering::Relaxed),
        }
    }

    fn latest(&self) -> Option<Latest> {
        self.known.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a connection leads to the server that is to be written to, as
    /// far as is known.
    pub(super) fn is_current(&self, connection: &Connection) -> bool {
        let latest = self.known.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.as_ref().is_none_or(|latest| latest.timeline <= connection.timeline)
            && !self.known.split.load(Ordering::Relaxed)
    }

    /// Checks all servers periodically.
    pub(super) async fn keep_surveying(&self) {
        loop {
            tokio::time::sleep(SURVEY_PAUSE).await;
            // A single name may lead to another server by now.
            let has_to_look = self.count() > 1 || self.stands_still();
            if let (true, Some(_), Ok(tls)) = (has_to_look, self.latest(), self.tls()) {
                self.survey(&tls).await;
            }
        }
    }

    /// Checks whether a newer server accepts writes than the current primary,
    /// or a second one in addition to it. If so, the connections to the old one
    /// are no longer used.
    async fn survey(&self, tls: &ClientConfig) {
        let (mut greeting, mut standings) = (self.greet_all(tls), Vec::new());
        while let Some(answer) = greeting.join_next().await {
            let Ok(Ok(Handshake { standing, .. })) = answer else { continue };
            let is_newer = self.latest().is_some_and(|latest| {
                latest.system == standing.system
                    && standing.timeline.is_some_and(|timeline| timeline > latest.timeline)
            });
            // Switch at once, without waiting for servers that do not answer.
            if is_newer {
                self.remember(&standing);
            }
            standings.push(standing);
        }
        self.note_split(choose(&standings, self.latest().as_ref()).as_ref().err());
    }

    /// Asks all servers for their status, in parallel.
    fn greet_all(&self, tls: &ClientConfig) -> JoinSet<Result<Handshake, (String, NotGreeted)>> {
        let mut greeting = JoinSet::new();
        for (place, server) in self.servers.iter().enumerate() {
            let (server, tls) = (server.clone(), tls.clone());
            greeting.spawn(async move {
                let name = name_of(&server);
                let greeted =
                    tokio::time::timeout(GREETING_MAX, greet(place, &name, &server, tls)).await;
                greeted
                    .unwrap_or_else(|_| Err(NotGreeted::silent(&"no answer in time")))
                    .map_err(|why| (name, why))
            });
        }
        greeting
    }

    /// Connects to the server that is to be written to.
    pub(super) async fn connect(&self) -> Result<(Client, Connection), NotConnected> {
        let tls = self.tls().map_err(NotConnected::NotReached)?;
        let mut greeting = self.greet_all(&tls);
        let (mut greeted, mut others) = (Vec::new(), Vec::new());
        let mut take = |answer| match answer {
            Ok(Ok(server)) => greeted.push(server),
            Ok(Err(other)) => others.push(other),
            Err(panic) => others.push((String::new(), NotGreeted::silent(&panic))),
        };
        let latest = self.latest();
        let waits_for_all = latest.is_none() || self.known.split.load(Ordering::Relaxed);
        while let Some(answer) = greeting.join_next().await {
            let is_fit = matches!(&answer, Ok(Ok(Handshake { standing, .. }))
                if choose(std::slice::from_ref(standing), latest.as_ref()).is_ok());
            take(answer);
            if is_fit && !waits_for_all {
                let rest = async {
                    while let Some(answer) = greeting.join_next().await {
                        take(answer);
                    }
                };
                let _ = tokio::time::timeout(OTHERS_WAIT, rest).await; // late ones are ignored
                break;
            }
        }
        let standings: Vec<ServerStatus> =
            greeted.iter().map(|server| server.standing.clone()).collect();
        // Concurrent checks may have seen a newer server meanwhile.
        let latest = self.latest();
        let chosen = choose(&standings, latest.as_ref());
        self.note_split(chosen.as_ref().err());
        match chosen {
            Ok(chosen) => {
                let Handshake { standing, client, connection } = greeted.swap_remove(chosen);
                self.remember(&standing);
                if self.is_current(&connection) {
                    return Ok((client, connection));
                }
                Err(NotConnected::NoPrimary(format!(
                    "{}: another server was promoted",
                    standing.name
                )))
            }
            Err(NotWritable::NoneFits(why) | NotWritable::Split(why)) => {
                let lives = !standings.is_empty() || others.iter().any(|(_, why)| why.is_starting);
                let texts = others.into_iter().map(|(name, why)| format!("{name}: {}", why.text));
                let text = why.into_iter().chain(texts).collect::<Vec<_>>().join("; ");
                Err(if lives {
                    NotConnected::NoPrimary(text)
                } else {
                    NotConnected::NotReached(text)
                })
            }
        }
    }

    /// Logs once that two servers accept writes.
    fn note_split(&self, unfit: Option<&NotWritable>) {
        let split = match unfit {
            Some(NotWritable::Split(why)) => why.first(),
            Some(NotWritable::NoneFits(_)) | None => None,
        };
        if !self.known.split.swap(split.is_some(), Ordering::Relaxed)
            && let Some(why) = split
        {
            tracing::error!(
                reason = why,
                "two servers of the database take writes: nothing is acknowledged until one of \
                 them is stopped"
            );
        }
    }

    fn remember(&self, chosen: &ServerStatus) {
        let Some(timeline) = chosen.timeline else { return };
        let began = chosen.began.clone();
        let now = Latest { place: chosen.place, system: chosen.system, timeline, began };
        let mut latest = self.known.latest.lock().unwrap_or_else(PoisonError::into_inner);
        // Two concurrent connections may be recorded in either order.
        if latest.as_ref().is_some_and(|known| known.timeline > timeline) {
            return;
        }
        if latest.as_ref() != Some(&now) {
            if latest.as_ref().is_some_and(|known| !known.is(chosen)) {
                self.known.changes.fetch_add(1, Ordering::Relaxed);
            }
            tracing::info!(
                server = chosen.name,
                timeline,
                "this server of the database is the primary from now on"
            );
        }
        *latest = Some(now);
    }
}

/// The query for the status of a server. It takes the timeline from the current
/// WAL file, because the timeline of the last checkpoint lags behind a
/// promotion.
const WHO: &str = "SELECT pg_is_in_recovery(), \
                   (SELECT system_identifier FROM pg_control_system()), \
                   CASE WHEN pg_is_in_recovery() THEN NULL \
                   ELSE pg_walfile_name(pg_current_wal_lsn()) END, \
                   pg_postmaster_start_time()::text";

/// Why a server did not report its status.
struct NotGreeted {
    /// The server is starting, and will be available in a moment.
    is_starting: bool,
    text: String,
}

impl NotGreeted {
    fn silent(why: &dyn std::fmt::Display) -> NotGreeted {
        NotGreeted { is_starting: false, text: why.to_string() }
    }
}

impl From<tokio_postgres::Error> for NotGreeted {
    fn from(why: tokio_postgres::Error) -> NotGreeted {
        let is_starting = why.code() == Some(&SqlState::CANNOT_CONNECT_NOW);
        NotGreeted { is_starting, text: words(&why) }
    }
}

async fn greet(
    place: usize,
    name: &str,
    server: &Config,
    tls: ClientConfig,
) -> Result<Handshake, NotGreeted> {
    let (client, connection) = server.connect(MakeRustlsConnect::new(tls)).await?;
    let mut connection = Connection::drive(connection, name.to_owned());
    let row = client.query_one(WHO, &[]).await?;
    let file: Option<String> = row.get(2);
    // The name of a WAL file begins with the timeline in eight hexadecimal
    // digits.
    let timeline = file.and_then(|file| u32::from_str_radix(file.get(..8)?, 16).ok());
    connection.timeline = timeline.unwrap_or_default();
    let standing = ServerStatus {
        place,
        name: name.to_owned(),
        is_standby: row.get(0),
        system: row.get(1),
        timeline,
        began: row.get(3),
    };
    Ok(Handshake { standing, client, connection })
}

/// Why none of the servers that have answered can be written to.
#[derive(Debug, PartialEq, Eq)]
enum NotWritable {
    /// The reason for each of them.
    NoneFits(Vec<String>),
    /// Two servers accept writes, and each would lose the writes of the other.
    Split(Vec<String>),
}

/// Returns the index of the server that is to be written to.
fn choose(standings: &[ServerStatus], latest: Option<&Latest>) -> Result<usize, NotWritable> {
    let mut unfit = Vec::new();
    let mut fit: Vec<(&ServerStatus, usize, u32)> = Vec::new();
    for (place, server) in standings.iter().enumerate() {
        let why = match (server.timeline, latest) {
            _ if server.is_standby => "a standby, which takes no writes".to_owned(),
            (None, _) => "it does not report its timeline".to_owned(),
            (Some(_), Some(latest)) if server.system != latest.system => {
                format!("of another database cluster ({}, not {})", server.system, latest.system)
            }
            (Some(timeline), Some(latest)) if timeline < latest.timeline => format!(
                "on timeline {timeline}, and timeline {} has been written to: it was the primary \
                 before a fail-over",
                latest.timeline
            ),
            (Some(timeline), _) => {
                fit.push((server, place, timeline));
                continue;
            }
        };
        unfit.push(format!("{}: {why}", server.name));
    }
    let Some((newest, chosen, _)) =
        fit.iter().rev().max_by_key(|(_, _, timeline)| timeline).copied()
    else {
        return Err(NotWritable::NoneFits(unfit));
    };
    if let Some((other, ..)) = fit.iter().find(|(other, ..)| other.system != newest.system) {
        return Err(NotWritable::Split(vec![format!(
            "{} and {} have different database clusters ({}, {}): take one out of the address",
            newest.name, other.name, newest.system, other.system
        )]));
    }
    // A fail-over starts a new timeline. A server on the known timeline that is
    // not the one we wrote to was promoted in parallel, and does not have what
    // that one received.
    if let Some(latest) =
        latest.filter(|latest| Some(latest.timeline) == newest.timeline && !latest.is(newest))
    {
        return Err(NotWritable::Split(vec![format!(
            "{} takes writes on timeline {}, on which another server was written to: what \
             the other one has stored is missing here. Stop {0} and bring the other one \
             back; or, to go on without what it had stored, restart tillgate",
            newest.name, latest.timeline
        )]));
    }
    // Two names of one server are not two servers.
    let same = fit
        .iter()
        .find(|(other, ..)| other.timeline == newest.timeline && other.began != newest.began);
    match same {
        Some((other, ..)) => Err(NotWritable::Split(vec![format!(
            "{} and {} both take writes, on the same timeline: stop one of them; what was \
             written only there will be lost",
            newest.name, other.name
        )])),
        None => Ok(chosen),
    }
}

#[cfg(test)]
mod tests;
