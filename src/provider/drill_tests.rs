//! Every fault in every dialect, streamed and whole: what the exchange above makes of it, and whether anybody was asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::Instant;

use super::*;
use crate::catalog::Catalog;
use crate::chat::{Event, Failure, FailureClass as Class, FinishReason, Phase, Request, Response, Usage};
use crate::dialect::{Dialect, Headers, Serving};

/// A host that answers at once, the whole answer in one piece, and counts how often it was asked.
struct Host {
    dialect: Dialect,
    stream: bool,
    status: u16,
    asked: AtomicUsize,
}

impl Transport for Host {
    fn send(&self, _: Outgoing) -> BoxFuture<'_, Result<Incoming, SendError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (server, serving) =
            (self.dialect.server(), Serving { id: "id-1".to_owned(), model: "m".to_owned() });
        let usage = Usage { input_tokens: Some(3), output_tokens: Some(4), ..Usage::default() };
        let body = if self.stream {
            let mut encoder = server.stream_encoder(&serving);
            let mut bytes = encoder.open(&usage);
            bytes.extend(encoder.event(&Event::Usage(usage)));
            for word in ["all ", "is ", "well ", "here"] {
                bytes.extend(encoder.event(&Event::Text(word.to_owned())));
            }
            bytes.extend(encoder.event(&Event::Finish(FinishReason::Stop)));
            bytes.extend(encoder.close());
            bytes
        } else {
            server.encode_response(&Response { usage, ..Response::text("all is well here") }, &serving)
        };
        let body = stream::iter([Ok(Bytes::from(body))]).boxed();
        let status = self.status;
        async move { Ok(Incoming { status, headers: Headers::default(), body }) }.boxed()
    }
}

struct World {
    host: Arc<Host>,
    target: Target,
}

/// What came of one exchange.
struct Came {
    outcome: Result<Response, Failure>,
    asked: usize,
    after: Duration,
}

impl World {
    fn new(dialect: Dialect, stream: bool) -> Self {
        let host = Arc::new(Host { dialect, stream, status: 200, asked: AtomicUsize::new(0) });
        let row = Provider::new("box", dialect, "https://box/v1", Auth::None);
        let model_ref = ModelRef { provider: "box".into(), model: "m".into() };
        let target = Target::resolve(model_ref, &Arc::new(row), &Catalog::default(), &|_: &str| None);
        Self { host, target: target.unwrap() }
    }

    async fn run(&self, drilled: &Drilled) -> Came {
        let (start, before) = (Instant::now(), self.host.asked.load(Ordering::Relaxed));
        let request = Request::prompt("hi");
        let fitted = self.target.fitted(&request, &[]);
        let timers =
            Timers { first_token: Duration::from_secs(30), idle: Duration::from_secs(20), total: None };
        let came = exchange(drilled, &self.target, &fitted, self.host.stream, timers, &mut |_| ()).await;
        let asked = self.host.asked.load(Ordering::Relaxed) - before;
        Came { outcome: came.outcome, asked, after: start.elapsed() }
    }

    fn drilled(&self, drills: Vec<Drill>) -> Drilled {
        Drilled::new(self.host.clone(), drills, fastrand::Rng::with_seed(7))
    }

    async fn with(&self, fault: Fault) -> Came {
        self.run(&self.drilled(vec![on("box", fault, 1.0)])).await
    }
}

fn on(provider: &str, fault: Fault, share: f64) -> Drill {
    Drill { struck: Struck::Provider(provider.to_owned()), fault, share }
}

/// Every dialect, streamed and whole.
fn worlds() -> impl Iterator<Item = (String, World)> {
    Dialect::ALL.into_iter().flat_map(|dialect| {
        [true, false].map(|stream| (format!("{dialect}, streamed: {stream}"), World::new(dialect, stream)))
    })
}

