//! Alarms that this process knows to have been raised in the current hour.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::kernel::PartyName;

/// For each alarm, the hour in which this process last knew it to be raised.
#[derive(Debug, Clone, Default)]
pub struct Alarms(pub(super) Arc<Mutex<BTreeMap<Key, i64>>>);

/// The source, the alarm's name, and its subject.
pub(super) type Key = (PartyName, &'static str, String);
