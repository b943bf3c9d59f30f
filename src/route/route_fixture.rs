//! Test fixture: scripted hosts and a paused clock, so that tests neither wait nor use the network.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::availability::availability_at;
use super::health_store::candidate_keys;
use super::store::SnapshotKeys;
use super::*;
use crate::catalog::{Catalog, ModelFacts};
use crate::chat::{FailureClass, Request, StreamEvent, TokenCount};
use crate::ledger::Ledger;
use crate::provider::scripted_transport::{ScriptedEnding, ScriptedReply, ScriptedTransport};
use crate::provider::{AuthScheme, ModelRef, Provider, Target, built_in_providers};

pub(super) const NO_DELAY: Duration = Duration::ZERO;

pub(super) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn content_chunk(text: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}

pub(super) fn finish_chunk() -> String {
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
        .to_owned()
}

pub(super) fn text_reply(text: &str) -> ScriptedReply {
    ScriptedReply::Stream {
        pieces: vec![(NO_DELAY, content_chunk(text)), (NO_DELAY, finish_chunk())],
        ending: ScriptedEnding::Clean,
    }
}

pub(super) fn status_reply(status: u16) -> ScriptedReply {
    status_reply_with(status, vec![], "{}")
}

pub(super) fn status_reply_with(
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: &str,
) -> ScriptedReply {
    ScriptedReply::Reply { after: Duration::from_millis(10), status, headers, body: body.to_owned() }
}

