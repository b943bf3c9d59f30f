//! How each model stands: what earlier calls of all processes taught, and what a call adds to it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::breaker::{Change, Role, Sign, is_demoted, measure, recent, take, trips, trouble, weight_left};
use super::limits::{provider_scope, spent_on};
use super::{Block, Full, Route};
use crate::catalog::NanoDollars;
use crate::chat::{FailureClass, Usage};
use crate::ledger::{HealthKey, HealthRow, Ledger, RowResult, Rows, ScoreRow};
use crate::provider::{ModelRef, Target};

/// Says what time it is, in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What is known of every model, by all calls of all processes that share a ledger.
#[derive(Clone)]
pub struct Health {
    ledger: Arc<Ledger>,
    clock: Clock,
    draw: Arc<Mutex<fastrand::Rng>>,
}

/// How a model stands at a moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It may be called.
    Ready,
    /// It may be called, behind those that do better.
    Demoted,
    /// Its breaker is half-open: one call may find out whether it is back.
    HalfOpen,
    /// It wants to be left alone.
    Away {
        /// Until then, in milliseconds since 1970.
        until: i64,
        /// Why.
        why: Away,
    },
}

/// Why a model wants to be left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Away {
    /// Its breaker is open.
    Open,
    /// Another call is finding out whether it is back.
    Probed,
    /// It said when it wants to be called again.
    Asked,
    /// Its key, or the model behind it, was refused; the class of that failure.
    Blocked(String),
    /// It would answer, but there is no more of it for now.
    Limited(Full),
}

impl Standing {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Demoted => "demoted",
            Self::HalfOpen => "half_open",
            Self::Away { why, .. } => why.name(),
        }
    }

    /// Until when it wants to be left alone, in milliseconds since 1970.
    pub fn until(&self) -> Option<i64> {
        match self {
            Self::Away { until, .. } => Some(*until),
            Self::Ready | Self::Demoted | Self::HalfOpen => None,
        }
    }

    /// Whether it is called in its turn, and not left alone.
    pub fn is_ready(&self) -> bool {
        !matches!(self, Self::Away { .. })
    }
}

impl Report {
    /// Whether nothing is known of it.
    pub fn is_blank(&self) -> bool {
        let never = self.last_failure.is_none() && self.trips == 0 && self.events == 0.0;
        never && self.standing == Standing::Ready && self.first_token_ms.is_none() && self.token_ms.is_none()
    }
}

impl Away {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "breaker_open",
            Self::Probed => "breaker_probing",
            Self::Asked => "not_before",
            Self::Blocked(_) => "blocked",
            Self::Limited(_) => "limited",
        }
    }
}

/// What is known of one model, for whoever wants to see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How it stands.
    pub standing: Standing,
    /// The share of recent calls in trouble, shrunk towards none where few are known.
    pub trouble: f64,
    /// How many recent calls are known, decayed until now.
    pub events: f64,
    /// How many of these were in trouble.
    pub troubled: f64,
    /// The trips of its breaker that still count.
    pub trips: u32,
    /// Its typical time until the first token, and for each token after it, in milliseconds, where measured.
    pub first_token_ms: Option<f64>,
    /// See there.
    pub token_ms: Option<f64>,
    /// When it failed last, in milliseconds since 1970, and the class of that failure.
    pub last_failure: Option<(i64, String)>,
}

/// What an attempt taught.
pub(super) struct Lesson {
    pub(super) role: Role,
    pub(super) sign: Sign,
    pub(super) block: Block,
    pub(super) class: Option<FailureClass>,
    /// How long the provider wants to be left alone.
    pub(super) wait: Option<Duration>,
    /// Milliseconds until the first token, and for each one after it.
    pub(super) times: [Option<f64>; 2],
}

/// The address that the simulator goes by: its port is another one each time.
const SIMULATOR: &str = "simulator";

/// The name of a model's row, and so of everything that is kept of it and its provider.
pub(super) fn key(target: &Target) -> HealthKey {
    let base_url = if target.provider.simulated { SIMULATOR } else { target.base_url() };
    let model = &target.model_ref;
    HealthKey { provider: model.provider.clone(), base_url: base_url.to_owned(), model: model.model.clone() }
}

fn block_key(target: &Target) -> String {
    match target.key_print() {
        Some(print) => print,
        None => format!("{} at {}", target.model_ref.provider, key(target).base_url),
    }
}

