//! The one integration-test binary: one link instead of many.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails says so by a panic, and one that skips prints why"
)]

mod access;
mod assertion_mistakes;
mod assertions;
mod audits;
mod baselines;
mod calls;
mod catalogue;
mod contests;
mod costs;
mod drift;
mod drills;
#[cfg(unix)]
mod ended;
mod evals;
mod faults;
mod files;
#[cfg(unix)]
mod hook;
mod imports;
mod judged_runs;
mod judges;
mod ledger_trouble;
mod limits;
mod ping;
#[cfg(unix)]
mod planted_keys;
#[cfg(unix)]
mod programs;
mod prompts;
mod readme;
mod repairs;
mod reports;
mod requests;
mod route_files;
mod runs;
mod samples;
mod set_files;
mod set_schemas;
mod shared_breaker;
mod simulator;
mod specs;
mod standings;
mod strategies;
#[path = "../src/provider/signer/test_host.rs"]
mod test_host;
mod tool;
mod trust;
mod widths;
mod wording;
