//! Resolves `routes.yaml` into a checked configuration.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::TrustStore;
use super::candidates::{CandidateSpec, UnexpandedCandidate, expand_routes, explain_unusable_route};
use super::config_file::{ConfigFile, ConfigOrigin};
use super::diagnostic::{ConfigError, Diagnostic, check_version};
use super::provider_trust::{find_trust_requirement, keeps_host};
use super::routes_file::{ProviderEntry, RoutesFile};
use super::set_folder::FileAccess;
use super::strategy_options::RouteWithOptions;
use super::yaml::{self, Spanned, SpannedMap};
use crate::catalog::Catalog;
use crate::chat::find_closest;
use crate::provider::{ModelRef, ModelRefError, Provider, built_in_providers};
use crate::route::{DailyBudget, RoutePolicy, RouteStrategy};

/// Used if `timeouts: {connect: …}` is not set.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A resolved `routes.yaml`, including the built-in providers and models.
#[derive(Clone, Debug)]
pub struct Config {
    pub source_file: ConfigFile,
    pub providers: HashMap<String, Arc<Provider>>,
    /// Alternative names of providers, such as `gemini` for `google`.
    pub provider_aliases: HashMap<String, String>,
    pub catalog: Catalog,
    pub aliases: HashMap<String, ModelRef>,
    /// In the file's order.
    pub routes: Vec<RouteSpec>,
    /// Used by calls that name no route.
    pub default_route: Option<String>,
    /// Used by single models, and as the default for routes.
    pub default_policy: RoutePolicy,
    pub budget: Option<DailyBudget>,
    /// The command for an open breaker: a program and templates for its arguments, with the variables
    /// `provider`, `model`, `reason`, and `open_seconds`. `None` if the file is not trusted.
    pub on_breaker_open: Option<Vec<String>>,
    /// How environment variables changed the routes, as text.
    pub override_notes: Vec<String>,
    pub connect_timeout: Duration,
    /// Whether the user chose the file or trusted it explicitly.
    pub is_trusted: bool,
    /// Why the file needs the user's trust, as text.
    pub trust_requirements: Vec<String>,
    /// Providers that the file adds or moves to another host.
    pub(super) own_providers: HashSet<String>,
}

#[derive(Clone, Debug)]
pub struct RouteSpec {
    pub name: String,
    pub description: Option<String>,
    /// In order, with references to routes expanded.
    pub candidates: Vec<CandidateSpec>,
    pub policy: RoutePolicy,
    /// The environment variable that replaced the file's candidates.
    pub overridden_by: Option<String>,
    pub(super) unexpanded: Vec<UnexpandedCandidate>,
}

impl Config {
    /// Which files golden sets may read under this configuration.
    pub fn file_access(&self) -> FileAccess {
        file_access(self.is_trusted)
    }

    /// Resolves a file. Reports only the first syntax or type error, but all other errors together.
    pub fn load(source: ConfigFile, trust: &TrustStore) -> Result<Self, ConfigError> {
        Self::load_with_catalog(source, trust, Catalog::default())
    }

    /// Like [`load`](Self::load), with another catalog of models.
    pub fn load_with_catalog(
        source: ConfigFile,
        trust: &TrustStore,
        catalog: Catalog,
    ) -> Result<Self, ConfigError> {
        let file: RoutesFile = yaml::parse(&source.display_name, &source.text)?;
        let trusted = match (&source.path, source.origin) {
            (Some(path), ConfigOrigin::Project) => trust.is_trusted(path, &source.text),
            _ => true,
        };
        let folder = source.path.as_ref().and_then(|path| Some(path.parent()?.to_path_buf()));
        let mut resolver = ConfigResolver::new(folder, file_access(trusted), catalog);
        let config = resolver.resolve(file, source.clone(), trusted);
        if resolver.problems.is_empty() {
            return Ok(config);
        }
        // Problems across routes are found last; sort them into the order of the file.
        resolver.problems.sort_by_key(|problem| problem.span.as_ref().map_or(usize::MAX, |span| span.start));
        Err(ConfigError { path: source.display_name, text: source.text, diagnostics: resolver.problems })
    }
}

fn file_access(trusted: bool) -> FileAccess {
    if trusted { FileAccess::Unrestricted } else { FileAccess::SetFolderOnly }
}

