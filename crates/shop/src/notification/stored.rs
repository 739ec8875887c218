//! Stored data is compatible: every format that a release has written can be
//! read.

use tillgate_kernel::{Document, Fingerprint, Language, Partition};

use super::notice::Notice;
use super::recipient::Recipient;
use crate::formats::Letter;
use crate::seal::MasterKeys;

/// The key that sealed the fixtures, and the client's partition.
const KEY: [u8; 32] = [7; 32];
const CLIENT: Partition = Partition::from_u64(7);

#[test]
fn a_recipient_and_a_notice_of_version_1_are_read() {
    let bytes = include_bytes!("../../../../fixtures/stored/recipient/v1/known.bin");
    let recipient = Recipient::decode(1, bytes).expect("readable");
    let keys = MasterKeys::new(KEY, []);
    let contacts = recipient.contacts(CLIENT, &keys).expect("the key is known").expect("known");
    assert_eq!((contacts.email.expose(), contacts.language), ("anna@example.org", Language::Ru));
    let bytes = include_bytes!("../../../../fixtures/stored/notice/v1/waiting.bin");
    let notice = Notice::decode(1, bytes).expect("readable");
    assert_eq!((notice.cause, notice.sent_at), (Fingerprint::of(&[b"cause"]), None));
    let data_key = recipient.data_key(CLIENT, &keys).expect("the key is known");
    let letter = notice.content(&data_key).expect("opened").expect("it waits");
    assert_eq!(letter.letter, Letter::AddressTaken);
    let bytes = include_bytes!("../../../../fixtures/stored/notice/v1/sent.bin");
    let notice = Notice::decode(1, bytes).expect("readable");
    assert!(notice.sent_at.is_some() && notice.content(&data_key) == Ok(None));
}
