//! Who calls the service.

use tillgate_kernel::Timestamp;

use crate::Refusal;
use crate::asked::{ForClients, Served};
use crate::assertion::Assertions;
use crate::billing::Billing;
use crate::sessions::Sessions;
use crate::username::ClientNumber;

/// A request to the service.
pub type Asked = crate::asked::Asked<Billing>;

impl Served for Billing {
    const NAME: &'static str = "billing";

    fn public_url(&self) -> &str {
        &self.public_url
    }

    fn assertions(&self) -> &Assertions {
        &self.assertions
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl ForClients for Billing {
    fn sessions(&self) -> &Sessions {
        &self.sessions
    }
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Service,
    Client(ClientNumber),
}

impl Who {
    /// Whether the account of a client may be shown.
    ///
    /// # Errors
    /// When it is another client's: that is no other than none at all.
    pub fn may_see(self, client: ClientNumber) -> Result<(), Refusal> {
        let is_allowed = match self {
            Who::Service => true,
            Who::Client(own) => own == client,
        };
        if is_allowed { Ok(()) } else { Err(Refusal::NotFound) }
    }
}

impl Asked {
    /// Who calls.
    ///
    /// # Errors
    /// When it is nobody.
    pub async fn who(&mut self) -> Result<Who, Refusal> {
        if self.calling_for_itself().is_some() {
            return Ok(Who::Service);
        }
        let username = self.client().await?;
        Ok(Who::Client(ClientNumber::of(&username)))
    }

    /// Lets only other services pass.
    ///
    /// # Errors
    /// When the caller is a person.
    pub async fn only_services(&mut self) -> Result<(), Refusal> {
        match self.who().await? {
            Who::Service => Ok(()),
            Who::Client(_) => Err(Refusal::ForServices),
        }
    }
}
