//! Where to look for cloud credentials: environment variables, the home directory, and the machine's vendor.

use std::path::{Path, PathBuf};

use crate::provider::Environment;

#[derive(Clone, Copy)]
pub(in crate::provider) struct CloudEnvironment<'a> {
    pub(in crate::provider) environment: &'a dyn Environment,
    /// The directory in which Linux exposes the machine's vendor and model.
    pub(in crate::provider) dmi_folder: &'a Path,
}

impl CloudEnvironment<'_> {
    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.environment.variable(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
    }

    /// A key variable that is set and not empty.
    pub(super) fn key(&self, name: &str) -> Option<String> {
        self.environment.key(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
    }

    pub(super) fn read_dmi(&self, name: &str) -> String {
        std::fs::read_to_string(self.dmi_folder.join(name)).unwrap_or_default().trim().to_owned()
    }
}

/// The text of a file; `None` if there is no such file. A file that exists but cannot be read is an error, so
/// that the search does not continue to other credentials.
pub(super) fn read_if_file(path: &Path) -> Result<Option<String>, String> {
    if !path.is_file() {
        return Ok(None);
    }
    let read = std::fs::read_to_string(path);
    read.map(Some).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

pub(in crate::provider) fn home_folder(environment: &dyn Environment) -> Option<PathBuf> {
    ["HOME", "USERPROFILE"]
        .iter()
        .find_map(|name| environment.variable(name).filter(|v| !v.is_empty()))
        .map(PathBuf::from)
}
