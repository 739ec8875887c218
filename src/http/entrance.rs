//! Where requests come in. Hooks are received here: the routes and their layers
//! would cost as much as reading them.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware::{self, Next};
use http::{Request, Response};

use super::server::{Answer, BorrowedBody, Peer, RequestHandler};
use super::{AppState, hooks, problem};

/// Receives hooks, and passes all other requests to the routes.
#[derive(Debug, Clone)]
pub struct Entrance {
    app: Arc<AppState>,
    routes: Router,
}

impl Entrance {
    pub(super) fn of(routes: Router<Arc<AppState>>, app: Arc<AppState>) -> Entrance {
        Entrance { routes: routed(routes, Arc::clone(&app)), app }
    }
}

impl RequestHandler for Entrance {
    async fn handle(&self, request: Request<BorrowedBody>, peer: Peer) -> Response<Answer> {
        let Some(source) = hooks::source_in(request.method(), request.uri().path()) else {
            return Box::pin(self.routes.handle(request, peer)).await;
        };
        let source = source.to_owned();
        let (mut head, body) = request.into_parts();
        let id = self.app.receive_id(&mut head.headers);
        let app = Arc::clone(&self.app);
        let mut response = hooks::receive(app, &source, peer.0, head.headers, body).await;
        self.app.send_id(id, response.headers_mut());
        response
    }
}

/// The routes with what all of them share.
pub(super) fn routed(routes: Router<Arc<AppState>>, app: Arc<AppState>) -> Router {
    routes
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::no_such_page)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), bear_request_id))
        .with_state(app)
}

async fn bear_request_id(
    State(app): State<Arc<AppState>>,
    mut request: axum::extract::Request,
    next: Next,
) -> axum::response::Response {
    let id = app.receive_id(request.headers_mut());
    let mut response = next.run(request).await;
    app.send_id(id, response.headers_mut());
    response
}
