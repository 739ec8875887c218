//! Format 1: who a client is, and how to reach the client. From `auth` to the
//! services that keep something for each client.

use serde::{Deserialize, Serialize};
use tillgate_kernel::{Language, Private};

use crate::bus::Format;

/// A client, after the registration and after each change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contacts {
    pub username: String,
    pub first_name: Option<Private>,
    pub last_name: Option<Private>,
    pub email: Private,
    pub phone: Option<Private>,
    pub language: Language,
    /// It grows with each change: an older one that arrives later changes
    /// nothing.
    pub revision: u32,
}

impl Format for Contacts {
    const NUMBER: u16 = 1;
}
