//! The state that commands share: console, environment, config lookup, and ledger.

use std::cell::{OnceCell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::outcome::CommandError;
use super::signals::SignalBroadcast;
use crate::catalog::Catalog;
use crate::chat::{DurationError, parse_duration};
use crate::cli::GlobalArgs;
use crate::config::{
    CatalogFile, Config, ConfigOrigin, ConfigSearch, DotEnv, TrustStore, find_config, user_ledger_path,
};
use crate::eval::store::RunStore;
use crate::ledger::Ledger;
use crate::provider::{Environment, HttpTransport, ProviderLimits};
use crate::route::{Clock, HealthStore, OnExceeded, Router};
use crate::view::Console;

pub(super) struct CommandContext {
    pub console: Console,
    /// Latency of the built-in simulator; `None` for its default.
    pub sim_latency: Option<Duration>,
    pub signals: SignalBroadcast,
    /// The `.env` file next to `routes.yaml`; empty until the config is loaded.
    dotenv: RefCell<Arc<DotEnv>>,
    current_dir: PathBuf,
    config_flag: Option<PathBuf>,
    ledger_flag: Option<PathBuf>,
    /// Opened on first use.
    ledger: OnceCell<Arc<Ledger>>,
    /// Set once the user has been warned about an unusable ledger.
    has_reported_ledger_error: Arc<AtomicBool>,
}

/// The variables of the process; for keys only, the `.env` file is the fallback.
pub(super) struct ProcessEnvironment(Arc<DotEnv>);

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        nonempty_variable(name)
    }

    fn key(&self, name: &str) -> Option<String> {
        nonempty_variable(name).or_else(|| self.0.get(name).map(str::to_owned))
    }
}

/// A variable of the process; an empty one counts as unset.
fn nonempty_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

impl CommandContext {
    pub(super) fn new(global: GlobalArgs, console: Console) -> Result<Self, CommandError> {
        let sim_latency = match global.sim_latency.as_deref() {
            None | Some("") => None,
            Some(text) => Some(parse_duration_flag("--sim-latency", text)?),
        };
        let current_dir = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        Ok(Self {
            console,
            sim_latency,
            signals: SignalBroadcast::new(),
            dotenv: RefCell::default(),
            current_dir,
            config_flag: global.config,
            ledger_flag: global.ledger.filter(|path| !path.as_os_str().is_empty()),
            ledger: OnceCell::new(),
            has_reported_ledger_error: Arc::default(),
        })
    }

    pub(super) fn environment(&self) -> ProcessEnvironment {
        ProcessEnvironment(self.dotenv())
    }

    pub(super) fn dotenv(&self) -> Arc<DotEnv> {
        Arc::clone(&self.dotenv.borrow())
    }

    pub(super) fn today_utc(&self) -> jiff::civil::Date {
        jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
    }

    /// Loads `routes.yaml` and prints warnings, including one if it is not trusted.
    pub(super) fn load_config(&self) -> Result<Config, CommandError> {
        let (config, warnings) = self.load_config_with_warnings()?;
        warnings.iter().for_each(|warning| self.console.warn(warning));
        let untrusted = !config.is_trusted && !config.trust_requirements.is_empty();
        if untrusted && config.source_file.origin == ConfigOrigin::Project {
            let requirements = match config.trust_requirements.as_slice() {
                [rest @ .., last] if !rest.is_empty() => format!("{}, and {last}", rest.join(", ")),
                all => all.concat(),
            };
            self.console.warn(format_args!(
                "{} is not trusted: {requirements}; review it, then run `slalom check --trust`",
                config.source_file.display_name
            ));
        }
        Ok(config)
    }

