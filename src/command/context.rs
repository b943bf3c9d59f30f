//! The process's surroundings, handed down by argument.

use std::cell::{OnceCell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::hook::Hook;
use super::outcome::CommandError;
use super::signals::Signals;
use crate::catalog::Catalog;
use crate::cli::GlobalArgs;
use crate::config::{
    CatalogueFile, Config, DotEnv, DurationError, Look, Origin, TrustStore, find, ledger_of_user,
    parse_duration,
};
use crate::ledger::Ledger;
use crate::provider::{Environment, Http, Limits};
use crate::route::{Clock, Exceeded, Health, Opened, Router, Tell, Watch};
use crate::view::Console;

/// What every command needs to know of where it runs.
pub(super) struct Context {
    /// Where things are printed.
    pub console: Console,
    /// How long the built-in simulator takes, where that was said.
    pub sim_latency: Option<Duration>,
    /// Who is told of Ctrl-C.
    pub signals: Signals,
    /// What the `.env` file beside `routes.yaml` gives, once that was found.
    dotenv: RefCell<Arc<DotEnv>>,
    folder: PathBuf,
    config_flag: Option<PathBuf>,
    ledger_flag: Option<PathBuf>,
    /// Opened when it is first needed.
    ledger: OnceCell<Arc<Ledger>>,
    /// Whether what became of it was said already.
    ledger_told: Arc<AtomicBool>,
}

/// The process's variables and, for keys alone, the `.env` file's behind them.
pub(super) struct Variables(Arc<DotEnv>);

impl Environment for Variables {
    fn variable(&self, name: &str) -> Option<String> {
        set(name)
    }

    fn key(&self, name: &str) -> Option<String> {
        set(name).or_else(|| self.0.get(name).map(str::to_owned))
    }
}

/// A variable of the process; an empty one counts as unset.
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

impl Context {
    pub(super) fn new(global: GlobalArgs, console: Console) -> Result<Self, CommandError> {
        let sim_latency = match global.sim_latency.as_deref() {
            None | Some("") => None,
            Some(text) => Some(duration(text)?),
        };
        let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        Ok(Self {
            console,
            sim_latency,
            signals: Signals::new(),
            dotenv: RefCell::default(),
            folder,
            config_flag: global.config,
            ledger_flag: global.ledger.filter(|path| !path.as_os_str().is_empty()),
            ledger: OnceCell::new(),
            ledger_told: Arc::default(),
        })
    }

    /// Looks environment variables up.
    pub(super) fn environment(&self) -> Variables {
        Variables(self.dotenv())
    }

    /// The variables that the `.env` file gives.
    pub(super) fn dotenv(&self) -> Arc<DotEnv> {
        Arc::clone(&self.dotenv.borrow())
    }

    /// The day, as the whole world has it.
    pub(super) fn today(&self) -> jiff::civil::Date {
        jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
    }

    /// Finds and reads `routes.yaml`, and says where trust is wanting.
    pub(super) fn load_config(&self) -> Result<Config, CommandError> {
        let (config, warnings) = self.read_config()?;
        warnings.iter().for_each(|warning| self.console.warn(warning));
        let untrusted = !config.trusted && !config.needs_trust.is_empty();
        if untrusted && config.source.origin == Origin::Project {
            self.console.warn(format_args!(
                "{} is not trusted yet: {}; read it, then run `slalom check --trust`",
                config.source.name,
                config.needs_trust.join(", ")
            ));
        }
        Ok(config)
    }

    /// Finds and reads `routes.yaml`; beside it, what there is to warn of in what was read along with it.
    pub(super) fn read_config(&self) -> Result<(Config, Vec<String>), CommandError> {
        let mut warnings = Vec::new();
        let environment = |name: &str| set(name);
        let look =
            Look { flag: self.config_flag.as_deref(), folder: &self.folder, environment: &environment };
        let updated = CatalogueFile::of_user().read().unwrap_or_else(|why| {
            warnings.push(format!(
                "{why}; the shipped catalogue is used; `slalom models --update openrouter` writes it anew"
            ));
            None
        });
        let config = Config::load_over(find(look)?, &TrustStore::of_user(), Catalog::new(updated))?
            .overridden(&environment)?;
        let names = std::env::vars_os().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name);
        warnings.extend(config.strange_overrides(names.filter_map(|name| name.into_string().ok())));
        self.console.detail(format_args!("routes: {}", config.source.name));
        let dotenv = DotEnv::beside(&config);
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
        self.ledger_flag.clone().or_else(ledger_of_user)
    }

    /// How models stand, as the ledger has it.
    pub(super) fn health(&self) -> Health {
        let clock: Clock = Arc::new(|| jiff::Timestamp::now().as_millisecond());
        Health::new(Arc::clone(self.ledger()), clock, fastrand::Rng::new())
    }

    /// A router over real connections.
    pub(super) fn router(&self, config: &Config) -> Router {
        let transport = Arc::new(Http::new(config.connect_timeout));
        let console = self.console;
        let hook = Hook::of(config);
        let watch: Watch = Arc::new(move |opened: &Opened| {
            console.warn(format_args!(
                "{} is left alone for {:.0} s: its breaker opened ({})",
                opened.model,
                opened.time.as_secs_f64(),
                opened.class
            ));
            if let Some(hook) = &hook {
                hook.run(opened, console);
            }
        });
        let tell: Tell = Arc::new(move |words: &str| console.warn(words));
        self.tell_of_ledger(config);
        Router::new(transport, self.health(), fastrand::Rng::new())
            .watched_by(watch)
            .within(config.budget, tell)
    }

    /// Has it said as soon as it happens that a ledger cannot be used, and what is no longer shared then.
    fn tell_of_ledger(&self, config: &Config) {
        let stops = config.budget.is_some_and(|budget| budget.on_exceeded == Exceeded::Stop);
        let is_limited = config.providers.values().any(|provider| provider.limits != Limits::default());
        let alone = match (config.budget.is_some(), is_limited) {
            (true, true) => "; the budget and the limits hold for this process alone from now on",
            (true, false) => "; the budget holds for this process alone from now on",
            (false, true) => "; the limits hold for this process alone from now on",
            (false, false) => "",
        };
        let (console, told) = (self.console, Arc::clone(&self.ledger_told));
        self.ledger().on_trouble(move |trouble| {
            if told.swap(true, Ordering::Relaxed) {
                return;
            }
            let words = format!("{trouble}; what this run learns is not kept{alone}");
            // Whoever wants quiet still wants to know that more may be spent than was allowed.
            if stops { console.alarm(words) } else { console.warn(words) }
        });
    }

    /// Waits until everything is written that this run learnt, or for two seconds.
    pub(super) async fn settle_ledger(&self) {
        if let Some(ledger) = self.ledger.get() {
            ledger.settle().await;
        }
    }

    /// Says, once, what became of a ledger that could not be used.
    pub(super) fn warn_of_ledger(&self) {
        let is_told = self.ledger_told.load(Ordering::Relaxed);
        if !is_told && let Some(trouble) = self.ledger_trouble() {
            self.console.warn(format_args!("{trouble}; what this run learnt is not kept"));
        }
    }

    /// What became of a ledger that could not be used, for a command that says so itself.
    pub(super) fn ledger_trouble(&self) -> Option<&str> {
        let trouble = self.ledger.get().and_then(|ledger| ledger.trouble())?;
        self.ledger_told.store(true, Ordering::Relaxed);
        Some(trouble)
    }

    /// Whether nothing of this outlives the process.
    pub(super) fn ledger_is_broken(&self) -> bool {
        self.ledger.get().is_some_and(|ledger| ledger.trouble().is_some())
    }

    /// An id for a call or a run: sortable by time.
    pub(super) fn new_id(&self) -> String {
        ulid::Ulid::generate().to_string()
    }
}

/// A duration that was typed.
pub(super) fn duration(text: &str) -> Result<Duration, CommandError> {
    parse_duration(text).map_err(|error| CommandError::usage(error.to_string()).hint(DurationError::HINT))
}

/// A limit of time that was typed: nobody means none at all by it.
pub(super) fn time_limit(text: &str) -> Result<Duration, CommandError> {
    match duration(text)? {
        limit if limit.is_zero() => {
            Err(CommandError::usage("a limit of no time leaves nothing to do").hint(DurationError::HINT))
        }
        limit => Ok(limit),
    }
}