impl Health {
    /// Health kept in a ledger.
    pub fn new(ledger: Arc<Ledger>, clock: Clock, draw: fastrand::Rng) -> Self {
        Self { ledger, clock, draw: Arc::new(Mutex::new(draw)) }
    }

    /// The ledger that it is kept in.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// What says the time.
    pub(super) fn clock(&self) -> Clock {
        Arc::clone(&self.clock)
    }

    /// The time.
    pub fn now(&self) -> i64 {
        (self.clock)()
    }

    fn random(&self) -> f64 {
        self.draw.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }

    /// Health of its own for a rehearsal: what was measured of the route and its models, and everybody in good standing. What
    /// it learns is gone with it.
    pub(super) fn rehearsal(&self, route: &Route) -> Self {
        let ledger = Ledger::in_memory();
        let name = route.habits();
        let habits = self.ledger.read(|rows| rows.route(&name));
        ledger.post(move |rows| rows.update_route(&name, |row| row.clone_from(&habits)));
        for target in route.candidates.iter().filter_map(|candidate| candidate.target.as_ref().ok()) {
            let key = key(target);
            let known = self.ledger.read(|rows| rows.health(&key));
            let measured = move |row: &mut HealthRow| {
                (row.first_token, row.token, row.measured) = (known.first_token, known.token, known.measured);
            };
            ledger.post(move |rows| rows.update_health(&key, measured));
        }
        if let Some(floor) = &route.policy.floors.quality {
            let set = floor.set.to_string_lossy().into_owned();
            for candidate in &route.candidates {
                let (set, model) = (set.clone(), candidate.model_ref.to_string());
                if let Some(score) = self.ledger.read(|rows| rows.score(&set, &model)) {
                    ledger.post(move |rows| rows.put_score(&set, &model, &score));
                }
            }
        }
        Self { ledger: Arc::new(ledger), clock: Arc::clone(&self.clock), draw: Arc::clone(&self.draw) }
    }

