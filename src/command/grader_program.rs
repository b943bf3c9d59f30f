//! Runs a golden set's `exec` programs: argument list, JSON on stdin, JSON on stdout.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::breaker_hook::secret_variables;
use crate::chat::sanitize_message;
use crate::config::Config;
use crate::eval::{GraderProgram, ProgramRunner};

/// Limit on a program's output, in bytes; the rest is not read.
const MAX_OUTPUT_BYTES: u64 = 1 << 20;

/// Builds the runner; its programs do not inherit variables that hold API keys.
pub(super) fn build_program_runner(config: &Config) -> ProgramRunner {
    let secrets: Arc<[String]> = secret_variables(config).map(str::to_owned).collect();
    Box::new(move |program, input| Box::pin(run_program(program, input, Arc::clone(&secrets))))
}

/// Finds a program: a name with a slash is relative to the set's folder, any other is looked up on `$PATH`.
/// The error is a message for the user.
pub(super) fn resolve_program(program: &GraderProgram) -> Result<PathBuf, String> {
    let name = program.command.first().map_or("", String::as_str);
    // The folder is empty for a set in the current folder.
    let folder =
        std::path::absolute(Path::new(".").join(&program.folder)).map_err(|error| error.to_string())?;
    if Path::new(name).components().count() > 1 {
        let path = folder.join(name);
        return match is_executable(&path) {
            true => Ok(path),
            false if path.is_file() => Err(format!("{} is not executable (run `chmod +x`)", path.display())),
            false => Err(format!("program {} not found", path.display())),
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| is_executable(path));
    found.ok_or_else(|| {
        format!("program `{name}` not found on $PATH; use `./{name}` for a file next to the set")
    })
}

fn is_executable(path: &Path) -> bool {
    let Ok(metadata) = path.metadata() else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    metadata.is_file()
}

/// Runs a program and returns its output. A timeout kills it and its child processes.
async fn run_program(
    program: GraderProgram,
    input: String,
    secrets: Arc<[String]>,
) -> Result<String, String> {
    let name = program.command.join(" ");
    let mut command = Command::new(resolve_program(&program)?);
    command.args(program.command.iter().skip(1));
    if !program.folder.as_os_str().is_empty() {
        command.current_dir(&program.folder);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    for secret in secrets.iter() {
        command.env_remove(secret);
    }
    // Ctrl-C lets calls in flight finish, so it must not kill their programs.
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| format!("cannot start `{name}`: {error}"))?;
    let mut group = ProcessGroup(child.id());
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program may exit without reading all of its input.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let completion = async { tokio::join!(write, read_output(stdout), read_output(stderr), child.wait()) };
    let Ok(((), stdout, stderr, status)) = tokio::time::timeout(program.timeout, completion).await else {
        let seconds = program.timeout.as_secs_f64();
        return Err(format!("`{name}` timed out after {seconds} s"));
    };
    group.0 = None;
    let status = status.map_err(|error| format!("cannot wait for `{name}`: {error}"))?;
    if !status.success() {
        let last_line = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).map(sanitize_message);
        let reason = last_line.map(|line| format!(": {line}")).unwrap_or_default();
        return Err(match status.code() {
            Some(code) => format!("`{name}` exited with status {code}{reason}"),
            None => format!("`{name}` failed ({status}){reason}"),
        });
    }
    Ok(stdout)
}

/// A running program and its child processes, killed on drop.
struct ProcessGroup(Option<u32>);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.0.and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            // It may have exited already.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

async fn read_output(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // Keep what was read before an error.
        let _ = pipe.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
