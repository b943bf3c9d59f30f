//! From what `routes.yaml` says to what it means.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::TrustStore;
use super::candidates::{CandidateSpec, UnexpandedCandidate, expand_routes, explain_unusable_route};
use super::config_file::{ConfigFile, ConfigOrigin};
use super::diagnostic::{ConfigError, Diagnostic, check_version, find_closest};
use super::provider_trust::{find_trust_requirement, keeps_host};
use super::route_entry::{RouteEntry, StrategyKeyword};
use super::routes_file::{ProviderEntry, RoutesFile};
use super::set_folder::FileAccess;
use super::yaml::{self, Spanned, SpannedMap};
use crate::catalog::Catalog;
use crate::provider::{ModelRef, ModelRefError, Provider, built_in_providers};
use crate::route::{DailyBudget, RoutePolicy};

/// Until a connection stands, where nothing else is said.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What `routes.yaml` means, with the built-in providers and models underneath.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from.
    pub source_file: ConfigFile,
    /// All providers by name.
    pub providers: HashMap<String, Arc<Provider>>,
    /// Other names of providers.
    pub provider_aliases: HashMap<String, String>,
    /// Facts about models.
    pub catalog: Catalog,
    /// Short names of models.
    pub aliases: HashMap<String, ModelRef>,
    /// The routes, in the file's order.
    pub routes: Vec<RouteSpec>,
    /// The route of a call that names none.
    pub default_route: Option<String>,
    /// How failures are met where no route says otherwise.
    pub default_policy: RoutePolicy,
    /// How much may be spent in a day.
    pub budget: Option<DailyBudget>,
    /// What is run when a breaker opens: a program, and a template for each argument, which may use `provider`, `model`,
    /// `reason` and `open_seconds`. None in a file that wants trust.
    pub on_breaker_open: Option<Vec<String>>,
    /// What variables changed about the routes, in words.
    pub override_notes: Vec<String>,
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// Whether the file is the user's own choice, or a project's that the user said yes to.
    pub is_trusted: bool,
    /// What in the file needs the user's trust before it is used, in words.
    pub trust_requirements: Vec<String>,
    /// The providers that the file adds, or moves to another host.
    pub(super) own_providers: HashSet<String>,
}

/// A route as the file has it.
#[derive(Clone, Debug)]
pub struct RouteSpec {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its models, in order, those of routes that it names among them.
    pub candidates: Vec<CandidateSpec>,
    /// How failures are met.
    pub policy: RoutePolicy,
    /// The variable that took the place of the file's candidates.
    pub overridden_by: Option<String>,
    pub(super) unexpanded: Vec<UnexpandedCandidate>,
}

impl Config {
    /// Which files golden sets may read under this file.
    pub fn file_access(&self) -> FileAccess {
        file_access(self.is_trusted)
    }

    /// Reads what was found.
    ///
    /// # Errors
    /// The first mistake of syntax or type; else all broken references, ranges and conflicts together.
    pub fn load(found: ConfigFile, trust: &TrustStore) -> Result<Self, ConfigError> {
        Self::load_with_catalog(found, trust, Catalog::default())
    }

    /// Reads what was found, over a catalogue of models.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with_catalog(
        found: ConfigFile,
        trust: &TrustStore,
        catalog: Catalog,
    ) -> Result<Self, ConfigError> {
        let file: RoutesFile = yaml::parse(&found.display_name, &found.text)?;
        let trusted = match (&found.path, found.origin) {
            (Some(path), ConfigOrigin::Project) => trust.is_trusted(path, &found.text),
            _ => true,
        };
        let folder = found.path.as_ref().and_then(|path| Some(path.parent()?.to_path_buf()));
        let mut reader = ConfigResolver::new(folder, file_access(trusted), catalog);
        let config = reader.resolve(file, found.clone(), trusted);
        if reader.problems.is_empty() {
            return Ok(config);
        }
        // What concerns routes together is found last and belongs between what concerns each.
        reader.problems.sort_by_key(|problem| problem.span.as_ref().map_or(usize::MAX, |span| span.start));
        Err(ConfigError { path: found.display_name, text: found.text, diagnostics: reader.problems })
    }
}

fn file_access(trusted: bool) -> FileAccess {
    if trusted { FileAccess::Unrestricted } else { FileAccess::SetFolderOnly }
}