/// Resolves entries and collects problems.
pub(super) struct ConfigResolver {
    problems: Vec<Diagnostic>,
    /// Aliases that do not resolve, reported once instead of at each use.
    broken_aliases: Vec<String>,
    provider_aliases: HashMap<String, String>,
    providers: HashMap<String, Provider>,
    aliases: HashMap<String, ModelRef>,
    /// Providers that the file adds or moves to another host.
    own_providers: HashSet<String>,
    pub(super) route_names: Vec<String>,
    /// Includes the file's own model facts once they are resolved.
    pub(super) catalog: Catalog,
    /// Golden sets already found valid.
    pub(super) valid_sets: Vec<(PathBuf, String)>,
    /// The directory of the file.
    pub(super) folder: Option<PathBuf>,
    /// What golden sets named in the file may read.
    pub(super) file_access: FileAccess,
}

/// Locations for problems that concern a whole route.
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

    /// Resolves the providers and returns why they need trust.
    fn resolve_providers(&mut self, entries: SpannedMap<ProviderEntry>, trusted: bool) -> Vec<String> {
        let built_ins = built_in_providers().unwrap_or_else(|error| {
            self.report(error.to_string(), None, "reinstall slalom");
            Vec::new()
        });
        let mut providers: HashMap<String, Provider> =
            built_ins.iter().map(|p| (p.name.clone(), p.clone())).collect();
        let mut needs_trust = Vec::new();
        for (name, entry) in entries.0 {
            let built_in = providers.remove(&name.value);
            if let Some(mut provider) = self.resolve_provider(&name, entry, built_in.as_ref()) {
                let other = || built_ins.iter().find(|built_in| built_in.aliases.contains(&name.value));
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
                let why = "must not contain `/` or start with `route:`";
                let message = format!("invalid alias name `{}`: {why}", name.value);
                self.report(message, name.span.clone(), "use a short name, for example `fast`");
            }
            match self.resolve_model(&target) {
                Some(model) => drop(aliases.insert(name.value, model)),
                None => self.broken_aliases.push(name.value),
            }
        }
        // Set last, because an alias must refer to a model and not to another alias.
        self.aliases = aliases;
    }

    fn resolve_routes(
        &mut self,
        entries: SpannedMap<RouteWithOptions>,
        defaults: &RoutePolicy,
    ) -> Vec<RouteSpec> {
        self.route_names = entries.0.iter().map(|(name, _)| name.value.clone()).collect();
        let mut spans = Vec::new();
        let mut routes: Vec<RouteSpec> = Vec::new();
        for (name, entry) in entries.0 {
            spans.push(RouteSpans {
                requires: entry.entry.requires.first().and_then(|word| word.span.clone()),
                candidates: entry.entry.candidates.span.clone(),
            });
            routes.push(self.resolve_route(&name, entry, defaults));
        }
        let (candidates, errors) = expand_routes(&routes);
        for (route, candidates) in routes.iter_mut().zip(candidates) {
            route.candidates = candidates;
        }
        let is_expanded = errors.is_empty();
        for error in errors {
            self.report(error.message, error.span, error.hint);
        }
        for (route, spans) in routes.iter().zip(spans).filter(|_| is_expanded) {
            if let Some((why, hint)) = explain_unusable_route(route, &self.catalog) {
                self.report(why, spans.requires.or(spans.candidates), hint);
            }
        }
        routes
    }

    /// Resolves a route, leaving references to other routes unexpanded.
    fn resolve_route(
        &mut self,
        name: &Spanned<String>,
        RouteWithOptions { entry, options }: RouteWithOptions,
        defaults: &RoutePolicy,
    ) -> RouteSpec {
        if name.value.is_empty()
            || !name.value.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
        {
            let hint = "use letters, digits, `-`, `_`, and `.`".to_owned();
            self.report(format!("invalid route name `{}`", name.value), name.span.clone(), hint);
        }
        if entry.candidates.value.is_empty() {
            self.report(
                format!("route `{}` has no candidates", name.value),
                entry.candidates.span.clone(),
                "add at least one model",
            );
        }
        let strategy = self.resolve_strategy(entry.strategy.as_ref(), options);
        // Weights are not reported as useless if the strategy is only misspelled.
        let weighted = strategy.as_ref().is_none_or(RouteStrategy::uses_weights);
        let policy = self.resolve_policy(&entry, strategy.unwrap_or_default(), defaults);
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
        self.report(format!("unknown route `{name}`"), span, hint);
    }

    /// Resolves a model reference or alias.
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
                self.report(format!("unknown provider `{}`", model.provider), written.span.clone(), hint);
                None
            }
            Err(error) => {
                let near = find_closest(&written.value, self.aliases.keys().map(String::as_str));
                let hint = if self.route_names.contains(&written.value) {
                    format!("did you mean `route:{}`?", written.value)
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
