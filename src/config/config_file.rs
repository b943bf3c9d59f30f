//! Where `routes.yaml` is.

use std::path::{Path, PathBuf};

use etcetera::{AppStrategy, AppStrategyArgs, choose_app_strategy};

use super::ConfigError;

/// The repository's own `routes.yaml`, for a machine that has none.
pub(super) const BUILT_IN_ROUTES: &str = include_str!("../../routes.yaml");

/// What a search needs to know of its surroundings.
#[derive(Clone, Copy)]
pub struct ConfigSearch<'a> {
    /// `--config`.
    pub flag: Option<&'a Path>,
    /// The folder that the user stands in.
    pub folder: &'a Path,
    /// Looks an environment variable up.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// Who chose a file, and so how far it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOrigin {
    /// Named by the user, by flag or variable: that is trust.
    Explicit,
    /// Found in this folder or above it: from whoever wrote the folder.
    Project,
    /// The user's own, in the config folder.
    User,
    /// The copy inside the binary.
    BuiltIn,
}

/// A `routes.yaml` with its text.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// How the user would name it.
    pub display_name: String,
    /// Where it is; `None` for the built-in one.
    pub path: Option<PathBuf>,
    /// What it says.
    pub text: String,
    /// Who chose it.
    pub origin: ConfigOrigin,
}

/// Finds the file: `--config`, `SLALOM_CONFIG`, here or above, the config folder, the built-in copy.
///
/// # Errors
/// When a named file cannot be read.
pub fn find_config(look: ConfigSearch<'_>) -> Result<ConfigFile, ConfigError> {
    let variable = (look.environment)("SLALOM_CONFIG").filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(path) = look.flag.map(Path::to_path_buf).or(variable) {
        return read_config(path, ConfigOrigin::Explicit);
    }
    let above = look.folder.ancestors().map(|folder| folder.join("routes.yaml")).find(|path| path.is_file());
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

/// The user's ledger, in the state folder; `None` without a home.
pub fn user_ledger_path() -> Option<PathBuf> {
    app_dirs().map(|f| f.state_dir().unwrap_or_else(|| f.data_dir()).join("ledger.db"))
}

/// The user's folders for this product; `None` without a home.
pub(super) fn app_dirs() -> Option<impl AppStrategy> {
    let names =
        AppStrategyArgs { top_level_domain: String::new(), author: String::new(), app_name: "slalom".into() };
    choose_app_strategy(names).ok()
}
