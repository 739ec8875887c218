//! The stored reason why a message was not delivered: a kind with its
//! parameters. Only the module that wrote it knows what they mean. Code never
//! decides by its text.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A kind of failure with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Failure(Map<String, Value>);

impl Failure {
    /// Creates a failure from an enum that serde tags with `kind`.
    pub fn of(reason: &impl Serialize) -> Failure {
        match serde_json::to_value(reason) {
            Ok(Value::Object(parameters)) => Failure(parameters),
            Ok(_) | Err(_) => Failure(Map::new()),
        }
    }

    /// The kind of failure; empty if there is none.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.get("kind").and_then(Value::as_str).unwrap_or_default()
    }

    /// Reads it back as its owner's enum. `None` if it belongs to another
    /// module.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(Value::Object(self.0.clone())).ok()
    }
}

impl DeliveryFailure {
    /// What the receiver or the operating system said, or what is missing.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            DeliveryFailure::Unreadable { detail } => detail,
            DeliveryFailure::SettingMissing { setting } => setting,
            DeliveryFailure::NotSent { said }
            | DeliveryFailure::OutcomeUnknown { said }
            | DeliveryFailure::NotAllowed { said }
            | DeliveryFailure::Refused { said }
            | DeliveryFailure::AskedToWait { said } => said,
            DeliveryFailure::Answered { status } => status,
            DeliveryFailure::Gone { url } => url,
            DeliveryFailure::AboutToBeSent { .. } => "",
        }
    }
}

/// Why a message to a person, a site or a marketplace was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum DeliveryFailure {
    /// The message cannot be decoded.
    Unreadable { detail: String },
    /// A required setting is missing.
    SettingMissing { setting: String },
    /// It certainly did not arrive.
    NotSent { said: String },
    /// The receiver answered with this status.
    Answered { status: String },
    /// It may have arrived.
    OutcomeUnknown { said: String },
    /// It is about to be sent. If the process dies now, it may have arrived.
    AboutToBeSent {
        /// An earlier attempt may have arrived.
        outcome_unknown: bool,
    },
    /// The receiver does not let us write there: a person must change that.
    NotAllowed { said: String },
    /// The receiver will never accept it.
    Refused { said: String },
    /// The address is no longer in use: it answered 410.
    Gone { url: String },
    /// The receiver asked for a pause.
    AskedToWait { said: String },
}
