//! Finds `routes.yaml`.

use std::path::{Path, PathBuf};

use etcetera::{AppStrategy, AppStrategyArgs, choose_app_strategy};

use super::ConfigError;

/// The repository's `routes.yaml`, used if no file is found.
pub(super) const BUILT_IN_ROUTES: &str = include_str!("../../routes.yaml");

#[derive(Clone, Copy)]
pub(crate) struct ConfigSearch<'a> {
    /// The value of `--config`.
    pub flag: Option<&'a Path>,
    /// The current directory.
    pub folder: &'a Path,
    /// Looks up an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// How the file was chosen, which decides whether it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOrigin {
    /// Named by flag or variable, and therefore trusted.
    Explicit,
    /// Found in the current folder or above it, possibly written by someone else.
    Project,
    /// In the user's config directory.
    User,
    /// The copy in the binary.
    BuiltIn,
}

/// A `routes.yaml` with its text.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    pub display_name: String,
    /// `None` for the built-in file.
    pub path: Option<PathBuf>,
    pub text: String,
    pub origin: ConfigOrigin,
}

/// Searches `--config`, `SLALOM_CONFIG`, the current folder and its parents, the config directory, and the
/// built-in copy, in this order.
pub(crate) fn find_config(search: ConfigSearch<'_>) -> Result<ConfigFile, ConfigError> {
    let variable = (search.environment)("SLALOM_CONFIG").filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(path) = search.flag.map(Path::to_path_buf).or(variable) {
        return read_config(path, ConfigOrigin::Explicit);
    }
    let above =
        search.folder.ancestors().map(|folder| folder.join("routes.yaml")).find(|path| path.is_file());
    if let Some(path) = above {
        return read_config(path, ConfigOrigin::Project);
    }
    if let Some(path) = app_dirs().map(|f| f.config_dir().join("routes.yaml")).filter(|path| path.is_file()) {
        return read_config(path, ConfigOrigin::User);
    }
    Ok(ConfigFile {
        display_name: "the built-in routes.yaml".into(),
        path: None,
        text: BUILT_IN_ROUTES.into(),
        origin: ConfigOrigin::BuiltIn,
    })
}

fn read_config(path: PathBuf, origin: ConfigOrigin) -> Result<ConfigFile, ConfigError> {
    let name = path.display().to_string();
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(ConfigFile { display_name: name, path: Some(path), text, origin }),
        Err(error) => Err(ConfigError::cannot_read(name, &error)),
    }
}

/// The ledger in the user's state folder; `None` without a home directory.
pub(crate) fn user_ledger_path() -> Option<PathBuf> {
    app_dirs().map(|f| f.state_dir().unwrap_or_else(|| f.data_dir()).join("ledger.db"))
}

/// `None` without a home directory.
pub(super) fn app_dirs() -> Option<impl AppStrategy> {
    let names =
        AppStrategyArgs { top_level_domain: String::new(), author: String::new(), app_name: "slalom".into() };
    choose_app_strategy(names).ok()
}
