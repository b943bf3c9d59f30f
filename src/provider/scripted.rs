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

/// Says what a host does with its nth request (counted from 0), so long after the start.
pub(crate) type Script = Box<dyn Fn(&str, usize, Duration) -> Scene + Send + Sync>;

/// Plays scenes, and writes down what was asked when.
pub(crate) struct Scripted {
    script: Script,
    times: Mutex<HashMap<String, usize>>,
    start: Instant,
    pub(crate) asked: Mutex<Vec<(Duration, String)>>,
    /// The hosts that were warmed. None of it ever ends by itself.
    pub(crate) warmed: Mutex<Vec<(Duration, String)>>,
}

impl Scripted {
    /// Plays the scenes of each host in turn, the last one for ever.
    pub(crate) fn new(hosts: impl IntoIterator<Item = (&'static str, Vec<Scene>)>) -> Self {
        let hosts: HashMap<&str, Vec<Scene>> = hosts.into_iter().collect();
        Self::by(Box::new(move |host, nth, _| {
            let scenes = hosts.get(host).expect("a scripted host");
            scenes[nth.min(scenes.len() - 1)].clone()
        }))
    }

    /// Plays what the script says.
    pub(crate) fn by(script: Script) -> Self {
        Self {
            script,
            times: Mutex::default(),
            start: Instant::now(),
            asked: Mutex::default(),
            warmed: Mutex::default(),
        }
    }

    /// The hosts that were asked, in order.
    pub(crate) fn order(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(_, host)| host.clone()).collect()
    }

    fn scene(&self, host: &str) -> Scene {
        let mut times = self.times.lock().unwrap();
        let times = times.entry(host.to_owned()).or_default();
        *times += 1;
        (self.script)(host, *times - 1, self.start.elapsed())
    }
}

impl Transport for Scripted {
    fn warm<'a>(&'a self, base_url: &'a str) -> BoxFuture<'a, ()> {
        let host = reqwest::Url::parse(base_url).unwrap().host_str().unwrap().to_owned();
        self.warmed.lock().unwrap().push((self.start.elapsed(), host));
        std::future::pending().boxed()
    }

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
