//! Where `routes.yaml` is.

use std::path::{Path, PathBuf};

use etcetera::{AppStrategy, AppStrategyArgs, choose_app_strategy};

use super::ConfigError;

/// The repository's own `routes.yaml`, for a machine that has none.
pub(super) const BUILT_IN: &str = include_str!("../../routes.yaml");

/// What a search needs to know of its surroundings.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// `--config`.
    pub flag: Option<&'a Path>,
    /// The folder that the user stands in.
    pub folder: &'a Path,
    /// Looks an environment variable up.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// Who chose a file, and so how far it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Named by the user, by flag or variable: that is trust.
    Named,
    /// Found in this folder or above it: from whoever wrote the folder.
    Project,
    /// The user's own, in the config folder.
    User,
    /// The copy inside the binary.
    BuiltIn,
}

/// A `routes.yaml` with its text.
#[derive(Clone, Debug)]
pub struct Found {
    /// How the user would name it.
    pub name: String,
    /// Where it is; `None` for the built-in one.
    pub path: Option<PathBuf>,
    /// What it says.
    pub text: String,
    /// Who chose it.
    pub origin: Origin,
}

/// Finds the file: `--config`, `SLALOM_CONFIG`, here or above, the config folder, the built-in copy.
///
/// # Errors
/// When a named file cannot be read.
pub fn find(look: Look<'_>) -> Result<Found, ConfigError> {
    let variable = (look.environment)("SLALOM_CONFIG").filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(path) = look.flag.map(Path::to_path_buf).or(variable) {
        return read(path, Origin::Named);
    }
    let above = look.folder.ancestors().map(|folder| folder.join("routes.yaml")).find(|path| path.is_file());
    if let Some(path) = above {
        return read(path, Origin::Project);
    }
    if let Some(path) = folders().map(|f| f.config_dir().join("routes.yaml")).filter(|path| path.is_file()) {
        return read(path, Origin::User);
    }
    Ok(Found {
        name: "the built-in routes.yaml".into(),
        path: None,
        text: BUILT_IN.into(),
        origin: Origin::BuiltIn,
    })
}

fn read(path: PathBuf, origin: Origin) -> Result<Found, ConfigError> {
    let name = path.display().to_string();
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Found { name, path: Some(path), text, origin }),
        Err(error) => Err(ConfigError::unreadable(name, &error)),
    }
}

/// The user's ledger, in the state folder; `None` without a home.
pub fn ledger_of_user() -> Option<PathBuf> {
    folders().map(|f| f.state_dir().unwrap_or_else(|| f.data_dir()).join("ledger.db"))
}

/// The user's folders for this product; `None` without a home.
pub(super) fn folders() -> Option<impl AppStrategy> {
    let names =
        AppStrategyArgs { top_level_domain: String::new(), author: String::new(), app_name: "slalom".into() };
    choose_app_strategy(names).ok()
}
