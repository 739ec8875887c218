//! The listeners of the process.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::config::{Endpoint, Settings};
use crate::http::server::{self, Limits, Listener, RequestHandler};

pub fn limits_of(settings: &Settings) -> Limits {
    let per_address_max = usize::try_from(settings.connections_per_address_max.get());
    Limits {
        per_address_max: per_address_max.unwrap_or(usize::MAX),
        exempt: settings.trusted_proxies.0.clone(),
        ..Limits::default()
    }
}

/// What the listeners have in common.
pub struct Listeners {
    pub limits: Limits,
    pub drain: CancellationToken,
    pub idle_drain: Duration,
}

impl Listeners {
    pub fn serve(&self, listener: Listener, handler: impl RequestHandler) -> JoinHandle<()> {
        let (limits, drain) = (self.limits.clone(), self.drain.clone());
        tokio::spawn(server::serve(listener, handler, limits, drain, self.idle_drain))
    }
}

/// Listens at the shop's own address, if it has one.
pub async fn listen_for_shop(
    settings: &Settings,
) -> Result<Option<(Listener, SocketAddr)>, StartError> {
    let Some(address) = settings.shop.as_ref().and_then(|shop| shop.listen) else {
        return Ok(None);
    };
    let not_listening =
        |why| StartError::Listen { address: address.to_string(), setting: "listen in [shop]", why };
    let listener = server::listen(address).await.map_err(not_listening)?;
    let address = listener.local_addr().map_err(not_listening)?;
    Ok(Some((listener, address)))
}

/// Listens at the address of the admin API. The system may choose the port.
pub async fn listen_at(endpoint: &Endpoint) -> Result<(Listener, Endpoint), StartError> {
    let not_listening =
        |why| StartError::Listen { address: endpoint.to_string(), setting: "admin_listen", why };
    match endpoint {
        Endpoint::Tcp(address) => {
            let listener = server::listen(*address).await.map_err(not_listening)?;
            let address = listener.local_addr().map_err(not_listening)?;
            Ok((listener, Endpoint::Tcp(address)))
        }
        Endpoint::Unix(path) => {
            let listener = server::listen_at(path).await.map_err(not_listening)?;
            Ok((listener, endpoint.clone()))
        }
    }
}