/// Reads entries and gathers what is wrong with them.
pub(super) struct ConfigResolver {
    problems: Vec<Diagnostic>,
    /// Aliases that mean nothing, said once and not at each use.
    broken_aliases: Vec<String>,
    /// Other names of providers.
    provider_aliases: HashMap<String, String>,
    providers: HashMap<String, Provider>,
    aliases: HashMap<String, ModelRef>,
    /// The providers that the file adds, or moves to another host.
    own_providers: HashSet<String>,
    pub(super) route_names: Vec<String>,
    /// What is known of models, the file's own facts included once they were read.
    pub(super) catalog: Catalog,
    /// Golden sets that were read and are right.
    pub(super) valid_sets: Vec<(PathBuf, String)>,
    /// Where the file is.
    pub(super) folder: Option<PathBuf>,
    /// What golden sets that the file names may read.
    pub(super) file_access: FileAccess,
}

/// Where a mistake about a route as a whole is shown.
struct RouteSpans {
    requires: Option<Range<usize>>,
    candidates: Option<Range<usize>>,
}

impl ConfigResolver {
    fn new(folder: Option<PathBuf>, file_access: FileAccess, catalog: Catalog) -> Self {
        Self {
            problems: Vec::new(),
            broken_aliases: Vec::new(),
            provider_aliases: HashMap::new(),
            providers: HashMap::new(),
            aliases: HashMap::new(),
            own_providers: HashSet::new(),
            route_names: Vec::new(),
            catalog,
            valid_sets: Vec::new(),
            folder,
            file_access,
        }
    }

    pub(super) fn report(
        &mut self,
        message: impl Into<String>,
        span: Option<Range<usize>>,
        hint: impl Into<String>,
    ) {
        self.problems.push(Diagnostic::new(message, span, hint));
    }

    fn resolve(&mut self, file: RoutesFile, source: ConfigFile, trusted: bool) -> Config {
        self.problems.extend(check_version(&file.version));
        let defaults = file.defaults;
        let connect_timeout =
            self.resolve_duration(defaults.timeouts.connect.as_ref()).unwrap_or(DEFAULT_CONNECT_TIMEOUT);
        let default_policy = self.resolve_default_policy(&defaults);
        let budget = file.budget.as_ref().and_then(|budget| self.resolve_budget(budget));
        let mut needs_trust = self.resolve_providers(file.providers, trusted);
        let on_breaker_open = file.on_breaker_open.and_then(|hook| self.resolve_hook(hook));
        if on_breaker_open.is_some() {
            needs_trust.push("`on_breaker_open` would run a command".to_owned());
        }
        let mut facts = Vec::new();
        for (name, entry) in file.models.0 {
            let Some(model) = self.resolve_model(&name) else { continue };
            facts.push(self.resolve_model_facts(model, entry));
        }
        self.catalog = std::mem::take(&mut self.catalog).with_overrides(facts);
        self.resolve_aliases(file.aliases);
        let routes = self.resolve_routes(file.routes, &default_policy);
        self.check_default_timeouts(
            &defaults,
            &default_policy,
            routes.iter().map(|r| r.policy.timeouts.deadline).max(),
        );
        if let Some(route) = &defaults.route
            && !routes.iter().any(|r| r.name == route.value)
        {
            self.report_unknown_route(&route.value, route.span.clone());
        }
        let providers = std::mem::take(&mut self.providers);
        Config {
            source_file: source,
            providers: providers.into_iter().map(|(name, p)| (name, Arc::new(p))).collect(),
            provider_aliases: std::mem::take(&mut self.provider_aliases),
            catalog: std::mem::take(&mut self.catalog),
            aliases: std::mem::take(&mut self.aliases),
            routes,
            default_route: defaults.route.map(|r| r.value),
            default_policy,
            budget,
            on_breaker_open: on_breaker_open.filter(|_| trusted),
            override_notes: Vec::new(),
            connect_timeout,
            is_trusted: trusted,
            trust_requirements: needs_trust,
            own_providers: std::mem::take(&mut self.own_providers),
        }
    }

    /// The providers; says what in them needs trust.
    fn resolve_providers(&mut self, entries: SpannedMap<ProviderEntry>, trusted: bool) -> Vec<String> {
        let rows = built_in_providers();
        let mut providers: HashMap<String, Provider> =
            rows.iter().map(|p| (p.name.clone(), p.clone())).collect();
        let mut needs_trust = Vec::new();
        for (name, entry) in entries.0 {
            let built_in = providers.remove(&name.value);
            if let Some(mut provider) = self.resolve_provider(&name, entry, built_in.as_ref()) {
                let other = || rows.iter().find(|row| row.aliases.contains(&name.value));
                let built_in = built_in.as_ref().or_else(other);
                if !provider.simulated && !keeps_host(&provider, built_in) {
                    self.own_providers.insert(name.value.clone());
                }
                if let Some(why) = find_trust_requirement(&provider, built_in) {
                    needs_trust.push(why.clone());
                    provider.untrusted_reason = (!trusted).then_some(why);
                }
                providers.insert(name.value, provider);
            }
        }
        let own = |name: &String| providers.contains_key(name);
        let names =
            providers.values().flat_map(|p| p.aliases.iter().map(|alias| (alias.clone(), p.name.clone())));
        self.provider_aliases = names.filter(|(alias, _)| !own(alias)).collect();
        self.providers = providers;
        needs_trust
    }

