//! Which server it is that we work with: of those that an address names, the one that takes writes and has not been left
//! behind by a fail-over.
//!
//! All are asked side by side, each with a deadline over everything from the first packet to what it says of itself: one that
//! is frozen accepts connections and says nothing. Of several that take writes the one with the highest timeline counts, and
//! none below what this process has seen: an old primary that comes back must not be written to.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_postgres::config::Config;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::{AsyncMessage, Client};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::AbortOnDropHandle;

use super::address::{Address, name_of};
use super::failed::words;
use super::known::{GREETING_MAX, Latest, Seen};

/// How long the others are waited for when one that can be written to has answered: a newer one may be among them. Where
/// nothing is known of the servers, or two take writes, all are waited for.
const OTHERS_WAIT: Duration = Duration::from_millis(250);

/// Between two looks at all servers: an old primary that goes on breaks no connection when another one is promoted.
const SURVEY_PAUSE: Duration = Duration::from_secs(2);

impl Latest {
    /// Whether a server that says so of itself is this one: perhaps under another name, perhaps started again.
    fn is(&self, server: &Standing) -> bool {
        self.place == server.place || self.began == server.began
    }
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotConnected {
    /// A server has answered, and none can be written to now: standbys, one that is starting, two that both take writes.
    NotNow(String),
    /// None has answered, or will have us, or the address cannot be used.
    NotReached(String),
}

impl NotConnected {
    /// In words.
    pub fn into_text(self) -> String {
        match self {
            NotConnected::NotNow(why) | NotConnected::NotReached(why) => why,
        }
    }
}

/// A connection's other side: it is driven until it breaks or this is dropped, which closes it at once, whatever the server is
/// at.
#[derive(Debug)]
pub struct Connection {
    heard: Arc<Heard>,
    timeline: u32,
    _driving: AbortOnDropHandle<()>,
}

/// What a server says beside its answers.
#[derive(Debug, Default)]
struct Heard {
    warnings: AtomicU64,
    last: Mutex<String>,
}

impl Connection {
    fn drive<S, T>(mut connection: tokio_postgres::Connection<S, T>, server: String) -> Connection
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let heard = Arc::new(Heard::default());
        let hears = Arc::clone(&heard);
        let driving = tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    // What comes before an answer is counted before the answer is seen.
                    Ok(AsyncMessage::Notice(notice)) => match notice.parsed_severity() {
                        Some(Severity::Notice | Severity::Info | Severity::Log | Severity::Debug) => {}
                        Some(Severity::Warning | Severity::Error | Severity::Fatal | Severity::Panic)
                        | None => {
                            let said = format!("{} ({})", notice.message(), notice.code().code());
                            tracing::warn!(server, said, "the database warns");
                            *hears.last.lock().unwrap_or_else(PoisonError::into_inner) = said;
                            hears.warnings.fetch_add(1, Ordering::Release);
                        }
                    },
                    Ok(_) => {}
                    Err(why) => {
                        tracing::warn!(server, error = words(&why), "a connection to the database broke");
                        return;
                    }
                }
            }
        });
        Connection { heard, timeline: 0, _driving: AbortOnDropHandle::new(driving) }
    }

    /// The timeline that the server was on when it was greeted; 0 on a standby.
    pub fn timeline(&self) -> u32 {
        self.timeline
    }

    /// How often the server has warned.
    pub fn warnings(&self) -> u64 {
        self.heard.warnings.load(Ordering::Acquire)
    }

    /// What it warned of last, if it has since it had warned `before` times.
    pub fn warned_since(&self, before: u64) -> Option<String> {
        let said = || self.heard.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (self.warnings() != before).then(said)
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    /// Where it is in the address.
    place: usize,
    name: String,
    /// It takes no writes.
    is_standby: bool,
    /// Which database cluster it has.
    system: i64,
    /// How many times the cluster has got another primary, as far as this server knows. None on a standby.
    timeline: Option<u32>,
    /// When it was started, to the microsecond: tells two addresses of one server from two servers.
    began: String,
}

/// A server that has answered.
#[derive(Debug)]
struct Greeted {
    standing: Standing,
    client: Client,
    connection: Connection,
}

impl Address {
    /// How often something of ours was in doubt.
    pub(super) fn doubts(&self) -> u64 {
        self.known.doubts.load(Ordering::Acquire)
    }

    /// How many servers the address names.
    pub(super) fn count(&self) -> usize {
        self.servers.len()
    }

    /// The name of the server that was chosen last.
    pub(super) fn chosen(&self) -> Option<String> {
        let latest = self.known.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.as_ref().and_then(|latest| self.servers.get(latest.place)).map(name_of)
    }