    /// How the models stand, in their order.
    pub fn standings<'a>(&self, targets: impl IntoIterator<Item = &'a Target>) -> Vec<Standing> {
        let now = self.now();
        let keys: Vec<(HealthKey, String)> =
            targets.into_iter().map(|target| (key(target), block_key(target))).collect();
        if keys.is_empty() {
            return Vec::new();
        }
        let standings = self.ledger.read(|rows| {
            keys.iter().map(|(key, block)| standing_in(rows, key, block, now)).collect::<RowResult<_>>()
        });
        // What could not be read is as if nothing were known.
        let known: Vec<Standing> = standings;
        if known.len() == keys.len() { known } else { vec![Standing::Ready; keys.len()] }
    }

    /// What is known of a model.
    pub fn report(&self, target: &Target) -> Report {
        let (now, key, block) = (self.now(), key(target), block_key(target));
        let (row, standing) =
            self.ledger.read(|rows| Ok((rows.health(&key)?, Some(standing_in(rows, &key, &block, now)?))));
        let since = now - row.measured;
        let (troubled, events) = recent(&row, now);
        let typical = |trend| (weight_left(trend, since) > 0.0).then(|| trend.mean.exp());
        Report {
            standing: standing.unwrap_or(Standing::Ready),
            trouble: trouble(&row, now),
            events,
            troubled,
            trips: trips(&row, now),
            first_token_ms: typical(row.first_token),
            token_ms: typical(row.token),
            last_failure: (row.failed > 0).then_some((row.failed, row.failed_as)),
        }
    }

    /// Takes in what a route's call was like.
    pub(super) fn learn_habits(&self, route: &str, usage: &Usage) {
        let (Some(input), Some(output)) = (usage.input_tokens, usage.output_tokens) else { return };
        let share = usage.cached_input_tokens.unwrap_or(0) as f64 / input.max(1) as f64;
        let route = route.to_owned();
        self.ledger.post(move |rows| rows.update_route(&route, |row| row.take(output, share.min(1.0))));
    }

    /// Keeps how a model did in a run of a whole golden set.
    pub fn keep_score(&self, set: &Path, digest: &str, model: &ModelRef, passed: u64, failed: u64) {
        let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let (passed, scored) = (count(passed), count(passed + failed));
        let score = ScoreRow { at: self.now(), passed, scored, digest: digest.to_owned() };
        let (set, model) = (set.to_string_lossy().into_owned(), model.to_string());
        self.ledger.post(move |rows| rows.put_score(&set, &model, &score));
    }

    /// Keeps a route's first choice.
    pub(super) fn put_leader(&self, route: &str, leader: &str) {
        let (route, leader) = (route.to_owned(), leader.to_owned());
        self.ledger.post(move |rows| rows.update_route(&route, |row| row.leader.clone_from(&leader)));
    }

    /// What was spent today, in real dollars and in the simulator's.
    pub fn spent_today(&self) -> [NanoDollars; 2] {
        let now = self.now();
        self.ledger.read(|rows| spent_on(rows, now))
    }

    /// Forgets everything that is known of a model, the blocks of its key that concern it, and how much its provider takes.
    pub async fn reset(&self, target: &Target) {
        let (key, block) = (key(target), block_key(target));
        self.ledger
            .write(move |rows| {
                rows.remove_health(&key)?;
                rows.put_allowed(&provider_scope(&key), None)?;
                rows.remove_blocks(&block, &key.model)
            })
            .await;
    }

    /// Takes the only probe of a half-open breaker, for so long; false where another call has it.
    pub(super) async fn take_probe(&self, target: &Target, call: &str, lease: Duration) -> bool {
        let (key, call, clock) = (key(target), call.to_owned(), Arc::clone(&self.clock));
        self.ledger
            .write(move |rows| {
                rows.update_health(&key, |row| {
                    // By the time that this is written the lease of another may have ended, or its probe succeeded.
                    let now = clock();
                    let free = row.open_until == 0 || row.open_until <= now && row.probe_until <= now;
                    if free && row.open_until != 0 {
                        row.probe_until = now + milliseconds(lease);
                        row.probe_by.clone_from(&call);
                    }
                    free
                })
            })
            .await
    }

    /// Keeps a probe that is still running.
    pub(super) fn renew_probe(&self, target: &Target, call: &str, lease: Duration) {
        let (key, call, until) = (key(target), call.to_owned(), self.now() + milliseconds(lease));
        self.ledger.post(move |rows| {
            rows.update_health(&key, |row| {
                if row.probe_by == call && row.probe_until > 0 {
                    row.probe_until = row.probe_until.max(until);
                }
            })
        });
    }

    /// Takes in what an attempt taught; the receipt says what became of the breaker.
    pub(super) fn learn(&self, target: &Target, lesson: Lesson) -> oneshot::Receiver<Option<Change>> {
        let (now, draw, key, block) = (self.now(), self.random(), key(target), block_key(target));
        let model = key.model.clone();
        self.ledger.receipt(move |rows| {
            let why = lesson.class.map_or("", FailureClass::name);
            match lesson.block {
                Block::None => {}
                Block::Key(span) => rows.extend_block(&block, "", now + milliseconds(span), why)?,
                Block::Model(span) => rows.extend_block(&block, &model, now + milliseconds(span), why)?,
            }
            rows.update_health(&key, |row| lesson.enter(row, now, draw))
        })
    }
}

impl Lesson {
    fn enter(&self, row: &mut HealthRow, now: i64, draw: f64) -> Option<Change> {
        if let Some(class) = self.class {
            row.failed = row.failed.max(now);
            class.name().clone_into(&mut row.failed_as);
        }
        if let Some(wait) = self.wait {
            row.not_before = row.not_before.max(now + milliseconds(wait));
        }
        let since = now - row.measured;
        let [first, token] = self.times;
        if let Some(first) = first {
            row.first_token = measure(row.first_token, first, since);
        }
        if let Some(token) = token {
            row.token = measure(row.token, token, since);
        }
        if first.is_some() || token.is_some() {
            row.measured = row.measured.max(now);
        }
        take(row, self.sign, self.role, now, draw)
    }
}

fn standing_in(rows: &Rows<'_>, key: &HealthKey, block: &str, now: i64) -> RowResult<Standing> {
    let row = rows.health(key)?;
    let mut away = vec![(row.not_before, Away::Asked)];
    if row.open_until != 0 {
        away.push((row.open_until, Away::Open));
        if row.open_until <= now {
            away.push((row.probe_until, Away::Probed));
        }
    }
    if let Some((until, why)) = rows.block(block, &key.model)? {
        away.push((until, Away::Blocked(why)));
    }
    Ok(match away.into_iter().filter(|(until, _)| *until > now).max_by_key(|(until, _)| *until) {
        Some((until, why)) => Standing::Away { until, why },
        None if row.open_until != 0 => Standing::HalfOpen,
        None if is_demoted(&row, now) => Standing::Demoted,
        None => Standing::Ready,
    })
}

pub(super) fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 2)
}
