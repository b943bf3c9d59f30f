//! Measures the throughput of the simulator: small requests per second over persistent connections, with the
//! client in its own thread.
//!
//! Run with `cargo bench --bench simulator`. The target is 10,000 requests per second on two cores, so that
//! the simulator is never the bottleneck of a measurement. The load is 60,000 requests over 32 loopback
//! connections.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its results and aborts if it cannot measure"
)]

use std::time::{Duration, Instant};

use slalom::sim::{Simulator, SimulatorConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 32;
const REQUESTS_EACH: usize = 60_000 / CONNECTIONS;

fn main() {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let settings = SimulatorConfig { latency: Some(Duration::ZERO), ..SimulatorConfig::default() };
            let mut simulator = Simulator::start(settings).await.unwrap();
            sender.send(simulator.base_url()).unwrap();
            simulator.run_until_stopped().await.unwrap();
        });
    });
    let url = receiver.recv().unwrap();
    let address = url.trim_start_matches("http://").to_owned();
    for (name, stream) in [("complete answers", false), ("streamed answers", true)] {
        let body =
            format!(r#"{{"model":"good","messages":[{{"role":"user","content":"hi"}}],"stream":{stream}}}"#);
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let end: &[u8] = if stream { b"\r\n0\r\n\r\n" } else { b"\"system_fingerprint\":null}" };
        let start = Instant::now();
        runtime().block_on(async {
            let load = (0..CONNECTIONS).map(|_| exchange_all(&address, request.as_bytes(), end));
            futures_util::future::join_all(load).await;
        });
        let rate = (CONNECTIONS * REQUESTS_EACH) as f64 / start.elapsed().as_secs_f64();
        println!("{name:20} {rate:8.0} requests per second (target: 10000)");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn exchange_all(address: &str, request: &[u8], end: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 16 << 10];
    for _ in 0..REQUESTS_EACH {
        stream.write_all(request).await.unwrap();
        let mut length = 0;
        while !buffer[..length].ends_with(end) {
            let read = stream.read(&mut buffer[length..]).await.unwrap();
            assert!(read > 0, "the simulator closed the connection");
            length += read;
        }
    }
}
