//! The user's own catalogue file: what `slalom models --update` wrote.

use std::io::{self, Write as _};
use std::path::PathBuf;

use etcetera::AppStrategy;

use super::config_file::app_dirs;
use crate::catalog::FetchedCatalog;

/// The file in the user's data folder.
#[derive(Clone, Debug)]
pub struct CatalogFile(Option<PathBuf>);

impl CatalogFile {
    /// The user's own.
    pub fn for_user() -> Self {
        Self(app_dirs().map(|folders| folders.data_dir().join("catalogue.csv")))
    }

    /// Its rows, where there is such a file.
    ///
    /// # Errors
    /// In words, when it cannot be read or is something else.
    pub fn load(&self) -> Result<Option<FetchedCatalog>, String> {
        let Some(path) = &self.0 else { return Ok(None) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        };
        let wrong = |why| format!("{} is no catalogue: {why}", path.display());
        FetchedCatalog::parse(text).map(Some).map_err(wrong)
    }

    /// Writes rows in its place, whole or not at all, and says where.
    ///
    /// # Errors
    /// When the data folder cannot be written.
    pub fn save(&self, updated: &FetchedCatalog) -> io::Result<&PathBuf> {
        let path =
            self.0.as_ref().ok_or_else(|| io::Error::other("there is no home folder to keep it in"))?;
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        // A name of its own for each process: two updates at once leave one of them whole.
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let written = std::fs::File::create(&beside).and_then(|mut file| {
            file.write_all(updated.text().as_bytes())?;
            file.sync_all()
        });
        if let Err(error) = written.and_then(|()| std::fs::rename(&beside, path)) {
            let _ = std::fs::remove_file(&beside);
            return Err(error);
        }
        Ok(path)
    }
}
