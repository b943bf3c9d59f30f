//! From what `routes.yaml` says to what it means.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::TrustStore;
use super::candidates::{CandidateSpec, Written, expand, nobody_left};
use super::diagnostic::{ConfigError, Problem, nearest, version_problem};
use super::provider_trust::{keeps_host, why_untrusted};
use super::route_entry::{RouteEntry, StrategyWord};
use super::routes_file::{ProviderEntry, RoutesFile};
use super::search::{Found, Origin};
use super::set_folder::FileAccess;
use super::yaml::{self, Entries, Located};
use crate::catalog::Catalog;
use crate::provider::{ModelRef, ModelRefError, Provider, built_in_providers};
use crate::route::{Budget, Policy};

/// Until a connection stands, where nothing else is said.
const CONNECT: Duration = Duration::from_secs(5);

/// What `routes.yaml` means, with the built-in providers and models underneath.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from.
    pub source: Found,
    /// All providers by name.
    pub providers: HashMap<String, Arc<Provider>>,
    /// Other names of providers.
    pub provider_names: HashMap<String, String>,
    /// Facts about models.
    pub catalog: Catalog,
    /// Short names of models.
    pub aliases: HashMap<String, ModelRef>,
    /// The routes, in the file's order.
    pub routes: Vec<RouteSpec>,
    /// The route of a call that names none.
    pub default_route: Option<String>,
    /// How failures are met where no route says otherwise.
    pub default_policy: Policy,
    /// How much may be spent in a day.
    pub budget: Option<Budget>,
    /// What is run when a breaker opens: a program, and a template for each argument, which may use `provider`, `model`,
    /// `reason` and `open_seconds`. None in a file that wants trust.
    pub on_breaker_open: Option<Vec<String>>,
    /// What variables changed about the routes, in words.
    pub overridden: Vec<String>,
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// Whether the file is the user's own choice, or a project's that the user said yes to.
    pub trusted: bool,
    /// What in the file needs the user's trust before it is used, in words.
    pub needs_trust: Vec<String>,
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
    pub policy: Policy,
    /// The variable that took the place of the file's candidates.
    pub overridden_by: Option<String>,
    pub(super) written: Vec<Written>,
}

impl Config {
    /// Which files golden sets may read under this file.
    pub fn file_access(&self) -> FileAccess {
        file_access(self.trusted)
    }

    /// Reads what was found.
    ///
    /// # Errors
    /// The first mistake of syntax or type; else all broken references, ranges and conflicts together.
    pub fn load(found: Found, trust: &TrustStore) -> Result<Self, ConfigError> {
        Self::load_over(found, trust, Catalog::default())
    }

    /// Reads what was found, over a catalogue of models.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_over(found: Found, trust: &TrustStore, catalog: Catalog) -> Result<Self, ConfigError> {
        let file: RoutesFile = yaml::parse(&found.name, &found.text)?;
        let trusted = match (&found.path, found.origin) {
            (Some(path), Origin::Project) => trust.has(path, &found.text),
            _ => true,
        };
        let folder = found.path.as_ref().and_then(|path| Some(path.parent()?.to_path_buf()));
        let mut reader = Reader::new(folder, file_access(trusted), catalog);
        let config = reader.read(file, found.clone(), trusted);
        if reader.problems.is_empty() {
            return Ok(config);
        }
        // What concerns routes together is found last and belongs between what concerns each.
        reader.problems.sort_by_key(|problem| problem.span.as_ref().map_or(usize::MAX, |span| span.start));
        Err(ConfigError { path: found.name, text: found.text, problems: reader.problems })
    }
}

fn file_access(trusted: bool) -> FileAccess {
    if trusted { FileAccess::Unrestricted } else { FileAccess::SetFolderOnly }
}

/// Reads entries and gathers what is wrong with them.
pub(super) struct Reader {
    problems: Vec<Problem>,
    /// Aliases that mean nothing, said once and not at each use.
    broken_aliases: Vec<String>,
    /// Other names of providers.
    names: HashMap<String, String>,
    providers: HashMap<String, Provider>,
    aliases: HashMap<String, ModelRef>,
    /// The providers that the file adds, or moves to another host.
    own_providers: HashSet<String>,
    pub(super) route_names: Vec<String>,
    /// What is known of models, the file's own facts included once they were read.
    pub(super) catalog: Catalog,
    /// Golden sets that were read and are right.
    pub(super) sets: Vec<(PathBuf, String)>,
    /// Where the file is.
    pub(super) folder: Option<PathBuf>,
    /// What golden sets that the file names may read.
    pub(super) file_access: FileAccess,
}

