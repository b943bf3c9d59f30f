//! Runs a program for its output: an argument list, without a shell.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::auth_failure::auth_failure;
use crate::chat::{Failure, FailureClass, FailurePhase, sanitize_message};
use crate::provider::Credential;

pub(super) const PROCESS_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum number of bytes read from each of stdout and stderr.
const MAX_OUTPUT_BYTES: u64 = 256 << 10;

/// Runs a program and returns its stdout. If it fails, the error message contains the first line of its
/// stderr, shortened and with secrets removed.
pub(super) async fn capture_stdout(command: &[String], limit: Duration) -> Result<String, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(auth_failure("the key command is empty"));
    };
    let mut process = tokio::process::Command::new(program);
    process
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child =
        process.spawn().map_err(|error| auth_failure(format!("cannot start `{program}`: {error}")))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let run = async { tokio::join!(read_pipe(stdout), read_pipe(stderr), child.wait()) };
    let Ok((stdout, stderr, status)) = tokio::time::timeout(limit, run).await else {
        let message = format!("`{program}` timed out after {} s", limit.as_secs());
        return Err(Failure::new(FailureClass::Timeout, FailurePhase::Connect, message));
    };
    let status = status.map_err(|error| auth_failure(format!("cannot wait for `{program}`: {error}")))?;
    if !status.success() {
        let detail = stderr.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        // The output may be the key, and the program may repeat it on stderr.
        let secrets = stdout.lines().filter_map(Credential::new);
        let detail =
            secrets.fold(detail.to_owned(), |detail, secret| secret.redact(&detail).unwrap_or(detail));
        let detail = if detail.is_empty() { detail } else { format!(": {}", sanitize_message(&detail)) };
        return Err(auth_failure(format!("`{program}` failed ({status}){detail}")));
    }
    Ok(stdout)
}

async fn read_pipe(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // Keep what was read before an error.
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
                .contains("cannot start")
        );
        assert!(run_command(&[], PROCESS_TIMEOUT).await.is_err());
        let slow = run_command(&["sleep", "60"], Duration::from_millis(20)).await.unwrap_err();
        assert_eq!((slow.class, slow.phase), (FailureClass::Timeout, FailurePhase::Connect));
    }
}
