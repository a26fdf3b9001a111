//! Connections: how many, and how long one may let us wait.

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

/// What a client may take of us.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once. Those beyond are told so.
    pub most: usize,
    /// For the head of a request, also of the next one on the same connection.
    pub head: Duration,
    /// For a client to take what it asked for.
    pub reads: Duration,
}

impl Limits {
    pub const USUAL: Self = Self { most: 512, head: Duration::from_secs(15), reads: Duration::from_secs(30) };
}

/// Bytes that a head may have.
const HEAD_BYTES: usize = 16 << 10;

const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
    connection: close\r\nretry-after: 5\r\ncontent-length: 51\r\n\r\nmore connections than this server holds; try again\n";

/// Answers whoever connects, until it is dropped.
pub(super) async fn accept(listener: TcpListener, router: Router, limits: Limits) {
    let free = Arc::new(Semaphore::new(limits.most));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Of one connection that broke at once, or of too many open files, which passes.
            Err(error) => {
                tracing::debug!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        match Arc::clone(&free).try_acquire_owned() {
            Ok(place) => {
                let router = router.clone();
                tokio::spawn(async move {
                    answer(stream, router, limits).await;
                    drop(place);
                });
            }
            Err(_) => {
                tokio::spawn(turn_away(stream));
            }
        }
    }
}

async fn answer(stream: TcpStream, router: Router, limits: Limits) {
    // Events are small and must not wait for more of them.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.reads));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES).half_close(false);
    let service = TowerToHyperService::new(router);
    if let Err(error) = http.serve_connection(TokioIo::new(Box::pin(stream)), service).await {
        tracing::debug!("a connection broke: {error}");
    }
}

async fn turn_away(mut stream: TcpStream) {
    let told = async {
        stream.write_all(BUSY).await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), told).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::io::{Read, Write};
    use std::net::SocketAddr;
    use std::time::Instant;
    use tokio::runtime::Runtime;

    const LIMITS: Limits =
        Limits { most: 4, head: Duration::from_millis(300), reads: Duration::from_millis(300) };

    /// A server with a short page and one that is longer than all buffers on the way.
    fn server() -> (Runtime, SocketAddr) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/", get(async || "short"))
            .route("/long", get(async || vec![b'x'; 64 << 20]));
        runtime.spawn(accept(listener, router, LIMITS));
        (runtime, address)
    }

    fn ask(address: SocketAddr, request: &str) -> std::net::TcpStream {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn answer_to(address: SocketAddr) -> String {
        let mut text = String::new();
        let mut stream = ask(address, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        // What is turned away may be cut off while it still speaks.
        let _ = stream.read_to_string(&mut text);
        text
    }

    fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
        let since = Instant::now();
        while !is_so() {
            assert!(since.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn who_does_not_finish_a_request_is_let_go() {
        let (_runtime, address) = server();
        let mut idle: Vec<_> = (0..LIMITS.most).map(|_| ask(address, "GET / HTTP/1.1\r\nhost:")).collect();
        for stream in &mut idle {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
        }
        wait_until("a free place", || answer_to(address).ends_with("short"));
    }

    #[test]
    fn who_does_not_read_is_let_go() {
        let (_runtime, address) = server();
        let idle: Vec<_> =
            (0..LIMITS.most).map(|_| ask(address, "GET /long HTTP/1.1\r\nhost: x\r\n\r\n")).collect();
        wait_until("a free place", || answer_to(address).ends_with("short"));
        drop(idle);
    }

    #[test]
    fn those_beyond_are_told_so() {
        let (_runtime, address) = server();
        let held: Vec<_> =
            (0..LIMITS.most).map(|_| ask(address, "GET /long HTTP/1.1\r\nhost: x\r\n\r\n")).collect();
        wait_until("an answer", || answer_to(address).starts_with("HTTP/1.1 503"));
        drop(held);
        wait_until("a free place", || answer_to(address).ends_with("short"));
        let text = std::str::from_utf8(BUSY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())));
    }
}