    fn resolve_aliases(&mut self, entries: SpannedMap<Spanned<String>>) {
        let mut aliases = HashMap::new();
        for (name, target) in entries.0 {
            if name.value.contains('/') || name.value.starts_with("route:") {
                let hint = "leave out `/` and `route:`";
                self.report(format!("`{}` cannot be an alias", name.value), name.span.clone(), hint);
            }
            match self.resolve_model(&target) {
                Some(model) => drop(aliases.insert(name.value, model)),
                None => self.broken_aliases.push(name.value),
            }
        }
        // Only now: an alias stands for a model, not for another alias.
        self.aliases = aliases;
    }

    fn resolve_routes(&mut self, entries: SpannedMap<RouteEntry>, defaults: &RoutePolicy) -> Vec<RouteSpec> {
        self.route_names = entries.0.iter().map(|(name, _)| name.value.clone()).collect();
        let mut places = Vec::new();
        let mut routes: Vec<RouteSpec> = Vec::new();
        for (name, entry) in entries.0 {
            places.push(RouteSpans {
                requires: entry.requires.first().and_then(|word| word.span.clone()),
                candidates: entry.candidates.span.clone(),
            });
            routes.push(self.resolve_route(&name, entry, defaults));
        }
        let (candidates, misfits) = expand_routes(&routes);
        for (route, candidates) in routes.iter_mut().zip(candidates) {
            route.candidates = candidates;
        }
        let whole = misfits.is_empty();
        for misfit in misfits {
            self.report(misfit.message, misfit.span, misfit.hint);
        }
        for (route, places) in routes.iter().zip(places).filter(|_| whole) {
            if let Some((why, hint)) = explain_unusable_route(route, &self.catalog) {
                self.report(why, places.requires.or(places.candidates), hint);
            }
        }
        routes
    }

    /// A route, with what it names still to be put in its place.
    fn resolve_route(
        &mut self,
        name: &Spanned<String>,
        entry: RouteEntry,
        defaults: &RoutePolicy,
    ) -> RouteSpec {
        if name.value.is_empty()
            || !name.value.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
        {
            let hint = "use letters, digits, `-`, `_` and `.`".to_owned();
            self.report(format!("`{}` cannot name a route", name.value), name.span.clone(), hint);
        }
        if entry.candidates.value.is_empty() {
            self.report(
                format!("the route `{}` has no candidates", name.value),
                entry.candidates.span.clone(),
                "name at least one model",
            );
        }
        let policy = self.resolve_policy(&entry, defaults);
        let weighted = entry.strategy == StrategyKeyword::Weighted;
        RouteSpec {
            name: name.value.clone(),
            description: entry.description,
            candidates: Vec::new(),
            policy,
            overridden_by: None,
            unexpanded: self.resolve_candidates(&name.value, entry.candidates.value, weighted),
        }
    }

    pub(super) fn report_unknown_route(&mut self, name: &str, span: Option<Range<usize>>) {
        let near = find_closest(name, self.route_names.iter().map(String::as_str));
        let hint = near.map_or("add it under `routes:`".to_owned(), |near| format!("did you mean `{near}`?"));
        self.report(format!("there is no route `{name}`"), span, hint);
    }

    /// A model by its reference or alias.
    pub(super) fn resolve_model(&mut self, written: &Spanned<String>) -> Option<ModelRef> {
        if let Some(model) = self.aliases.get(&written.value) {
            return Some(model.clone());
        }
        if self.broken_aliases.contains(&written.value) {
            return None;
        }
        match written
            .value
            .parse::<ModelRef>()
            .map(|model| model.with_canonical_provider(&self.provider_aliases))
        {
            Ok(model) if self.providers.contains_key(&model.provider) => Some(model),
            Ok(model) => {
                let near = find_closest(&model.provider, self.providers.keys().map(String::as_str));
                let hint = near
                    .map_or("add it under `providers:`".to_owned(), |near| format!("did you mean `{near}`?"));
                self.report(format!("there is no provider `{}`", model.provider), written.span.clone(), hint);
                None
            }
            Err(error) => {
                let near = find_closest(&written.value, self.aliases.keys().map(String::as_str));
                let hint = if self.route_names.contains(&written.value) {
                    format!("for the route of that name, write `route:{}`", written.value)
                } else if let Some(near) = near {
                    format!("did you mean the alias `{near}`?")
                } else {
                    ModelRefError::HINT.to_owned()
                };
                self.report(error.to_string(), written.span.clone(), hint);
                None
            }
        }
    }
}
