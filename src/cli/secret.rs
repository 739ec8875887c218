//! Secrets on the command line. Every user of a machine can see the arguments
//! of its processes, so each secret can come from the environment or from a
//! file instead.

use std::path::Path;

use super::Failed;

/// The secret that was given: as text, or as the path of a file that holds it.
/// Errors name the file's `option`.
pub fn given(
    text: Option<&str>,
    file: Option<&Path>,
    option: &str,
) -> Result<Option<String>, Failed> {
    match (text, file) {
        (Some(text), _) => Ok(Some(text.to_owned())),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file).map_err(|why| {
                Failed::usage(format!("{option}: cannot read {}: {why}", file.display()))
            })?;
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() {
                return Err(Failed::usage(format!("{option}: {} is empty", file.display())));
            }
            Ok(Some(text.to_owned()))
        }
        (None, None) => Ok(None),
    }
}
