//! Console output and reports: streams, tables, progress, JSON, files. Only this module writes to the
//! terminal. It makes no decisions: it formats records and summaries for the available width and depends on
//! the modules that produce them, mainly `route` and `eval`. stdout carries the requested answer, table, or
//! JSON; stderr carries everything else.

mod audit;
mod audit_json;
mod available_models;
mod baseline_comparison;
mod call_envelope;
mod call_event;
mod call_summary;
mod candidate_state;
mod catalog_changes;
mod compare;
mod console;
mod drill;
mod embeddings;
mod eval_failures;
mod eval_notes;
mod eval_table;
mod failing_cases;
mod format;
mod gate_reasons;
mod models;
mod pairwise_table;
mod ping;
mod plan;
mod progress;
mod reasons;
mod report;
mod routes;
mod routes_json;
mod stream_printer;
mod table;

pub(crate) use audit::{AuditFailure, AuditedSet, audit_table};
pub(crate) use audit_json::audit_json;
pub(crate) use available_models::{ProviderListing, available_models_json, available_models_table};
pub(crate) use call_envelope::call_envelope;
pub(crate) use call_event::{describe_call_event, describe_run_event};
pub(crate) use call_summary::call_summary_line;
pub(crate) use candidate_state::describe_state;
pub(crate) use catalog_changes::{catalog_changes_json, catalog_changes_table};
pub(crate) use compare::{compare_json, compare_table};
pub(crate) use console::{Console, ConsoleWidths};
pub(crate) use drill::{DrillFailure, DrillResult, DrillVerdict, drill_json, drill_table};
pub(crate) use embeddings::{embeddings_json, embeddings_lines, embeddings_summary_line};
pub(crate) use eval_failures::ResultWording;
pub(crate) use eval_notes::{
    BaselineRejection, EffectiveLimit, baseline_rejection_warning, cost_limit_warning, missing_results_note,
    stop_warning,
};
pub(crate) use eval_table::eval_table;
pub(crate) use failing_cases::DEFAULT_SHOWN_CASES;
pub(crate) use format::format_cost;
pub(crate) use models::{ModelRow, models_json, models_table};
pub(crate) use pairwise_table::PairwiseView;
pub(crate) use ping::{PingResult, ping_json, ping_table};
pub(crate) use plan::{PlanView, plan_json, plan_table};
pub(crate) use progress::EvalProgress;
pub(crate) use reasons::{
    describe_adjustment, describe_budget_exceeded, describe_missing_pass_rate, describe_skip, describe_stop,
};
pub(crate) use report::{
    EvalRun, ReportFormat, annotations, eval_json, markdown_report, neutralize_workflow_commands,
    probe_writable, replace_file,
};
pub use routes::{RouteView, RoutesView, routes_table};
pub use routes_json::routes_json;
pub(crate) use stream_printer::StreamPrinter;
