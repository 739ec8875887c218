//! Lends a request's body to its handler, and gets back what the handler leaves
//! unread.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// How much of an unwanted body is read and discarded, in bytes. Otherwise a
/// sender who is still writing would see its connection break instead of the
/// answer, and a proxy would break the connections of others.
const UNWANTED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long reading an unwanted body may take.
const UNWANTED_SECONDS_MAX: u64 = 2;

/// A body lent to a handler.
#[derive(Debug)]
pub struct BorrowedBody {
    body: Option<Incoming>,
    owner: BodyReturn,
}

/// Where a lent body is returned to.
#[derive(Debug, Clone, Default)]
pub(super) struct BodyReturn(Option<Arc<Mutex<Option<Incoming>>>>);

impl BorrowedBody {
    pub(super) fn of(body: Incoming) -> (BorrowedBody, BodyReturn) {
        // Most requests other than hooks have no body.
        let owner = BodyReturn((!body.is_end_stream()).then(Arc::default));
        (BorrowedBody { body: Some(body), owner: owner.clone() }, owner)
    }
}

impl Body for BorrowedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for BorrowedBody {
    fn drop(&mut self) {
        if let (Some(body), BodyReturn(Some(owner))) = (self.body.take(), &self.owner)
            && !body.is_end_stream()
        {
            *owner.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl BodyReturn {
    fn take(&self) -> Option<Incoming> {
        self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether something was left unread, or is still held by work that
    /// continues after the answer.
    pub fn is_unread(&self) -> bool {
        self.0.as_ref().is_some_and(|owner| {
            owner.lock().unwrap_or_else(PoisonError::into_inner).is_some()
                || Arc::strong_count(owner) > 1
        })
    }

    /// Reads the rest of the body, within limits. Returns whether it reached
    /// the end.
    pub async fn read_on(self) -> bool {
        let Some(mut body) = self.take() else { return false };
        let reading = async {
            let mut left = UNWANTED_BYTES_MAX;
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return false };
                let length = frame.data_ref().map_or(0, Bytes::len);
                let Some(rest) = left.checked_sub(length) else { return false };
                left = rest;
            }
            true
        };
        let deadline = Duration::from_secs(UNWANTED_SECONDS_MAX);
        tokio::time::timeout(deadline, reading).await.unwrap_or(false)
    }
}
