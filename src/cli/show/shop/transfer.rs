//! What commands have in common that read much from a shop, or write much.

use indicatif::{ProgressBar, ProgressStyle};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::Failed;

/// A progress bar on a terminal; nothing elsewhere.
pub(super) fn progress(length: u64, text: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template(&format!("{{bar:30}} {text}, {{eta}} left"));
    bar.set_style(style.unwrap_or(ProgressStyle::default_bar()));
    bar
}

pub(super) fn decoded<T: DeserializeOwned>(answer: Value) -> Result<T, Failed> {
    serde_json::from_value(answer)
        .map_err(|why| Failed::because(format!("the shop's answer cannot be read: {why}")))
}
