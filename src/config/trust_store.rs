//! The list of project files that the user has trusted.

use std::io;
use std::path::{Path, PathBuf};

use super::config_file::app_dirs;
use crate::eval::Digest;
use etcetera::AppStrategy;

/// Digests of trusted files, in the state folder; `None` without a home directory.
#[derive(Clone, Debug)]
pub struct TrustStore(Option<PathBuf>);

impl TrustStore {
    pub fn for_user() -> Self {
        Self(app_dirs().map(|f| f.state_dir().unwrap_or_else(|| f.data_dir()).join("trusted")))
    }

    /// Whether the user trusted this exact text at this path. Any edit requires trusting it again.
    pub fn is_trusted(&self, path: &Path, text: &str) -> bool {
        let Some(listed) = self.0.as_ref().and_then(|store| std::fs::read_to_string(store).ok()) else {
            return false;
        };
        listed.lines().any(|line| line == trust_digest(path, text))
    }

    pub fn add(&self, path: &Path, text: &str) -> io::Result<()> {
        use std::io::Write as _;
        let store = self.0.as_ref().ok_or_else(|| io::Error::other("no home directory"))?;
        if self.is_trusted(path, text) {
            return Ok(());
        }
        std::fs::create_dir_all(store.parent().unwrap_or(Path::new(".")))?;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(store)?;
        writeln!(file, "{}", trust_digest(path, text))
    }
}

fn trust_digest(path: &Path, text: &str) -> String {
    let canonical_path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    Digest::of([canonical_path.as_os_str().as_encoded_bytes(), &[0], text.as_bytes()]).to_string()
}