/// A route with one openai-chat provider per host, each with one model `m` and the given context window.
pub(super) fn route_with_windows(hosts: &[(&'static str, Option<u64>)], policy: RoutePolicy) -> Route {
    let facts = hosts.iter().map(|(host, window)| ModelFacts {
        provider: (*host).into(),
        model: "m".into(),
        context_tokens: window.map(TokenCount::new),
        ..ModelFacts::default()
    });
    let catalog = Catalog::from_overrides(facts.collect());
    let row = built_in_providers().unwrap().into_iter().find(|p| p.name == "openai").unwrap();
    let candidates = hosts.iter().map(|(host, _)| {
        let provider = Provider {
            name: (*host).into(),
            base_url: format!("https://{host}/v1"),
            base_url_variable: None,
            auth: AuthScheme::None,
            ..row.clone()
        };
        let model_ref = ModelRef { provider: (*host).into(), model: "m".into() };
        let target = Target::resolve(model_ref.clone(), &Arc::new(provider), &catalog, &|_: &str| None);
        Candidate::new(model_ref, target)
    });
    Route { name: Some("test".into()), candidates: candidates.collect(), policy }
}

pub(super) fn route(hosts: &[&'static str], policy: RoutePolicy) -> Route {
    route_with_windows(&hosts.iter().map(|h| (*h, None)).collect::<Vec<_>>(), policy)
}

/// A strategy without options.
pub(super) fn strategy(name: &str) -> RouteStrategy {
    strategy_with_options(name, vec![])
}

/// A strategy with an option that is a map of numbers.
pub(super) fn strategy_with_numbers(
    name: &str,
    option: &'static str,
    numbers: &[(&str, f64)],
) -> RouteStrategy {
    let numbers = numbers.iter().map(|(key, number)| (unlocated((*key).to_owned()), unlocated(*number)));
    strategy_with_options(name, vec![(option, unlocated(OptionContent::Numbers(numbers.collect())))])
}

fn strategy_with_options(name: &str, options: Vec<(&'static str, OptionValue)>) -> RouteStrategy {
    parse_strategy(Some(&unlocated(name.to_owned())), &mut StrategyOptions::new(options)).unwrap()
}

fn unlocated<T>(value: T) -> LocatedOption<T> {
    LocatedOption { value, span: None }
}

#[derive(Default)]
pub(super) struct RecordingObserver {
    pub(super) text: String,
    /// Code and model of each event that is not part of the answer, with the class of a failure.
    pub(super) events: Vec<String>,
    pub(super) budget_warnings: Vec<BudgetWarning>,
}

impl Observer for RecordingObserver {
    fn on_event(&mut self, event: &CallEvent<'_>) {
        match event {
            CallEvent::Stream(StreamEvent::TextDelta(text)) => self.text.push_str(text),
            CallEvent::Stream(_) => {}
            CallEvent::BudgetWarning(warning) => self.budget_warnings.push((*warning).clone()),
            event => {
                let class = match event {
                    CallEvent::AttemptFailed { failure, .. } => format!(": {}", failure.class),
                    _ => String::new(),
                };
                let model = event.model().map(|model| format!(" {model}")).unwrap_or_default();
                self.events.push(format!("{}{model}{class}", event.code()));
            }
        }
    }
}

pub(super) struct RouteFixture {
    pub(super) transport: Arc<ScriptedTransport>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) router: Router,
    pub(super) options: CallOptions,
    /// Of all calls.
    pub(super) budget_warnings: Mutex<Vec<BudgetWarning>>,
}

impl RouteFixture {
    pub(super) fn new(hosts: impl IntoIterator<Item = (&'static str, Vec<ScriptedReply>)>) -> Self {
        Self::with_transport(ScriptedTransport::new(hosts))
    }

    pub(super) fn with_transport(transport: ScriptedTransport) -> Self {
        Self::from_parts(transport, &Arc::new(Ledger::in_memory()))
    }

    /// A fixture that shares its ledger with others, as a second process would.
    pub(super) fn with_shared_ledger(
        ledger: &Arc<Ledger>,
        hosts: impl IntoIterator<Item = (&'static str, Vec<ScriptedReply>)>,
    ) -> Self {
        Self::from_parts(ScriptedTransport::new(hosts), ledger)
    }

    fn from_parts(transport: ScriptedTransport, ledger: &Arc<Ledger>) -> Self {
        let transport = Arc::new(transport);
        let start = tokio::time::Instant::now();
        let clock: Clock = Arc::new(move || 1_700_000_000_000 + start.elapsed().as_millis() as i64);
        let (ledger, store) = (Arc::clone(ledger), Arc::clone(ledger));
        let health = HealthStore::new(store, clock, fastrand::Rng::with_seed(8));
        let router = Router::new(transport.clone(), health, fastrand::Rng::with_seed(7));
        let options = CallOptions { id: "x".into(), requested_model: "t".into(), ..CallOptions::default() };
        Self { transport, ledger, router, options, budget_warnings: Mutex::default() }
    }

    pub(super) async fn call(&self, route: &Route) -> CallRecord {
        self.call_with_observer(route, &mut RecordingObserver::default()).await
    }

    pub(super) async fn call_with_observer(
        &self,
        route: &Route,
        observer: &mut RecordingObserver,
    ) -> CallRecord {
        let request = Request::from_prompt("hi");
        let plan = self.router.plan(route, &request, &self.options);
        let record = self.router.run(plan, observer).await;
        self.budget_warnings.lock().unwrap().append(&mut observer.budget_warnings);
        record
    }
}

pub(super) fn response_text(record: &CallRecord) -> &str {
    &record.outcome.as_ref().unwrap().response.text
}

pub(super) fn failure_classes(record: &CallRecord) -> Vec<FailureClass> {
    record.attempts.iter().filter_map(|a| a.failure.as_ref().map(|f| f.class)).collect()
}

impl HealthStore {
    /// The availability of each target, in the same order.
    pub(super) fn availability<'a>(
        &self,
        targets: impl IntoIterator<Item = &'a Target>,
    ) -> Vec<Availability> {
        let (now, candidates) = (self.now(), targets.into_iter().map(candidate_keys).collect());
        let snapshot = self.snapshot(&SnapshotKeys { candidates, ..SnapshotKeys::default() });
        snapshot.candidates.iter().map(|rows| availability_at(rows, now)).collect()
    }
}
