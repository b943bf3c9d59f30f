//! Routes with the standing of each candidate, as tables.

use std::path::Path;

use super::format::{seconds, span, wrapped};
use super::standing::{is_simulated, state_words, times, when_words, why_words};
use super::table::{NARROW, table, whole_names};
use crate::catalog::{NanoDollars, dollars};
use crate::ledger::WeightRow;
use crate::route::{Budget, Candidate, Exceeded, Missing, QualityFloor, Report, Route, Strategy};

/// From this width on, why a candidate stands as it does has a column of its own.
const WIDE: usize = 130;

/// How much stands side by side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Wide,
    /// Why a candidate stands as it does is below its state, and both times are in one column.
    Medium,
    /// The state is below the name, too.
    Stacked,
}

/// Some routes, and what holds for them all.
#[derive(Clone, Debug)]
pub struct RoutesView<'a> {
    /// The routes.
    pub routes: Vec<RouteView>,
    /// How much may be spent in a day.
    pub budget: Option<Budget>,
    /// What was spent today, in real dollars and in the simulator's.
    pub spent: [NanoDollars; 2],
    /// Where `routes.yaml` is, so that paths beside it are shown as they are written.
    pub folder: Option<&'a Path>,
    /// The time, in milliseconds since 1970.
    pub now: i64,
}

/// A route, and what is known of its candidates.
#[derive(Clone, Debug)]
pub struct RouteView {
    /// The route.
    pub route: Route,
    /// What it is for.
    pub description: Option<String>,
    /// The variables that took the place of the file's candidates, here or in a route that is part of this one.
    pub overridden_by: Vec<String>,
    /// What is known of each candidate; nothing of one that cannot be called.
    pub reports: Vec<Option<Report>>,
    /// What scores left of the candidates' weights.
    pub weights: Vec<WeightRow>,
}

impl RouteView {
    pub(super) fn rows(&self) -> impl Iterator<Item = (&Candidate, Option<&Report>)> {
        let known = self.reports.iter().map(Option::as_ref).chain(std::iter::repeat(None));
        self.route.candidates.iter().zip(known)
    }

    /// What a candidate's weight is now, where scores left less of it than is written.
    pub(super) fn weight_now(&self, candidate: &Candidate) -> Option<f64> {
        let model = candidate.model_ref.to_string();
        let left = self.weights.iter().find(|row| row.model == model && row.share < 1.0)?;
        Some(candidate.weight * left.share)
    }
}

/// A table for each route: its candidates, how they stand and why, and how fast they were.
pub fn routes_table(view: &RoutesView<'_>, width: usize) -> String {
    let mut parts: Vec<String> = view.routes.iter().map(|route| route_table(route, view, width)).collect();
    let simulated = view.routes.iter().flat_map(|route| &route.route.candidates).any(is_simulated);
    let mut foot = String::new();
    if let Some(budget) = &view.budget {
        foot.push_str(&wrapped(&budget_words(budget, view.spent), width));
    }
    if simulated {
        foot.push_str(&wrapped("(sim): served by slalom's simulator, not by a model", width));
    }
    parts.extend((!foot.is_empty()).then_some(foot));
    parts.join("\n")
}

fn route_table(view: &RouteView, all: &RoutesView<'_>, width: usize) -> String {
    let layout = Layout::of(width);
    let (header, numbers): (&[&str], &[usize]) = match layout {
        Layout::Wide => (&["candidate", "state", "why", "first token", "per token"], &[3, 4]),
        Layout::Medium => (&["candidate", "state", "first token\n+ per token"], &[2]),
        Layout::Stacked => (&["candidate\n→ state", "first token\n+ per token"], &[1]),
    };
    let mut table = table(width, header, numbers);
    let mut longest = 0;
    for (candidate, report) in view.rows() {
        let name = name(view, candidate);
        longest = name.lines().map(|line| line.chars().count()).fold(longest, usize::max);
        let state = state_words(candidate, report, all.now);
        let why = why_words(candidate, report, all.now);
        let times = times(report);
        table.add_row(layout.row(name, state, &why, times));
    }
    if layout != Layout::Stacked {
        whole_names(&mut table, longest, layout == Layout::Wide);
    }
    format!("{}{table}\n", heading(view, all, width))
}

/// The model, and below it what the route says of it.
fn name(view: &RouteView, candidate: &Candidate) -> String {
    let mut name = candidate.model_ref.to_string();
    if is_simulated(candidate) {
        name.push_str(" (sim)");
    }
    let said = view.route.is_weighted().then(|| match view.weight_now(candidate) {
        Some(now) => format!("weight {now:.1} by its scores, {} as written", candidate.weight),
        None => format!("weight {}", candidate.weight),
    });
    for words in said.into_iter().chain(when_words(&candidate.when)) {
        name.push_str(&format!("\n  {words}"));
    }
    name
}

