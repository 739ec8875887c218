//! Who decides about money by hand, and what.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorAction {
    Accept,
    Refund,
    Retry,
    /// It never was, and never will be, carried out.
    Drop,
    /// It was carried out.
    Done,
}

/// Who decides, and why, for the journal. Both are what the caller claims: the
/// admin token is shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operator {
    pub by: Option<String>,
    pub reason: Option<String>,
}
