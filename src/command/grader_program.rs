//! Programs of golden sets (`exec`): an argument list, JSON in, JSON out.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::breaker_hook::secret_variables;
use crate::chat::sanitize_message;
use crate::config::Config;
use crate::eval::{GraderProgram, ProgramRunner};

/// Of what a program prints, this much is read, in bytes.
const MAX_OUTPUT_BYTES: u64 = 1 << 20;

/// Who runs programs, without the variables that hold keys.
pub(super) fn build_program_runner(config: &Config) -> ProgramRunner {
    let secrets: Rc<[String]> = secret_variables(config).map(str::to_owned).collect();
    Box::new(move |program, input| Box::pin(run_program(program, input, Rc::clone(&secrets))))
}

/// Where a program lies: one with a slash in its name from the set's folder on, any other one on the search path.
///
/// # Errors
/// In words, when it is not there or cannot be run.
pub(super) fn resolve_program(program: &GraderProgram) -> Result<PathBuf, String> {
    let name = program.command.first().map_or("", String::as_str);
    // A set in this very folder says nothing of it.
    let folder =
        std::path::absolute(Path::new(".").join(&program.folder)).map_err(|error| error.to_string())?;
    if Path::new(name).components().count() > 1 {
        let path = folder.join(name);
        return match is_executable(&path) {
            true => Ok(path),
            false if path.is_file() => {
                Err(format!("{} may not be run (chmod +x makes it so)", path.display()))
            }
            false => Err(format!("there is no program {}", path.display())),
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| is_executable(path));
    found.ok_or_else(|| format!("there is no program `{name}`; one beside the set is written `./{name}`"))
}

/// Whether a file can be run, as far as it says so.
fn is_executable(path: &Path) -> bool {
    let Ok(about) = path.metadata() else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        about.is_file() && about.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    about.is_file()
}

/// What a program prints when it is given this. One that takes too long is ended, with whatever it has started.
async fn run_program(program: GraderProgram, input: String, secrets: Rc<[String]>) -> Result<String, String> {
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
    // A Ctrl-C that lets calls in flight come to their end lets programs do so too.
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| format!("`{name}` cannot be started: {error}"))?;
    let mut group = ProcessGroup(child.id());
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // Who does not want to read all of it need not.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let whole = async { tokio::join!(write, read_output(stdout), read_output(stderr), child.wait()) };
    let Ok(((), stdout, stderr, status)) = tokio::time::timeout(program.timeout, whole).await else {
        let seconds = program.timeout.as_secs_f64();
        return Err(format!("`{name}` took longer than {seconds} s and was ended"));
    };
    group.0 = None;
    let status = status.map_err(|error| format!("`{name}` was lost: {error}"))?;
    if !status.success() {
        let said = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).map(sanitize_message);
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        return Err(format!("`{name}` failed ({status}){said}"));
    }
    Ok(stdout)
}

/// A program that runs, and whatever it started. Dropped, they are ended.
struct ProcessGroup(Option<u32>);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.0.and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            // It may have ended by itself a moment ago.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

async fn read_output(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What was read before an error still says something.
        let _ = pipe.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
