//! The bodies of answers.

use serde::Serialize;
use tillgate_kernel::{Language, Private, Timestamp};

use crate::auth::client::{Client, Profile};
use crate::auth::own::SessionShown;
use crate::auth::staff::Member;

/// A client, as the service's callers see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientData {
    username: String,
    first_name: Option<String>,
    last_name: Option<String>,
    email: String,
    phone: Option<String>,
}

impl ClientData {
    pub fn of(client: &Client, profile: &Profile) -> ClientData {
        let text = |part: &Option<Private>| part.as_ref().map(|part| part.expose().to_owned());
        ClientData {
            username: client.username.as_str().to_owned(),
            first_name: text(&profile.first_name),
            last_name: text(&profile.last_name),
            email: profile.email.expose().to_owned(),
            phone: text(&profile.phone),
        }
    }
}

/// A client's own data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnData {
    #[serde(flatten)]
    client: ClientData,
    /// Whether the client has proved to receive messages at the address.
    email_verified: bool,
    /// The same for the telephone number.
    phone_verified: bool,
    language: Language,
    registered_at: Timestamp,
}

impl OwnData {
    pub fn of(client: &Client, profile: &Profile) -> OwnData {
        OwnData {
            client: ClientData::of(client, profile),
            email_verified: client.email_proved_at.is_some(),
            phone_verified: client.phone_proved_at.is_some(),
            language: client.language,
            registered_at: client.registered_at,
        }
    }
}

#[derive(Debug, Serialize)]
pub struct Sessions {
    pub items: Vec<SessionShown>,
}

#[derive(Debug, Serialize)]
pub struct Staff {
    pub items: Vec<Member>,
    /// The list has one page.
    pub next_cursor: Option<String>,
}
