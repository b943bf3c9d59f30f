//! The user's catalog file, written by `slalom models --update`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use etcetera::AppStrategy;

use super::config_file::app_dirs;
use crate::catalog::FetchedCatalog;

/// The path in the user's data folder; `None` without a home directory.
#[derive(Clone, Debug)]
pub(crate) struct CatalogFile(Option<PathBuf>);

impl CatalogFile {
    pub(crate) fn for_user() -> Self {
        Self(app_dirs().map(|folders| folders.data_dir().join("catalogue.csv")))
    }

    /// `None` if the file does not exist.
    pub(crate) fn load(&self) -> Result<Option<FetchedCatalog>, String> {
        let Some(path) = &self.0 else { return Ok(None) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        let wrong = |why| format!("{} is not a valid catalog: {why}", path.display());
        FetchedCatalog::parse(text).map(Some).map_err(wrong)
    }

    /// Replaces the file atomically and returns its path.
    pub(crate) fn save(&self, updated: &FetchedCatalog) -> io::Result<&PathBuf> {
        let path = self.0.as_ref().ok_or_else(|| io::Error::other("no home directory"))?;
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        // A separate name per process keeps concurrent updates from mixing.
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        let written = std::fs::File::create(&temporary).and_then(|mut file| {
            file.write_all(updated.text().as_bytes())?;
            file.sync_all()
        });
        if let Err(error) = written.and_then(|()| std::fs::rename(&temporary, path)) {
            let _ = std::fs::remove_file(&temporary);
            return Err(error);
        }
        Ok(path)
    }
}
