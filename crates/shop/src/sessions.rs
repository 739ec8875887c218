//! Whose session a request has, for services other than `auth`.

use http::{Method, StatusCode};

use crate::Refusal;
use crate::service_client::{Caller, ServiceClient};
use crate::username::Username;

/// Asks the service `auth`.
#[derive(Debug, Clone)]
pub struct Sessions {
    pub auth: ServiceClient,
}

impl Sessions {
    /// The client who is logged in.
    ///
    /// # Errors
    /// [`Refusal::NoSession`] when nobody is, [`Refusal::NoAuthServer`] when
    /// that cannot be found out.
    pub async fn client(&self, person: &Caller) -> Result<Username, Refusal> {
        if person.cookies.is_empty() {
            return Err(Refusal::NoSession);
        }
        let reply = self.auth.call(Method::GET, "/auth", person, None).await;
        let reply = reply.map_err(|_| Refusal::NoAuthServer)?;
        match reply.status {
            StatusCode::OK => reply.body()["username"]
                .as_str()
                .and_then(Username::parse)
                .ok_or(Refusal::NoAuthServer),
            StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => Err(Refusal::NoSession),
            _ => Err(Refusal::NoAuthServer),
        }
    }
}
