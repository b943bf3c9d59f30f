//! Writes files completely or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

enum WriteTarget {
    /// A new file next to the target that is then renamed.
    TempAndRename(PathBuf),
    /// Directly, for a device, a pipe, a dangling symlink, or a file in a read-only directory.
    InPlace(PathBuf),
}

fn resolve_write_target(path: &Path) -> io::Result<WriteTarget> {
    // Follow symlinks, so that the link itself stays.
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(_) if path.is_symlink() => return Ok(WriteTarget::InPlace(path.to_owned())),
        Err(_) => return Ok(WriteTarget::TempAndRename(path.to_owned())),
    };
    let metadata = fs::metadata(&target)?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"));
    }
    Ok(if metadata.is_file() { WriteTarget::TempAndRename(target) } else { WriteTarget::InPlace(target) })
}

/// A path next to the target that no other process uses.
fn temp_path(target: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    target.with_file_name(name)
}

/// Checks that a report can be written, without changing existing files.
pub(crate) fn probe_writable(path: &Path) -> io::Result<()> {
    let target = match resolve_write_target(path)? {
        WriteTarget::TempAndRename(target) => target,
        // Opening a pipe would block, and opening a dangling symlink would create its target.
        WriteTarget::InPlace(_) => return Ok(()),
    };
    if target.exists() {
        OpenOptions::new().append(true).open(&target)?;
        return Ok(());
    }
    let probe = temp_path(&target);
    let _ = fs::remove_file(&probe);
    OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(&probe)
}

/// Replaces a file completely or not at all. A target that is not a regular file is written in place.
///
/// # Errors
/// If writing fails; an existing file is then unchanged.
pub(crate) fn replace_file(path: &Path, write: impl Fn(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let target = match resolve_write_target(path)? {
        WriteTarget::TempAndRename(target) => target,
        WriteTarget::InPlace(target) => return write_in_place(&target, write),
    };
    let new = temp_path(&target);
    // A killed process with the same ID may have left one behind.
    let _ = fs::remove_file(&new);
    let file = match OpenOptions::new().write(true).create_new(true).open(&new) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && target.exists() => {
            return write_in_place(&target, write);
        }
        opened => opened?,
    };
    let written = write_and_sync(file, &target, write).and_then(|()| fs::rename(&new, &target));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

fn write_and_sync(
    file: File,
    target: &Path,
    write: impl Fn(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    // Keep the old file's permissions, so that the new one is not readable by more users.
    if let Ok(old) = fs::metadata(target) {
        file.set_permissions(old.permissions())?;
    }
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn write_in_place(target: &Path, write: impl Fn(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(OpenOptions::new().write(true).create(true).truncate(true).open(target)?);
    write(&mut out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_writer(text: &'static str) -> impl Fn(&mut dyn Write) -> io::Result<()> {
        move |out: &mut dyn Write| out.write_all(text.as_bytes())
    }

    #[test]
    fn failed_write_keeps_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.md");
        probe_writable(&path).unwrap();
        assert!(!path.exists(), "probing changes nothing");
        replace_file(&path, text_writer("old")).unwrap();
        let fails = |out: &mut dyn Write| {
            out.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        };
        assert_eq!(replace_file(&path, fails).unwrap_err().to_string(), "disk full");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        probe_writable(&path).unwrap();
        replace_file(&path, text_writer("new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
        assert!(probe_writable(folder.path()).is_err());
        assert!(probe_writable(&folder.path().join("no/such/folder.md")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn replace_keeps_symlinks_and_permissions() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("real.md"), folder.path().join("link.md"));
        symlink(&path, &link).unwrap();
        probe_writable(&link).unwrap();
        assert!(link.is_symlink() && !path.exists());
        replace_file(&link, text_writer("one")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        replace_file(&link, text_writer("two")).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let null = folder.path().join("null.md");
        symlink("/dev/null", &null).unwrap();
        probe_writable(&null).unwrap();
        replace_file(&null, text_writer("gone")).unwrap();
        assert!(null.is_symlink());
    }
}
