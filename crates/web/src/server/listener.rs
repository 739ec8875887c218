//! Listening sockets: a TCP port or a unix socket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use listenfd::ListenFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Accepts connections.
#[derive(Debug)]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A unix socket. Its file is removed when the listener is dropped.
    Unix(UnixListener, SocketFile),
}

/// The file of a unix socket. Dropping it removes the file.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // If this fails, the next process that listens here removes the file.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An accepted connection and its peer.
pub(super) struct Accepted {
    pub stream: Stream,
    /// `None` for a unix socket.
    pub peer: Option<IpAddr>,
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Accepted { stream: Stream::Tcp(stream), peer: Some(peer.ip()) })
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted { stream: Stream::Unix(stream), peer: None })
            }
        }
    }

    /// The address and port of the listener.
    ///
    /// # Errors
    ///
    /// A unix socket has none: `AddrNotAvailable`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr(),
            Listener::Unix(..) => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }
}

/// Listens on a TCP `address`.
///
/// # Errors
///
/// The error of the operating system.
pub async fn listen(address: SocketAddr) -> io::Result<Listener> {
    TcpListener::bind(address).await.map(Listener::Tcp)
}

/// Listens on a unix socket at `path`, which only this process' user and group
/// may open. Replaces a socket file left by a process that has ended.
///
/// # Errors
///
/// `AddrInUse` if another process listens there, or if the file is not a
/// socket; otherwise the error of the operating system.
pub async fn listen_at(path: &Path) -> io::Result<Listener> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() && UnixStream::connect(path).await.is_err() => {
            std::fs::remove_file(path)?;
        }
        Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
        Err(why) if why.kind() == io::ErrorKind::NotFound => {}
        Err(why) => return Err(why),
    }
    let listener = UnixListener::bind(path)?;
    // The group has access too, so that a scraper or a proxy can be admitted
    // through it.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(Listener::Unix(listener, SocketFile(path.to_owned())))
}

/// Takes the socket passed by the parent process (systemd's socket activation),
/// or else listens on `address`. A socket that is passed on stays open while
/// one process replaces another, so no connection is refused meanwhile. Only
/// one socket is supported: call this once.
///
/// # Errors
///
/// The error of the operating system.
pub async fn listen_or_inherit(address: SocketAddr) -> io::Result<Listener> {
    match ListenFd::from_env().take_tcp_listener(0)? {
        Some(handed_over) => {
            handed_over.set_nonblocking(true)?;
            TcpListener::from_std(handed_over).map(Listener::Tcp)
        }
        None => listen(address).await,
    }
}

/// A TCP or unix connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Evaluates `$call` on the inner stream, whichever it is.
macro_rules! on_either {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp(inner) => {
                let $stream = Pin::new(inner);
                $call
            }
            Stream::Unix(inner) => {
                let $stream = Pin::new(inner);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_read(context, into))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        on_either!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_shutdown(context))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_either!(self, stream => stream.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
        }
    }
}
