//! In which order candidates are tried. Pure: figures in, an order out.

use sha2::{Digest, Sha256};

use super::candidate_estimate::{CandidateEstimate, MIN_MEASUREMENTS};
use super::{BalanceWeights, Strategy};

/// A dollar's millionth, so that what is free can be compared too. In nano-dollars.
const MIN_COST: f64 = 1_000.0;

/// A balanced route keeps its first choice until another one is better by this factor.
const SWITCH_GAIN: f64 = 1.15;

/// This share of the calls goes first to whoever was measured too seldom, and this one to whoever never was.
const EXPLORE_RATE: f64 = 0.05;
const DISCOVER_RATE: f64 = 0.25;

/// A candidate in the race.
pub(super) struct RankingEntry<'a> {
    /// `provider/model`.
    pub(super) model: &'a str,
    /// Its share of a weighted route.
    pub(super) weight: f64,
    /// What it may be expected to do.
    pub(super) estimate: CandidateEstimate,
}

/// An order, by places in the list of runners.
#[derive(Debug, PartialEq)]
pub(super) struct Ranking {
    /// Best first.
    pub(super) indices: Vec<usize>,
    /// Whether the first one is there only to be measured.
    pub(super) is_exploration: bool,
}

/// What an order may hang on besides figures.
pub(super) struct RankingContext<'a> {
    /// The route's name.
    pub(super) route_name: &'a str,
    /// Who makes the draw: the same key, the same order.
    pub(super) sticky_key: &'a str,
    /// The route's first choice until now.
    pub(super) leader: &'a str,
    /// A number between 0 and 1.
    pub(super) random: f64,
}

