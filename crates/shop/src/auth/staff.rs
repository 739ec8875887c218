//! The shop's staff: clients with roles. When a client's roles change, the
//! client's sessions end.

use std::collections::BTreeSet;

use serde::Serialize;
use tillgate_store::unit::{Run, run};
use tillgate_store::{Batch, Scan, Unavailable};

use super::Auth;
use super::client::{Client, Role};
use crate::Refusal;
use crate::username::{ClientNumber, Username};

/// The most members of the staff that one answer lists.
const STAFF_MAX: usize = 500;

/// A member of the staff.
#[derive(Debug, Serialize)]
pub struct Member {
    username: String,
    roles: BTreeSet<Role>,
}

impl Member {
    fn of(client: &Client) -> Member {
        Member { username: client.username.as_str().to_owned(), roles: client.roles.clone() }
    }
}

impl Auth {
    /// All clients with roles.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn staff(&self) -> Result<Vec<Member>, Refusal> {
        let scan = Scan::Lists {
            lists: vec![Client::staff_list()],
            newest_first: false,
            after: None,
            limit: STAFF_MAX,
        };
        let mut members = Vec::new();
        for (_, stored) in self.store.scan(&scan).await?.items {
            let client: Client = stored.document().map_err(Unavailable::from)?;
            members.push(Member::of(&client));
        }
        Ok(members)
    }

    /// Gives a client a role, or takes it away.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is no such client.
    pub async fn set_role(
        &self,
        username: &str,
        role: Role,
        is_given: bool,
    ) -> Result<Member, Refusal> {
        let username = Username::parse(username).ok_or(Refusal::NotFound)?;
        let (key, username) = (Client::key_of(ClientNumber::of(&username)), &username);
        let work = |_| async move {
            let known = self.store.read::<Client>(key).await?;
            let Some(mut client) = known.filter(|client| client.username.is_same(username)) else {
                return Ok(Run::Unchanged(Err(Refusal::NotFound)));
            };
            let is_changed =
                if is_given { client.roles.insert(role) } else { client.roles.remove(&role) };
            if !is_changed {
                return Ok(Run::Unchanged(Ok(Member::of(&client))));
            }
            client.session_epoch += 1;
            let mut batch = Batch::new();
            client.stage(&mut batch);
            Ok(Run::Commit(batch, Ok(Member::of(&client))))
        };
        run(&self.store, work).await?.0
    }
}
