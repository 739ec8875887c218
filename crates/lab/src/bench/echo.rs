//! The servers that others are compared with: hyper alone, which reads each
//! request and answers it with as many bytes as a hook gets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::error::BenchError;
use super::options::Options;
use super::shop::{Pay, Shop};

/// The longest answer.
const BYTES_MAX: usize = 1 << 20;

const ANSWER: &[u8] = br#"{"status":"created","number":"482993011752"}"#;

/// Runs the server that the options ask for, until the process is killed.
pub async fn serve(options: &Options, shop: Option<Shop>) -> Result<(), BenchError> {
    if let (Some(address), Some(shop)) = (options.by_version, shop) {
        let store = options.store.clone().unwrap_or_default();
        let pay = (shop.by_version)(store).await.map_err(BenchError::because)?;
        return serve_payments(address, pay).await.map_err(BenchError::because);
    }
    let Some(address) = options.echo else {
        return Err(BenchError::usage("--by-version: this build has no shop"));
    };
    accept(address, || service_fn(answer)).await.map_err(BenchError::because)
}

/// Each request is a payment, and is answered when it is made.
async fn serve_payments(address: SocketAddr, pay: Pay) -> std::io::Result<()> {
    accept(address, || {
        let pay = Arc::clone(&pay);
        service_fn(move |request| pay_and_answer(Arc::clone(&pay), request))
    })
    .await
}

async fn accept<S>(address: SocketAddr, service: impl Fn() -> S) -> std::io::Result<()>
where
    S: HttpService<Incoming, ResBody = Full<Bytes>, Error = Infallible> + Send + 'static,
    S::Future: Send,
{
    let listener = TcpListener::bind(address).await?;
    super::say(format_args!("the server listens on http://{}", listener.local_addr()?));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service();
        tokio::spawn(async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn pay_and_answer(
    pay: Pay,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes());
    let is_paid = pay(body.unwrap_or_default()).await;
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    if !is_paid {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

/// Answers as a hook is answered; at `/bytes/N` with so many bytes.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let wanted = request.uri().path().strip_prefix("/bytes/").and_then(|text| text.parse().ok());
    let sent = wanted.map_or(Bytes::from_static(ANSWER), |bytes: usize| {
        Bytes::from(vec![b'x'; bytes.min(BYTES_MAX)])
    });
    let _ = request.into_body().collect().await;
    let mut response = Response::new(Full::new(sent));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
