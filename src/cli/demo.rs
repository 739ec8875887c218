//! `tillgate demo`: a demonstration that needs no configuration.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::client::Server;
#[cfg(feature = "shop")]
use super::show;
use super::{Failed, listen, say};
use crate::app::App;
use crate::config;
#[cfg(feature = "shop")]
use crate::kernel::chance::random_bytes;
use crate::kernel::{Clock, Secret};
use crate::telemetry::metrics;
#[cfg(feature = "shop")]
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use tillgate_lab::demo::payments;
use tillgate_lab::demo::story::tell;
use tillgate_lab::demo::world::{Gateway, NoStage, World};
#[cfg(feature = "shop")]
use tillgate_lab::mailbox::Mailbox;
#[cfg(feature = "shop")]
use tillgate_lab::sandbox::{Sandbox, Setup};

#[derive(Debug, Args)]
pub struct Options {
    /// Exit when the demonstration is over: with 0 if everything went as
    /// expected, with 1 otherwise
    #[arg(long)]
    exit: bool,
    /// Which demonstration: of orders and their hooks, of every course that a
    /// payment can take (all at once, with a simulated clock), or of the shop
    #[arg(long, value_enum, default_value_t = Story::Orders)]
    story: Story,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Story {
    Orders,
    Payments,
    Shop,
}

/// The address of a demonstration that keeps running, unless it is taken.
const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// The shop's payment system has no limit that a demonstration could reach.
#[cfg(feature = "shop")]
const CALLS_MAX: usize = 100_000;

/// The gateway, as the demonstrations start it.
struct Started(App);

impl Gateway for Started {
    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    fn end(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { self.0.drain().await })
    }
}

/// Builds the world of a demonstration, around a gateway that listens at
/// `listen`.
async fn world(listen: SocketAddr, clock: Clock) -> Result<World, NoStage> {
    let start = async |text: &str, clock: Clock| {
        let settings = config::parse(Path::new("demo"), text, std::iter::empty())
            .map_err(|why| why.to_string())?;
        let app = App::start(&settings, clock, metrics::install())
            .await
            .map_err(|why| why.to_string())?;
        Ok(Box::new(Started(app)) as Box<dyn Gateway>)
    };
    World::start(listen, clock, start).await
}

pub async fn run(options: Options) -> Result<(), Failed> {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    if options.story == Story::Shop {
        return shop(options.exit).await;
    }
    if options.story == Story::Payments {
        // Its clock moves only when the story moves it, so there is nothing to
        // try afterwards.
        let stage = world(any_port, Clock::manual(Clock::System.now())).await;
        let world = stage.map_err(Failed::because)?;
        return end(payments::tell(&world).await, world).await;
    }
    let stage = if options.exit {
        world(any_port, Clock::System).await
    } else {
        match world(LISTEN, Clock::System).await {
            Ok(stage) => Ok(stage),
            Err(_) => world(any_port, Clock::System).await,
        }
    };
    let world = stage.map_err(Failed::because)?;
    let right = tell(&world).await;
    if !options.exit {
        let link = a_link(&world).await;
        say(invitation(&world, &link));
        let server = Server::at(&world.url(), Secret::new(world.admin_token()))?;
        listen::follow(&server, false).await?;
    }
    end(right, world).await
}

