//! Why a message was not delivered, as it is stored: a kind with its parameters. Its owner knows what they mean; nobody
//! reads it by its text.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A kind with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Failure(Map<String, Value>);

impl Failure {
    /// Of an enum that is tagged by `kind`.
    pub fn of(reason: &impl Serialize) -> Failure {
        match serde_json::to_value(reason) {
            Ok(Value::Object(parameters)) => Failure(parameters),
            Ok(_) | Err(_) => Failure(Map::new()),
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.get("kind").and_then(Value::as_str).unwrap_or_default()
    }

    /// What it is to its owner; none if that is somebody else.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(Value::Object(self.0.clone())).ok()
    }
}

/// Why a message to a person, a site or a marketplace was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum DeliveryFailure {
    /// The message cannot be read.
    Unreadable { detail: String },
    /// A setting is missing that it needs.
    SettingMissing { setting: String },
    /// It certainly did not arrive.
    NotSent { said: String },
    /// The peer answered so.
    Answered { status: String },
    /// It may have arrived.
    OutcomeUnknown { said: String },
    /// It is about to be sent: should the process die, it may have arrived.
    AboutToBeSent {
        /// An earlier attempt may have arrived.
        outcome_unknown: bool,
    },
    /// The peer will never take it.
    Refused { said: String },
    /// Nobody listens at the address: it answered 410.
    Gone { url: String },
    /// The peer wants to be left alone.
    AskedToWait { said: String },
}
