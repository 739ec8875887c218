//! The load: connections that each send a new order, wait for the answer, and send the next.

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

use crate::kernel::Stopwatch;
use crate::kernel::chance::random_bytes;

/// What to do.
#[derive(Clone)]
pub struct Load {
    pub address: SocketAddr,
    pub token: String,
    pub connections: usize,
    pub time: Duration,
}

/// What came of it.
pub struct Figures {
    latencies: Histogram<u64>,
    pub errors: u64,
    took: Duration,
}

/// Latencies are kept in microseconds up to a minute, to three digits.
const MICROS_MAX: u64 = 60_000_000;

impl Figures {
    fn new() -> Figures {
        let latencies =
            Histogram::new_with_max(MICROS_MAX, 3).unwrap_or_else(|why| panic!("fixed bounds: {why}"));
        Figures { latencies, errors: 0, took: Duration::ZERO }
    }

    /// Answers per second.
    #[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a rate, for people")]
    pub fn per_second(&self) -> f64 {
        if self.took.is_zero() { 0.0 } else { self.latencies.len() as f64 / self.took.as_secs_f64() }
    }

    /// How many answers were good.
    pub fn answers(&self) -> u64 {
        self.latencies.len()
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

/// Runs a load to its end.
pub async fn run(load: &Load) -> Figures {
    let run = u32::from_be_bytes(random_bytes());
    let mut connections = JoinSet::new();
    let watch = Stopwatch::start();
    for connection in 0..load.connections {
        connections.spawn(drive(load.clone(), run, connection));
    }
    let mut all = Figures::new();
    while let Some(one) = connections.join_next().await {
        if let Ok(one) = one {
            let _ = all.latencies.add(&one.latencies);
            all.errors += one.errors;
        } else {
            all.errors += 1;
        }
    }
    all.took = watch.elapsed();
    all
}

async fn drive(load: Load, run: u32, connection: usize) -> Figures {
    let mut figures = Figures::new();
    let Some(mut sender) = connect(load.address).await else {
        figures.errors += 1;
        return figures;
    };
    let watch = Stopwatch::start();
    let mut count = 0_u64;
    while watch.elapsed() < load.time {
        let body = order(run, connection, count);
        count += 1;
        let request = Request::builder()
            .method(Method::POST)
            .uri("/hooks/sm")
            .header(header::HOST, "bench")
            .header(header::CONTENT_TYPE, "application/json")
            .header("client-token", &load.token)
            .body(Full::new(body));
        let Ok(request) = request else {
            figures.errors += 1;
            return figures;
        };
        let sent = Stopwatch::start();
        let is_good = match sender.send_request(request).await {
            Ok(response) => {
                let is_good = response.status() == http::StatusCode::OK;
                response.into_body().collect().await.is_ok() && is_good
            }
            Err(_) => false,
        };
        if is_good {
            let micros = u64::try_from(sent.elapsed().as_micros()).unwrap_or(MICROS_MAX);
            let _ = figures.latencies.record(micros.clamp(1, MICROS_MAX));
        } else {
            figures.errors += 1;
            match connect(load.address).await {
                Some(again) => sender = again,
                None => return figures,
            }
        }
    }
    figures
}

async fn connect(address: SocketAddr) -> Option<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    sender.ready().await.ok()?;
    Some(sender)
}

/// An `order.created` of about 1.3 kB that nobody has seen before.
fn order(run: u32, connection: usize, count: u64) -> Bytes {
    let text = format!(
        concat!(
            r#"{{"event_type":"order.created","timestamp":"2026-11-22T12:00:00+03:00","payload":{{"#,
            r#""originalOrderId":"H{run:08x}-{connection}-{count}","storeID":"17","#,
            r#""customer":{{"name":"Анна Примерова","phone":"79990000001"}},"#,
            r#""address":{{"full_address":"Москва, ул. Примерная, д. 7, кв. 12","apartment":"12","floor":"3","entrance":"1","door_phone":"12"}},"#,
            r#""delivery":{{"expectedFrom":"2026-11-22T15:00:00+03:00","expectedTo":"2026-11-22T17:00:00+03:00"}},"positions":["#,
            r#"{{"id":"100201","originalQuantity":2,"quantity":2,"price":"94.90","discountPrice":"89.90","weight":"","replacedByID":"","totalPrice":"189.80","totalDiscountPrice":"179.80"}},"#,
            r#"{{"id":"204500","originalQuantity":3,"quantity":3,"price":"74.50","discountPrice":"69.90","weight":"1500","replacedByID":"","totalPrice":"223.50","totalDiscountPrice":"209.70"}},"#,
            r#"{{"id":"310044","originalQuantity":1,"quantity":1,"price":"349.00","discountPrice":"299.00","weight":"","replacedByID":"","totalPrice":"349.00","totalDiscountPrice":"299.00"}}],"#,
            r#""total":{{"totalPrice":"762.30","discountTotalPrice":"688.50"}},"comment":null,"#,
            r#""replacementPolicy":"call_or_replace","paymentMethods":["card_online"],"shipmentMethod":"by_courier"}}}}"#
        ),
        run = run,
        connection = connection,
        count = count,
    );
    Bytes::from(text)
}
