//! Proving a telephone number: a client types the code of a short message.

use tillgate_identity::code::NotTheCode;
use tillgate_identity::{OneTimeCode, Token};
use tillgate_kernel::chance::random_bytes;
use tillgate_kernel::{Fingerprint, Language, Private};
use tillgate_store::Batch;
use tillgate_store::unit::{Run, run};

use super::Auth;
use super::client::{Client, Profile};
use super::limits::{CODES, Counted, Limit, refused};
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
    /// The key of the codes.
    fn code_key(&self) -> [u8; 32] {
        self.keys.derive("codes")
    }

    /// Sends a code to the number of the session's client.
    ///
    /// # Errors
    /// When short messages are not configured, the client has no number, or too
    /// many codes were asked for.
    pub async fn ask_phone_code(
        &self,
        session: Option<&Token>,
        language: Language,
    ) -> Result<(), Refusal> {
        let (client, profile) = self.authorise(session, None).await?;
        let number = client.number();
        let phone = profile.phone.as_ref().filter(|_| self.has_sms).ok_or(Refusal::NoPhone)?;
        self.count(&Counted::codes_of(number), Limit::OfRate(CODES)).await?;
        self.count(&Counted::codes_to(phone.expose()), Limit::OfRate(CODES)).await?;
        let random: [u8; 8] = random_bytes();
        let work = |_| async move {
            let Some(mut client) = self.store.read::<Client>(Client::key_of(number)).await? else {
                return Ok(Run::Unchanged(()));
            };
            let now = self.clock.now();
            let bound_to = phone.expose().as_bytes();
            let (code, digits) = OneTimeCode::new(random, &self.code_key(), bound_to, now);
            client.phone_code = Some(code);
            let letter = |_| AccountLetter {
                cause: Fingerprint::of(&[b"code", &number.bytes(), &random]),
                to: phone.clone(),
                language,
                letter: Letter::PhoneCode { code: Private::new(digits) },
            };
            let mut batch = Batch::new();
            client.send(Service::Notification, letter, &self.keys, now, &mut batch);
            client.stage(&mut batch);
            Ok(Run::Commit(batch, ()))
        };
        run(&self.store, work).await.map_err(refused)?;
        Ok(())
    }

    /// Notes that the number is the client's, who has typed its code.
    ///
    /// # Errors
    /// When it is another code, or the number is another client's.
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
            let tried = known.accept(code, &self.code_key(), phone.as_bytes(), now);
            if tried.is_ok() {
                client.phone_code = None;
                client.phone_proved_at = Some(now);
            }
            let mut batch = Batch::new();
            client.stage(&mut batch);
            Ok(Run::Commit(batch, tried))
        };
        let tried = run(&self.store, work).await.map_err(refused)?.0;
        tried.map_err(|why| match why {
            NotTheCode::Wrong => Refusal::Fields(vec![("code".to_owned(), Fault::NotTheCode)]),
            NotTheCode::Over => Refusal::CodeNotValid,
        })?;
        // The number may lead to who has claimed it first.
        self.prove(phone, number).await.map_err(refused)?;
        Ok(())
    }
}
