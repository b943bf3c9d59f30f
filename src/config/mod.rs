//! What the files say: `routes.yaml` and golden sets, turned into typed policies and sets.
//!
//! The only room that knows YAML, and [`yaml`] is its only file that touches the parser. Everything checkable is
//! checked here, before anything is paid for; every error names file, line and column, underlines the place and says
//! what to do. Start with [`Config::load`] and [`load_set`].

mod assertions;
mod attachment;
mod baseline_file;
mod budget_and_hooks;
mod candidates;
mod case_builder;
mod case_digest;
mod case_entries;
mod catalog_file;
mod conditions;
mod config_file;
mod config_resolver;
mod diagnostic;
mod dotenv;
mod duration;
mod gate_entry;
mod golden_set_file;
mod model_facts;
mod output_schema_file;
mod overrides;
mod prompt_templates;
mod provider_fields;
mod provider_trust;
mod providers;
mod redirected_names;
mod request_entry;
mod route_entry;
mod route_policy;
mod routes_file;
mod scenario;
mod set_folder;
mod spanned_value;
mod subject;
mod template;
mod tools;
mod trust_store;
mod yaml;

pub use attachment::{AttachmentError, load_attachment};
pub use baseline_file::{BaselineSubject, load_baseline, render_baseline};
pub use candidates::CandidateSpec;
pub use catalog_file::CatalogFile;
pub use config_file::{ConfigFile, ConfigOrigin, ConfigSearch, find_config, user_ledger_path};
pub use config_resolver::{Config, RouteSpec};
pub use diagnostic::{ConfigError, Diagnostic, find_closest};
pub use dotenv::DotEnv;
pub use duration::{DurationError, parse_duration};
pub use golden_set_file::load_golden_set;
pub use output_schema_file::parse_output_schema;
pub use scenario::{ScenarioRule, ScenarioStep, load_scenario};
pub use set_folder::FileAccess;
pub use subject::{ResolvedSubject, SubjectError};
pub use template::{Template, TemplateError};
pub use tools::parse_tools;
pub use trust_store::TrustStore;
