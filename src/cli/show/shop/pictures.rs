//! The pictures of a feed: fetched from their addresses, made ready, and kept
//! by the shop.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, header};
use tillgate_shop::menu::keep::Kept;
use tillgate_shop::menu::picture;

use super::transfer::{decoded, progress};
use crate::cli::Failed;
use crate::cli::client::Server;
use crate::peer::Client;

/// How many pictures are fetched at the same time.
const FETCHED_AT_ONCE: usize = 8;

/// How long an address may take to send a picture, in seconds.
const FETCH_SECONDS_MAX: u64 = 30;

/// How many redirects are followed for one picture.
const REDIRECTS_MAX: u32 = 3;

/// The longest picture that is read, in bytes.
const PICTURE_BYTES_MAX: usize = 20 * 1024 * 1024;

/// The pictures that were fetched.
#[derive(Debug, Default)]
pub struct Pictures {
    /// How many products have a new one.
    pub new: usize,
    /// The addresses that have none, and why.
    pub dead: Vec<(String, String)>,
}

/// Fetches the pictures that the shop does not have.
///
/// # Errors
/// When the shop cannot be asked, or does not keep them.
pub async fn fetch(server: &Server) -> Result<Pictures, Failed> {
    let missing = missing(server).await?;
    let limit = Duration::from_secs(FETCH_SECONDS_MAX);
    let client = Client::new(limit, PICTURE_BYTES_MAX).map_err(Failed::because)?;
    let bar = progress(missing.len() as u64, "pictures {pos}/{len}");
    let mut fetching = stream::iter(missing.into_iter().map(|(source, articles)| {
        let client = client.clone();
        async move { (one(&client, &source).await, source, articles) }
    }))
    .buffer_unordered(FETCHED_AT_ONCE);
    let mut pictures = Pictures::default();
    while let Some((made, source, articles)) = fetching.next().await {
        match made {
            Ok(jpeg) => {
                for article in &articles {
                    keep(server, article, &source, &jpeg).await?;
                    pictures.new += 1;
                }
            }
            Err(why) => pictures.dead.push((source, why)),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    pictures.dead.sort_unstable();
    Ok(pictures)
}

/// The addresses whose pictures the shop does not have, with the articles that
/// show them.
async fn missing(server: &Server) -> Result<BTreeMap<String, Vec<String>>, Failed> {
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let query = [("after", after.as_deref())];
        let page: Kept = decoded(server.get("/shop/menu/products", &query).await?)?;
        for kept in page.items.into_iter().filter(|kept| kept.is_listed) {
            if let Some(source) = kept.missing_picture {
                missing.entry(source).or_default().push(kept.article);
            }
        }
        after = page.cursor;
        if after.is_none() {
            return Ok(missing);
        }
    }
}

/// Fetches a picture and makes it ready.
async fn one(client: &Client, source: &str) -> Result<Vec<u8>, String> {
    if !source.starts_with("http://") && !source.starts_with("https://") {
        return Err("it is no address that begins with http".into());
    }
    let mut address = source.to_owned();
    let mut followed = 0;
    let answer = loop {
        let answer = client.call(Method::GET, &address, HeaderMap::new(), Vec::new()).await;
        let answer = answer.map_err(|why| why.to_string())?;
        let to = answer.headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
        match to.filter(|to| answer.status.is_redirection() && to.starts_with("http")) {
            Some(to) if followed < REDIRECTS_MAX => address = to.to_owned(),
            Some(_) | None => break answer,
        }
        followed += 1;
    };
    if !answer.status.is_success() {
        return Err(format!("the answer is {}", answer.status));
    }
    if answer.body.len() >= PICTURE_BYTES_MAX {
        return Err(format!("it is longer than {PICTURE_BYTES_MAX} bytes"));
    }
    let made = tokio::task::spawn_blocking(move || picture::encode(&answer.body)).await;
    made.map_err(|why| why.to_string())?.map_err(|why| why.to_string())
}

async fn keep(server: &Server, article: &str, source: &str, jpeg: &[u8]) -> Result<(), Failed> {
    let query = [("article", Some(article)), ("source", Some(source))];
    let body = Some(("image/jpeg", jpeg.to_vec()));
    server.ask(Method::PUT, "/shop/menu/picture", &query, body, &[]).await.map(drop)
}
