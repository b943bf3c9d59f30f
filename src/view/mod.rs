//! Everything that is printed: streams, tables, progress, reports.
//!
//! The only room that writes to a terminal. It decides nothing; it is handed records and summaries and shows them, at
//! whatever width there is. stdout carries the answer, the table or the JSON asked for; stderr everything else.

mod audit;
mod audit_json;
mod available;
mod changes;
mod compare;
mod comparison;
mod console;
mod drill;
mod embeddings;
mod envelope;
mod eval_cases;
mod eval_table;
mod explain;
mod footer;
mod format;
mod judged;
mod live;
mod models;
mod ping;
mod progress;
mod report;
mod routes;
mod routes_json;
mod standing;
mod table;

pub use audit::{Audited, audit_table};
pub use audit_json::audit_json;
pub use available::{Available, AvailableModel, available_json, available_table};
pub use changes::{changes_json, changes_table};
pub use compare::{compare_json, compare_table};
pub use console::{Console, Room};
pub use drill::{Promise, Rehearsal, drill_json, drill_table};
pub use embeddings::{embeddings_footer, embeddings_json, embeddings_lines};
pub use envelope::{Envelope, envelope};
pub use eval_cases::SHOWN;
pub use eval_table::eval_table;
pub use explain::{Explained, plan_json, plan_table};
pub use footer::footer;
pub use format::money;
pub use judged::Judged;
pub use live::Live;
pub use models::{ModelRow, models_json, models_table};
pub use ping::{Pinged, ping_json, ping_table};
pub use progress::{EvalProgress, SubjectBar};
pub use report::{EvalRun, Form, annotations, defused, eval_json, markdown, replace_file, writable};
pub use routes::{RouteView, RoutesView, routes_table};
pub use routes_json::routes_json;
pub use standing::state_words;
