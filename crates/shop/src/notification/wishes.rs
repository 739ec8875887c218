//! What a client wants to hear of. Letters about the account itself are always
//! sent: they protect it.

use serde::{Deserialize, Serialize};

use crate::Refusal;
use crate::form::Form;

/// The wishes of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    /// Letters about money in the wallet.
    #[serde(default = "yes")]
    pub wallet: bool,
}

const fn yes() -> bool {
    true
}

impl Default for Wishes {
    fn default() -> Wishes {
        Wishes { wallet: true }
    }
}

impl Wishes {
    #[must_use]
    pub fn are_usual(&self) -> bool {
        *self == Wishes::default()
    }

    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Wishes, Refusal> {
        let wallet = form.switch("wallet");
        form.whole(wallet.map(|wallet| Wishes { wallet })).map_err(Refusal::Fields)
    }
}
