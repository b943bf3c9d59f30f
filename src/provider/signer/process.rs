//! Runs a program for what it prints: an argument list, never a line for a shell.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::auth_failure;
use crate::chat::{Failure, FailureClass, FailurePhase, sanitize_message};
use crate::provider::Credential;

/// A program may take this long.
pub(super) const PROCESS_TIMEOUT: Duration = Duration::from_secs(30);

/// Of what it prints, this much is read, in bytes.
const MAX_OUTPUT_BYTES: u64 = 256 << 10;

/// What a program prints on stdout. Its stderr is shown only where it fails, shortened and without what looks like a key.
pub(super) async fn capture_stdout(command: &[String], limit: Duration) -> Result<String, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(auth_failure("the command for the key is empty"));
    };
    let mut process = tokio::process::Command::new(program);
    process
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child =
        process.spawn().map_err(|error| auth_failure(format!("`{program}` cannot be run: {error}")))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let whole = async { tokio::join!(read_pipe(stdout), read_pipe(stderr), child.wait()) };
    let Ok((stdout, stderr, status)) = tokio::time::timeout(limit, whole).await else {
        let message = format!("`{program}` took longer than {} s", limit.as_secs());
        return Err(Failure::new(FailureClass::Timeout, FailurePhase::Connect, message));
    };
    let status = status.map_err(|error| auth_failure(format!("`{program}` was lost: {error}")))?;
    if !status.success() {
        let said = stderr.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        // What it printed may be the key, and a program may say it a second time.
        let secrets = stdout.lines().filter_map(Credential::new);
        let said = secrets.fold(said.to_owned(), |said, secret| secret.redact(&said).unwrap_or(said));
        let said = if said.is_empty() { said } else { format!(": {}", sanitize_message(&said)) };
        return Err(auth_failure(format!("`{program}` failed ({status}){said}")));
    }
    Ok(stdout)
}

async fn read_pipe(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What was read before an error still says something.
        let _ = pipe.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    async fn run_command(command: &[&str], limit: Duration) -> Result<String, Failure> {
        capture_stdout(&command.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), limit).await
    }

    #[tokio::test]
    async fn arguments_are_not_shell_expanded() {
        assert_eq!(run_command(&["printf", "%s", "$HOME; x"], PROCESS_TIMEOUT).await.unwrap(), "$HOME; x");
    }

    #[tokio::test]
    async fn failure_cases() {
        let failure =
            run_command(&["sh", "-c", "echo not signed in >&2; exit 3"], PROCESS_TIMEOUT).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Auth);
        assert!(failure.message.contains("not signed in"), "{failure}");
        let twice = "echo planted-out-1; echo my key is planted-out-1 >&2; exit 3";
        let failure = run_command(&["sh", "-c", twice], PROCESS_TIMEOUT).await.unwrap_err();
        assert!(failure.message.contains("my key is [redacted]"), "{failure}");
        assert!(
            run_command(&["no-such-program-here"], PROCESS_TIMEOUT)
                .await
                .unwrap_err()
                .message
                .contains("cannot be run")
        );
        assert!(run_command(&[], PROCESS_TIMEOUT).await.is_err());
        let slow = run_command(&["sleep", "60"], Duration::from_millis(20)).await.unwrap_err();
        assert_eq!((slow.class, slow.phase), (FailureClass::Timeout, FailurePhase::Connect));
    }
}
