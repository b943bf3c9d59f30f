//! Everything that is printed: streams, tables, progress, reports.
//!
//! The only room that writes to a terminal. It decides nothing; it is handed records and summaries and shows them, at
//! whatever width there is. stdout carries the answer, the table or the JSON asked for; stderr everything else.

mod audit;
mod audit_json;
mod available_models;
mod baseline_comparison;
mod call_envelope;
mod call_summary;
mod candidate_state;
mod catalog_changes;
mod compare;
mod console;
mod drill;
mod embeddings;
mod eval_table;
mod failing_cases;
mod format;
mod models;
mod pairwise_table;
mod ping;
mod plan;
mod progress;
mod report;
mod routes;
mod routes_json;
mod stream_printer;
mod table;

pub use audit::{AuditedSet, audit_table};
pub use audit_json::audit_json;
pub use available_models::{ListedModel, ProviderListing, available_models_json, available_models_table};
pub use call_envelope::{CallEnvelope, call_envelope};
pub use call_summary::call_summary_line;
pub use candidate_state::describe_state;
pub use catalog_changes::{catalog_changes_json, catalog_changes_table};
pub use compare::{compare_json, compare_table};
pub use console::{Console, ConsoleWidths};
pub use drill::{DrillResult, DrillVerdict, drill_json, drill_table};
pub use embeddings::{embeddings_json, embeddings_lines, embeddings_summary_line};
pub use eval_table::eval_table;
pub use failing_cases::DEFAULT_SHOWN_CASES;
pub use format::format_cost;
pub use models::{ModelRow, models_json, models_table};
pub use pairwise_table::PairwiseView;
pub use ping::{PingResult, ping_json, ping_table};
pub use plan::{PlanView, plan_json, plan_table};
pub use progress::{EvalProgress, SubjectBar};
pub use report::{
    EvalRun, ReportFormat, annotations, eval_json, markdown_report, neutralize_workflow_commands,
    probe_writable, replace_file,
};
pub use routes::{RouteView, RoutesView, routes_table};
pub use routes_json::routes_json;
pub use stream_printer::StreamPrinter;
