//! A small world for tests of the walk: scripted hosts under a paused clock, so that seconds pass at once and nothing
//! touches a network.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::catalog::{Catalog, ModelFacts};
use crate::chat::{Event, FailureClass, Request};
use crate::ledger::Ledger;
use crate::provider::scripted::{Ending, Scene, Scripted};
use crate::provider::{Auth, ModelRef, Provider, Target, built_in_providers};

pub(super) const NOW: Duration = Duration::ZERO;

pub(super) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn chunk(text: &str) -> String {
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}

pub(super) fn finish() -> String {
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
        .to_owned()
}

pub(super) fn answers(text: &str) -> Scene {
    Scene::Stream { pieces: vec![(NOW, chunk(text)), (NOW, finish())], ending: Ending::Clean }
}

pub(super) fn refuses(status: u16) -> Scene {
    refuses_with(status, vec![], "{}")
}

pub(super) fn refuses_with(status: u16, headers: Vec<(&'static str, String)>, body: &str) -> Scene {
    Scene::Reply { after: Duration::from_millis(10), status, headers, body: body.to_owned() }
}

/// A route over hosts of those names, each an openai-chat provider with one model `m` and that window.
pub(super) fn route_with_windows(hosts: &[(&'static str, Option<u64>)], policy: Policy) -> Route {
    let facts = hosts.iter().map(|(host, window)| ModelFacts {
        provider: (*host).into(),
        model: "m".into(),
        context_tokens: *window,
        ..ModelFacts::default()
    });
    let catalog = Catalog::with_overrides(facts.collect());
    let row = built_in_providers().into_iter().find(|p| p.name == "openai").unwrap();
    let candidates = hosts.iter().map(|(host, _)| {
        let provider = Provider {
            name: (*host).into(),
            base_url: format!("https://{host}/v1"),
            base_url_variable: None,
            auth: Auth::None,
            ..row.clone()
        };
        let model_ref = ModelRef { provider: (*host).into(), model: "m".into() };
        let target = Target::resolve(model_ref.clone(), &Arc::new(provider), &catalog, &|_: &str| None);
        Candidate::new(model_ref, target)
    });
    Route { name: Some("test".into()), candidates: candidates.collect(), policy }
}

pub(super) fn route(hosts: &[&'static str], policy: Policy) -> Route {
    route_with_windows(&hosts.iter().map(|h| (*h, None)).collect::<Vec<_>>(), policy)
}

pub(super) struct Shown {
    pub(super) shows: bool,
    pub(super) text: String,
    pub(super) notices: Vec<String>,
}

impl Listener for Shown {
    fn shows(&self) -> bool {
        self.shows
    }
    fn event(&mut self, event: &Event) {
        if let Event::Text(text) = event {
            self.text.push_str(text);
        }
    }
    fn notice(&mut self, notice: &Notice<'_>) {
        self.notices.push(notice.to_string());
    }
}

pub(super) struct World {
    pub(super) transport: Arc<Scripted>,
    pub(super) router: Router,
    pub(super) stream: bool,
    pub(super) timeout: Option<Duration>,
}

impl World {
    pub(super) fn new(hosts: impl IntoIterator<Item = (&'static str, Vec<Scene>)>) -> Self {
        Self::over(Scripted::new(hosts))
    }

    pub(super) fn over(transport: Scripted) -> Self {
        Self::of(transport, &Arc::new(Ledger::in_memory()))
    }

    /// A world whose ledger others have too, as if it were another process.
    pub(super) fn sharing(
        ledger: &Arc<Ledger>,
        hosts: impl IntoIterator<Item = (&'static str, Vec<Scene>)>,
    ) -> Self {
        Self::of(Scripted::new(hosts), ledger)
    }

    fn of(transport: Scripted, ledger: &Arc<Ledger>) -> Self {
        let transport = Arc::new(transport);
        let start = tokio::time::Instant::now();
        let clock: Clock = Arc::new(move || 1_700_000_000_000 + start.elapsed().as_millis() as i64);
        let health = Health::new(Arc::clone(ledger), clock, fastrand::Rng::with_seed(8));
        let router = Router::new(transport.clone(), health, fastrand::Rng::with_seed(7));
        Self { transport, router, stream: true, timeout: None }
    }

    pub(super) async fn call(&self, route: &Route) -> CallRecord {
        self.call_shown(route, &mut Shown { shows: false, text: String::new(), notices: vec![] }).await
    }

    pub(super) fn options(&self) -> CallOptions {
        CallOptions {
            id: "x".into(),
            requested_model: "t".into(),
            stream: self.stream,
            timeout: self.timeout,
            caller: Caller::default(),
        }
    }

    pub(super) async fn call_shown(&self, route: &Route, listener: &mut Shown) -> CallRecord {
        self.router.call(route, &Request::prompt("hi"), &self.options(), listener).await
    }
}

pub(super) fn text(record: &CallRecord) -> &str {
    &record.outcome.as_ref().unwrap().response.text
}

pub(super) fn classes(record: &CallRecord) -> Vec<FailureClass> {
    record.attempts.iter().filter_map(|a| a.failure.as_ref().map(|f| f.class)).collect()
}
