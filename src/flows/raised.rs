//! Alarms that this process knows were raised in this hour.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::kernel::PartyName;

/// The hours in which this process knows that an alarm was raised.
#[derive(Debug, Clone, Default)]
pub struct Alarms(pub(super) Arc<Mutex<BTreeMap<Key, i64>>>);

/// The source, the alarm's name, and its subject.
pub(super) type Key = (PartyName, &'static str, String);
