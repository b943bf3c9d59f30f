//! A transport that plays scripted replies, for tests of timing with a paused clock.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::Instant;

use super::transport::{IncomingResponse, OutgoingRequest, SendError, Transport};
use crate::dialect::WireHeaders;

#[derive(Clone, Debug)]
pub(crate) enum ScriptedReply {
    RefuseConnection,
    /// Sends the response after a delay.
    Reply {
        after: Duration,
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// Sends the status and then hangs.
    Stall {
        status: u16,
    },
    /// Sends status 200 and the pieces, each after its delay.
    Stream {
        pieces: Vec<(Duration, String)>,
        ending: ScriptedEnding,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ScriptedEnding {
    Clean,
    Broken,
    Hang,
}

/// Decides what a host does with its nth request (from 0), given the time since the start.
pub(crate) type ReplyScript = Box<dyn Fn(&str, usize, Duration) -> ScriptedReply + Send + Sync>;

/// Plays scripted replies and records each request with its time.
pub(crate) struct ScriptedTransport {
    script: ReplyScript,
    request_counts: Mutex<HashMap<String, usize>>,
    start: Instant,
    /// The hosts that were called, with the times.
    pub(crate) requests: Mutex<Vec<(Duration, String)>>,
    /// The preconnected hosts, with the times. A preconnect never finishes by itself.
    pub(crate) preconnects: Mutex<Vec<(Duration, String)>>,
}

impl ScriptedTransport {
    /// Plays the replies of each host in order and repeats the last one.
    pub(crate) fn new(hosts: impl IntoIterator<Item = (&'static str, Vec<ScriptedReply>)>) -> Self {
        let hosts: HashMap<&str, Vec<ScriptedReply>> = hosts.into_iter().collect();
        Self::from_script(Box::new(move |host, nth, _| {
            let replies = hosts.get(host).expect("a scripted host");
            replies[nth.min(replies.len() - 1)].clone()
        }))
    }

    pub(crate) fn from_script(script: ReplyScript) -> Self {
        Self {
            script,
            request_counts: Mutex::default(),
            start: Instant::now(),
            requests: Mutex::default(),
            preconnects: Mutex::default(),
        }
    }

    /// The hosts that were called, in order.
    pub(crate) fn hosts_called(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|(_, host)| host.clone()).collect()
    }

    fn next_reply(&self, host: &str) -> ScriptedReply {
        let mut count = self.request_counts.lock().unwrap();
        let count = count.entry(host.to_owned()).or_default();
        *count += 1;
        (self.script)(host, *count - 1, self.start.elapsed())
    }
}

impl Transport for ScriptedTransport {
    fn preconnect<'a>(&'a self, base_url: &'a str) -> BoxFuture<'a, ()> {
        let host = reqwest::Url::parse(base_url).unwrap().host_str().unwrap().to_owned();
        self.preconnects.lock().unwrap().push((self.start.elapsed(), host));
        std::future::pending().boxed()
    }

    fn send(&self, outgoing: OutgoingRequest) -> BoxFuture<'_, Result<IncomingResponse, SendError>> {
        let host = reqwest::Url::parse(&outgoing.url).unwrap().host_str().unwrap().to_owned();
        self.requests.lock().unwrap().push((self.start.elapsed(), host.clone()));
        let reply = self.next_reply(&host);
        async move {
            match reply {
                ScriptedReply::RefuseConnection => Err(SendError::Unreachable("connection refused".into())),
                ScriptedReply::Reply { after, status, headers, body } => {
                    tokio::time::sleep(after).await;
                    let body = stream::iter([Ok(Bytes::from(body))]).boxed();
                    Ok(IncomingResponse { status, headers: headers.into_iter().collect(), body })
                }
                ScriptedReply::Stall { status } => Ok(IncomingResponse {
                    status,
                    headers: WireHeaders::default(),
                    body: stream::pending().boxed(),
                }),
                ScriptedReply::Stream { pieces, ending } => {
                    let sent = stream::iter(pieces).then(|(after, piece)| async move {
                        tokio::time::sleep(after).await;
                        Ok(Bytes::from(piece))
                    });
                    let last = match ending {
                        ScriptedEnding::Clean => stream::empty().boxed(),
                        ScriptedEnding::Broken => stream::iter([Err("connection reset".to_owned())]).boxed(),
                        ScriptedEnding::Hang => stream::pending().boxed(),
                    };
                    Ok(IncomingResponse {
                        status: 200,
                        headers: WireHeaders::default(),
                        body: sent.chain(last).boxed(),
                    })
                }
            }
        }
        .boxed()
    }
}
