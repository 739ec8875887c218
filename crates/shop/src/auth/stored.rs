//! Stored data is compatible: every format that a release has written can be
//! read.

use tillgate_identity::SessionTimes;
use tillgate_kernel::{Document, Fingerprint, Language, Secret};

use super::client::Client;
use super::limits::Attempts;
use super::link::{Link, Purpose};
use super::login_name::LoginName;
use super::session::Session;
use crate::seal::MasterKeys;
use crate::username::ClientNumber;

/// The key that sealed the fixtures.
const KEY: [u8; 32] = [7; 32];

#[test]
fn a_client_of_version_1_is_read() {
    let bytes = include_bytes!("../../../../fixtures/stored/client/v1/registered.bin");
    let client = Client::decode(1, bytes).expect("readable");
    assert_eq!((client.username.as_str(), client.language), ("buyer7", Language::Ru));
    assert_eq!((client.session_epoch, client.consents.len()), (1, 1));
    assert_eq!(client.roles.len(), 0);
    assert!(client.password.is_of(&Secret::new("tulip-margin-42-boat")));
    let profile = client.profile(&MasterKeys::new(KEY, [])).expect("the key is known");
    assert_eq!(profile.email.expose(), "anna@example.org");
    assert_eq!(profile.phone.expect("a number").expose(), "79990000000");
}

#[test]
fn a_session_of_version_1_is_read() {
    let bytes = include_bytes!("../../../../fixtures/stored/session/v1/phone.bin");
    let session = Session::decode(1, bytes).expect("readable");
    let began_at = "2026-11-30T10:00:00Z".parse().expect("a time");
    assert_eq!(session.times, SessionTimes::beginning(began_at));
    assert_eq!((session.epoch, session.device.is_some()), (1, true));
    let client = include_bytes!("../../../../fixtures/stored/client/v1/registered.bin");
    let client = Client::decode(1, client).expect("readable");
    assert_eq!(session.client, ClientNumber::of(&client.username));
}

#[test]
fn attempts_of_version_1_are_read() {
    let bytes = include_bytes!("../../../../fixtures/stored/attempts/v1/one-failed.bin");
    assert!(Attempts::decode(1, bytes).expect("readable") != Attempts::default());
}

#[test]
fn a_link_of_version_1_is_read() {
    let bytes = include_bytes!("../../../../fixtures/stored/link/v1/reset.bin");
    let link = Link::decode(1, bytes).expect("readable");
    let ends_at = "2026-11-30T11:00:00Z".parse().expect("a time");
    assert_eq!((link.purpose, link.epoch, link.ends_at), (Purpose::Reset, 1, ends_at));
    let client = include_bytes!("../../../../fixtures/stored/client/v1/registered.bin");
    let client = Client::decode(1, client).expect("readable");
    assert_eq!(link.client, client.number());
    assert_eq!(link.digest, Fingerprint::of(&[b"digest"]));
}

#[test]
fn a_login_name_of_version_1_is_read() {
    let bytes = include_bytes!("../../../../fixtures/stored/login-name/v1/claimed.bin");
    let name = LoginName::decode(1, bytes).expect("readable");
    assert_eq!(name.proved_at, None);
}