    /// Something of ours is in doubt: what any server shows is to be confirmed before it is built upon.
    pub(super) fn doubt(&self) {
        self.known.doubts.fetch_add(1, Ordering::AcqRel);
    }

    /// What was seen of the servers.
    pub(super) fn seen(&self) -> Seen {
        let latest = self.known.latest.lock().unwrap_or_else(PoisonError::into_inner);
        Seen {
            timeline: latest.as_ref().map(|latest| latest.timeline),
            primary_changes: self.known.changes.load(Ordering::Relaxed),
            doubts: self.doubts(),
            is_split: self.known.split.load(Ordering::Relaxed),
        }
    }

    fn latest(&self) -> Option<Latest> {
        self.known.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a connection is to the server that is to be written to, as far as is known.
    pub(super) fn is_current(&self, connection: &Connection) -> bool {
        let latest = self.known.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.as_ref().is_none_or(|latest| latest.timeline <= connection.timeline)
            && !self.known.split.load(Ordering::Relaxed)
    }

    /// Looks at all servers again and again.
    pub(super) async fn keep_surveying(&self) {
        loop {
            tokio::time::sleep(SURVEY_PAUSE).await;
            // One name may lead to another server by now.
            let has_to_look = self.count() > 1 || self.stands_still();
            if let (true, Some(_), Ok(tls)) = (has_to_look, self.latest(), self.tls()) {
                self.survey(&tls).await;
            }
        }
    }

    /// Looks whether a newer server takes writes than the one that is written to, or another beside it. The connections to the
    /// old one are left then.
    async fn survey(&self, tls: &ClientConfig) {
        let (mut greeting, mut standings) = (self.greet_all(tls), Vec::new());
        while let Some(answer) = greeting.join_next().await {
            let Ok(Ok(Greeted { standing, .. })) = answer else { continue };
            let is_newer = self.latest().is_some_and(|latest| {
                latest.system == standing.system
                    && standing.timeline.is_some_and(|timeline| timeline > latest.timeline)
            });
            // At once: the silence of others is not waited for.
            if is_newer {
                self.remember(&standing);
            }
            standings.push(standing);
        }
        self.note_split(choose(&standings, self.latest().as_ref()).as_ref().err());
    }

    /// Asks all servers who they are, side by side.
    fn greet_all(&self, tls: &ClientConfig) -> JoinSet<Result<Greeted, (String, NotGreeted)>> {
        let mut greeting = JoinSet::new();
        for (place, server) in self.servers.iter().enumerate() {
            let (server, tls) = (server.clone(), tls.clone());
            greeting.spawn(async move {
                let name = name_of(&server);
                let greeted = tokio::time::timeout(GREETING_MAX, greet(place, &name, &server, tls)).await;
                greeted
                    .unwrap_or_else(|_| Err(NotGreeted::silent(&"no answer in time")))
                    .map_err(|why| (name, why))
            });
        }
        greeting
    }

    /// Makes a connection to the server that is to be written to.
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
            let is_fit = matches!(&answer, Ok(Ok(Greeted { standing, .. }))
                if choose(std::slice::from_ref(standing), latest.as_ref()).is_ok());
            take(answer);
            if is_fit && !waits_for_all {
                let rest = async {
                    while let Some(answer) = greeting.join_next().await {
                        take(answer);
                    }
                };
                let _ = tokio::time::timeout(OTHERS_WAIT, rest).await; // whoever is late is not waited for
                break;
            }
        }
        let standings: Vec<Standing> = greeted.iter().map(|server| server.standing.clone()).collect();
        // Others may have seen a newer one meanwhile.
        let latest = self.latest();
        let chosen = choose(&standings, latest.as_ref());
        self.note_split(chosen.as_ref().err());
        match chosen {
            Ok(chosen) => {
                let Greeted { standing, client, connection } = greeted.swap_remove(chosen);
                self.remember(&standing);
                if self.is_current(&connection) {
                    return Ok((client, connection));
                }
                Err(NotConnected::NotNow(format!("{}: another server was promoted", standing.name)))
            }
            Err(Unfit::NoneFits(why) | Unfit::Split(why)) => {
                let lives = !standings.is_empty() || others.iter().any(|(_, why)| why.is_starting);
                let texts = others.into_iter().map(|(name, why)| format!("{name}: {}", why.text));
                let text = why.into_iter().chain(texts).collect::<Vec<_>>().join("; ");
                Err(if lives { NotConnected::NotNow(text) } else { NotConnected::NotReached(text) })
            }
        }
    }

    /// Tells once that two servers take writes.
    fn note_split(&self, unfit: Option<&Unfit>) {
        let split = match unfit {
            Some(Unfit::Split(why)) => why.first(),
            Some(Unfit::NoneFits(_)) | None => None,
        };
        if !self.known.split.swap(split.is_some(), Ordering::Relaxed)
            && let Some(why) = split
        {
            tracing::error!(
                reason = why,
                "two servers of the database take writes: nothing is acknowledged until one is ended"
            );
        }
    }

    fn remember(&self, chosen: &Standing) {
        let Some(timeline) = chosen.timeline else { return };
        let began = chosen.began.clone();
        let now = Latest { place: chosen.place, system: chosen.system, timeline, began };
        let mut latest = self.known.latest.lock().unwrap_or_else(PoisonError::into_inner);
        // Two that connect at once may come in any order.
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
                "this server of the database is written to from now on"
            );
        }
        *latest = Some(now);
    }
}

