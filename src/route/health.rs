//! How each model stands: what earlier calls of all processes taught, and what a call adds to it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::breaker::{Change, Role, Sign, is_demoted, measure, recent, take, trips, trouble, weight_left};
use super::limits::{provider_scope, scopes_of, spent_on};
use super::{Away, Block, Report, Route, Standing, believed, milliseconds};
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

/// What is old is looked for with one attempt in so many: with those that end in such a millisecond.
const TIDYING: i64 = 100;

const DAY: i64 = 86_400_000;

/// A model that nobody called for so long is forgotten, and what it scored on golden sets after a year.
const REMEMBERED: i64 = 90 * DAY;
const SCORES_REMEMBERED: i64 = 366 * DAY;

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
                    ledger.post(move |rows| rows.put_score(&set, &model, &score, score.at));
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
        let row = believed::health(row, now);
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
        let latest = believed::latest(score.at);
        self.ledger.post(move |rows| rows.put_score(&set, &model, &score, latest));
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

    /// Forgets everything that is known of a model, the blocks of its key that concern it, and how much its provider takes
    /// and has taken.
    pub async fn reset(&self, target: &Target) {
        let (key, block) = (key(target), block_key(target));
        self.ledger
            .write(move |rows| {
                rows.remove_health(&key)?;
                scopes_of(&key).iter().try_for_each(|scope| rows.clear_scope(scope))?;
                rows.put_allowed(&provider_scope(&key), None)?;
                rows.remove_blocks(&block, &key.model)
            })
            .await;
    }

    /// Takes in what an attempt taught; the receipt says what became of the breaker.
    pub(super) fn learn(&self, target: &Target, lesson: Lesson) -> oneshot::Receiver<Option<Change>> {
        self.ledger.receipt(self.lesson(target, lesson))
    }

    /// The same, where nobody waits for what becomes of the breaker.
    pub(super) fn learn_unawaited(&self, target: &Target, lesson: Lesson) {
        let mut lesson = self.lesson(target, lesson);
        self.ledger.post(move |rows| lesson(rows).map(drop));
    }

    fn lesson(
        &self,
        target: &Target,
        lesson: Lesson,
    ) -> impl FnMut(&Rows<'_>) -> RowResult<Option<Change>> + Send + use<> {
        let (now, draw, key, block) = (self.now(), self.random(), key(target), block_key(target));
        let model = key.model.clone();
        move |rows| {
            if now % TIDYING == 0 {
                rows.remove_old(now, now - REMEMBERED)?;
                rows.remove_scores(now - SCORES_REMEMBERED)?;
            }
            let latest = believed::latest_block(now);
            let why = lesson.class.map_or("", FailureClass::name);
            let blocked = match lesson.block {
                Block::None => None,
                Block::Key(span) => Some(("", span)),
                Block::Model(span) => Some((model.as_str(), span)),
            };
            if let Some((model, span)) = blocked {
                rows.extend_block(&block, model, now + milliseconds(span), why, latest)?;
            }
            rows.update_health(&key, |row| lesson.enter(row, now, draw))
        }
    }
}

impl Lesson {
    fn enter(&self, row: &mut HealthRow, now: i64, draw: f64) -> Option<Change> {
        *row = believed::health(std::mem::take(row), now);
        if let Some(class) = self.class {
            row.failed = row.failed.max(now);
            class.name().clone_into(&mut row.failed_as);
        }
        if let Some(wait) = self.wait {
            row.not_before = row.not_before.max(now + milliseconds(wait).min(believed::LONGEST));
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
    let row = believed::health(rows.health(key)?, now);
    let mut away = vec![(row.not_before, Away::Asked)];
    if row.open_until != 0 {
        away.push((row.open_until, Away::Open));
        if row.open_until <= now {
            away.push((row.probe_until, Away::Probed));
        }
    }
    if let Some((until, why)) = rows.block(block, &key.model, believed::latest_block(now))? {
        away.push((until, Away::Blocked(why)));
    }
    Ok(match away.into_iter().filter(|(until, _)| *until > now).max_by_key(|(until, _)| *until) {
        Some((until, why)) => Standing::Away { until, why },
        None if row.open_until != 0 => Standing::HalfOpen,
        None if is_demoted(&row, now) => Standing::Demoted,
        None => Standing::Ready,
    })
}