/// Where a mistake about a route as a whole is shown.
struct RoutePlaces {
    requires: Option<Range<usize>>,
    candidates: Option<Range<usize>>,
}

impl Reader {
    fn new(folder: Option<PathBuf>, file_access: FileAccess, catalog: Catalog) -> Self {
        Self {
            problems: Vec::new(),
            broken_aliases: Vec::new(),
            names: HashMap::new(),
            providers: HashMap::new(),
            aliases: HashMap::new(),
            own_providers: HashSet::new(),
            route_names: Vec::new(),
            catalog,
            sets: Vec::new(),
            folder,
            file_access,
        }
    }

    pub(super) fn wrong(
        &mut self,
        message: impl Into<String>,
        span: Option<Range<usize>>,
        hint: impl Into<String>,
    ) {
        self.problems.push(Problem::new(message, span, hint));
    }

    fn read(&mut self, file: RoutesFile, source: Found, trusted: bool) -> Config {
        self.problems.extend(version_problem(&file.version));
        let defaults = file.defaults;
        let connect_timeout = self.duration(defaults.timeouts.connect.as_ref()).unwrap_or(CONNECT);
        let default_policy = self.default_policy(&defaults);
        let budget = file.budget.as_ref().and_then(|budget| self.budget(budget));
        let mut needs_trust = self.read_providers(file.providers, trusted);
        let on_breaker_open = file.on_breaker_open.and_then(|hook| self.hook(hook));
        if on_breaker_open.is_some() {
            needs_trust.push("`on_breaker_open` would run a command".to_owned());
        }
        let mut facts = Vec::new();
        for (name, entry) in file.models.0 {
            let Some(model) = self.model(&name) else { continue };
            facts.push(self.facts(model, entry));
        }
        self.catalog = std::mem::take(&mut self.catalog).overridden(facts);
        self.read_aliases(file.aliases);
        let routes = self.read_routes(file.routes, &default_policy);
        self.defaults_are_felt(
            &defaults,
            &default_policy,
            routes.iter().map(|r| r.policy.deadlines.call).max(),
        );
        if let Some(route) = &defaults.route
            && !routes.iter().any(|r| r.name == route.value)
        {
            self.no_route(&route.value, route.span.clone());
        }
        let providers = std::mem::take(&mut self.providers);
        Config {
            source,
            providers: providers.into_iter().map(|(name, p)| (name, Arc::new(p))).collect(),
            provider_names: std::mem::take(&mut self.names),
            catalog: std::mem::take(&mut self.catalog),
            aliases: std::mem::take(&mut self.aliases),
            routes,
            default_route: defaults.route.map(|r| r.value),
            default_policy,
            budget,
            on_breaker_open: on_breaker_open.filter(|_| trusted),
            overridden: Vec::new(),
            connect_timeout,
            trusted,
            needs_trust,
            own_providers: std::mem::take(&mut self.own_providers),
        }
    }

    /// The providers; says what in them needs trust.
    fn read_providers(&mut self, entries: Entries<ProviderEntry>, trusted: bool) -> Vec<String> {
        let rows = built_in_providers();
        let mut providers: HashMap<String, Provider> =
            rows.iter().map(|p| (p.name.clone(), p.clone())).collect();
        let mut needs_trust = Vec::new();
        for (name, entry) in entries.0 {
            let built_in = providers.remove(&name.value);
            if let Some(mut provider) = self.provider(&name, entry, built_in.as_ref()) {
                let other = || rows.iter().find(|row| row.aliases.contains(&name.value));
                let built_in = built_in.as_ref().or_else(other);
                if !provider.simulated && !keeps_host(&provider, built_in) {
                    self.own_providers.insert(name.value.clone());
                }
                if let Some(why) = why_untrusted(&provider, built_in) {
                    needs_trust.push(why.clone());
                    provider.untrusted = (!trusted).then_some(why);
                }
                providers.insert(name.value, provider);
            }
        }
        let own = |name: &String| providers.contains_key(name);
        let names =
            providers.values().flat_map(|p| p.aliases.iter().map(|alias| (alias.clone(), p.name.clone())));
        self.names = names.filter(|(alias, _)| !own(alias)).collect();
        self.providers = providers;
        needs_trust
    }

