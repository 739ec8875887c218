//! The journal of hooks: each hook with its bytes, its verdict and what
//! followed from it.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::dedup::key::HookKey;
use crate::dedup::{JournalEntry, Reason, Verdict};
use crate::flows::accept_hook::accept_hook;
use crate::flows::parties::known_parties;
use crate::flows::{Hook, journal_key};
use crate::http::AppState;
use crate::http::page::{self, List, Paging};
use crate::http::problem::Problem;
use crate::http::problems;
use crate::http::request::ApiRequest;
use crate::kernel::DocKey;
use crate::kernel::hook_id::NotAHookId;
use crate::kernel::{ExternalId, HookId, PartyName, Timestamp};
use crate::orders::Number;
use crate::store::{Cursor, Stored, Unavailable};
use crate::texts::{Language, Text, joined, stored_fact};
use crate::webhooks::{Authentic, Inbound};

/// An entry of the journal in a list.
#[derive(Debug, Serialize)]
pub struct HookEntry {
    id: HookId,
    source: String,
    event_type: Option<String>,
    external_id: Option<ExternalId>,
    number: Option<Number>,
    received_at: Timestamp,
    sent_at: Option<Timestamp>,
    verdict: Verdict,
    /// The reasons for the verdict, as text.
    reason: Option<Text>,
    /// The reasons for the verdict, as kinds with parameters.
    reasons: Vec<Reason>,
    /// What followed from it, as text.
    changes: Vec<Text>,
    facts: Vec<Box<RawValue>>,
    answer: Option<AnswerEntry>,
    copy_of: Option<HookId>,
    copies: Option<u64>,
    last_copy_at: Option<Timestamp>,
    body_bytes: u64,
}

#[derive(Debug, Serialize)]
struct AnswerEntry {
    status: u16,
    body: String,
}

impl HookEntry {
    #[must_use]
    pub fn of(entry: JournalEntry, language: Language) -> HookEntry {
        HookEntry {
            id: entry.record.id,
            source: entry.source.to_string(),
            event_type: entry.event_type,
            external_id: entry.external_id,
            number: entry.record.number,
            received_at: entry.record.received_at,
            sent_at: entry.sent_at,
            verdict: entry.record.verdict,
            reason: words(&entry.reasons, language),
            reasons: entry.reasons,
            changes: entry.facts.iter().filter_map(|fact| stored_fact(fact, language)).collect(),
            facts: entry
                .facts
                .into_iter()
                .filter_map(|fact| RawValue::from_string(fact).ok())
                .collect(),
            answer: entry
                .record
                .answer
                .map(|answer| AnswerEntry { status: answer.status, body: answer.body }),
            copy_of: entry.copies.map(|copies| copies.of),
            copies: entry.copies.map(|copies| copies.count),
            last_copy_at: entry.copies.map(|copies| copies.last_at),
            body_bytes: entry.body_bytes,
        }
    }
}

