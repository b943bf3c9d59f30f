//! Every fault in every dialect, streaming and not: the outcome, and whether the provider was called.

use std::sync::atomic::{AtomicUsize, Ordering};

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::Instant;

use super::*;
use crate::catalog::Catalog;
use crate::chat::{
    Failure, FailureClass as Class, FailurePhase, FinishReason, Request, Response, StreamEvent, TokenCount,
    Usage,
};
use crate::dialect::{Dialect, ResponseIdentity, WireHeaders};

/// A host that answers immediately, with the whole body in one piece, and counts its requests.
struct CountingHost {
    dialect: Dialect,
    stream: bool,
    status: u16,
    request_count: AtomicUsize,
}

impl Transport for CountingHost {
    fn send(&self, _: OutgoingRequest) -> BoxFuture<'_, Result<IncomingResponse, SendError>> {
        self.request_count.fetch_add(1, Ordering::Relaxed);
        let (server, identity) = (
            self.dialect.server_codec(),
            ResponseIdentity {
                response_id: "id-1".to_owned(),
                model: "m".to_owned(),
                created_at: jiff::Timestamp::UNIX_EPOCH,
            },
        );
        let usage = Usage {
            input_tokens: Some(TokenCount::new(3)),
            output_tokens: Some(TokenCount::new(4)),
            ..Usage::default()
        };
        let body = if self.stream {
            let mut encoder = server.stream_encoder(&identity);
            let mut bytes = encoder.encode_start(&usage);
            bytes.extend(encoder.encode_event(&StreamEvent::Usage(usage)));
            for word in ["all ", "is ", "well ", "here"] {
                bytes.extend(encoder.encode_event(&StreamEvent::TextDelta(word.to_owned())));
            }
            bytes.extend(encoder.encode_event(&StreamEvent::Finish(FinishReason::Stop)));
            bytes.extend(encoder.encode_end());
            bytes
        } else {
            server.encode_response(
                &Response { usage, ..Response::from_text("all is well here") },
                &identity,
                None,
            )
        };
        let body = stream::iter([Ok(Bytes::from(body))]).boxed();
        let status = self.status;
        async move { Ok(IncomingResponse { status, headers: WireHeaders::default(), body }) }.boxed()
    }
}

struct DrillFixture {
    host: Arc<CountingHost>,
    target: Target,
}

struct DrillOutcome {
    outcome: Result<Response, Failure>,
    request_count: usize,
    elapsed: Duration,
}

impl DrillFixture {
    fn new(dialect: Dialect, stream: bool) -> Self {
        let host =
            Arc::new(CountingHost { dialect, stream, status: 200, request_count: AtomicUsize::new(0) });
        let row = Provider::new("box", dialect, "https://box/v1", AuthScheme::None);
        let model_ref = ModelRef { provider: "box".into(), model: "m".into() };
        let target = Target::resolve(model_ref, &Arc::new(row), &Catalog::default(), &|_: &str| None);
        Self { host, target: target.unwrap() }
    }

    async fn run_exchange(&self, transport: &DrillTransport) -> DrillOutcome {
        let (start, before) = (Instant::now(), self.host.request_count.load(Ordering::Relaxed));
        let request = Request::from_prompt("hi");
        let adapted = self.target.adapt_request(&request, &[]);
        let timeouts = ExchangeTimeouts {
            first_token: Duration::from_secs(30),
            idle: Duration::from_secs(20),
            total: None,
        };
        let record =
            exchange(transport, &self.target, &adapted, self.host.stream, timeouts, &mut |_| ()).await;
        let request_count = self.host.request_count.load(Ordering::Relaxed) - before;
        DrillOutcome { outcome: record.outcome, request_count, elapsed: start.elapsed() }
    }

    fn drill_transport(&self, rules: Vec<DrillRule>) -> DrillTransport {
        DrillTransport::new(self.host.clone(), rules, fastrand::Rng::with_seed(7))
    }

    async fn run_with_fault(&self, fault: DrillFault) -> DrillOutcome {
        self.run_exchange(&self.drill_transport(vec![provider_rule("box", fault, 1.0)])).await
    }
}

fn provider_rule(provider: &str, fault: DrillFault, share: f64) -> DrillRule {
    DrillRule { target: DrillTarget::Provider(provider.to_owned()), fault, share }
}

/// Every dialect, streaming and not.
fn all_fixtures() -> impl Iterator<Item = (String, DrillFixture)> {
    Dialect::all().flat_map(|dialect| {
        [true, false]
            .map(|stream| (format!("{dialect}, streamed: {stream}"), DrillFixture::new(dialect, stream)))
    })
}