    fn read_aliases(&mut self, entries: Entries<Located<String>>) {
        let mut aliases = HashMap::new();
        for (name, target) in entries.0 {
            if name.value.contains('/') || name.value.starts_with("route:") {
                let hint = "leave out `/` and `route:`";
                self.wrong(format!("`{}` cannot be an alias", name.value), name.span.clone(), hint);
            }
            match self.model(&target) {
                Some(model) => drop(aliases.insert(name.value, model)),
                None => self.broken_aliases.push(name.value),
            }
        }
        // Only now: an alias stands for a model, not for another alias.
        self.aliases = aliases;
    }

    fn read_routes(&mut self, entries: Entries<RouteEntry>, defaults: &Policy) -> Vec<RouteSpec> {
        self.route_names = entries.0.iter().map(|(name, _)| name.value.clone()).collect();
        let mut places = Vec::new();
        let mut routes: Vec<RouteSpec> = Vec::new();
        for (name, entry) in entries.0 {
            places.push(RoutePlaces {
                requires: entry.requires.first().and_then(|word| word.span.clone()),
                candidates: entry.candidates.span.clone(),
            });
            routes.push(self.route(&name, entry, defaults));
        }
        let (candidates, misfits) = expand(&routes);
        for (route, candidates) in routes.iter_mut().zip(candidates) {
            route.candidates = candidates;
        }
        let whole = misfits.is_empty();
        for misfit in misfits {
            self.wrong(misfit.message, misfit.span, misfit.hint);
        }
        for (route, places) in routes.iter().zip(places).filter(|_| whole) {
            if let Some((why, hint)) = nobody_left(route, &self.catalog) {
                self.wrong(why, places.requires.or(places.candidates), hint);
            }
        }
        routes
    }

    /// A route, with what it names still to be put in its place.
    fn route(&mut self, name: &Located<String>, entry: RouteEntry, defaults: &Policy) -> RouteSpec {
        if name.value.is_empty()
            || !name.value.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
        {
            let hint = "use letters, digits, `-`, `_` and `.`".to_owned();
            self.wrong(format!("`{}` cannot name a route", name.value), name.span.clone(), hint);
        }
        if entry.candidates.value.is_empty() {
            self.wrong(
                format!("the route `{}` has no candidates", name.value),
                entry.candidates.span.clone(),
                "name at least one model",
            );
        }
        let policy = self.policy(&entry, defaults);
        let weighted = entry.strategy == StrategyWord::Weighted;
        RouteSpec {
            name: name.value.clone(),
            description: entry.description,
            candidates: Vec::new(),
            policy,
            overridden_by: None,
            written: self.written(&name.value, entry.candidates.value, weighted),
        }
    }

    pub(super) fn no_route(&mut self, name: &str, span: Option<Range<usize>>) {
        let near = nearest(name, self.route_names.iter().map(String::as_str));
        let hint = near.map_or("add it under `routes:`".to_owned(), |near| format!("did you mean `{near}`?"));
        self.wrong(format!("there is no route `{name}`"), span, hint);
    }

    /// A model by its reference or alias.
    pub(super) fn model(&mut self, written: &Located<String>) -> Option<ModelRef> {
        if let Some(model) = self.aliases.get(&written.value) {
            return Some(model.clone());
        }
        if self.broken_aliases.contains(&written.value) {
            return None;
        }
        match written.value.parse::<ModelRef>().map(|model| model.of_provider(&self.names)) {
            Ok(model) if self.providers.contains_key(&model.provider) => Some(model),
            Ok(model) => {
                let near = nearest(&model.provider, self.providers.keys().map(String::as_str));
                let hint = near
                    .map_or("add it under `providers:`".to_owned(), |near| format!("did you mean `{near}`?"));
                self.wrong(format!("there is no provider `{}`", model.provider), written.span.clone(), hint);
                None
            }
            Err(error) => {
                let near = nearest(&written.value, self.aliases.keys().map(String::as_str));
                let hint = if self.route_names.contains(&written.value) {
                    format!("for the route of that name, write `route:{}`", written.value)
                } else if let Some(near) = near {
                    format!("did you mean the alias `{near}`?")
                } else {
                    ModelRefError::HINT.to_owned()
                };
                self.wrong(error.to_string(), written.span.clone(), hint);
                None
            }
        }
    }
}
