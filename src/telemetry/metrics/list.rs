//! Every metric, for their descriptions and for docs/metrics.md.

use std::fmt::Write;

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub kind: Kind,
    pub name: &'static str,
    pub labels: &'static [&'static str],
    pub about: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    /// In seconds.
    Histogram,
}

/// All metrics of this program.
pub const METRICS: &[Metric] = &[
    Metric {
        kind: Kind::Counter,
        name: "tillgate_hooks_total",
        labels: &["source"],
        about: "Hooks by source and verdict",
    },
    Metric {
        kind: Kind::Histogram,
        name: "tillgate_hook_seconds",
        labels: &["source"],
        about: "Time from a hook's last byte to its answer",
    },
    Metric {
        kind: Kind::Counter,
        name: "tillgate_hooks_forged_total",
        labels: &["source"],
        about: "Requests to a hook's address that failed verification (token, signature or \
            network)",
    },
    Metric {
        kind: Kind::Counter,
        name: "tillgate_hooks_unavailable_total",
        labels: &["source"],
        about: "Hooks answered with 503 because the store was unavailable",
    },
    Metric {
        kind: Kind::Counter,
        name: "tillgate_outbox_attempts_total",
        labels: &["lane"],
        about: "Attempts to send messages, by lane and outcome",
    },
    Metric {
        kind: Kind::Gauge,
        name: "tillgate_outbox_messages",
        labels: &["lane"],
        about: "Messages in the outbox by lane and state, counted up to 1000",
    },
    Metric {
        kind: Kind::Counter,
        name: "tillgate_payment_calls_total",
        labels: &["gateway"],
        about: "Calls to payment systems, by gateway and outcome",
    },
    Metric {
        kind: Kind::Counter,
        name: "tillgate_notifications_total",
        labels: &["gateway"],
        about: "Notifications of payment systems, by gateway and verdict",
    },
    Metric {
        kind: Kind::Counter,
        name: "tillgate_swept_total",
        labels: &[],
        about: "Journal entries and messages that were deleted after their retention time",
    },
    Metric {
        kind: Kind::Gauge,
        name: "tillgate_database_timeline",
        labels: &[],
        about: "The timeline of the database server that accepts writes",
    },
    Metric {
        kind: Kind::Counter,
        name: "tillgate_database_primary_changes_total",
        labels: &[],
        about: "How often another database server became the one that accepts writes",
    },
    Metric {
        kind: Kind::Counter,
        name: "tillgate_database_unconfirmed_total",
        labels: &[],
        about: "Commits whose durability was not confirmed at once: the database sent a warning, \
            or did not answer",
    },
    Metric {
        kind: Kind::Counter,
        name: "tillgate_connections_refused_total",
        labels: &["reason"],
        about: "Connections refused or closed: too many in all, too many of one address, or idle \
            when room was needed",
    },
    Metric {
        kind: Kind::Gauge,
        name: "tillgate_database_split",
        labels: &[],
        about: "1 while two database servers accept writes on the same timeline",
    },
    Metric {
        kind: Kind::Counter,
        name: "tillgate_unauthorized_total",
        labels: &["api"],
        about: "Requests to the merchants' API (v1) or the admin API (admin) without a valid key",
    },
    Metric {
        kind: Kind::Counter,
        name: "tillgate_log_lines_dropped_total",
        labels: &[],
        about: "Log lines that were dropped because the reader of the log was too slow",
    },
    Metric {
        kind: Kind::Counter,
        name: "tillgate_transaction_conflicts_total",
        labels: &["name"],
        about: "How often a use case was run again because another commit came first, by use case",
    },
    Metric {
        kind: Kind::Gauge,
        name: "tillgate_build_info",
        labels: &["version"],
        about: "Always 1; the version is a label",
    },
    Metric {
        kind: Kind::Gauge,
        name: "tillgate_gateway_paused",
        labels: &["gateway"],
        about: "1 while calls to a payment system are paused because it fails",
    },
    Metric {
        kind: Kind::Gauge,
        name: "tillgate_outbox_oldest_seconds",
        labels: &["lane"],
        about: "Age of the oldest message of a lane that is due and not sent",
    },
    Metric {
        kind: Kind::Gauge,
        name: "tillgate_attention_orders",
        labels: &[],
        about: "Orders that need a decision, up to 5000; counted once a minute",
    },
    Metric {
        kind: Kind::Gauge,
        name: "tillgate_money",
        labels: &["state", "currency"],
        about: "Money of the latest 5000 orders by state: paid, held, refunded, due; counted \
            once a minute",
    },
    Metric {
        kind: Kind::Histogram,
        name: "tillgate_peer_call_seconds",
        labels: &["peer", "outcome"],
        about: "Time of a call to a payment system, a site, a marketplace or Telegram",
    },
    Metric {
        kind: Kind::Counter,
        name: "tillgate_requests_total",
        labels: &["route", "status"],
        about: "Requests to /v1 and /admin/v1 by route and status",
    },
    Metric {
        kind: Kind::Histogram,
        name: "tillgate_request_seconds",
        labels: &["route"],
        about: "Time from a request of /v1 or /admin/v1 to its answer",
    },
];

const INTRODUCTION: &str = "\
# Metrics

This page is generated from the list of metrics (`tillgate reference metrics`); a test keeps it
equal to that list.

`GET /metrics` answers in the text format of Prometheus: on `listen`, or on `admin_listen` alone if
it is set. Labels are closed sets: names of the configuration, kinds, verdicts, routes; never an
order or a person. [runbook.md](runbook.md) has alarms that use them.

| metric | type | labels | meaning |
|---|---|---|---|
";

/// docs/metrics.md.
#[must_use]
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    for Metric { kind, name, labels, about } in METRICS {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".into() } else { labels.join(", ") };
        let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {about} |");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_that_of_the_list() {
        let committed = include_str!("../../../docs/metrics.md");
        assert!(committed == markdown(), "run: cargo run -- reference metrics > docs/metrics.md");
    }

    /// The names that the code records, by its text.
    #[test]
    fn every_metric_is_in_the_list_and_nothing_else() {
        let sources = [
            include_str!("mod.rs"),
            include_str!("record.rs"),
            include_str!("hooks.rs"),
            include_str!("../../../crates/web/src/server/places.rs"),
            include_str!("../../../crates/web/src/log.rs"),
        ];
        let mut recorded: Vec<&str> = sources
            .iter()
            .flat_map(|source| source.split('"'))
            .filter(|text| text.starts_with("tillgate_"))
            .collect();
        let mut listed: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        for names in [&mut recorded, &mut listed] {
            names.sort_unstable();
            names.dedup();
        }
        assert_eq!(recorded, listed);
    }
}