/// The order of the candidates. Where figures are equal or unknown, it is that of the file.
pub(super) fn rank_candidates(
    strategy: &Strategy,
    runners: &[RankingEntry<'_>],
    draw: &RankingContext<'_>,
) -> Ranking {
    let mut places: Vec<usize> = (0..runners.len()).collect();
    let mut explored = false;
    let by = |places: &mut Vec<usize>, figure: &dyn Fn(&RankingEntry<'_>) -> f64| {
        places.sort_by(|a, b| figure(&runners[*a]).total_cmp(&figure(&runners[*b])));
    };
    match strategy {
        Strategy::Priority => {}
        Strategy::Cheapest => by(&mut places, &|runner| cost_key(&runner.estimate)),
        Strategy::Fastest => {
            by(&mut places, &|runner| latency_key(&runner.estimate));
            explored = explore(&mut places, runners, draw.random);
        }
        Strategy::Balanced(weigh) => {
            let scores = balanced_scores(weigh, runners);
            places.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            keep_leader(&mut places, &scores, runners, draw.leader);
            explored = explore(&mut places, runners, draw.random);
        }
        Strategy::Weighted { .. } => by(&mut places, &|runner| rendezvous_key(runner, draw)),
    }
    Ranking { indices: places, is_exploration: explored }
}

fn cost_key(estimate: &CandidateEstimate) -> f64 {
    estimate.cost.map_or(f64::INFINITY, |cost| cost as f64)
}

fn latency_key(estimate: &CandidateEstimate) -> f64 {
    estimate.latency.map_or(f64::INFINITY, |latency| latency.as_secs_f64())
}

/// The weighed mean of the logarithms of each figure's ratio to the best one: 0 is best in everything.
fn balanced_scores(weigh: &BalanceWeights, runners: &[RankingEntry<'_>]) -> Vec<f64> {
    type MetricFn = fn(&CandidateEstimate) -> Option<f64>;
    let figures: [(f64, MetricFn); 3] = [
        (weigh.cost, |e| e.cost.map(|cost| cost as f64 + MIN_COST)),
        (weigh.latency, |e| e.latency.map(|latency| latency.as_secs_f64().max(1e-4))),
        (weigh.reliability, |e| Some(1.0 / (1.0 - e.error_rate).max(1e-3))),
    ];
    let sum: f64 = figures.iter().map(|(weight, _)| weight).sum();
    let mut scores = vec![0.0; runners.len()];
    for (weight, figure) in figures.into_iter().filter(|(weight, _)| *weight > 0.0) {
        let values: Vec<Option<f64>> = runners.iter().map(|runner| figure(&runner.estimate)).collect();
        let Some(best) = values.iter().flatten().copied().min_by(f64::total_cmp) else { continue };
        for (score, value) in scores.iter_mut().zip(values) {
            // A figure that nobody knows speaks neither for nor against.
            *score += weight / sum * value.map_or(0.0, |value| (value / best).ln());
        }
    }
    scores
}

/// The first choice changes only for a gain that is more than noise, so that it does not flap.
fn keep_leader(places: &mut Vec<usize>, scores: &[f64], runners: &[RankingEntry<'_>], leader: &str) {
    let Some(at) = places.iter().position(|place| runners[*place].model == leader) else { return };
    if scores[places[at]] - scores[places[0]] < SWITCH_GAIN.ln() {
        let place = places.remove(at);
        places.insert(0, place);
    }
}

/// Puts whoever was measured least first, now and then, while that is too little to judge it by.
fn explore(places: &mut Vec<usize>, runners: &[RankingEntry<'_>], chance: f64) -> bool {
    let evidence = |place: usize| runners[place].estimate.measurements;
    let least = (1..places.len()).min_by(|a, b| evidence(places[*a]).total_cmp(&evidence(places[*b])));
    match least {
        Some(at) if chance < exploration_rate(evidence(places[at])) => {
            let place = places.remove(at);
            places.insert(0, place);
            true
        }
        _ => false,
    }
}

fn exploration_rate(evidence: f64) -> f64 {
    match evidence {
        none if none < 0.5 => DISCOVER_RATE,
        little if little < MIN_MEASUREMENTS => EXPLORE_RATE,
        _ => 0.0,
    }
}

/// Weighted rendezvous hashing: −ln(u) / weight, with u from a hash of who asks and who may answer. Each candidate comes
/// first with a chance in proportion to its weight, the same key always sees the same order, and a changed weight moves
/// only as many keys as it must. (Efraimidis & Spirakis 2006; Schindelhauer & Schomaker 2005.)
fn rendezvous_key(runner: &RankingEntry<'_>, draw: &RankingContext<'_>) -> f64 {
    if runner.weight <= 0.0 {
        return f64::INFINITY;
    }
    let hash = Sha256::new()
        .chain_update(draw.route_name)
        .chain_update([0])
        .chain_update(draw.sticky_key)
        .chain_update([0])
        .chain_update(runner.model)
        .finalize();
    let bits = hash.iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte)) >> 11;
    let u = (bits as f64 + 0.5) / 2_f64.powi(53);
    -u.ln() / runner.weight
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ranking_entry(model: &str, cost: u64, latency: u64) -> RankingEntry<'_> {
        let estimate = CandidateEstimate {
            cost: Some(cost),
            latency: Some(Duration::from_millis(latency)),
            measurements: 10.0,
            ..CandidateEstimate::default()
        };
        RankingEntry { model, weight: 1.0, estimate }
    }

    fn ranked_indices(strategy: &Strategy, runners: &[RankingEntry<'_>], leader: &str) -> Vec<usize> {
        rank_candidates(
            strategy,
            runners,
            &RankingContext { route_name: "r", sticky_key: "k", leader, random: 0.5 },
        )
        .indices
    }

    #[test]
    fn strategy_cases() {
        let runners =
            [ranking_entry("a", 900, 100), ranking_entry("b", 100, 900), ranking_entry("c", 500, 50)];
        assert_eq!(ranked_indices(&Strategy::Priority, &runners, ""), [0, 1, 2]);
        assert_eq!(ranked_indices(&Strategy::Cheapest, &runners, ""), [1, 2, 0]);
        assert_eq!(ranked_indices(&Strategy::Fastest, &runners, ""), [2, 0, 1]);
        let only = |cost, latency| Strategy::Balanced(BalanceWeights { cost, latency, reliability: 0.0 });
        assert_eq!(ranked_indices(&only(1.0, 0.0), &runners, ""), [1, 2, 0]);
        assert_eq!(ranked_indices(&only(0.0, 1.0), &runners, ""), [2, 0, 1]);
    }

    #[test]
    fn leader_stays_until_clearly_beaten() {
        let runners = [ranking_entry("a", 0, 114), ranking_entry("b", 0, 100), ranking_entry("c", 0, 90)];
        let fast = Strategy::Balanced(BalanceWeights { cost: 0.0, latency: 1.0, reliability: 0.0 });
        assert_eq!(ranked_indices(&fast, &runners, "b"), [1, 2, 0], "11 % slower than the best");
        assert_eq!(ranked_indices(&fast, &runners, "a"), [2, 1, 0], "27 % slower");
        assert_eq!(ranked_indices(&fast, &runners, "gone"), [2, 1, 0]);
    }

    #[test]
    fn error_rate_lowers_rank() {
        let mut runners = [ranking_entry("a", 500_000, 100), ranking_entry("b", 500_000, 100)];
        runners[0].estimate.error_rate = 0.4;
        assert_eq!(ranked_indices(&Strategy::Balanced(BalanceWeights::default()), &runners, ""), [1, 0]);
        assert_eq!(ranked_indices(&Strategy::Balanced(BalanceWeights::default()), &runners, "a"), [1, 0]);
    }

    #[test]
    fn unmeasured_candidate_is_explored_by_chance() {
        let mut runners =
            [ranking_entry("a", 1, 100), ranking_entry("b", 1, 200), ranking_entry("c", 1, 300)];
        runners[1].estimate.measurements = 0.0;
        runners[2].estimate.measurements = 1.0;
        let first = |chance| {
            rank_candidates(
                &Strategy::Fastest,
                &runners,
                &RankingContext { route_name: "", sticky_key: "", leader: "", random: chance },
            )
        };
        assert_eq!(first(0.24), Ranking { indices: vec![1, 0, 2], is_exploration: true });
        assert_eq!(first(0.26), Ranking { indices: vec![0, 1, 2], is_exploration: false });
        let some = [
            ranking_entry("a", 1, 100),
            RankingEntry { estimate: runners[2].estimate, ..ranking_entry("c", 1, 300) },
        ];
        let first = |chance| {
            rank_candidates(
                &Strategy::Fastest,
                &some,
                &RankingContext { route_name: "", sticky_key: "", leader: "", random: chance },
            )
        };
        assert_eq!(first(0.04).indices, [1, 0]);
        assert_eq!(first(0.06).indices, [0, 1]);
        let measured = [ranking_entry("a", 1, 100), ranking_entry("b", 1, 200)];
        let draw = RankingContext { route_name: "", sticky_key: "", leader: "", random: 0.0 };
        assert!(!rank_candidates(&Strategy::Fastest, &measured, &draw).is_exploration);
    }

    #[test]
    fn sticky_keys_follow_weights() {
        let mut runners = [ranking_entry("a", 1, 1), ranking_entry("b", 1, 1), ranking_entry("c", 1, 1)];
        (runners[0].weight, runners[1].weight, runners[2].weight) = (95.0, 5.0, 0.0);
        let strategy = Strategy::Weighted { sticky_by: None };
        let first = |runners: &[RankingEntry<'_>], key: &str| {
            let draw = RankingContext { route_name: "canary", sticky_key: key, leader: "", random: 0.0 };
            let places = rank_candidates(&strategy, runners, &draw).indices;
            assert_eq!(places[2], 2, "no weight comes last");
            places[0]
        };
        let keys: Vec<String> = (0..20_000).map(|n| format!("customer {n}")).collect();
        let before: Vec<usize> = keys.iter().map(|key| first(&runners, key)).collect();
        let share = before.iter().filter(|place| **place == 1).count();
        // 1000 expected, with a standard deviation of 31.
        assert!((880..=1120).contains(&share), "{share}");
        assert_eq!(before, keys.iter().map(|key| first(&runners, key)).collect::<Vec<_>>());
        // A growing canary keeps every customer that it had.
        runners[1].weight = 20.0;
        let kept = keys.iter().zip(&before).all(|(key, place)| *place == 0 || first(&runners, key) == 1);
        assert!(kept);
    }
}
