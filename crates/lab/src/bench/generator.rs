//! Generates the load: connections that send hooks, either in a closed loop
//! (each sends the next hook when the previous one is answered) or at a fixed
//! rate.
//!
//! At a fixed rate each hook has a scheduled time, whether or not the answers
//! keep up, and its latency counts from that time. So if the server stalls, the
//! hooks that are due meanwhile count as slow, too.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::shop::{Asked, Asks, Orders, Payers};
use super::workload::{KNOWN_ORDERS, LINES_DEFAULT, Order, Workload};
use tillgate_kernel::Stopwatch;
use tillgate_kernel::chance::random_bytes;

/// Where hooks are sent, and the credentials.
#[derive(Clone)]
pub struct Aim {
    /// The addresses of the servers. Connections are spread over them.
    pub addresses: Vec<SocketAddr>,
    pub path: String,
    /// The header with the credentials, and its value.
    pub header: (&'static str, String),
    /// The wallets that pay, if payments are sent.
    pub payers: Payers,
    /// What is asked of the shop, if that is neither hooks nor payments.
    pub asks: Option<Asks>,
}

impl fmt::Debug for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aim").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Aim {
    /// The name by which the servers are asked. A proxy answers no other.
    fn host(&self) -> String {
        self.addresses.first().map_or_else(String::new, |address| address.to_string())
    }
}

/// A load to measure.
#[derive(Debug, Clone)]
pub struct Load {
    pub aim: Aim,
    pub workload: Workload,
    /// The lines of each order.
    pub lines: usize,
    pub connections: usize,
    pub time: Duration,
    /// Hooks per second over all connections. `None` for a closed loop.
    pub rate: Option<u32>,
}

impl Load {
    /// New orders, as fast as they are answered.
    pub fn in_a_closed_loop(aim: Aim, connections: usize, time: Duration) -> Load {
        let (workload, lines) = (Workload::Fresh, LINES_DEFAULT);
        Load { aim, workload, lines, connections, time, rate: None }
    }
}

/// The results of a load.
pub struct Measurements {
    latencies: Histogram<u64>,
    /// Of all answers.
    bytes: u64,
    pub errors: u64,
    /// Why one of them was, if it is known.
    pub error: Option<String>,
    took: Duration,
}

/// Latencies are recorded in microseconds up to a minute, with three
/// significant digits.
const MICROS_MAX: u64 = 60_000_000;

impl Measurements {
    fn new() -> Measurements {
        let latencies = Histogram::new_with_max(MICROS_MAX, 3)
            .unwrap_or_else(|why| panic!("fixed bounds: {why}"));
        Measurements { latencies, bytes: 0, errors: 0, error: None, took: Duration::ZERO }
    }

    fn record(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(MICROS_MAX);
        let _ = self.latencies.record(micros.clamp(1, MICROS_MAX));
    }

    /// Adds those of a connection, or one error if it has failed.
    fn add(&mut self, one: Option<Measurements>) {
        let Some(one) = one else {
            self.errors += 1;
            return;
        };
        let _ = self.latencies.add(&one.latencies);
        self.bytes += one.bytes;
        self.errors += one.errors;
        self.error = self.error.take().or(one.error);
    }

    /// The number of successful answers.
    pub fn answers(&self) -> u64 {
        self.latencies.len()
    }

    /// How long the body of an answer is on average, in bytes.
    pub fn bytes_of_an_answer(&self) -> u64 {
        self.bytes.checked_div(self.answers()).unwrap_or(0)
    }

    /// Successful answers per second.
    #[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a rate, for people")]
    pub fn per_second(&self) -> f64 {
        if self.took.is_zero() {
            0.0
        } else {
            self.latencies.len() as f64 / self.took.as_secs_f64()
        }
    }

    /// The latency that this share of answers does not exceed, in microseconds.
    pub fn micros_at(&self, share: f64) -> u64 {
        self.latencies.value_at_quantile(share)
    }

    /// The longest latency, in microseconds.
    pub fn micros_max(&self) -> u64 {
        self.latencies.max()
    }
}

/// Runs a load to its end. Orders that must exist before are sent first and not
/// measured.
pub async fn run(load: &Load) -> Measurements {
    let run = u32::from_be_bytes(random_bytes());
    if load.workload.needs_known_orders() {
        let lines = load.lines;
        let known = move |count| Order::known(run, count, lines).created();
        send_all(&load.aim, KNOWN_ORDERS, known).await;
    }
    let mut connections = JoinSet::new();
    let watch = Stopwatch::start();
    for connection in 0..load.connections {
        let load = load.clone();
        match load.aim.asks.clone() {
            Some(Asks::Orders(orders)) => {
                connections.spawn(drive_orders(load, orders, connection, watch))
            }
            Some(Asks::Requests(_)) | None => {
                connections.spawn(drive(load, run, connection, watch))
            }
        };
    }
    let mut all = Measurements::new();
    while let Some(one) = connections.join_next().await {
        all.add(one.ok());
    }
    all.took = watch.elapsed();
    all
}

