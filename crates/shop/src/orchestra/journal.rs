//! What has happened in an agreement, oldest first.

use serde::{Deserialize, Serialize};
use tillgate_kernel::Timestamp;

use super::stage::Stage;
use crate::formats::agreement::{Confirmator, Reason, RequestType, Response};

/// The most entries. Of more, the latest takes the place of the one before.
const ENTRIES_MAX: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Begun,
    Entered(Stage),
    Asked {
        of: Confirmator,
        request: RequestType,
        attempt: u32,
    },
    Answered {
        by: Confirmator,
        request: RequestType,
        response: Response,
        attempt: u32,
        reason: Option<Reason>,
    },
    Decided {
        response: Response,
        reason: Option<Reason>,
    },
    /// Something is not given back.
    PersonNeeded,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub at: Timestamp,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Journal {
    pub entries: Vec<Entry>,
}

impl Journal {
    pub(super) fn add(&mut self, at: Timestamp, what: What) {
        if self.entries.len() == ENTRIES_MAX {
            self.entries.pop();
        }
        self.entries.push(Entry { at, what });
    }
}