/// What a server is asked when it is greeted. The timeline is that of what it writes now: what it noted at its last checkpoint
/// lags behind a promotion.
const WHO: &str = "SELECT pg_is_in_recovery(), (SELECT system_identifier FROM pg_control_system()), \
                   CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_walfile_name(pg_current_wal_lsn()) END, \
                   pg_postmaster_start_time()::text";

/// Why a server has not been greeted.
struct NotGreeted {
    /// It lives, and will be there in a moment.
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

async fn greet(place: usize, name: &str, server: &Config, tls: ClientConfig) -> Result<Greeted, NotGreeted> {
    let (client, connection) = server.connect(MakeRustlsConnect::new(tls)).await?;
    let mut connection = Connection::drive(connection, name.to_owned());
    let said = client.query_one(WHO, &[]).await?;
    let file: Option<String> = said.get(2);
    // The file's name begins with the timeline in eight hexadecimal digits.
    let timeline = file.and_then(|file| u32::from_str_radix(file.get(..8)?, 16).ok());
    connection.timeline = timeline.unwrap_or_default();
    let standing = Standing {
        place,
        name: name.to_owned(),
        is_standby: said.get(0),
        system: said.get(1),
        timeline,
        began: said.get(3),
    };
    Ok(Greeted { standing, client, connection })
}

/// Why none of the servers that have answered can be written to.
#[derive(Debug, PartialEq, Eq)]
enum Unfit {
    /// For each of them its reason.
    NoneFits(Vec<String>),
    /// Two would take writes, and each would lose the other's.
    Split(Vec<String>),
}

/// The place of the server that is to be written to.
fn choose(standings: &[Standing], latest: Option<&Latest>) -> Result<usize, Unfit> {
    let mut unfit = Vec::new();
    let mut fit: Vec<(&Standing, usize, u32)> = Vec::new();
    for (place, server) in standings.iter().enumerate() {
        let why = match (server.timeline, latest) {
            _ if server.is_standby => "a standby, which takes no writes".to_owned(),
            (None, _) => "it does not say on which timeline it is".to_owned(),
            (Some(_), Some(latest)) if server.system != latest.system => {
                format!("of another database cluster ({}, not {})", server.system, latest.system)
            }
            (Some(timeline), Some(latest)) if timeline < latest.timeline => format!(
                "on timeline {timeline}, and timeline {} has been written to: it was the primary before a fail-over",
                latest.timeline
            ),
            (Some(timeline), _) => {
                fit.push((server, place, timeline));
                continue;
            }
        };
        unfit.push(format!("{}: {why}", server.name));
    }
    let Some((newest, chosen, _)) = fit.iter().rev().max_by_key(|(_, _, timeline)| timeline).copied() else {
        return Err(Unfit::NoneFits(unfit));
    };
    if let Some((other, ..)) = fit.iter().find(|(other, ..)| other.system != newest.system) {
        return Err(Unfit::Split(vec![format!(
            "{} and {} have different database clusters ({}, {}): take one out of the address",
            newest.name, other.name, newest.system, other.system
        )]));
    }
    // A fail-over makes a new timeline. Who is on the known one and is not the server that was written to was promoted beside
    // it, and has nothing of what that was given.
    if let Some(latest) =
        latest.filter(|latest| Some(latest.timeline) == newest.timeline && !latest.is(newest))
    {
        return Err(Unfit::Split(vec![format!(
            "{} takes writes on timeline {}, on which another server was written to: what that has taken is missing there. \
             Stop {0} and bring the other one back; or, to go on without what it had, restart tillgate",
            newest.name, latest.timeline
        )]));
    }
    // Two names of one server are no two servers.
    let same =
        fit.iter().find(|(other, ..)| other.timeline == newest.timeline && other.began != newest.began);
    match same {
        Some((other, ..)) => Err(Unfit::Split(vec![format!(
            "{} and {} both take writes, on the same timeline: end one of them; what is written there will be lost",
            newest.name, other.name
        )])),
        None => Ok(chosen),
    }
}

#[cfg(test)]
mod tests;
