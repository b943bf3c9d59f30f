//! The process's surroundings, handed down by argument.

use std::cell::{OnceCell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::breaker_hook::BreakerHook;
use super::outcome::CommandError;
use super::signals::SignalBroadcast;
use crate::catalog::Catalog;
use crate::cli::GlobalArgs;
use crate::config::{
    CatalogFile, Config, ConfigOrigin, ConfigSearch, DotEnv, DurationError, TrustStore, find_config,
    parse_duration, user_ledger_path,
};
use crate::ledger::Ledger;
use crate::provider::{Environment, HttpTransport, ProviderLimits};
use crate::route::{BreakerOpened, BreakerOpenedFn, Clock, HealthStore, OnExceeded, Router, WarningFn};
use crate::view::Console;

/// What every command needs to know of where it runs.
pub(super) struct CommandContext {
    /// Where things are printed.
    pub console: Console,
    /// How long the built-in simulator takes, where that was said.
    pub sim_latency: Option<Duration>,
    /// Who is told of Ctrl-C.
    pub signals: SignalBroadcast,
    /// What the `.env` file beside `routes.yaml` gives, once that was found.
    dotenv: RefCell<Arc<DotEnv>>,
    current_dir: PathBuf,
    config_flag: Option<PathBuf>,
    ledger_flag: Option<PathBuf>,
    /// Opened when it is first needed.
    ledger: OnceCell<Arc<Ledger>>,
    /// Whether what became of it was said already.
    has_reported_ledger_error: Arc<AtomicBool>,
}

/// The process's variables and, for keys alone, the `.env` file's behind them.
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
            Some(text) => Some(parse_duration_flag(text)?),
        };
        let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        Ok(Self {
            console,
            sim_latency,
            signals: SignalBroadcast::new(),
            dotenv: RefCell::default(),
            current_dir: folder,
            config_flag: global.config,
            ledger_flag: global.ledger.filter(|path| !path.as_os_str().is_empty()),
            ledger: OnceCell::new(),
            has_reported_ledger_error: Arc::default(),
        })
    }

    /// Looks environment variables up.
    pub(super) fn environment(&self) -> ProcessEnvironment {
        ProcessEnvironment(self.dotenv())
    }

    /// The variables that the `.env` file gives.
    pub(super) fn dotenv(&self) -> Arc<DotEnv> {
        Arc::clone(&self.dotenv.borrow())
    }

    /// The day, as the whole world has it.
    pub(super) fn today_utc(&self) -> jiff::civil::Date {
        jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
    }

    /// Finds and reads `routes.yaml`, and says where trust is wanting.
    pub(super) fn load_config(&self) -> Result<Config, CommandError> {
        let (config, warnings) = self.load_config_with_warnings()?;
        warnings.iter().for_each(|warning| self.console.warn(warning));
        let untrusted = !config.is_trusted && !config.trust_requirements.is_empty();
        if untrusted && config.source_file.origin == ConfigOrigin::Project {
            self.console.warn(format_args!(
                "{} is not trusted yet: {}; read it, then run `slalom check --trust`",
                config.source_file.display_name,
                config.trust_requirements.join(", ")
            ));
        }
        Ok(config)
    }

    /// Finds and reads `routes.yaml`; beside it, what there is to warn of in what was read along with it.
    pub(super) fn load_config_with_warnings(&self) -> Result<(Config, Vec<String>), CommandError> {
        let mut warnings = Vec::new();
        let environment = |name: &str| nonempty_variable(name);
        let look = ConfigSearch {
            flag: self.config_flag.as_deref(),
            folder: &self.current_dir,
            environment: &environment,
        };
        let updated = CatalogFile::for_user().load().unwrap_or_else(|why| {
            warnings.push(format!(
                "{why}; the shipped catalogue is used; `slalom models --update openrouter` writes it anew"
            ));
            None
        });
        let config =
            Config::load_with_catalog(find_config(look)?, &TrustStore::for_user(), Catalog::new(updated))?
                .apply_overrides(&environment)?;
        let names = std::env::vars_os().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name);
        warnings.extend(config.find_unknown_overrides(names.filter_map(|name| name.into_string().ok())));
        self.console.note_verbose(format_args!("routes: {}", config.source_file.display_name));
        let dotenv = DotEnv::load_beside(&config);
        warnings.extend(dotenv.warnings.iter().cloned());
        *self.dotenv.borrow_mut() = Arc::new(dotenv);
        Ok((config, warnings))
    }

    /// The ledger: as named, else the user's own, else one that ends with the process.
    fn ledger(&self) -> &Arc<Ledger> {
        self.ledger.get_or_init(|| {
            let path = self.ledger_path();
            Arc::new(path.map_or_else(Ledger::in_memory, |path| Ledger::open(&path)))
        })
    }

    /// The ledger's file, where there is one.
    pub(super) fn ledger_path(&self) -> Option<PathBuf> {
        self.ledger_flag.clone().or_else(user_ledger_path)
    }

    /// How models stand, as the ledger has it.
    pub(super) fn open_health(&self) -> HealthStore {
        let clock: Clock = Arc::new(|| jiff::Timestamp::now().as_millisecond());
        HealthStore::new(Arc::clone(self.ledger()), clock, fastrand::Rng::new())
    }

    /// A router over real connections.
    pub(super) fn build_router(&self, config: &Config) -> Router {
        let transport = Arc::new(HttpTransport::new(config.connect_timeout));
        let console = self.console;
        let hook = BreakerHook::from_config(config);
        let watch: BreakerOpenedFn = Arc::new(move |opened: &BreakerOpened| {
            console.warn(format_args!(
                "{} is left alone for {:.0} s: its breaker opened ({})",
                opened.model,
                opened.duration.as_secs_f64(),
                opened.class
            ));
            if let Some(hook) = &hook {
                hook.run(opened, console);
            }
        });
        let tell: WarningFn = Arc::new(move |words: &str| console.warn(words));
        self.report_ledger_errors(config);
        Router::new(transport, self.open_health(), fastrand::Rng::new())
            .with_breaker_opened_fn(watch)
            .with_daily_budget(config.budget, tell)
    }

    /// Has it said as soon as it happens that a ledger cannot be used, and what is no longer shared then.
    fn report_ledger_errors(&self, config: &Config) {
        let stops = config.budget.is_some_and(|budget| budget.on_exceeded == OnExceeded::Stop);
        let is_limited =
            config.providers.values().any(|provider| provider.limits != ProviderLimits::default());
        let alone = match (config.budget.is_some(), is_limited) {
            (true, true) => "; the budget and the limits hold for this process alone from now on",
            (true, false) => "; the budget holds for this process alone from now on",
            (false, true) => "; the limits hold for this process alone from now on",
            (false, false) => "",
        };
        let (console, told) = (self.console, Arc::clone(&self.has_reported_ledger_error));
        self.ledger().on_disabled(move |trouble| {
            if told.swap(true, Ordering::Relaxed) {
                return;
            }
            let words = format!("{trouble}; what this run learns is not kept{alone}");
            // Whoever wants quiet still wants to know that more may be spent than was allowed.
            if stops { console.warn_always(words) } else { console.warn(words) }
        });
    }

    /// Waits until everything is written that this run learnt, or for two seconds.
    pub(super) async fn flush_ledger(&self) {
        if let Some(ledger) = self.ledger.get() {
            ledger.flush().await;
        }
    }

    /// Says, once, what became of a ledger that could not be used.
    pub(super) fn warn_ledger_unavailable(&self) {
        let is_told = self.has_reported_ledger_error.load(Ordering::Relaxed);
        if !is_told && let Some(trouble) = self.take_ledger_error() {
            self.console.warn(format_args!("{trouble}; what this run learnt is not kept"));
        }
    }

    /// What became of a ledger that could not be used, for a command that says so itself.
    pub(super) fn take_ledger_error(&self) -> Option<&str> {
        let trouble = self.ledger.get().and_then(|ledger| ledger.disabled_reason())?;
        self.has_reported_ledger_error.store(true, Ordering::Relaxed);
        Some(trouble)
    }

    /// Whether nothing of this outlives the process.
    pub(super) fn is_ledger_unavailable(&self) -> bool {
        self.ledger.get().is_some_and(|ledger| ledger.disabled_reason().is_some())
    }

    /// An id for a call or a run: sortable by time.
    pub(super) fn new_id(&self) -> String {
        ulid::Ulid::generate().to_string()
    }
}

/// A duration that was typed.
pub(super) fn parse_duration_flag(text: &str) -> Result<Duration, CommandError> {
    parse_duration(text)
        .map_err(|error| CommandError::usage(error.to_string()).with_hint(DurationError::HINT))
}

/// A limit of time that was typed: nobody means none at all by it.
pub(super) fn parse_timeout(text: &str) -> Result<Duration, CommandError> {
    match parse_duration_flag(text)? {
        limit if limit.is_zero() => {
            Err(CommandError::usage("a limit of no time leaves nothing to do").with_hint(DurationError::HINT))
        }
        limit => Ok(limit),
    }
}