impl Layout {
    fn of(width: usize) -> Self {
        match width {
            ..NARROW => Self::Stacked,
            NARROW..WIDE => Self::Medium,
            _ => Self::Wide,
        }
    }

    fn row(self, name: String, state: String, why: &str, times: [Option<String>; 2]) -> Vec<String> {
        let unmeasured = || "unmeasured".to_owned();
        if self == Self::Wide {
            let [first, token] = times.map(|time| time.unwrap_or_else(unmeasured));
            return vec![name, state, why.to_owned(), first, token];
        }
        let times = match times {
            [None, None] => unmeasured(),
            [first, token] => {
                let token = token.map_or_else(unmeasured, |token| format!("+ {token}"));
                format!("{}\n{token}", first.unwrap_or_else(unmeasured))
            }
        };
        let stacked = self == Self::Stacked;
        let why = match (why, stacked) {
            ("", _) => String::new(),
            (why, true) => format!("\n  {}", why.replace("; ", "\n  ")),
            (why, false) => format!("\n{why}"),
        };
        match stacked {
            true => vec![format!("{name}\n→ {state}{why}"), times],
            false => vec![name, format!("{state}{why}"), times],
        }
    }
}

/// The route itself: its name and strategy, what it is for, and what it asks of its candidates.
fn heading(view: &RouteView, all: &RoutesView<'_>, width: usize) -> String {
    let route = &view.route;
    let name = route.name.as_deref().unwrap_or_default();
    let deadline = seconds(route.policy.deadlines.call);
    let strategy = strategy_words(&route.policy.strategy);
    let mut lines = wrapped(&format!("{name} · {strategy} · deadline {deadline}"), width);
    let floors = floors_words(view, all.folder);
    let asks = (!floors.is_empty()).then(|| format!("asks for {}", floors.join("; ")));
    let overridden = view.overridden_by.iter().map(|name| format!("{name} replaces candidates of the file"));
    for line in view.description.iter().cloned().chain(asks).chain(overridden) {
        lines.push_str(&wrapped(&line, width));
    }
    lines
}

fn strategy_words(strategy: &Strategy) -> String {
    match strategy {
        Strategy::Balanced(weigh) => format!(
            "balanced (cost {}, latency {}, reliability {})",
            weigh.cost, weigh.latency, weigh.reliability
        ),
        Strategy::Weighted { sticky_by: Some(variable) } => format!("weighted (sticky by var:{variable})"),
        plain => plain.name().to_owned(),
    }
}

/// What every candidate must offer.
fn floors_words(view: &RouteView, folder: Option<&Path>) -> Vec<String> {
    let floors = &view.route.policy.floors;
    let mut words: Vec<String> = floors.requires.iter().map(|need| need.name().to_owned()).collect();
    words.extend(floors.quality.as_ref().map(|floor| {
        let age =
            floor.max_age.map_or(String::new(), |age| format!(", measured in the last {}", span(whole(age))));
        let missing = match floor.missing {
            Missing::Warn => "used with a warning",
            Missing::Skip => "left out",
        };
        let set = set_path(floor, folder);
        format!("a pass rate of {} on {set}{age} (without one: {missing})", floor.min_pass_rate)
    }));
    words.extend(floors.max_cost.map(|most| format!("${} a call at most", dollars(most as f64 / 1e9))));
    words.extend(floors.max_p50.map(|most| format!("a typical time of {} at most", seconds(most))));
    words
}

fn whole(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn set_path(floor: &QualityFloor, folder: Option<&Path>) -> String {
    let set = folder.and_then(|folder| floor.set.strip_prefix(folder).ok()).unwrap_or(&floor.set);
    set.display().to_string()
}

fn budget_words(budget: &Budget, [real, simulated]: [NanoDollars; 2]) -> String {
    let then = match budget.on_exceeded {
        Exceeded::Stop => "no call beyond it is made",
        Exceeded::Warn => "calls beyond it are made with a warning",
    };
    let [daily, real, fiction] = [budget.daily, real, simulated].map(|nano| dollars(nano as f64 / 1e9));
    let fiction = if simulated > 0 { format!(" and ${fiction} of simulated money") } else { String::new() };
    format!("budget: ${daily} a day for all calls, of which ${real}{fiction} is spent today; {then}")
}