/// The number of connections for sending the orders that must exist before.
const FILLING_CONNECTIONS: usize = 64;

/// Sends each hook once, as fast as they are answered. Returns the number of
/// failures.
pub async fn send_all(
    aim: &Aim,
    count: u64,
    hook: impl Fn(u64) -> Bytes + Clone + Send + 'static,
) -> u64 {
    let mut connections = JoinSet::new();
    for connection in 0..FILLING_CONNECTIONS {
        let (aim, hook) = (aim.clone(), hook.clone());
        connections.spawn(async move {
            let mut failed = 0;
            let Some(mut sender) = connect(&aim, connection).await else {
                return 1;
            };
            for number in (connection as u64..count).step_by(FILLING_CONNECTIONS) {
                failed +=
                    u64::from(send(&mut sender, &aim, hook_to(&aim, hook(number))).await.is_none());
            }
            failed
        });
    }
    connections.join_all().await.into_iter().sum()
}

/// Waits for a connection's turn after `count` others. Returns its scheduled
/// time; in a closed loop that is now. `None` if the load ends before.
async fn turn(load: &Load, connection: usize, count: u64, watch: Stopwatch) -> Option<Duration> {
    let Some(rate) = load.rate else {
        return Some(watch.elapsed()).filter(|now| *now < load.time);
    };
    let place = count * load.connections as u64 + connection as u64;
    let moment = place.saturating_mul(1_000_000_000) / u64::from(rate.max(1));
    let moment = Duration::from_nanos(moment);
    if moment >= load.time || watch.elapsed() >= load.time {
        return None;
    }
    if let Some(early) = moment.checked_sub(watch.elapsed()) {
        tokio::time::sleep(early).await;
    }
    Some(moment)
}

/// Takes orders of the shop to their end, one after the other. Their latency is
/// the time from the button to the end.
async fn drive_orders(
    load: Load,
    orders: Orders,
    connection: usize,
    watch: Stopwatch,
) -> Measurements {
    let mut measurements = Measurements::new();
    for count in 0_u64.. {
        if turn(&load, connection, count, watch).await.is_none() {
            break;
        }
        match orders(connection, count).await {
            Ok(took) => measurements.record(took),
            Err(why) => {
                measurements.errors += 1;
                measurements.error = Some(why);
            }
        }
    }
    measurements
}

async fn drive(load: Load, run: u32, connection: usize, watch: Stopwatch) -> Measurements {
    let mut measurements = Measurements::new();
    let Some(mut sender) = connect(&load.aim, connection).await else {
        measurements.errors += 1;
        return measurements;
    };
    for count in 0_u64.. {
        let asked = if let Some(Asks::Requests(requests)) = &load.aim.asks {
            requests(connection, count)
        } else if load.workload.wallets() > 0 {
            hook_to(&load.aim, load.aim.payers.payment(run, connection, count))
        } else {
            hook_to(&load.aim, load.workload.hook(run, connection, count, load.lines))
        };
        let Some(since) = turn(&load, connection, count, watch).await else { break };
        // A proxy closes a connection after some number of requests. That is
        // not an error.
        if sender.ready().await.is_err()
            && let Some(again) = connect(&load.aim, connection).await
        {
            sender = again;
        }
        if let Some(bytes) = send(&mut sender, &load.aim, asked).await {
            measurements.bytes += bytes;
            measurements.record(watch.elapsed().saturating_sub(since));
        } else {
            measurements.errors += 1;
            match connect(&load.aim, connection).await {
                Some(again) => sender = again,
                None => return measurements,
            }
        }
    }
    measurements
}

/// The request that posts a body to where hooks are sent.
fn hook_to(aim: &Aim, body: Bytes) -> Asked {
    Asked { method: Method::POST, path: aim.path.clone(), cookie: String::new(), body }
}

/// Sends a request. Returns how long the body of its answer is, if it was
/// answered with success.
async fn send(sender: &mut SendRequest<Full<Bytes>>, aim: &Aim, asked: Asked) -> Option<u64> {
    let Asked { method, path, cookie, body } = asked;
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, aim.host())
        .header(header::CONTENT_TYPE, "application/json")
        .header(aim.header.0, &aim.header.1);
    if !cookie.is_empty() {
        request = request.header(header::COOKIE, cookie);
    }
    let response = sender.send_request(request.body(Full::new(body)).ok()?).await.ok()?;
    let is_good = response.status().is_success();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    is_good.then_some(body.len() as u64)
}

async fn connect(aim: &Aim, connection: usize) -> Option<SendRequest<Full<Bytes>>> {
    let address = aim.addresses.get(connection % aim.addresses.len().max(1))?;
    let stream = TcpStream::connect(address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    sender.ready().await.ok()?;
    Some(sender)
}
