//! From what `routes.yaml` says to what it means.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::{ConfigError, Problem, nearest, version_problem};
use super::provider_trust::why_untrusted;
use super::routes_file::{
    Defaults, OnFailure, OnMidstream, RetryEntry, RouteEntry, RoutesFile, Strategy, Timeouts, When,
};
use super::search::{Found, Origin};
use super::yaml::{self, Located};
use super::{DurationError, TrustStore, parse_duration};
use crate::catalog::Catalog;
use crate::provider::{ModelRef, ModelRefError, Provider, built_in_providers};
use crate::route::{Choice, Deadlines, Policy, Retry, RetryWhen};

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
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// Whether the file is the user's own choice, or a project's that the user said yes to.
    pub trusted: bool,
    /// What in the file needs the user's trust before it is used, in words.
    pub needs_trust: Vec<String>,
}

/// A route as the file has it.
#[derive(Clone, Debug)]
pub struct RouteSpec {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its models, in order.
    pub candidates: Vec<ModelRef>,
    /// How failures are met.
    pub policy: Policy,
}

impl Config {
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
        let mut reader =
            Reader { problems: Vec::new(), broken_aliases: Vec::new(), names: HashMap::new(), folder };
        let config = reader.read(file, found.clone(), trusted, catalog);
        if reader.problems.is_empty() {
            return Ok(config);
        }
        Err(ConfigError { path: found.name, text: found.text, problems: reader.problems })
    }
}

/// Reads entries and gathers what is wrong with them.
pub(super) struct Reader {
    problems: Vec<Problem>,
    /// Aliases that mean nothing, said once and not at each use.
    broken_aliases: Vec<String>,
    /// Other names of providers.
    names: HashMap<String, String>,
    /// Where the file is.
    pub(super) folder: Option<PathBuf>,
}

impl Reader {
    pub(super) fn wrong(
        &mut self,
        message: impl Into<String>,
        span: Option<Range<usize>>,
        hint: impl Into<String>,
    ) {
        self.problems.push(Problem::new(message, span, hint));
    }

