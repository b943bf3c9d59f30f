//! Runs a program for what it prints: an argument list, never a line for a shell.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::refused;
use crate::chat::{Failure, FailureClass, Phase, clean_message};
use crate::provider::Credential;

/// A program may take this long.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// Of what it prints, this much is read, in bytes.
const MOST: u64 = 256 << 10;

/// What a program prints on stdout. Its stderr is shown only where it fails, shortened and without what looks like a key.
pub(super) async fn output(command: &[String], limit: Duration) -> Result<String, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(refused("the command for the key is empty"));
    };
    let mut process = tokio::process::Command::new(program);
    process
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child =
        process.spawn().map_err(|error| refused(format!("`{program}` cannot be run: {error}")))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let whole = async { tokio::join!(read(stdout), read(stderr), child.wait()) };
    let Ok((stdout, stderr, status)) = tokio::time::timeout(limit, whole).await else {
        let message = format!("`{program}` took longer than {} s", limit.as_secs());
        return Err(Failure::new(FailureClass::Timeout, Phase::Connect, message));
    };
    let status = status.map_err(|error| refused(format!("`{program}` was lost: {error}")))?;
    if !status.success() {
        let said = stderr.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        // What it printed may be the key, and a program may say it a second time.
        let secrets = stdout.lines().filter_map(Credential::new);
        let said = secrets.fold(said.to_owned(), |said, secret| secret.redact(&said).unwrap_or(said));
        let said = if said.is_empty() { said } else { format!(": {}", clean_message(&said)) };
        return Err(refused(format!("`{program}` failed ({status}){said}")));
    }
    Ok(stdout)
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What was read before an error still says something.
        let _ = pipe.take(MOST).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    async fn run(command: &[&str], limit: Duration) -> Result<String, Failure> {
        output(&command.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), limit).await
    }

    #[tokio::test]
    async fn arguments_are_no_line_for_a_shell() {
        assert_eq!(run(&["printf", "%s", "$HOME; x"], LIMIT).await.unwrap(), "$HOME; x");
    }

    #[tokio::test]
    async fn failures_are_told() {
        let failure = run(&["sh", "-c", "echo not signed in >&2; exit 3"], LIMIT).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Auth);
        assert!(failure.message.contains("not signed in"), "{failure}");
        let twice = "echo planted-out-1; echo my key is planted-out-1 >&2; exit 3";
        let failure = run(&["sh", "-c", twice], LIMIT).await.unwrap_err();
        assert!(failure.message.contains("my key is [redacted]"), "{failure}");
        assert!(run(&["no-such-program-here"], LIMIT).await.unwrap_err().message.contains("cannot be run"));
        assert!(run(&[], LIMIT).await.is_err());
        let slow = run(&["sleep", "60"], Duration::from_millis(20)).await.unwrap_err();
        assert_eq!((slow.class, slow.phase), (FailureClass::Timeout, Phase::Connect));
    }
}
