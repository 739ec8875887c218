//! What answers the requests of a server: usually the routes of axum, and code
//! of its own for requests that must cost little.

use std::future::Future;
use std::net::IpAddr;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use tower_service::Service as _;

use super::lent::BorrowedBody;

/// The address at the other end of a request's connection; the proxy's, if
/// there is one. `None` for a unix socket, which only programs on this machine
/// can open.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub Option<IpAddr>);

/// The body of an answer: one piece of memory, or what a route has made.
pub type Answer = Either<Full<Bytes>, Body>;

/// Answers requests.
pub trait RequestHandler: Clone + Send + Sync + 'static {
    fn handle(
        &self,
        request: Request<BorrowedBody>,
        peer: Peer,
    ) -> impl Future<Output = Response<Answer>> + Send;
}

/// Routes find the address of the peer in the extensions of the request.
impl RequestHandler for Router {
    async fn handle(&self, mut request: Request<BorrowedBody>, peer: Peer) -> Response<Answer> {
        request.extensions_mut().insert(peer);
        let Ok(response) = self.clone().call(request.map(Body::new)).await;
        response.map(Either::Right)
    }
}
