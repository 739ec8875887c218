//! Stored data is compatible: every format that a release has written can be
//! read.

use tillgate_kernel::{Document, Money};

use super::account::{Account, AccountKind};
use super::account_name::AccountName;
use super::statement::place_of_reason;
use super::token_id::TokenId;
use super::transfer::Transfer;
use super::verb::{Leg, Means, Verb};
use crate::order_id::OrderId;
use crate::seal::MasterKeys;
use crate::username::{ClientNumber, Username};

/// The key that sealed the fixtures, and the client.
const KEY: [u8; 32] = [7; 32];

fn anna() -> ClientNumber {
    ClientNumber::of(&Username::parse("anna").expect("a username"))
}

fn order() -> OrderId {
    OrderId::parse("482993011752").expect("a number")
}

#[test]
fn a_wallet_and_a_card_of_version_1_are_read() {
    let keys = MasterKeys::new(KEY, []);
    let bytes = include_bytes!("../../../../fixtures/stored/account/v1/wallet.bin");
    let wallet = Account::decode(1, bytes).expect("readable");
    assert_eq!((wallet.id, wallet.owner), (TokenId::of_wallet(anna(), 0), Some(anna())));
    assert_eq!(wallet.kind, AccountKind::Wallet);
    let bytes = include_bytes!("../../../../fixtures/stored/account/v1/card.bin");
    let card = Account::decode(1, bytes).expect("readable");
    assert_eq!((card.id, card.owner), (TokenId::of_card(order(), 1, 0), None));
    let grantee = card.grantee(&keys).expect("the key is known").expect("a card");
    assert_eq!(grantee.email.expose(), "b@example.org");
    let AccountKind::GiftCard(card) = card.kind else { panic!("a card") };
    assert_eq!((card.order, card.number, card.nominal.kopecks()), (order(), 1, 200_000));
}

#[test]
fn transfers_of_version_1_are_read() {
    let wallet = AccountName::Wallet(TokenId::of_wallet(anna(), 0));
    let bytes = include_bytes!("../../../../fixtures/stored/transfer/v1/hold.bin");
    let hold = Transfer::decode(1, bytes).expect("readable");
    assert_eq!((hold.payment.as_str(), hold.verb), ("482993011752-1", Verb::Hold));
    assert_eq!((hold.amount, hold.order), (Money::from_kopecks(155_880), Some(order())));
    assert_eq!((hold.means, hold.client), (Some(Means::Account(wallet.clone())), Some(anna())));
    let leg = |account, kopecks| Leg { account, kopecks };
    let legs = [leg(wallet.clone(), -155_880), leg(AccountName::Order(order()), 155_880)];
    assert_eq!(hold.legs, legs);
    let bytes = include_bytes!("../../../../fixtures/stored/transfer/v1/credit.bin");
    let credit = Transfer::decode(1, bytes).expect("readable");
    let keys = MasterKeys::new(KEY, []);
    let bytes = include_bytes!("../../../../fixtures/stored/account/v1/wallet.bin");
    let account = Account::decode(1, bytes).expect("readable");
    let key = account.data_key(&keys).expect("the key is known");
    let reason: String =
        key.open(&credit.reason.expect("one"), place_of_reason(account.id)).expect("opened");
    assert_eq!((credit.verb, reason.as_str()), (Verb::Credit, "За долгое ожидание"));
    let bytes = include_bytes!("../../../../fixtures/stored/transfer/v1/repaid.bin");
    let repaid = Transfer::decode(1, bytes).expect("readable");
    assert_eq!((repaid.verb, repaid.refund.as_deref()), (Verb::Repaid, Some("r1")));
    assert_eq!(repaid.means, Some(Means::PaymentSystem("bank".into())));
    let bytes = include_bytes!("../../../../fixtures/stored/transfer/v1/reversed-early.bin");
    let reversed = Transfer::decode(1, bytes).expect("readable");
    assert_eq!((reversed.verb, reversed.legs.len(), reversed.means), (Verb::Reverse, 0, None));
}
