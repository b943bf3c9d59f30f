//! In which order candidates are tried. Pure: figures in, an order out.

use sha2::{Digest, Sha256};

use super::estimate::{Estimate, MEASURED};
use super::{Strategy, Weigh};

/// A dollar's millionth, so that what is free can be compared too. In nano-dollars.
const LEAST_COST: f64 = 1_000.0;

/// A balanced route keeps its first choice until another one is better by this factor.
const GAIN: f64 = 1.15;

/// This share of the calls goes first to whoever was measured too seldom, and this one to whoever never was.
const EXPLORED: f64 = 0.05;
const DISCOVERED: f64 = 0.25;

/// A candidate in the race.
pub(super) struct Runner<'a> {
    /// `provider/model`.
    pub(super) model: &'a str,
    /// Its share of a weighted route.
    pub(super) weight: f64,
    /// What it may be expected to do.
    pub(super) estimate: Estimate,
}

/// An order, by places in the list of runners.
#[derive(Debug, PartialEq)]
pub(super) struct Order {
    /// Best first.
    pub(super) places: Vec<usize>,
    /// Whether the first one is there only to be measured.
    pub(super) explored: bool,
}

/// What an order may hang on besides figures.
pub(super) struct Draw<'a> {
    /// The route's name.
    pub(super) route: &'a str,
    /// Who makes the draw: the same key, the same order.
    pub(super) key: &'a str,
    /// The route's first choice until now.
    pub(super) leader: &'a str,
    /// A number between 0 and 1.
    pub(super) chance: f64,
}

