//! Answers in the marketplace's format.

use crate::dedup::{Answer, Verdict};
use crate::orders::EventKind;
use crate::orders::Number;

/// The answer to a hook that was not turned away. The sender uses only the
/// status 200 and, for a creation, the number. The word in `status` is for
/// people who read its logs.
pub fn acknowledge(verdict: Verdict, kind: Option<EventKind>, number: Option<Number>) -> Answer {
    let status = match verdict {
        Verdict::Ignored => "ignored",
        Verdict::Parked => "parked",
        // A creation is always acknowledged as one. After any other answer the
        // marketplace would cancel the order.
        Verdict::Applied | Verdict::Replayed | Verdict::Outdated | Verdict::Late
            if kind == Some(EventKind::Created) =>
        {
            "created"
        }
        Verdict::Late => "late",
        Verdict::Applied | Verdict::Replayed | Verdict::Outdated | Verdict::Rejected => "ok",
    };
    let shown = number.filter(|_| !matches!(verdict, Verdict::Ignored | Verdict::Parked));
    Answer { status: 200, content_type: "application/json".into(), body: body(status, shown) }
}

fn body(status: &str, number: Option<Number>) -> String {
    match number {
        Some(number) => format!(r#"{{"status":"{status}","number":"{number}"}}"#),
        None => format!(r#"{{"status":"{status}"}}"#),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_the_same_bytes_in_every_release() {
        let number = Number::from_u64(482_993_011_752);
        let answer = |verdict, kind| acknowledge(verdict, kind, number).body;
        let created = r#"{"status":"created","number":"482993011752"}"#;
        for verdict in [Verdict::Applied, Verdict::Replayed, Verdict::Late] {
            assert_eq!(answer(verdict, Some(EventKind::Created)), created);
        }
        let ok = r#"{"status":"ok","number":"482993011752"}"#;
        for kind in [EventKind::Changed, EventKind::Paid, EventKind::Received, EventKind::Delivered]
        {
            assert_eq!(answer(Verdict::Applied, Some(kind)), ok);
            assert_eq!(answer(Verdict::Replayed, Some(kind)), ok);
            assert_eq!(
                answer(Verdict::Late, Some(kind)),
                r#"{"status":"late","number":"482993011752"}"#
            );
            assert_eq!(answer(Verdict::Parked, Some(kind)), r#"{"status":"parked"}"#);
        }
        assert_eq!(answer(Verdict::Ignored, None), r#"{"status":"ignored"}"#);
    }
}
