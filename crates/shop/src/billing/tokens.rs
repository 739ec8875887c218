//! Wallets and gift cards as their owners see them, and cards that are ordered.

use serde::Serialize;
use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::{Language, Money, Private};
use tillgate_store::{Scan, Unavailable};

use super::Billing;
use super::account::{Account, AccountKind, Grantee, NewCard};
use super::card_code::CardCode;
use super::token_id::TokenId;
use crate::Refusal;
use crate::form::Form;
use crate::roubles::Roubles;
use crate::username::ClientNumber;

/// The most wallets and cards that one answer lists.
const TOKENS_MAX: usize = 100;

/// The most cards of an order.
pub const CARDS_MAX: usize = 20;

/// The largest number of a card within an order.
pub const CARD_NUMBER_MAX: u64 = 1_000_000;

/// The longest name of who is given a card, in characters.
pub const NAME_CHARACTERS_MAX: usize = 100;

/// How many numbers are tried for a card.
const NUMBERS_MAX: u8 = 8;

/// A means of payment, as its owner sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    id: TokenId,
    token_type: &'static str,
    masked_token_id: String,
    description: String,
    balance: Roubles,
}

/// A card that was ordered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderedCard {
    id: u64,
    token_id: TokenId,
    masked_token_id: String,
    status: &'static str,
}

/// The cards of an order.
#[derive(Debug, Clone)]
pub struct Cards {
    cards: Vec<NewCard>,
}

impl Cards {
    /// Reads the fields of a request.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn read(mut form: Form) -> Result<Cards, Refusal> {
        let order = form.optional_order("orderId");
        form.need("orderId", order.is_some());
        let cards = form.objects("cards", CARDS_MAX, read_card);
        let read = order.zip(cards).map(|(order, cards)| {
            let of_order = |card: UnplacedCard| NewCard {
                order,
                number: card.number,
                nominal: card.nominal,
                grantee: card.grantee,
            };
            Cards { cards: cards.into_iter().map(of_order).collect() }
        });
        form.whole(read).map_err(Refusal::Fields)
    }
}

/// A card whose order is not known yet.
struct UnplacedCard {
    number: u64,
    nominal: Money,
    grantee: Grantee,
}

fn read_card(form: &mut Form) -> Option<UnplacedCard> {
    let number = form.optional_whole("id", 1, CARD_NUMBER_MAX);
    form.need("id", number.is_some());
    let nominal = form.amount("balance");
    let grantee = form.optional_object("grantee", read_grantee);
    form.need("grantee", grantee.is_some());
    Some(UnplacedCard { number: number?, nominal: nominal?, grantee: grantee? })
}

fn read_grantee(form: &mut Form) -> Option<Grantee> {
    let mut name = |name| form.optional(name, NAME_CHARACTERS_MAX).map(Private::new);
    let (first_name, last_name) = (name("firstName"), name("lastName"));
    let email = form.email("email").map(Private::new)?;
    Some(Grantee { first_name, last_name, email })
}

impl Billing {
    /// The wallet and the cards of a client.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the client has none.
    pub async fn tokens(
        &self,
        client: ClientNumber,
        language: Language,
    ) -> Result<Vec<Token>, Refusal> {
        let scan = Scan::Lists {
            lists: vec![Account::list_of(client)],
            newest_first: false,
            after: None,
            limit: TOKENS_MAX,
        };
        let mut accounts = Vec::new();
        for (_, stored) in self.store.scan(&scan).await?.items {
            let account: Account = stored.document().map_err(Unavailable::from)?;
            // Another list may have the same number.
            if account.owner == Some(client) {
                accounts.push(account);
            }
        }
        if accounts.is_empty() {
            return Err(Refusal::NotFound);
        }
        let counters: Vec<_> = accounts.iter().map(|account| account.name().counter()).collect();
        let balances = self.store.balances(&counters).await?;
        let tokens = accounts.iter().zip(balances);
        tokens.map(|(account, balance)| self.shown(account, balance, language)).collect()
    }

    fn shown(&self, account: &Account, kopecks: i64, language: Language) -> Result<Token, Refusal> {
        let (token_type, description) = match (&account.kind, language) {
            (AccountKind::Wallet, Language::Ru) => ("WALLET", "Кошелёк"),
            (AccountKind::Wallet, Language::En) => ("WALLET", "Wallet"),
            (AccountKind::GiftCard(_), Language::Ru) => ("GIFT_CARD", "Подарочная карта"),
            (AccountKind::GiftCard(_), Language::En) => ("GIFT_CARD", "Gift card"),
        };
        Ok(Token {
            id: account.id,
            token_type,
            masked_token_id: self.masked(account)?,
            description: description.to_owned(),
            balance: Roubles::of_kopecks(kopecks),
        })
    }

    /// What may be shown of the number of a wallet or the code of a card.
    fn masked(&self, account: &Account) -> Result<String, Refusal> {
        match account.kind {
            AccountKind::Wallet => {
                let digits = format!("{:016}", account.id.get());
                Ok(format!("•••• {}", &digits[digits.len() - 4..]))
            }
            AccountKind::GiftCard(_) => {
                let key = account.data_key(&self.keys).map_err(unsealable)?;
                Ok(CardCode::of(&key).masked())
            }
        }
    }

    /// Makes the cards of an order, without money. A card that is there already
    /// stays.
    ///
    /// # Errors
    /// [`Refusal::IdReused`] when one of them was ordered otherwise.
    pub async fn create_cards(&self, cards: &Cards) -> Result<Vec<OrderedCard>, Refusal> {
        let mut made = Vec::new();
        for card in &cards.cards {
            let account = self.create_card(card).await?;
            made.push(OrderedCard {
                id: card.number,
                token_id: account.id,
                masked_token_id: self.masked(&account)?,
                status: "CREATED",
            });
        }
        Ok(made)
    }

    async fn create_card(&self, card: &NewCard) -> Result<Account, Refusal> {
        for attempt in 0..NUMBERS_MAX {
            let id = TokenId::of_card(card.order, card.number, attempt);
            let new = |now| Account::card(id, card, now, &self.keys, random_bytes());
            let account = self.found_or_made(id, &new).await?;
            let AccountKind::GiftCard(known) = &account.kind else { continue };
            if (known.order, known.number) != (card.order, card.number) {
                continue;
            }
            let grantee = account.grantee(&self.keys).map_err(unsealable)?;
            let is_same = known.nominal == card.nominal && grantee.as_ref() == Some(&card.grantee);
            return if is_same { Ok(account) } else { Err(Refusal::IdReused) };
        }
        tracing::error!(order = %card.order, "no number is left for a gift card");
        Err(Refusal::Unavailable)
    }
}

/// The log says what is to be done.
pub(super) fn unsealable(why: crate::seal::Unsealable) -> Refusal {
    tracing::error!(error = %why, "an account cannot be opened");
    Refusal::Unavailable
}
