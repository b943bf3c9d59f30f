//! A transport out of a script, for tests of everything that has to do with time: a paused runtime is its clock.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::Instant;

use super::transport::{Incoming, Outgoing, SendError, Transport};
use crate::dialect::Headers;

/// What a host does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Scene {
    /// Refuses the connection.
    Refuse,
    /// Answers with a status, headers and a body, after a while.
    Reply { after: Duration, status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// Answers with a status and nothing more, ever.
    Stall { status: u16 },
    /// Answers 200 and sends pieces, each after a while; then ends, or breaks, or hangs.
    Stream { pieces: Vec<(Duration, String)>, ending: Ending },
}

/// How a scripted stream ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ending {
    Clean,
    Broken,
    Hang,
}

/// Plays the scenes of each host in turn, the last one for ever, and writes down what was asked when.
pub(crate) struct Scripted {
    hosts: Mutex<HashMap<String, (Vec<Scene>, usize)>>,
    start: Instant,
    pub(crate) asked: Mutex<Vec<(Duration, String)>>,
}

impl Scripted {
    pub(crate) fn new(hosts: impl IntoIterator<Item = (&'static str, Vec<Scene>)>) -> Self {
        let hosts = hosts.into_iter().map(|(host, scenes)| (host.to_owned(), (scenes, 0))).collect();
        Self { hosts: Mutex::new(hosts), start: Instant::now(), asked: Mutex::new(Vec::new()) }
    }

    /// The hosts that were asked, in order.
    pub(crate) fn order(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(_, host)| host.clone()).collect()
    }

    fn scene(&self, host: &str) -> Scene {
        let mut hosts = self.hosts.lock().unwrap();
        let (scenes, at) = hosts.get_mut(host).expect("a scripted host");
        *at += 1;
        scenes[(*at - 1).min(scenes.len() - 1)].clone()
    }
}

impl Transport for Scripted {
    fn send(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<Incoming, SendError>> {
        let host = reqwest::Url::parse(&outgoing.url).unwrap().host_str().unwrap().to_owned();
        self.asked.lock().unwrap().push((self.start.elapsed(), host.clone()));
        let scene = self.scene(&host);
        async move {
            match scene {
                Scene::Refuse => Err(SendError::Unreachable("connection refused".into())),
                Scene::Reply { after, status, headers, body } => {
                    tokio::time::sleep(after).await;
                    let body = stream::iter([Ok(Bytes::from(body))]).boxed();
                    Ok(Incoming { status, headers: headers.into_iter().collect(), body })
                }
                Scene::Stall { status } => {
                    Ok(Incoming { status, headers: Headers::default(), body: stream::pending().boxed() })
                }
                Scene::Stream { pieces, ending } => {
                    let sent = stream::iter(pieces).then(|(after, piece)| async move {
                        tokio::time::sleep(after).await;
                        Ok(Bytes::from(piece))
                    });
                    let last = match ending {
                        Ending::Clean => stream::empty().boxed(),
                        Ending::Broken => stream::iter([Err("connection reset".to_owned())]).boxed(),
                        Ending::Hang => stream::pending().boxed(),
                    };
                    Ok(Incoming { status: 200, headers: Headers::default(), body: sent.chain(last).boxed() })
                }
            }
        }
        .boxed()
    }
}