/// An entry of the journal with the body of the hook.
#[derive(Debug, Serialize)]
pub struct HookDetail {
    #[serde(flatten)]
    entry: HookEntry,
    /// The body as text, if it is UTF-8.
    body: Option<String>,
    /// The body in hexadecimal, if it is not UTF-8.
    body_hex: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    source: Option<String>,
    verdict: Option<Verdict>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /admin/v1/hooks`
pub async fn list(
    app: ApiRequest,
    query: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<List<HookEntry>>, Problem> {
    let Query(filter) = query.map_err(|why| Problem::bad_request(why.body_text()))?;
    app.duplicates.write(&app.services).await;
    let sources = match filter.source {
        Some(source) => BTreeSet::from([PartyName::new(source)]),
        None => known_parties(&app.services).await?,
    };
    let verdicts = filter.verdict.as_ref().map_or(&Verdict::ALL[..], std::slice::from_ref);
    let lists_of =
        |source| verdicts.iter().map(move |verdict| JournalEntry::list(source, *verdict));
    let lists = sources.iter().flat_map(lists_of).collect();
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let page = app.services.store.scan(&paging.scan(lists, true)?).await?;
    let shown = |(key, stored): (DocKey, Stored)| {
        let entry = HookEntry::of(stored.document()?, app.language);
        Ok((Cursor::at(stored.body.listed_at, key), Some(entry)))
    };
    let shown = page::prepare(page.items, shown).await;
    let shown: Result<Vec<_>, Unavailable> = shown.into_iter().collect();
    Ok(Json(List::of(shown?, page.next, paging.limit())))
}

async fn load(app: &AppState, id: &str) -> Result<JournalEntry, Problem> {
    let id: HookId = id.parse().map_err(|why: NotAHookId| Problem::bad_parameter("hook", why))?;
    let stored = app.services.store.load(&[journal_key(id)]).await?.pop().flatten();
    let stored = stored.ok_or_else(|| {
        Problem::not_found(format!("there is no hook {id}, or its retention period is over"))
    })?;
    let entry: JournalEntry = stored.document().map_err(Unavailable::from)?;
    Ok(entry)
}

/// `GET /admin/v1/hooks/{id}`
pub async fn show(app: ApiRequest, Path(id): Path<String>) -> Result<Json<HookDetail>, Problem> {
    let mut entry = load(&app, &id).await?;
    let bytes = match entry.copies {
        // An entry about duplicates has no body: it is the body of the
        // original.
        Some(copies) => load(&app, &copies.of.to_string()).await?.body,
        None => std::mem::take(&mut entry.body),
    };
    let (body, body_hex) = match std::str::from_utf8(&bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())),
    };
    Ok(Json(HookDetail { entry: HookEntry::of(entry, app.language), body, body_hex }))
}

/// The result of processing a hook again.
#[derive(Debug, Serialize)]
pub struct Replayed {
    id: HookId,
    verdict: Verdict,
    reason: Option<Text>,
    reasons: Vec<Reason>,
    number: Option<Number>,
}

fn words(reasons: &[Reason], language: Language) -> Option<Text> {
    (!reasons.is_empty()).then(|| joined(reasons, language))
}

/// `POST /admin/v1/hooks/{id}/replay`: processes the stored body again, as if
/// it had just arrived. A hook that already counts stays unchanged.
pub async fn replay(app: ApiRequest, Path(id): Path<String>) -> Result<Json<Replayed>, Problem> {
    let mut entry = load(&app, &id).await?;
    if let Some(copies) = entry.copies {
        entry = load(&app, &copies.of.to_string()).await?;
    }
    if entry.body_bytes != entry.body.len() as u64 {
        let detail = "the hook was too long and only its beginning was stored: ask the sender to \
            send it again";
        return Err(Problem::conflict(detail));
    }
    let endpoint = app.sources.get(entry.source.as_str()).cloned();
    if endpoint.as_ref().is_some_and(|endpoint| endpoint.is_payment_system()) {
        let detail =
            "it is a notification of a payment system: have the payment system send it again";
        return Err(Problem::conflict(detail));
    }
    if app.merchants.iter().any(|merchant| merchant.name == entry.source) {
        let detail = "it is a request of a merchant's site, and it has been answered: the site \
            can send it again";
        return Err(Problem::conflict(detail));
    }
    let endpoint = endpoint.ok_or_else(|| {
        Problem::conflict(format!(
            "the source {} is no longer configured: add it to [sources] and try again",
            entry.source
        ))
    })?;
    let body = std::mem::take(&mut entry.body);
    let readable = Authentic::from_journal(&body).readable();
    let (identity, reading) = match endpoint.protocol.read(&readable) {
        Ok(Inbound::Order(identity, reading)) => (identity, reading),
        Ok(Inbound::Payment(_)) => {
            return Err(Problem::conflict(
                "it is a notification about a payment, which cannot be replayed",
            ));
        }
        Err(rejection) => return Err(problems::rejected(&rejection)),
    };
    let key = HookKey::of(&endpoint.source, &body, None);
    let mut hook = Hook::of(endpoint.source.clone(), identity, body.clone(), key);
    // Its id need not be derived from its stored bytes: they may be masked, or
    // the sender gave the delivery an id.
    if entry.external_id.as_ref() == hook.external_id() {
        hook = hook.known_as(entry.record.id);
    }
    let again = Some(entry.record.received_at);
    let received = accept_hook(&app.services, &*endpoint.protocol, &hook, &*reading, again).await?;
    tracing::info!(
        hook.id = %received.id,
        verdict = %received.verdict,
        "a hook was processed again"
    );
    Ok(Json(Replayed {
        id: received.id,
        verdict: received.verdict,
        reason: words(&received.reasons, app.language),
        reasons: received.reasons,
        number: received.number,
    }))
}