/// The demonstration of the shop, with a store in memory.
#[cfg(feature = "shop")]
async fn shop(exit: bool) -> Result<(), Failed> {
    let mailbox = Mailbox::open().await.map_err(Failed::because)?;
    let setup = Setup { calls_max: CALLS_MAX, ..Setup::default() };
    let bank = Sandbox::start(setup).await.map_err(Failed::because)?;
    let key_bytes = random_bytes::<32>();
    let key = BASE64.encode(key_bytes);
    let secret = || format!("{:032x}", u128::from_be_bytes(random_bytes()));
    let (admin_token, hook_token) = (secret(), secret());
    let text = |listen: SocketAddr| {
        format!(
            "listen = \"{listen}\"\nstore = \"memory:\"\nidle_drain_seconds = 0\n\
             admin_token = \"{admin_token}\"\n[sources.sm]\nprotocol = \"sm\"\n\
             token = \"{hook_token}\"\nholds_stock = true\n[gateways.bank]\n\
             protocol = \"invoicebox\"\nurl = \"{}\"\ntoken = \"{}\"\nmerchant_id = \"{}\"\n\
             signing_key = \"{}\"\nbank_card_method_id = 1\nsbp_method_id = 2\n\
             [merchants.lavka]\napi_key = \"{}\"\n[shop]\nname = \"Лавка\"\n\
             merchant = \"lavka\"\nvat = \"RUS_VAT20\"\nkey = \"{key}\"\n\
             [shop.mail]\nurl = \"{}\"\nfrom = \"Лавка <shop@shop.example>\"\n",
            bank.url(),
            bank.setup().token.expose(),
            bank.setup().merchant_id,
            bank.setup().signing_key.expose(),
            secret(),
            mailbox.url()
        )
    };
    let start = async |listen| {
        let settings = config::parse(Path::new("demo"), &text(listen), std::iter::empty());
        let settings = settings.map_err(|why| Failed::because(why.to_string()))?;
        App::start(&settings, Clock::System, metrics::install()).await.map_err(Failed::because)
    };
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let app = match start(if exit { any_port } else { LISTEN }).await {
        Ok(app) => app,
        Err(_) => start(any_port).await?,
    };
    let url = format!("http://{}", app.address());
    let server = &Server::at(&url, Secret::new(admin_token.clone()))?;
    let desk = tillgate_lab::demo::shop::Desk {
        mailbox: &mailbox,
        bank: &bank,
        marketplace: Secret::new(hook_token.clone()),
        credit: async |client: &str, sum: &str| {
            let (sum, reason) = (sum.parse().unwrap_or_default(), "You have waited long");
            let key = format!("demo-{sum}");
            show::shop::ledger::give(server, client, sum, reason, &key).await.is_ok()
        },
        service: || super::bench::header_of(key_bytes),
        books: async || {
            let books = show::shop::ledger::verified(server).await.ok()?.books;
            books.faults().is_empty().then(|| books.size().0)
        },
        fill: async |feed: &str, tables: &[&str], stock: &str| {
            let filling = show::shop::import::Filling { feed, tables, stock };
            show::shop::import::fill(server, &filling).await.is_ok()
        },
    };
    let right = tillgate_lab::demo::shop::tell(&url, desk).await;
    if !exit {
        say(format_args!(
            "\nThe shop stays open until Ctrl-C. Look around and register in your browser, with \
             any address; the letters are shown here:\n\n  {url}/\n"
        ));
        mailbox.follow(tillgate_lab::demo::shop::show).await;
    }
    app.drain().await;
    if right { Ok(()) } else { Err(Failed::because("the demonstration failed: see FAILED above")) }
}

#[cfg(not(feature = "shop"))]
#[expect(clippy::unused_async, reason = "with the shop it waits")]
async fn shop(_: bool) -> Result<(), Failed> {
    Err(Failed::usage(
        "this tillgate was built without the shop: cargo run --release --features shop -- demo \
         --story shop",
    ))
}

async fn end(right: bool, world: World) -> Result<(), Failed> {
    world.end().await;
    if right { Ok(()) } else { Err(Failed::because("the demonstration failed: see FAILED above")) }
}

/// The link of an order that a person can pay by hand.
async fn a_link(world: &World) -> String {
    let reply = world.place("A-2001").await;
    let placed = reply
        .and_then(|reply| serde_json::from_slice::<Value>(&reply.body).ok())
        .unwrap_or_default();
    placed
        .pointer("/payment/url")
        .and_then(Value::as_str)
        .unwrap_or("(the order was refused)")
        .to_owned()
}

fn invitation(world: &World, link: &str) -> String {
    let (url, token, admin) = (world.url(), world.token(), world.admin_token());
    let (bank, api_key) = (world.bank().url(), world.api_key());
    format!(
        r#"
The gateway stays up until Ctrl-C. Pay an order in your browser:

  {link}

Place one as a site does, and open the payment.url of the answer:

  curl -i {url}/v1/orders -H 'Authorization: Bearer {api_key}' -H 'Idempotency-Key: mine-1' \
    -d '{{"merchant_order_id":"MINE-1","items":[{{"sku":"42","name":"Чай","quantity":"1","price":"99.90","vat":"RUS_VAT10"}}]}}'

Make the payment system misbehave, and place another:

  curl {bank}/sandbox/troubles -H 'Content-Type: application/json' -d '{{"on":"create","next":[{{"slow":8000}}]}}'

Send an order as the marketplace does:

  curl -i {url}/hooks/sm -H 'Client-Token: {token}' \
    -d '{{"event_type":"order.created","payload":{{"originalOrderId":"MY-1","storeID":"17","positions":[{{"id":"42","quantity":2,"price":"99.90"}}]}}}}'

and look at the result:

  export TILLGATE_SERVER={url} TILLGATE_ADMIN_TOKEN={admin}
  cargo run --release -- orders list
  cargo run --release -- hooks list

  {url}/readyz   {url}/metrics
"#
    )
}