    /// Loads `routes.yaml`, `.env`, and the fetched catalog. Returns their warnings instead of printing them.
    pub(super) fn load_config_with_warnings(&self) -> Result<(Config, Vec<String>), CommandError> {
        let mut warnings = Vec::new();
        let environment = |name: &str| nonempty_variable(name);
        let search = ConfigSearch {
            flag: self.config_flag.as_deref(),
            folder: &self.current_dir,
            environment: &environment,
        };
        let updated = CatalogFile::for_user().load().unwrap_or_else(|error| {
            warnings.push(format!(
                "{error}; using the built-in catalog (run `slalom models --update openrouter` to rewrite the file)"
            ));
            None
        });
        let config =
            Config::load_with_catalog(find_config(search)?, &TrustStore::for_user(), Catalog::new(updated))?
                .apply_overrides(&environment)?;
        let names = std::env::vars_os().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name);
        warnings.extend(config.find_unknown_overrides(names.filter_map(|name| name.into_string().ok())));
        self.console.note_verbose(format_args!("routes: {}", config.source_file.display_name));
        let dotenv = DotEnv::load_beside(&config);
        warnings.extend(dotenv.warnings.iter().cloned());
        *self.dotenv.borrow_mut() = Arc::new(dotenv);
        Ok((config, warnings))
    }

    /// The ledger from `--ledger`, else the user's, else one in memory.
    fn ledger(&self) -> &Arc<Ledger> {
        self.ledger.get_or_init(|| {
            let path = self.ledger_path();
            Arc::new(path.map_or_else(Ledger::in_memory, |path| Ledger::open(&path)))
        })
    }

    /// `None` if the ledger is in memory.
    pub(super) fn ledger_path(&self) -> Option<PathBuf> {
        self.ledger_flag.clone().or_else(user_ledger_path)
    }

    pub(super) fn open_health(&self) -> HealthStore {
        let clock: Clock = Arc::new(|| jiff::Timestamp::now().as_millisecond());
        let store = Arc::clone(self.ledger());
        HealthStore::new(store, clock, fastrand::Rng::new())
    }

    pub(super) fn open_run_store(&self) -> Arc<dyn RunStore> {
        Arc::<Ledger>::clone(self.ledger())
    }

    pub(super) fn build_router(&self, config: &Config) -> Router {
        let transport = Arc::new(HttpTransport::new(config.connect_timeout));
        self.report_ledger_errors(config);
        Router::new(transport, self.open_health(), fastrand::Rng::new()).with_daily_budget(config.budget)
    }

    /// Warns as soon as the ledger becomes unusable, and names what is then limited to this process.
    fn report_ledger_errors(&self, config: &Config) {
        let stops = config.budget.is_some_and(|budget| budget.on_exceeded == OnExceeded::Stop);
        let has_budget = config.budget.is_some();
        let is_limited =
            config.providers.values().any(|provider| provider.limits != ProviderLimits::default());
        let scope_note = move |is_complete: bool| match (has_budget, is_limited) {
            // The rest of the budget is unknown, so the limits do not matter.
            _ if stops && !is_complete => ", and calls are refused, because today's spending is unknown",
            (true, true) => ", and the budget and the limits now apply to this process only",
            (true, false) => ", and the budget now applies to this process only",
            (false, true) => ", and the limits now apply to this process only",
            (false, false) => "",
        };
        let (console, has_reported) = (self.console, Arc::clone(&self.has_reported_ledger_error));
        self.ledger().on_disabled(move |reason, is_complete| {
            if has_reported.swap(true, Ordering::Relaxed) {
                return;
            }
            let note = scope_note(is_complete);
            let message = format!("{reason}; health and results of this run will not be saved{note}");
            // Even with --quiet: other processes may now exceed the daily budget.
            if stops { console.warn_always(message) } else { console.warn(message) }
        });
    }

    /// Waits until all queued changes are written; see [`Ledger::flush`].
    pub(super) async fn flush_ledger(&self) {
        if let Some(ledger) = self.ledger.get() {
            ledger.flush().await;
        }
    }

    /// Warns that the ledger is unusable, unless the user already knows.
    pub(super) fn warn_ledger_unavailable(&self) {
        let was_reported = self.has_reported_ledger_error.load(Ordering::Relaxed);
        if !was_reported && let Some(reason) = self.take_ledger_error() {
            self.console.warn(format_args!("{reason}; health and results of this run were not saved"));
        }
    }

    /// The reason why the ledger is unusable, for a command that reports it itself.
    pub(super) fn take_ledger_error(&self) -> Option<&str> {
        let reason = self.ledger.get().and_then(|ledger| ledger.disabled_reason())?;
        self.has_reported_ledger_error.store(true, Ordering::Relaxed);
        Some(reason)
    }

    /// Whether the ledger fell back to memory. False if it was never opened.
    pub(super) fn is_ledger_unavailable(&self) -> bool {
        self.ledger.get().is_some_and(|ledger| ledger.disabled_reason().is_some())
    }

    /// An ID for a call or run that sorts by time.
    pub(super) fn new_id(&self) -> String {
        ulid::Ulid::generate().to_string()
    }
}

pub(super) fn parse_duration_flag(flag: &str, text: &str) -> Result<Duration, CommandError> {
    parse_duration(text).map_err(|error| {
        CommandError::usage(format!("invalid {flag} `{text}`: {}", error.reason()))
            .with_hint(DurationError::HINT)
    })
}

/// Parses `--timeout`, which must be above 0.
pub(super) fn parse_timeout(text: &str) -> Result<Duration, CommandError> {
    match parse_duration_flag("--timeout", text)? {
        limit if limit.is_zero() => {
            Err(CommandError::usage(format!("invalid --timeout `{text}`: must be above 0"))
                .with_hint(DurationError::HINT))
        }
        limit => Ok(limit),
    }
}
