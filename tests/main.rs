//! All integration tests in one binary, so that they link only once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failing test panics, and some tests print what they measured"
)]

mod ask_route_compare;
mod assertion_errors;
mod assertions;
mod audit;
#[cfg(unix)]
mod breaker_hook;
mod check_ping;
mod compare_judge;
mod config_files;
mod dialects;
mod doc_examples;
mod eval;
mod eval_baseline;
mod eval_drift;
mod eval_prompts;
mod eval_repairs;
mod eval_reports;
mod eval_runs;
#[cfg(unix)]
mod exec_assertion;
mod graders;
mod harness;
mod help;
mod imports;
#[cfg(unix)]
mod key_redaction;
mod ledger_errors;
mod limits;
mod logging;
mod models;
mod provider_auth;
mod recorded_costs;
mod request_flags;
mod resume_with_judges;
mod route_drill;
mod route_status;
mod route_strategies;
mod routing_config;
mod samples;
mod set_attachments;
mod set_errors;
mod set_schema;
mod shared_breaker;
mod shared_folder;
#[cfg(unix)]
mod shutdown;
mod sim;
mod specs;
mod stream_faults;
mod terminal_width;
#[path = "../src/provider/signer/test_host.rs"]
mod test_host;
mod trust;
