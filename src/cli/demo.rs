//! `tillgate demo`: the whole story, with nothing configured.

use std::net::SocketAddr;

use clap::Args;

use super::{Failed, say};
use crate::demo::story::{World, tell};

#[derive(Debug, Args)]
pub struct Options {
    /// Leave when the story is told: 0 when all came out right, 1 otherwise
    #[arg(long)]
    exit: bool,
}

/// Where the demo is found when it stays up, if nobody else is there.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

pub async fn run(options: Options) -> Result<(), Failed> {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let world = if options.exit {
        World::start(any_port).await
    } else {
        match World::start(LISTEN).await {
            Ok(world) => Ok(world),
            Err(_) => World::start(any_port).await,
        }
    };
    let world = world.map_err(Failed::because)?;
    let right = tell(&world).await;
    if !options.exit {
        say(invitation(&world));
        let _ = tokio::signal::ctrl_c().await;
    }
    world.end().await;
    if right { Ok(()) } else { Err(Failed::because("the story did not come out right: see NOT SO above")) }
}

fn invitation(world: &World) -> String {
    let (url, token, admin) = (world.url(), world.token(), world.admin_token());
    format!(
        r#"
The gateway stays up until Ctrl-C. Send it an order of your own:

  curl -i {url}/hooks/sm -H 'Client-Token: {token}' \
    -d '{{"event_type":"order.created","payload":{{"originalOrderId":"MY-1","storeID":"17","positions":[{{"id":"42","quantity":2,"price":"99.90"}}]}}}}'

and look at what it made of it:

  export TILLGATE_SERVER={url} TILLGATE_ADMIN_TOKEN={admin}
  cargo run --release -- orders list
  cargo run --release -- hooks list

  {url}/readyz   {url}/metrics
"#
    )
}
