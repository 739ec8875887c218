//! The means of payment that a client has.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::Payment;
use crate::Refusal;
use crate::formats::TokenType;
use crate::roubles::Roubles;
use crate::service_client::Caller;
use crate::username::Username;

const BANK_CARD: &str = TokenType::BankCard.as_str();
const QR_PAY: &str = TokenType::QrPay.as_str();

/// A means of payment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    pub id: u64,
    pub token_type: String,
    pub masked_token_id: String,
    pub description: String,
    pub balance: Option<Roubles>,
}

/// The means of payment of a client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    username: String,
    tokens: Vec<Token>,
    /// What else can be paid with, without a number of ours.
    token_types: Vec<&'static str>,
}

#[derive(Deserialize)]
struct Kept {
    tokens: Vec<Token>,
}

impl Payment {
    /// The wallet and the cards that the ledger keeps for a client.
    pub(super) async fn kept_tokens(
        &self,
        username: &Username,
        language: &Caller,
    ) -> Result<Vec<Token>, Refusal> {
        // It may have letters that an address may not.
        let name: String = username.as_str().bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/token/get?username={name}");
        let asked = Caller { language: language.language.clone(), ..Caller::default() };
        let reply = self.ledger.billing.call(Method::GET, &path, &asked, None).await?;
        match reply.status {
            StatusCode::OK => reply.read().map(|Kept { tokens }| tokens),
            // The wallet is opened when the message about the client arrives.
            StatusCode::NOT_FOUND => Ok(Vec::new()),
            _ => Err(Refusal::Unavailable),
        }
    }

    /// What can be paid with through the gateway. Nothing while it cannot be
    /// asked; the log says why.
    pub(super) async fn token_types(&self) -> Vec<&'static str> {
        let Some(gateway) = &self.gateway else { return Vec::new() };
        match gateway.methods().await {
            None => Vec::new(),
            // The payer chooses on the payment page.
            Some(methods) if methods.are_chosen_there() => vec![BANK_CARD],
            Some(methods) => {
                let all = [(methods.bank_card, BANK_CARD), (methods.sbp, QR_PAY)];
                all.into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect()
            }
        }
    }

    /// What a client can pay with.
    ///
    /// # Errors
    /// When the ledger cannot be asked.
    pub async fn tokens(&self, username: &Username, caller: &Caller) -> Result<Tokens, Refusal> {
        let tokens = self.kept_tokens(username, caller).await?;
        let token_types = self.token_types().await;
        Ok(Tokens { username: username.as_str().to_owned(), tokens, token_types })
    }
}