    fn read(&mut self, file: RoutesFile, source: Found, trusted: bool, catalog: Catalog) -> Config {
        self.problems.extend(version_problem(&file.version));
        let Defaults { route, deadline, timeouts } = file.defaults;
        let connect_timeout = self.duration(timeouts.connect.as_ref()).unwrap_or(CONNECT);
        let default_policy = Policy {
            deadlines: self.deadlines(Deadlines::default(), deadline.as_ref(), &timeouts),
            ..Policy::default()
        };
        let rows = built_in_providers();
        let mut providers: HashMap<String, Provider> =
            rows.iter().map(|p| (p.name.clone(), p.clone())).collect();
        let mut needs_trust = Vec::new();
        for (name, entry) in file.providers.0 {
            let built_in = providers.remove(&name.value);
            if let Some(mut provider) = self.provider(&name, entry, built_in.as_ref()) {
                let other = || rows.iter().find(|row| row.aliases.contains(&name.value));
                if let Some(why) = why_untrusted(&provider, built_in.as_ref().or_else(other)) {
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
        let facts = file
            .models
            .0
            .into_iter()
            .filter_map(|(name, entry)| {
                let model = self.model(&name, &providers, &HashMap::new())?;
                Some(self.facts(model, entry, &catalog))
            })
            .collect();
        let mut aliases = HashMap::new();
        for (name, target) in file.aliases.0 {
            if name.value.contains('/') || name.value.starts_with("route:") {
                let hint = "leave out `/` and `route:`";
                self.wrong(format!("`{}` cannot be an alias", name.value), name.span.clone(), hint);
            }
            match self.model(&target, &providers, &HashMap::new()) {
                Some(model) => drop(aliases.insert(name.value, model)),
                None => self.broken_aliases.push(name.value),
            }
        }
        let mut routes: Vec<RouteSpec> = Vec::new();
        for (name, entry) in file.routes.0 {
            routes.extend(self.route(&name, entry, &default_policy, &providers, &aliases));
        }
        if let Some(route) = &route
            && !routes.iter().any(|r| r.name == route.value)
        {
            let near = nearest(&route.value, routes.iter().map(|r| r.name.as_str()));
            let hint =
                near.map_or("add it under `routes:`".to_owned(), |near| format!("did you mean `{near}`?"));
            self.wrong(format!("there is no route `{}`", route.value), route.span.clone(), hint);
        }
        Config {
            source,
            providers: providers.into_iter().map(|(name, p)| (name, Arc::new(p))).collect(),
            provider_names: std::mem::take(&mut self.names),
            catalog: catalog.overridden(facts),
            aliases,
            routes,
            default_route: route.map(|r| r.value),
            default_policy,
            connect_timeout,
            trusted,
            needs_trust,
        }
    }

    fn route(
        &mut self,
        name: &Located<String>,
        entry: RouteEntry,
        defaults: &Policy,
        providers: &HashMap<String, Provider>,
        aliases: &HashMap<String, ModelRef>,
    ) -> Option<RouteSpec> {
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
        let Strategy::Priority = entry.strategy;
        let mut candidates: Vec<ModelRef> = Vec::new();
        for written in &entry.candidates.value {
            let Some(model) = self.model(written, providers, aliases) else { continue };
            if candidates.contains(&model) {
                self.wrong(
                    format!("`{model}` stands twice in the route `{}`", name.value),
                    written.span.clone(),
                    "remove one of them",
                );
            }
            candidates.push(model);
        }
        let on = |choice: Option<OnFailure>, default: Choice| match choice {
            None => default,
            Some(OnFailure::Stop) => Choice::Stop,
            Some(OnFailure::Failover) => Choice::GoOn,
        };
        let policy = Policy {
            deadlines: self.deadlines(defaults.deadlines, entry.deadline.as_ref(), &entry.timeouts),
            retry: self.retry(entry.retry),
            on_midstream: match entry.on_midstream {
                None | Some(OnMidstream::Stop) => Choice::Stop,
                Some(OnMidstream::Restart) => Choice::GoOn,
            },
            on_content_policy: on(entry.on_content_policy, defaults.on_content_policy),
            on_bad_request: on(entry.on_bad_request, defaults.on_bad_request),
            on_unknown: on(entry.on_unknown, defaults.on_unknown),
            ..defaults.clone()
        };
        if let Some(connect) = &entry.timeouts.connect {
            let hint = "set it under `defaults: timeouts:`".to_owned();
            self.wrong("`connect` holds for all routes together", connect.span.clone(), hint);
        }
        Some(RouteSpec { name: name.value.clone(), description: entry.description, candidates, policy })
    }

    fn retry(&mut self, entry: RetryEntry) -> Retry {
        let default = Retry::default();
        if let Some(retries) = entry.retries.as_ref().filter(|r| r.value > 10) {
            self.wrong(
                "more than 10 retries are no help to anybody",
                retries.span.clone(),
                "write 10 or fewer",
            );
        }
        let retry = Retry {
            retries: entry.retries.map_or(default.retries, |r| r.value),
            when: match entry.when {
                None | Some(When::Alone) => RetryWhen::Alone,
                Some(When::First) => RetryWhen::First,
            },
            base: self.duration(entry.base.as_ref()).unwrap_or(default.base),
            cap: self.duration(entry.cap.as_ref()).unwrap_or(default.cap),
        };
        if retry.base > retry.cap {
            let span = entry.base.or(entry.cap).and_then(|b| b.span);
            self.wrong("`base` is longer than `cap`", span, "make `cap` at least as long as `base`");
        }
        retry
    }

    fn deadlines(
        &mut self,
        defaults: Deadlines,
        deadline: Option<&Located<String>>,
        timeouts: &Timeouts,
    ) -> Deadlines {
        Deadlines {
            call: self.duration(deadline).unwrap_or(defaults.call),
            first_token: self.duration(timeouts.first_token.as_ref()).or(defaults.first_token),
            idle: self.duration(timeouts.idle.as_ref()).unwrap_or(defaults.idle),
        }
    }

    fn duration(&mut self, written: Option<&Located<String>>) -> Option<Duration> {
        let written = written?;
        match parse_duration(&written.value) {
            Ok(duration) if !duration.is_zero() => return Some(duration),
            Ok(_) => self.wrong(
                "this duration must be longer than zero",
                written.span.clone(),
                DurationError::HINT,
            ),
            Err(error) => self.wrong(error.to_string(), written.span.clone(), DurationError::HINT),
        }
        None
    }

    fn model(
        &mut self,
        written: &Located<String>,
        providers: &HashMap<String, Provider>,
        aliases: &HashMap<String, ModelRef>,
    ) -> Option<ModelRef> {
        if let Some(model) = aliases.get(&written.value) {
            return Some(model.clone());
        }
        if self.broken_aliases.contains(&written.value) {
            return None;
        }
        match written.value.parse::<ModelRef>().map(|model| model.of_provider(&self.names)) {
            Ok(model) if providers.contains_key(&model.provider) => Some(model),
            Ok(model) => {
                let near = nearest(&model.provider, providers.keys().map(String::as_str));
                let hint = near
                    .map_or("add it under `providers:`".to_owned(), |near| format!("did you mean `{near}`?"));
                self.wrong(format!("there is no provider `{}`", model.provider), written.span.clone(), hint);
                None
            }
            Err(error) => {
                let near = nearest(&written.value, aliases.keys().map(String::as_str));
                let hint = near.map_or(ModelRefError::HINT.to_owned(), |near| {
                    format!("did you mean the alias `{near}`?")
                });
                self.wrong(error.to_string(), written.span.clone(), hint);
                None
            }
        }
    }
}
