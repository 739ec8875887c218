//! Whose the wallets are that have paid lately. A wallet stays its client's, so
//! what was read once need not be read again for each payment.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::token_id::TokenId;
use crate::username::ClientNumber;

/// How many wallets are remembered.
const WALLETS_MAX: usize = 20_000;

/// The owners of wallets.
#[derive(Debug, Default)]
pub struct Owners(Mutex<HashMap<TokenId, ClientNumber>>);

impl Owners {
    #[must_use]
    pub fn of(&self, wallet: TokenId) -> Option<ClientNumber> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&wallet).copied()
    }

    pub fn remember(&self, wallet: TokenId, owner: ClientNumber) {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.len() >= WALLETS_MAX {
            owners.clear();
        }
        owners.insert(wallet, owner);
    }
}