/// The order of the candidates. Where figures are equal or unknown, it is that of the file.
pub(super) fn order(strategy: &Strategy, runners: &[Runner<'_>], draw: &Draw<'_>) -> Order {
    let mut places: Vec<usize> = (0..runners.len()).collect();
    let mut explored = false;
    let by = |places: &mut Vec<usize>, figure: &dyn Fn(&Runner<'_>) -> f64| {
        places.sort_by(|a, b| figure(&runners[*a]).total_cmp(&figure(&runners[*b])));
    };
    match strategy {
        Strategy::Priority => {}
        Strategy::Cheapest => by(&mut places, &|runner| cost(&runner.estimate)),
        Strategy::Fastest => {
            by(&mut places, &|runner| latency(&runner.estimate));
            explored = explore(&mut places, runners, draw.chance);
        }
        Strategy::Balanced(weigh) => {
            let scores = scores(weigh, runners);
            places.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            keep_leader(&mut places, &scores, runners, draw.leader);
            explored = explore(&mut places, runners, draw.chance);
        }
        Strategy::Weighted { .. } => by(&mut places, &|runner| arrival(runner, draw)),
    }
    Order { places, explored }
}

fn cost(estimate: &Estimate) -> f64 {
    estimate.cost.map_or(f64::INFINITY, |cost| cost as f64)
}

fn latency(estimate: &Estimate) -> f64 {
    estimate.latency.map_or(f64::INFINITY, |latency| latency.as_secs_f64())
}

/// The weighed mean of the logarithms of each figure's ratio to the best one: 0 is best in everything.
fn scores(weigh: &Weigh, runners: &[Runner<'_>]) -> Vec<f64> {
    type Figure = fn(&Estimate) -> Option<f64>;
    let figures: [(f64, Figure); 3] = [
        (weigh.cost, |e| e.cost.map(|cost| cost as f64 + LEAST_COST)),
        (weigh.latency, |e| e.latency.map(|latency| latency.as_secs_f64().max(1e-4))),
        (weigh.reliability, |e| Some(1.0 / (1.0 - e.trouble).max(1e-3))),
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
fn keep_leader(places: &mut Vec<usize>, scores: &[f64], runners: &[Runner<'_>], leader: &str) {
    let Some(at) = places.iter().position(|place| runners[*place].model == leader) else { return };
    if scores[places[at]] - scores[places[0]] < GAIN.ln() {
        let place = places.remove(at);
        places.insert(0, place);
    }
}

/// Puts whoever was measured least first, now and then, while that is too little to judge it by.
fn explore(places: &mut Vec<usize>, runners: &[Runner<'_>], chance: f64) -> bool {
    let evidence = |place: usize| runners[place].estimate.evidence;
    let least = (1..places.len()).min_by(|a, b| evidence(places[*a]).total_cmp(&evidence(places[*b])));
    match least {
        Some(at) if chance < share(evidence(places[at])) => {
            let place = places.remove(at);
            places.insert(0, place);
            true
        }
        _ => false,
    }
}

fn share(evidence: f64) -> f64 {
    match evidence {
        none if none < 0.5 => DISCOVERED,
        little if little < MEASURED => EXPLORED,
        _ => 0.0,
    }
}

/// Weighted rendezvous hashing: −ln(u) / weight, with u from a hash of who asks and who may answer. Each candidate comes
/// first with a chance in proportion to its weight, the same key always sees the same order, and a changed weight moves
/// only as many keys as it must. (Efraimidis & Spirakis 2006; Schindelhauer & Schomaker 2005.)
fn arrival(runner: &Runner<'_>, draw: &Draw<'_>) -> f64 {
    if runner.weight <= 0.0 {
        return f64::INFINITY;
    }
    let hash = Sha256::new()
        .chain_update(draw.route)
        .chain_update([0])
        .chain_update(draw.key)
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

    fn runner(model: &str, cost: u64, latency: u64) -> Runner<'_> {
        let estimate = Estimate {
            cost: Some(cost),
            latency: Some(Duration::from_millis(latency)),
            evidence: 10.0,
            ..Estimate::default()
        };
        Runner { model, weight: 1.0, estimate }
    }

    fn places(strategy: &Strategy, runners: &[Runner<'_>], leader: &str) -> Vec<usize> {
        order(strategy, runners, &Draw { route: "r", key: "k", leader, chance: 0.5 }).places
    }

    #[test]
    fn figures_order() {
        let runners = [runner("a", 900, 100), runner("b", 100, 900), runner("c", 500, 50)];
        assert_eq!(places(&Strategy::Priority, &runners, ""), [0, 1, 2]);
        assert_eq!(places(&Strategy::Cheapest, &runners, ""), [1, 2, 0]);
        assert_eq!(places(&Strategy::Fastest, &runners, ""), [2, 0, 1]);
        let only = |cost, latency| Strategy::Balanced(Weigh { cost, latency, reliability: 0.0 });
        assert_eq!(places(&only(1.0, 0.0), &runners, ""), [1, 2, 0]);
        assert_eq!(places(&only(0.0, 1.0), &runners, ""), [2, 0, 1]);
    }

    #[test]
    fn a_leader_stays_until_another_is_clearly_better() {
        let runners = [runner("a", 0, 114), runner("b", 0, 100), runner("c", 0, 90)];
        let fast = Strategy::Balanced(Weigh { cost: 0.0, latency: 1.0, reliability: 0.0 });
        assert_eq!(places(&fast, &runners, "b"), [1, 2, 0], "11 % slower than the best");
        assert_eq!(places(&fast, &runners, "a"), [2, 1, 0], "27 % slower");
        assert_eq!(places(&fast, &runners, "gone"), [2, 1, 0]);
    }

    #[test]
    fn trouble_counts_against() {
        let mut runners = [runner("a", 500_000, 100), runner("b", 500_000, 100)];
        runners[0].estimate.trouble = 0.4;
        assert_eq!(places(&Strategy::Balanced(Weigh::default()), &runners, ""), [1, 0]);
        assert_eq!(places(&Strategy::Balanced(Weigh::default()), &runners, "a"), [1, 0]);
    }

    #[test]
    fn the_unmeasured_is_tried_now_and_then_and_never_always() {
        let mut runners = [runner("a", 1, 100), runner("b", 1, 200), runner("c", 1, 300)];
        runners[1].estimate.evidence = 0.0;
        runners[2].estimate.evidence = 1.0;
        let first =
            |chance| order(&Strategy::Fastest, &runners, &Draw { route: "", key: "", leader: "", chance });
        assert_eq!(first(0.24), Order { places: vec![1, 0, 2], explored: true });
        assert_eq!(first(0.26), Order { places: vec![0, 1, 2], explored: false });
        let some = [runner("a", 1, 100), Runner { estimate: runners[2].estimate, ..runner("c", 1, 300) }];
        let first =
            |chance| order(&Strategy::Fastest, &some, &Draw { route: "", key: "", leader: "", chance });
        assert_eq!(first(0.04).places, [1, 0]);
        assert_eq!(first(0.06).places, [0, 1]);
        let measured = [runner("a", 1, 100), runner("b", 1, 200)];
        let draw = Draw { route: "", key: "", leader: "", chance: 0.0 };
        assert!(!order(&Strategy::Fastest, &measured, &draw).explored);
    }

    #[test]
    fn weights_are_shares_and_keys_stick() {
        let mut runners = [runner("a", 1, 1), runner("b", 1, 1), runner("c", 1, 1)];
        (runners[0].weight, runners[1].weight, runners[2].weight) = (95.0, 5.0, 0.0);
        let strategy = Strategy::Weighted { sticky_by: None };
        let first = |runners: &[Runner<'_>], key: &str| {
            let draw = Draw { route: "canary", key, leader: "", chance: 0.0 };
            let places = order(&strategy, runners, &draw).places;
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
