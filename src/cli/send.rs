//! `tillgate send`: simulates the marketplace.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{ConfigOption, Failed, say, secret};
use crate::kernel::Secret;
use tillgate_lab::demo::marketplace::{Attempt, FIRST_GAP, Marketplace};

#[derive(Debug, Args)]
pub struct Options {
    /// Hook files, posted in this order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The URL to post to [default: the configuration's first source]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// The Client-Token [default: that source's token]
    #[arg(long, value_name = "T", env = "TILLGATE_SEND_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A file that contains the Client-Token, so that the list of processes
    /// does not show it
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// Retry hooks that are not acknowledged, seven times with growing gaps, as
    /// the marketplace does
    #[arg(long)]
    retries: bool,
    /// The first gap between attempts, in milliseconds
    #[arg(long, value_name = "N", default_value_t = u64::try_from(FIRST_GAP.as_millis()).unwrap_or(1000))]
    gap_milliseconds: u64,
    #[command(flatten)]
    config: ConfigOption,
}

pub async fn run(options: Options) -> Result<(), Failed> {
    let (url, token) = target(&options)?;
    let mut marketplace = Marketplace::new(url, token).map_err(Failed::because)?;
    if options.retries {
        marketplace = marketplace.with_retries(Duration::from_millis(options.gap_milliseconds));
    }
    let mut refused = 0;
    for file in &options.files {
        let name = file.display();
        let bytes = std::fs::read(file).map_err(|why| Failed::usage(format!("{name}: {why}")))?;
        let last = marketplace
            .deliver(&bytes, |attempt| say(format_args!("{name}  {}", in_words(attempt))))
            .await;
        refused += u32::from(!last.is_acknowledged());
    }
    match refused {
        0 => Ok(()),
        _ => Err(Failed::because(format!(
            "{refused} of {} hooks were not acknowledged",
            options.files.len()
        ))),
    }
}

fn in_words(attempt: &Attempt) -> String {
    let took = attempt.took.as_micros();
    let took = format!("{}.{} ms", took / 1000, took / 100 % 10);
    match &attempt.answer {
        Ok((status, body)) => format!("{status}  {took}  {body}"),
        Err(why) => format!("---  {took}  {why}"),
    }
}

fn target(options: &Options) -> Result<(String, Secret), Failed> {
    let given =
        secret::given(options.token.as_deref(), options.token_file.as_deref(), "--token-file")?;
    let given = given.map(Secret::new);
    if let (Some(url), Some(token)) = (&options.to, &given) {
        return Ok((url.clone(), token.clone()));
    }
    let settings = options.config.load()?;
    let Some((name, source)) = settings.sources.iter().next() else {
        return Err(Failed::usage(
            "no source is configured: set the target with --to URL --token T",
        ));
    };
    let url =
        options.to.clone().unwrap_or_else(|| format!("http://{}/hooks/{name}", settings.listen));
    let token = given.or_else(|| source.tokens().first().map(|token| (*token).clone()));
    token.map(|token| (url, token)).ok_or_else(|| Failed::usage("no token: set it with --token T"))
}
