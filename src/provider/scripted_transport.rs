//! A transport out of a script, for tests of everything that has to do with time: a paused runtime is its clock.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::Instant;

use super::transport::{IncomingResponse, OutgoingRequest, SendError, Transport};
use crate::dialect::WireHeaders;

/// What a host does with one request.
#[derive(Clone, Debug)]
pub(crate) enum ScriptedReply {
    /// Refuses the connection.
    RefuseConnection,
    /// Answers with a status, headers and a body, after a while.
    Reply { after: Duration, status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// Answers with a status and nothing more, ever.
    Stall { status: u16 },
    /// Answers 200 and sends pieces, each after a while; then ends, or breaks, or hangs.
    Stream { pieces: Vec<(Duration, String)>, ending: ScriptedEnding },
}

/// How a scripted stream ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ScriptedEnding {
    Clean,
    Broken,
    Hang,
}

/// Says what a host does with its nth request (counted from 0), so long after the start.
pub(crate) type ReplyScript = Box<dyn Fn(&str, usize, Duration) -> ScriptedReply + Send + Sync>;

/// Plays scenes, and writes down what was asked when.
pub(crate) struct ScriptedTransport {
    script: ReplyScript,
    request_counts: Mutex<HashMap<String, usize>>,
    start: Instant,
    pub(crate) requests: Mutex<Vec<(Duration, String)>>,
    /// The hosts that were warmed. None of it ever ends by itself.
    pub(crate) preconnects: Mutex<Vec<(Duration, String)>>,
}

impl ScriptedTransport {
    /// Plays the scenes of each host in turn, the last one for ever.
    pub(crate) fn new(hosts: impl IntoIterator<Item = (&'static str, Vec<ScriptedReply>)>) -> Self {
        let hosts: HashMap<&str, Vec<ScriptedReply>> = hosts.into_iter().collect();
        Self::from_script(Box::new(move |host, nth, _| {
            let scenes = hosts.get(host).expect("a scripted host");
            scenes[nth.min(scenes.len() - 1)].clone()
        }))
    }

    /// Plays what the script says.
    pub(crate) fn from_script(script: ReplyScript) -> Self {
        Self {
            script,
            request_counts: Mutex::default(),
            start: Instant::now(),
            requests: Mutex::default(),
            preconnects: Mutex::default(),
        }
    }

    /// The hosts that were asked, in order.
    pub(crate) fn hosts_called(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|(_, host)| host.clone()).collect()
    }

    fn next_reply(&self, host: &str) -> ScriptedReply {
        let mut times = self.request_counts.lock().unwrap();
        let times = times.entry(host.to_owned()).or_default();
        *times += 1;
        (self.script)(host, *times - 1, self.start.elapsed())
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
        let scene = self.next_reply(&host);
        async move {
            match scene {
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
