//! A loopback host for tests: answers by path prefix and records its requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// Its thread runs until the process ends.
pub(crate) struct TestHost {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TestHost {
    /// Answers with the first row whose prefix matches `METHOD /path`, else with 404.
    pub(crate) fn start(rows: Vec<(&'static str, u16, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let mut head = String::new();
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                        break;
                    }
                    let (name, value) = line.split_once(':').unwrap_or_default();
                    if name.eq_ignore_ascii_case("content-length") {
                        length = value.trim().parse().unwrap();
                    }
                    head.push_str(&line);
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                let row = rows.iter().find(|(start, _, _)| head.starts_with(start));
                let (status, text) = row.map_or((404, ""), |(_, status, text)| (*status, text));
                recorded.lock().unwrap().push(format!("{head}\r\n{}", String::from_utf8_lossy(&body)));
                let reply = format!(
                    "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                    text.len()
                );
                // The client may already have closed the connection.
                let _ = stream.into_inner().write_all(reply.as_bytes());
            }
        });
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}
