//! Routes of other parts of the program on the same listener.

use axum::Router;

/// Routes of another part of the program, under this path; at the root if it is
/// empty.
#[derive(Debug, Clone)]
pub struct Mount {
    pub path: &'static str,
    pub routes: Router,
}

/// The mounts of each side.
#[derive(Debug, Clone, Default)]
pub struct Mounts {
    pub public: Vec<Mount>,
    /// Under `/admin/v1`, behind the admin token.
    pub operator: Vec<Mount>,
}

/// All of them in one router.
pub fn all<S: Clone + Send + Sync + 'static>(mounts: Vec<Mount>) -> Router<S> {
    mounts.into_iter().fold(Router::new(), |all, Mount { path, routes }| {
        let routes = routes.with_state(());
        if path.is_empty() { all.merge(routes) } else { all.nest(path, routes) }
    })
}
