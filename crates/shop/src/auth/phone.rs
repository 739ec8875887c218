//! Proving a telephone number: a client types the code of a short message.

use tillgate_identity::code::{self, NotTheCode};
use tillgate_identity::{OneTimeCode, Token};
use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::time::later;
use tillgate_kernel::{Fingerprint, Language, Private};
use tillgate_store::Batch;
use tillgate_store::unit::{Run, run};

use super::Auth;
use super::client::{Client, Profile};
use super::limits::{CODES, CODES_OF_NETWORK, Counted, Limit};
use super::sign_in::Visit;
use super::task::Task;
use crate::Refusal;
use crate::bus::Service;
use crate::form::{Fault, Form};
use crate::formats::{AccountLetter, Letter};

/// How many characters a typed code may have: its digits, and some spaces.
pub(super) const CODE_CHARACTERS_MAX: usize = 20;

/// The code in a request.
///
/// # Errors
/// All faults of the fields.
pub fn read_code(mut form: Form) -> Result<String, Refusal> {
    let code = form.required("code", CODE_CHARACTERS_MAX);
    form.whole(code).map_err(Refusal::Fields)
}

impl Auth {
    /// Sends a code to the number of the session's client.
    ///
    /// # Errors
    /// When short messages are not configured, the client has no number, or too
    /// many codes were asked for.
    pub async fn ask_phone_code(&self, language: Language, visit: &Visit) -> Result<(), Refusal> {
        let (client, profile) = self.authorise(visit.session.as_ref(), None).await?;
        let number = client.number();
        // A message costs money: it takes an address that was confirmed.
        let may_ask = self.has_sms && client.email_proved_at.is_some();
        let phone = profile.phone.as_ref().filter(|_| may_ask).ok_or(Refusal::NoPhone)?;
        if let Some(address) = visit.address {
            let network = Counted::from_network("codes from network", address);
            self.count(&network, Limit::OfRate(CODES_OF_NETWORK)).await?;
        }
        self.count(&Counted::codes_of(number), Limit::OfRate(CODES)).await?;
        self.count(&Counted::codes_to(phone.expose()), Limit::OfRate(CODES)).await?;
        let random: [u8; 8] = random_bytes();
        let work = |_| async move {
            let Some(mut client) = self.store.read::<Client>(Client::key_of(number)).await? else {
                return Ok(Run::Unchanged(()));
            };
            let now = self.clock.now();
            let bound_to = phone.expose().as_bytes();
            let (code, digits) =
                OneTimeCode::new(random, &self.keys.derive("codes"), bound_to, now);
            client.phone_code = Some(code);
            let letter = |_| AccountLetter {
                cause: Fingerprint::of(&[b"code", &number.bytes(), &random]),
                to: phone.clone(),
                language,
                ends_at: Some(later(now, code::DURATION)),
                letter: Letter::PhoneCode { code: Private::new(digits) },
            };
            let mut batch = Batch::new();
            client.send(Service::Notification, letter, &self.keys, now, &mut batch);
            client.stage(&mut batch);
            Ok(Run::Commit(batch, ()))
        };
        run(&self.store, work).await?;
        Ok(())
    }

    /// Notes that the number is the client's, who has typed its code.
    ///
    /// # Errors
    /// When it is another code, or this one does not work any more.
    pub async fn verify_phone(&self, session: Option<&Token>, code: &str) -> Result<(), Refusal> {
        let (client, Profile { phone, .. }) = self.authorise(session, None).await?;
        let number = client.number();
        let phone = phone.as_ref().ok_or(Refusal::NoPhone)?.expose();
        // The try is counted before anything follows from it.
        let work = |_| async move {
            let Some(mut client) = self.store.read::<Client>(Client::key_of(number)).await? else {
                return Ok(Run::Unchanged(Err(NotTheCode::Over)));
            };
            let now = self.clock.now();
            let Some(known) = &mut client.phone_code else {
                return Ok(Run::Unchanged(Err(NotTheCode::Over)));
            };
            let keys = self.keys.derive_each("codes");
            let tried = known.accept(code, keys, phone.as_bytes(), now);
            let mut batch = Batch::new();
            if tried.is_ok() {
                client.phone_code = None;
                client.phone_proved_at = Some(now);
                let task = |_| Task::ProvePhone { client: number };
                client.send(Service::Auth, task, &self.keys, now, &mut batch);
            }
            client.stage(&mut batch);
            Ok(Run::Commit(batch, tried))
        };
        let tried = run(&self.store, work).await?.0;
        tried.map_err(|why| match why {
            NotTheCode::Wrong => Refusal::of_field("code", Fault::NotTheCode),
            NotTheCode::Over => Refusal::CodeNotValid,
        })
    }
}
