//! Routes with the state of each candidate, as tables.

use std::path::Path;

use super::candidate_state::{
    describe_conditions, describe_state, describe_state_reason, format_token_times, is_simulated,
};
use super::format::{format_duration, format_remaining, wrap_text};
use super::report::SIMULATED_NOTE;
use super::table::{BORDERLESS_WIDTH, new_table, reserve_name_column};
use crate::catalog::format_usd_rounded;
use crate::chat::NanoDollars;
use crate::route::store::WeightRow;
use crate::route::{
    Candidate, DailyBudget, HealthReport, OnExceeded, OnMissingPassRate, QualityFloor, Route, RouteStrategy,
};

/// From this width on, the reason for a candidate's state has its own column.
const REASON_COLUMN_WIDTH: usize = 130;

/// The table layout, chosen by the available width.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RoutesTableLayout {
    Wide,
    /// The reason is below the state, and both times share one column.
    Medium,
    /// The state is below the name, too.
    Stacked,
}

#[derive(Clone, Debug)]
pub struct RoutesView<'a> {
    pub routes: Vec<RouteView>,
    pub budget: Option<DailyBudget>,
    /// Spent today, real and simulated.
    /// Real, then simulated; `None` if the ledger cannot be read.
    pub spent: Option<[NanoDollars; 2]>,
    /// The directory of `routes.yaml`; paths are shown relative to it.
    pub folder: Option<&'a Path>,
    /// Unix time in milliseconds.
    pub now: i64,
}

#[derive(Clone, Debug)]
pub struct RouteView {
    pub route: Route,
    pub description: Option<String>,
    /// Environment variables that override the candidates of this route or of a route that it includes.
    pub overridden_by: Vec<String>,
    /// Reports of the candidates, in order; `None` for one that cannot be called.
    pub reports: Vec<Option<HealthReport>>,
    /// Shares of the configured weights, from eval scores.
    pub weights: Vec<WeightRow>,
}

impl RouteView {
    pub(super) fn rows(&self) -> impl Iterator<Item = (&Candidate, Option<&HealthReport>)> {
        let known = self.reports.iter().map(Option::as_ref).chain(std::iter::repeat(None));
        self.route.candidates.iter().zip(known)
    }

    /// The candidate's reduced weight; `None` if eval scores leave it unchanged.
    pub(super) fn weight_now(&self, candidate: &Candidate) -> Option<f64> {
        let model = candidate.model_ref.to_string();
        let left = self.weights.iter().find(|row| row.model == model && row.share < 1.0)?;
        Some(candidate.weight * left.share)
    }
}

/// One table per route: candidates, states with reasons, and times.
pub fn routes_table(view: &RoutesView<'_>, width: usize) -> String {
    let mut parts: Vec<String> = view.routes.iter().map(|route| route_table(route, view, width)).collect();
    let simulated = view.routes.iter().flat_map(|route| &route.route.candidates).any(is_simulated);
    let mut foot = String::new();
    if let Some(budget) = &view.budget {
        foot.push_str(&wrap_text(&describe_budget(budget, view.spent), width));
    }
    if simulated {
        foot.push_str(&wrap_text(SIMULATED_NOTE, width));
    }
    parts.extend((!foot.is_empty()).then_some(foot));
    parts.join("\n")
}

fn route_table(view: &RouteView, all: &RoutesView<'_>, width: usize) -> String {
    let layout = RoutesTableLayout::for_width(width);
    let (header, numbers): (&[&str], &[usize]) = match layout {
        RoutesTableLayout::Wide => (&["candidate", "state", "why", "first token", "per token"], &[3, 4]),
        RoutesTableLayout::Medium => (&["candidate", "state", "first token\n+ per token"], &[2]),
        RoutesTableLayout::Stacked => (&["candidate\n→ state", "first token\n+ per token"], &[1]),
    };
    let mut table = new_table(width, header, numbers);
    let mut longest = 0;
    for (candidate, report) in view.rows() {
        let name = candidate_name(view, candidate);
        longest = name.lines().map(|line| line.chars().count()).fold(longest, usize::max);
        let state = describe_state(candidate, report, all.now);
        let why = describe_state_reason(candidate, report, all.now);
        let times = format_token_times(report);
        table.add_row(layout.row(name, state, &why, times));
    }
    if layout != RoutesTableLayout::Stacked {
        reserve_name_column(&mut table, longest, layout == RoutesTableLayout::Wide);
    }
    format!("{}{table}\n", route_heading(view, all, width))
}

