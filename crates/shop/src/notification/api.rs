//! The HTTP contract of the service.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use tillgate_kernel::Timestamp;

use super::Notification;
use super::wishes::Wishes;
use crate::Refusal;
use crate::asked::{ForClients, Served};
use crate::assertion::Assertions;
use crate::sessions::Sessions;
use crate::username::ClientNumber;

/// The service with what its requests need.
#[derive(Debug)]
pub struct Api {
    service: Notification,
    sessions: Sessions,
    assertions: Assertions,
    public_url: String,
}

impl Api {
    /// `sessions` knows whose session a request has, and `public_url` is the
    /// shop's address as browsers write it.
    #[must_use]
    pub fn new(service: Notification, sessions: Sessions, public_url: String) -> Api {
        let assertions = Assertions::new(&service.keys);
        Api { service, sessions, assertions, public_url }
    }
}

impl Served for Api {
    const NAME: &'static str = "notification";

    fn public_url(&self) -> &str {
        &self.public_url
    }

    fn assertions(&self) -> &Assertions {
        &self.assertions
    }

    fn now(&self) -> Timestamp {
        self.service.clock.now()
    }
}

impl ForClients for Api {
    fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

type Asked = crate::asked::Asked<Api>;

/// The routes of the service, without a prefix.
pub fn routes(api: Arc<Api>) -> Router {
    Router::new().route("/wishes", get(wishes).put(set_wishes)).with_state(api)
}

/// `GET /wishes`
async fn wishes(mut asked: Asked) -> Response {
    let outcome = match client(&mut asked).await {
        Ok(client) => asked.service.service.wishes(client).await,
        Err(refusal) => Err(refusal),
    };
    asked.personal(outcome)
}

/// `PUT /wishes`
async fn set_wishes(mut asked: Asked) -> Response {
    let outcome = set(&mut asked).await;
    asked.personal(outcome)
}

async fn set(asked: &mut Asked) -> Result<Wishes, Refusal> {
    let client = client(asked).await?;
    let wishes = asked.change(Wishes::read).await?;
    asked.service.service.set_wishes(client, wishes).await?;
    Ok(wishes)
}

/// The client who is logged in.
async fn client(asked: &mut Asked) -> Result<ClientNumber, Refusal> {
    let username = asked.client().await?;
    Ok(ClientNumber::of(&username))
}
