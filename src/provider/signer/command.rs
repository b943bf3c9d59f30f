//! A key that a command prints, run when the first call is about to be sent and at most once.

use std::fmt;
use std::sync::OnceLock;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::process::{self, LIMIT};
use super::refused;
use crate::chat::Failure;
use crate::provider::authorization::Carrier;
use crate::provider::{Credential, Outgoing};

type Running = Shared<BoxFuture<'static, Result<Credential, Failure>>>;

/// The command, and what came of it.
pub(in crate::provider) struct Command {
    command: Vec<String>,
    carrier: Carrier,
    /// Kept past an attempt that gave up waiting: the next one waits on for the same run.
    running: OnceLock<Running>,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Command").field(&self.command.first()).finish()
    }
}

impl Command {
    pub(in crate::provider) fn new(command: Vec<String>, carrier: Carrier) -> Self {
        Self { command, carrier, running: OnceLock::new() }
    }

    pub(super) async fn put(&self, outgoing: &mut Outgoing) -> Result<Vec<Credential>, Failure> {
        let running = self.running.get_or_init(|| key(self.command.clone()).boxed().shared());
        let key = running.clone().await?;
        self.carrier.put(&key, outgoing);
        Ok(vec![key])
    }
}

/// The first line that a command prints.
async fn key(command: Vec<String>) -> Result<Credential, Failure> {
    let printed = process::output(&command, LIMIT).await?;
    let program = command.first().map_or("", String::as_str);
    let key = printed.lines().next().and_then(Credential::new);
    let key = key.ok_or_else(|| refused(format!("`{program}` printed no key on its first line")))?;
    if key.is_plain() {
        Ok(key)
    } else {
        Err(refused(format!("`{program}` printed characters that cannot be sent in a header")))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::provider::Method;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn request() -> Outgoing {
        Outgoing {
            method: Method::Post,
            url: "https://a/".into(),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
        }
    }

    #[tokio::test]
    async fn runs_once_and_keeps_the_key_to_itself() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let script = format!("echo x >> '{}'; echo planted-key-123; echo more", count.display());
        let command = Command::new(words(&["sh", "-c", &script]), Carrier::Header("x-key".into()));
        for _ in 0..2 {
            let mut outgoing = request();
            command.put(&mut outgoing).await.unwrap();
            assert_eq!(outgoing.headers, [("x-key".to_owned(), "planted-key-123".to_owned())]);
        }
        assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
        assert!(!format!("{command:?}").contains("planted"));
    }

    #[tokio::test]
    async fn an_attempt_that_gives_up_leaves_it_running_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        // The command waits for what is written into this pipe.
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let script = format!("echo x >> '{}'; cat '{}'", count.display(), pipe.display());
        let command = Command::new(words(&["sh", "-c", &script]), Carrier::Bearer);
        let hurried = tokio::time::timeout(std::time::Duration::ZERO, command.put(&mut request())).await;
        assert!(hurried.is_err());
        let writer = std::thread::spawn(move || std::fs::write(pipe, "planted-key-123\n").unwrap());
        command.put(&mut request()).await.unwrap();
        writer.join().unwrap();
        assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
    }

    #[tokio::test]
    async fn a_failure_is_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let script = format!("echo x >> '{}'; exit 1", count.display());
        let command = Command::new(words(&["sh", "-c", &script]), Carrier::Bearer);
        for _ in 0..2 {
            assert!(command.put(&mut request()).await.is_err());
        }
        assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
        let empty = Command::new(words(&["true"]), Carrier::Bearer);
        assert!(empty.put(&mut request()).await.unwrap_err().message.contains("printed no key"));
    }
}