/// The model, with its weight and conditions below.
fn candidate_name(view: &RouteView, candidate: &Candidate) -> String {
    let mut name = candidate.model_ref.to_string();
    if is_simulated(candidate) {
        name.push_str(" (sim)");
    }
    let weight = view.route.is_weighted().then(|| match view.weight_now(candidate) {
        Some(now) => format!("weight {now:.1} of {} (from eval scores)", candidate.weight),
        None => format!("weight {}", candidate.weight),
    });
    for detail in weight.into_iter().chain(describe_conditions(&candidate.when)) {
        name.push_str(&format!("\n  {detail}"));
    }
    name
}

impl RoutesTableLayout {
    fn for_width(width: usize) -> Self {
        match width {
            ..BORDERLESS_WIDTH => Self::Stacked,
            BORDERLESS_WIDTH..REASON_COLUMN_WIDTH => Self::Medium,
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

/// The route's name, strategy, description, and requirements.
fn route_heading(view: &RouteView, all: &RoutesView<'_>, width: usize) -> String {
    let route = &view.route;
    let name = route.name.as_deref().unwrap_or_default();
    let deadline = format_duration(route.policy.timeouts.deadline);
    let strategy = describe_strategy(&route.policy.strategy);
    let mut lines = wrap_text(&format!("{name} · {strategy} · deadline {deadline}"), width);
    let requirements = describe_requirements(view, all.folder);
    let required = (!requirements.is_empty()).then(|| format!("requires {}", requirements.join("; ")));
    let overridden = view.overridden_by.iter().map(|name| format!("candidates overridden by {name}"));
    for line in view.description.iter().cloned().chain(required).chain(overridden) {
        lines.push_str(&wrap_text(&line, width));
    }
    lines
}

fn describe_strategy(strategy: &RouteStrategy) -> String {
    match strategy.order().options_summary() {
        Some(options) => format!("{} ({options})", strategy.name()),
        None => strategy.name().to_owned(),
    }
}

/// The requirements for every candidate.
fn describe_requirements(view: &RouteView, folder: Option<&Path>) -> Vec<String> {
    let requirements = &view.route.policy.requirements;
    let mut lines: Vec<String> =
        requirements.capabilities.iter().map(|need| need.name().to_owned()).collect();
    lines.extend(requirements.quality.as_ref().map(|floor| {
        let age = floor.max_age.map_or(String::new(), |age| {
            format!(", measured in the last {}", format_remaining(round_milliseconds(age)))
        });
        let missing = match floor.on_missing {
            OnMissingPassRate::Warn => "used with a warning",
            OnMissingPassRate::Skip => "skipped",
        };
        let set = display_set_path(floor, folder);
        format!("a pass rate of {} on {set}{age} (if unmeasured: {missing})", floor.min_pass_rate)
    }));
    lines.extend(
        requirements.max_cost.map(|amount| format!("at most ${} per call", format_usd_rounded(amount))),
    );
    lines.extend(
        requirements.max_p50.map(|max| format!("a median latency of at most {}", format_duration(max))),
    );
    lines
}

fn round_milliseconds(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn display_set_path(floor: &QualityFloor, folder: Option<&Path>) -> String {
    let set = folder.and_then(|folder| floor.set.strip_prefix(folder).ok()).unwrap_or(&floor.set);
    set.display().to_string()
}

fn describe_budget(budget: &DailyBudget, spent: Option<[NanoDollars; 2]>) -> String {
    let consequence = match budget.on_exceeded {
        OnExceeded::Stop => "calls beyond it are refused",
        OnExceeded::Warn => "calls beyond it only cause a warning",
    };
    let Some([real, simulated]) = spent else {
        let daily = format_usd_rounded(budget.limit);
        return format!("budget: ${daily} per day for all calls, unknown amount spent today; {consequence}");
    };
    let [daily, real, simulated_note] = [budget.limit, real, simulated].map(format_usd_rounded);
    let simulated_note = if simulated > NanoDollars::ZERO {
        format!(" (plus ${simulated_note} simulated)")
    } else {
        String::new()
    };
    format!("budget: ${daily} per day for all calls, ${real}{simulated_note} spent today; {consequence}")
}