#[tokio::test(start_paused = true)]
async fn exchange_without_drills_succeeds() {
    for (name, fixture) in all_fixtures() {
        let result = fixture.run_exchange(&fixture.drill_transport(Vec::new())).await;
        assert_eq!(result.outcome.unwrap().text, "all is well here", "{name}");
        assert_eq!(result.request_count, 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn replaced_response_sends_no_request() {
    for (name, fixture) in all_fixtures() {
        for (fault, class) in [
            (DrillFault::Down, Class::Unreachable),
            (DrillFault::Malformed, Class::Malformed),
            (DrillFault::Empty, Class::Empty),
        ] {
            let result = fixture.run_with_fault(fault).await;
            assert_eq!(result.outcome.unwrap_err().class, class, "{name}, {fault:?}");
            assert_eq!((result.request_count, result.elapsed), (0, Duration::ZERO), "{name}, {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn status_fault_class_cases() {
    for (name, fixture) in all_fixtures() {
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
            let result = fixture.run_with_fault(DrillFault::Status(status)).await;
            let failure = result.outcome.unwrap_err();
            assert_eq!((failure.class, failure.status), (class, Some(status)), "{name}, {status}");
            assert!(failure.message.ends_with("(simulated by --drill)"), "{name}: {failure}");
            assert_eq!(failure.provider_code.as_deref(), Some("simulated_outage"), "{name}");
            assert_eq!((result.request_count, result.elapsed), (0, Duration::ZERO), "{name}, {status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn status_fault_always_has_message() {
    let fixture = DrillFixture::new(Dialect::named("openai-chat"), true);
    for status in 400..600 {
        let failure = fixture.run_with_fault(DrillFault::Status(status)).await.outcome.unwrap_err();
        assert_eq!(failure.status, Some(status));
        assert!(failure.message.len() > " (simulated by --drill)".len(), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_fault_delays_response_until_timeout() {
    for (name, fixture) in all_fixtures() {
        let result = fixture.run_with_fault(DrillFault::Slow(Duration::from_secs(2))).await;
        assert_eq!(result.outcome.unwrap().text, "all is well here", "{name}");
        assert_eq!((result.request_count, result.elapsed), (1, Duration::from_secs(2)), "{name}");
        let result = fixture.run_with_fault(DrillFault::Slow(Duration::from_secs(60))).await;
        assert_eq!(result.outcome.unwrap_err().class, Class::Timeout, "{name}");
        assert_eq!(
            (result.request_count, result.elapsed),
            (0, Duration::from_secs(30)),
            "{name}: the request is not sent"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn midstream_fault_cases() {
    for (name, fixture) in all_fixtures() {
        let result = fixture.run_with_fault(DrillFault::Stall).await;
        let failure = result.outcome.unwrap_err();
        let is_idle = failure.phase == FailurePhase::Idle;
        assert_eq!(failure.class, Class::Timeout, "{name}");
        assert_eq!(
            (result.request_count, result.elapsed),
            (1, Duration::from_secs(if is_idle { 20 } else { 30 })),
            "{name}"
        );
        let result = fixture.run_with_fault(DrillFault::Cut).await;
        let failure = result.outcome.unwrap_err();
        assert_eq!((failure.class, failure.phase), (Class::Truncated, FailurePhase::Body), "{name}");
        assert!(failure.message.contains("simulated by --drill"), "{name}: {failure}");
        assert_eq!((result.request_count, result.elapsed), (1, Duration::ZERO), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn midstream_fault_leaves_error_status_unchanged() {
    for fault in [DrillFault::Stall, DrillFault::Cut] {
        let mut fixture = DrillFixture::new(Dialect::named("openai-chat"), true);
        Arc::get_mut(&mut fixture.host).unwrap().status = 503;
        let result = fixture.run_with_fault(fault).await;
        assert_eq!(result.outcome.unwrap_err().status, Some(503));
        assert_eq!(result.elapsed, Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn share_sets_fault_probability() {
    let fixture = DrillFixture::new(Dialect::named("anthropic"), true);
    let transport = fixture.drill_transport(vec![provider_rule("box", DrillFault::Status(429), 0.2)]);
    let mut failed = 0;
    for _ in 0..500 {
        let result = fixture.run_exchange(&transport).await;
        assert_eq!(result.request_count == 0, result.outcome.is_err());
        failed += 1 - result.request_count;
    }
    assert!((75..125).contains(&failed), "{failed} of 500");
}

#[tokio::test(start_paused = true)]
async fn first_matching_drill_applies() {
    let fixture = DrillFixture::new(Dialect::named("gemini"), true);
    let model = |model: &str| ModelRef { provider: "box".to_owned(), model: model.to_owned() };
    let for_model = |name, fault| DrillRule { target: DrillTarget::Model(model(name)), fault, share: 1.0 };
    let others = vec![provider_rule("crate", DrillFault::Down, 1.0), for_model("n", DrillFault::Down)];
    assert!(fixture.run_exchange(&fixture.drill_transport(others.clone())).await.outcome.is_ok());
    let two = vec![for_model("m", DrillFault::Empty), provider_rule("box", DrillFault::Down, 1.0)];
    let result = fixture.run_exchange(&fixture.drill_transport([others, two].concat())).await;
    assert_eq!(result.outcome.unwrap_err().class, Class::Empty);
}

#[tokio::test(start_paused = true)]
async fn model_list_request_is_not_drilled() {
    let fixture = DrillFixture::new(Dialect::named("openai-chat"), false);
    let transport = fixture.drill_transport(vec![provider_rule("box", DrillFault::Down, 1.0)]);
    let outgoing = OutgoingRequest {
        model: None,
        method: HttpMethod::Get,
        url: "https://box/v1/models".to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
    };
    assert!(transport.send(outgoing).await.is_ok());
}
