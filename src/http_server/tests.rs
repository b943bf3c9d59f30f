//! Limits, waiting, and stopping, with raw sockets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::{HttpReply, HttpRequest, HttpServer, ReplyBody, RequestHandler, ServerLimits};

/// Echoes the body; `/slow` waits for `release` first, and `/stream` sends two pieces.
#[derive(Default)]
struct EchoHandler {
    release: Notify,
}

impl RequestHandler for EchoHandler {
    async fn handle(&self, request: HttpRequest) -> HttpReply {
        if request.path == "/slow" {
            self.release.notified().await;
        }
        let mut reply = HttpReply::json(200, vec![("x-given", "line\nbreak".into())], request.body.to_vec());
        if request.path == "/stream" {
            let pieces = stream::iter(["one", "two"]).map(|piece| Ok(piece.into()));
            reply.body = ReplyBody::Stream(pieces.boxed());
        }
        reply
    }
}

async fn start(limits: ServerLimits) -> (HttpServer, Arc<EchoHandler>) {
    let handler = Arc::new(EchoHandler::default());
    (HttpServer::start(0, limits, Arc::clone(&handler)).await.unwrap(), handler)
}

async fn connect(server: &HttpServer) -> TcpStream {
    TcpStream::connect(server.base_url().trim_start_matches("http://")).await.unwrap()
}

/// Reads until the server closes the connection.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

async fn exchange(server: &HttpServer, request: &str) -> String {
    let mut stream = connect(server).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    read_all(&mut stream).await
}

fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

#[tokio::test]
async fn replies_are_sent_byte_for_byte() {
    let (server, _) = start(ServerLimits::default()).await;
    let whole = exchange(&server, &post("/x", "", "hello")).await;
    assert!(whole.starts_with("HTTP/1.1 200 OK\r\n") && whole.ends_with("\r\n\r\nhello"), "{whole}");
    assert!(whole.contains("content-length: 5") && !whole.contains("x-given"), "{whole}");
    let streamed = exchange(&server, &post("/stream", "", "")).await;
    assert!(streamed.ends_with("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), "{streamed}");
}

#[tokio::test]
async fn large_body_gets_the_dialects_error() {
    let limits = ServerLimits { max_body_bytes: 100_000, ..ServerLimits::default() };
    let (server, _) = start(limits).await;
    let largest = "x".repeat(100_000);
    assert!(exchange(&server, &post("/x", "", &largest)).await.ends_with(&largest));
    let body = "x".repeat(1_000_000);
    for (path, expected) in [
        (
            "/v1/messages",
            r#"{"type":"error","error":{"type":"request_too_large","message":"the request body is larger than 100000 bytes"}}"#,
        ),
        ("/v1/chat/completions", r#""type":"invalid_request_error""#),
        ("/v1beta/models/m:generateContent", r#"{"error":{"code":413,"#),
        ("/nowhere", r#"{"error":{"message":"the request body is larger than 100000 bytes"}}"#),
    ] {
        let reply = exchange(&server, &post(path, "", &body)).await;
        assert!(reply.starts_with("HTTP/1.1 413 ") && reply.contains(expected), "{path}: {reply}");
    }
    // A body of unannounced length.
    let pieces = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let head =
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let reply = exchange(&server, &(head.to_owned() + &pieces)).await;
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
}

#[tokio::test]
async fn large_head_is_rejected() {
    let limits = ServerLimits { max_head_bytes: 1000, ..ServerLimits::default() };
    let (server, _) = start(limits).await;
    let header = |bytes: usize| format!("x-long: {}\r\n", "x".repeat(bytes));
    assert!(exchange(&server, &post("/x", &header(800), "")).await.starts_with("HTTP/1.1 200 "));
    let reply = exchange(&server, &post("/v1/messages", &header(1000), "{}")).await;
    assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
    assert!(reply.contains("the request headers are larger than 1000 bytes"), "{reply}");
}

#[tokio::test]
async fn slow_requests_are_dropped() {
    let limits = ServerLimits {
        read_timeout: Duration::from_millis(100),
        idle_timeout: Duration::from_millis(400),
        ..ServerLimits::default()
    };
    let (server, handler) = start(limits).await;
    for (begun, limit) in [("", 400), ("POST /x HTTP/1.1\r\nhost: x\r\n", 100)] {
        let before = Instant::now();
        let mut stream = connect(&server).await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        assert_eq!(read_all(&mut stream).await, "");
        assert!(before.elapsed() >= Duration::from_millis(limit), "{begun}");
        assert!(before.elapsed() < Duration::from_secs(20), "{begun}");
    }
    let partial_body = "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf";
    let reply = exchange(&server, partial_body).await;
    assert!(reply.starts_with("HTTP/1.1 408 ") && reply.contains("did not arrive in time"), "{reply}");
    // The time that the handler takes does not count.
    let slow = tokio::spawn(async move { exchange(&server, &post("/slow", "", "late")).await });
    tokio::time::sleep(Duration::from_millis(600)).await;
    handler.release.notify_one();
    assert!(slow.await.unwrap().ends_with("late"));
}

#[tokio::test]
async fn connections_over_the_limit_wait() {
    let (server, _) = start(ServerLimits { max_connections: 1, ..ServerLimits::default() }).await;
    let first = connect(&server).await;
    let mut second = connect(&server).await;
    second.write_all(post("/x", "", "second").as_bytes()).await.unwrap();
    let mut byte = [0];
    let waiting = tokio::time::timeout(Duration::from_millis(200), second.read(&mut byte)).await;
    assert!(waiting.is_err(), "served although another connection is open");
    drop(first);
    assert!(read_all(&mut second).await.ends_with("second"));
}

#[tokio::test]
async fn stop_finishes_requests_in_progress() {
    let (server, handler) = start(ServerLimits::default()).await;
    let mut stream = connect(&server).await;
    stream.write_all(post("/slow", "", "finished").as_bytes()).await.unwrap();
    let mut idle = connect(&server).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let stopping = tokio::spawn(server.stop(Duration::from_secs(20)));
    assert_eq!(read_all(&mut idle).await, "", "an idle connection closes at once");
    handler.release.notify_one();
    assert!(read_all(&mut stream).await.ends_with("finished"));
    stopping.await.unwrap();
}

#[tokio::test]
async fn stop_waits_no_longer_than_its_grace() {
    let (server, _handler) = start(ServerLimits::default()).await;
    let mut stream = connect(&server).await;
    stream.write_all(post("/slow", "", "never").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = Instant::now();
    server.stop(Duration::from_millis(100)).await;
    assert!(before.elapsed() < Duration::from_secs(20));
}
