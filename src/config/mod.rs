//! What the files say: `routes.yaml` and golden sets, turned into typed policies and sets.
//!
//! The only room that knows YAML, and [`yaml`] is its only file that touches the parser. Everything checkable is
//! checked here, before anything is paid for; every error names file, line and column, underlines the place and says
//! what to do. Start with [`Config::load`] and [`load_set`].

mod assertions;
mod attachment;
mod baseline;
mod candidates;
mod cases;
mod catalogue;
mod conditions;
mod diagnostic;
mod dotenv;
mod duration;
mod gate;
mod golden;
mod guards;
mod identity;
mod models;
mod overrides;
mod prompts;
mod provider_parts;
mod provider_trust;
mod providers;
mod redirected_names;
mod rendering;
mod route_entry;
mod route_policy;
mod routes;
mod routes_file;
mod scenario;
mod schema;
mod search;
mod set_folder;
mod set_request;
mod subject;
mod template;
mod tools;
mod tree;
mod trust;
mod yaml;

pub use attachment::{AttachmentError, attachment};
pub use baseline::{SavedSubject, baseline_text, load_baseline};
pub use candidates::CandidateSpec;
pub use catalogue::CatalogueFile;
pub use diagnostic::{ConfigError, Problem, nearest};
pub use dotenv::DotEnv;
pub use duration::{DurationError, parse_duration};
pub use golden::load_set;
pub use routes::{Config, RouteSpec};
pub use scenario::{ScenarioRule, ScenarioStep, load_scenario};
pub use schema::schema_of;
pub use search::{Found, Look, Origin, find, ledger_of_user};
pub use set_folder::FileAccess;
pub use subject::{Subject, SubjectError};
pub use template::{Template, TemplateError};
pub use tools::tools_of;
pub use trust::TrustStore;
