//! Loads `routes.yaml`, golden sets, and the other files that users write, and resolves them into the types
//! of `route`, `provider`, and `eval`. Every check that needs no call happens here, so that errors appear
//! before anything is paid for. Entry points are [`Config::load`] and [`load_golden_set`]; only `yaml`
//! touches the YAML parser. Depends on `chat`, `catalog`, `dialect`, `provider`, `route`, and `eval`.

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
mod strategy_options;
mod subject;
mod template;
mod tools;
mod trust_store;
mod yaml;

pub(crate) use attachment::{AttachmentError, load_attachment};
pub(crate) use baseline_file::{BaselineSubject, load_baseline, render_baseline};
pub use candidates::CandidateSpec;
pub(crate) use catalog_file::CatalogFile;
pub use config_file::{ConfigFile, ConfigOrigin};
pub(crate) use config_file::{ConfigSearch, find_config, user_ledger_path};
pub use config_resolver::Config;
pub(crate) use diagnostic::{ConfigError, read_error_hint};
pub(crate) use dotenv::DotEnv;
pub use golden_set_file::load_golden_set;
pub(crate) use output_schema_file::parse_output_schema;
pub(crate) use scenario::{ScenarioStep, load_scenario};
pub use set_folder::FileAccess;
pub(crate) use subject::ResolvedSubject;
pub use subject::SubjectError;
pub(crate) use template::{Template, TemplateError};
pub(crate) use tools::parse_tools;
pub use trust_store::TrustStore;
