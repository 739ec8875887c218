//! The id of a hook, which is also the key of its journal entry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Fingerprint, Partition};

/// The id of a hook, which is also the key of its idempotency record: the
/// partition, then the fingerprint of what makes two deliveries the same hook.
/// As text it is `482993011752-` and 24 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId {
    /// The partition of its order, or of its own name if it belongs to no
    /// order.
    pub partition: Partition,
    /// Distinguishes it from the other hooks of the partition.
    pub fingerprint: Fingerprint,
}

impl fmt::Display for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.fingerprint)
    }
}

impl FromStr for HookId {
    type Err = NotAHookId;

    fn from_str(text: &str) -> Result<HookId, NotAHookId> {
        let (partition, fingerprint) = text.split_once('-').ok_or(NotAHookId)?;
        Ok(HookId {
            partition: partition.parse().map_err(|_| NotAHookId)?,
            fingerprint: fingerprint.parse().map_err(|_| NotAHookId)?,
        })
    }
}

/// The text is not a hook's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hook's id is a number, a dash and 24 hexadecimal digits; the list of hooks shows them")]
pub struct NotAHookId;

impl HookId {
    /// The id of a hook that belongs to no order, made from a unique name.
    #[must_use]
    pub const fn of_name(fingerprint: Fingerprint) -> HookId {
        HookId { partition: Partition::of_name(fingerprint), fingerprint }
    }
}

impl Serialize for HookId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::short_text::serialize_text(self, serializer)
    }
}

impl<'de> Deserialize<'de> for HookId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<HookId, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
