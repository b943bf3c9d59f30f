//! A key that a command prints, run when the first call is about to be sent; again only where the key ends or is refused.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::process::{self, LIMIT};
use super::refused;
use crate::chat::Failure;
use crate::provider::authorization::Carrier;
use crate::provider::{Credential, Outgoing};

type Running = Shared<BoxFuture<'static, Result<Credential, Failure>>>;

/// A command that ran less long ago is not run again for a key that is refused: the next one would be the same.
const AGAIN: Duration = Duration::from_secs(60);

/// The command, and what came of it.
pub(in crate::provider) struct Command {
    command: Vec<String>,
    carrier: Carrier,
    /// How long what it prints is good for, where that is not for ever.
    lasts: Option<Duration>,
    /// The last run and when it began. Kept past an attempt that gave up waiting: the next one waits on for the same run.
    running: Mutex<Option<(SystemTime, Running)>>,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Command").field(&self.command.first()).finish()
    }
}

impl Command {
    pub(in crate::provider) fn new(command: Vec<String>, carrier: Carrier, lasts: Option<Duration>) -> Self {
        Self { command, carrier, lasts, running: Mutex::new(None) }
    }

    /// Forgets a key that was refused, so that the next use runs the command again. Says whether that, or another run
    /// in the meantime, may give another key.
    pub(super) fn renew(&self, refused: &[Credential], now: SystemTime) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let other = |key: &Credential| refused.iter().all(|refused| refused.expose() != key.expose());
        match running.as_ref() {
            Some((_, run)) if run.peek().is_none_or(|ended| ended.as_ref().is_ok_and(other)) => true,
            Some((begun, _)) if now.duration_since(*begun).unwrap_or_default() < AGAIN => false,
            _ => {
                *running = None;
                true
            }
        }
    }

    /// The run that counts now.
    fn running(&self, now: SystemTime) -> Running {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = |begun: SystemTime| {
            self.lasts.is_some_and(|lasts| now.duration_since(begun).unwrap_or_default() >= lasts)
        };
        match running.as_ref() {
            Some((begun, run)) if !ended(*begun) => run.clone(),
            _ => running.insert((now, key(self.command.clone()).boxed().shared())).1.clone(),
        }
    }

    pub(super) async fn put(
        &self,
        outgoing: &mut Outgoing,
        now: SystemTime,
    ) -> Result<Vec<Credential>, Failure> {
        let key = self.running(now).await?;
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

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn request() -> Outgoing {
        Outgoing {
            model: None,
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
        let command = Command::new(words(&["sh", "-c", &script]), Carrier::Header("x-key".into()), None);
        for _ in 0..2 {
            let mut outgoing = request();
            command.put(&mut outgoing, NOW).await.unwrap();
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
        let command = Command::new(words(&["sh", "-c", &script]), Carrier::Bearer, None);
        let hurried = tokio::time::timeout(std::time::Duration::ZERO, command.put(&mut request(), NOW)).await;
        assert!(hurried.is_err());
        let writer = std::thread::spawn(move || std::fs::write(pipe, "planted-key-123\n").unwrap());
        command.put(&mut request(), NOW).await.unwrap();
        writer.join().unwrap();
        assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
    }

    #[tokio::test]
    async fn runs_again_where_a_key_ends_or_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let script = format!("echo x >> '{0}'; wc -l < '{0}'", count.display());
        let at = |seconds| NOW + Duration::from_secs(seconds);
        async fn used(command: &Command, seconds: u64) -> String {
            let now = NOW + Duration::from_secs(seconds);
            command.put(&mut request(), now).await.unwrap()[0].expose().to_owned()
        }
        let refused = |key| [Credential::new(key).unwrap()];
        let command = Command::new(words(&["sh", "-c", &script]), Carrier::Bearer, None);
        assert_eq!(used(&command, 0).await, "1");
        assert!(!command.renew(&refused("1"), at(59)), "it ran a moment ago");
        assert!(command.renew(&refused("1"), at(60)));
        assert_eq!(used(&command, 60).await, "2");
        assert!(command.renew(&refused("1"), at(61)), "somebody else has run it since");
        assert_eq!(used(&command, 9999).await, "2");
        let ending =
            Command::new(words(&["sh", "-c", &script]), Carrier::Bearer, Some(Duration::from_secs(9)));
        assert_eq!(used(&ending, 0).await, "3");
        assert_eq!((used(&ending, 8).await, used(&ending, 9).await), ("3".into(), "4".into()));
    }

    #[tokio::test]
    async fn a_failure_is_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let script = format!("echo x >> '{}'; exit 1", count.display());
        let command = Command::new(words(&["sh", "-c", &script]), Carrier::Bearer, None);
        for _ in 0..2 {
            assert!(command.put(&mut request(), NOW).await.is_err());
        }
        assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
        let empty = Command::new(words(&["true"]), Carrier::Bearer, None);
        assert!(empty.put(&mut request(), NOW).await.unwrap_err().message.contains("printed no key"));
    }
}