#[tokio::test(start_paused = true)]
async fn without_a_fault_the_host_answers() {
    for (name, world) in worlds() {
        let came = world.run(&world.drilled(Vec::new())).await;
        assert_eq!(came.outcome.unwrap().text, "all is well here", "{name}");
        assert_eq!(came.asked, 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_the_answers_place_asks_nobody() {
    for (name, world) in worlds() {
        for (fault, class) in [
            (Fault::Down, Class::Unreachable),
            (Fault::Malformed, Class::Malformed),
            (Fault::Empty, Class::Empty),
        ] {
            let came = world.with(fault).await;
            assert_eq!(came.outcome.unwrap_err().class, class, "{name}, {fault:?}");
            assert_eq!((came.asked, came.after), (0, Duration::ZERO), "{name}, {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_status_has_its_own_class() {
    for (name, world) in worlds() {
        for (status, class) in [
            (400, Class::BadRequest),
            (401, Class::Auth),
            (402, Class::QuotaExhausted),
            (403, Class::Auth),
            (404, Class::ModelUnavailable),
            (408, Class::Timeout),
            (410, Class::ModelUnavailable),
            (413, Class::ContextOverflow),
            (422, Class::BadRequest),
            (424, Class::Unknown),
            (429, Class::RateLimited),
            (500, Class::ServerError),
            (502, Class::ServerError),
            (503, Class::ServerError),
            (529, Class::ServerError),
        ] {
            let came = world.with(Fault::Status(status)).await;
            let failure = came.outcome.unwrap_err();
            assert_eq!((failure.class, failure.status), (class, Some(status)), "{name}, {status}");
            assert!(failure.message.ends_with("(a drill, simulated outage)"), "{name}: {failure}");
            assert_eq!(failure.code.as_deref(), Some("simulated_outage"), "{name}");
            assert_eq!((came.asked, came.after), (0, Duration::ZERO), "{name}, {status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_error_status_says_something() {
    let world = World::new(Dialect::OpenaiChat, true);
    for status in 400..600 {
        let failure = world.with(Fault::Status(status)).await.outcome.unwrap_err();
        assert_eq!(failure.status, Some(status));
        assert!(failure.message.len() > " (a drill, simulated outage)".len(), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_provider_answers_late_or_too_late() {
    for (name, world) in worlds() {
        let came = world.with(Fault::Slow(Duration::from_secs(2))).await;
        assert_eq!(came.outcome.unwrap().text, "all is well here", "{name}");
        assert_eq!((came.asked, came.after), (1, Duration::from_secs(2)), "{name}");
        let came = world.with(Fault::Slow(Duration::from_secs(60))).await;
        assert_eq!(came.outcome.unwrap_err().class, Class::Timeout, "{name}");
        assert_eq!((came.asked, came.after), (0, Duration::from_secs(30)), "{name}: nobody is left waiting");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_ended_by_a_timer_and_a_cut_at_once() {
    for (name, world) in worlds() {
        let came = world.with(Fault::Stall).await;
        let failure = came.outcome.unwrap_err();
        let idle = failure.phase == Phase::Idle;
        assert_eq!(failure.class, Class::Timeout, "{name}");
        assert_eq!((came.asked, came.after), (1, Duration::from_secs(if idle { 20 } else { 30 })), "{name}");
        let came = world.with(Fault::Cut).await;
        let failure = came.outcome.unwrap_err();
        assert_eq!((failure.class, failure.phase), (Class::Truncated, Phase::Body), "{name}");
        assert!(failure.message.contains("a drill"), "{name}: {failure}");
        assert_eq!((came.asked, came.after), (1, Duration::ZERO), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_by_itself_is_not_broken_off() {
    for fault in [Fault::Stall, Fault::Cut] {
        let mut world = World::new(Dialect::OpenaiChat, true);
        Arc::get_mut(&mut world.host).unwrap().status = 503;
        let came = world.with(fault).await;
        assert_eq!(came.outcome.unwrap_err().status, Some(503));
        assert_eq!(came.after, Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_is_a_share() {
    let world = World::new(Dialect::Anthropic, true);
    let drilled = world.drilled(vec![on("box", Fault::Status(429), 0.2)]);
    let mut struck = 0;
    for _ in 0..500 {
        let came = world.run(&drilled).await;
        assert_eq!(came.asked == 0, came.outcome.is_err());
        struck += 1 - came.asked;
    }
    assert!((75..125).contains(&struck), "{struck} of 500");
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_for_whom_it_names_and_the_first_that_strikes_acts() {
    let world = World::new(Dialect::Gemini, true);
    let model = |model: &str| ModelRef { provider: "box".to_owned(), model: model.to_owned() };
    let for_model = |name, fault| Drill { struck: Struck::Model(model(name)), fault, share: 1.0 };
    let others = vec![on("crate", Fault::Down, 1.0), for_model("n", Fault::Down)];
    assert!(world.run(&world.drilled(others.clone())).await.outcome.is_ok());
    let two = vec![for_model("m", Fault::Empty), on("box", Fault::Down, 1.0)];
    let came = world.run(&world.drilled([others, two].concat())).await;
    assert_eq!(came.outcome.unwrap_err().class, Class::Empty);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_models_is_no_call() {
    let world = World::new(Dialect::OpenaiChat, false);
    let drilled = world.drilled(vec![on("box", Fault::Down, 1.0)]);
    let outgoing = Outgoing {
        model: None,
        method: Method::Get,
        url: "https://box/v1/models".to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
    };
    assert!(drilled.send(outgoing).await.is_ok());
}
