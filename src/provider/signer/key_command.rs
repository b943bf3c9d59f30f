//! A key that a command prints. The command runs on first use, and again only after the key expires or is
//! rejected.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::auth_failure::auth_failure;
use super::process::{self, PROCESS_TIMEOUT};
use crate::chat::Failure;
use crate::provider::key_placement::KeyPlacement;
use crate::provider::{Credential, OutgoingRequest};

type SharedRun = Shared<BoxFuture<'static, Result<Credential, Failure>>>;

/// If the command ran more recently than this, a rejected key does not rerun it: it would print the same key.
const MIN_RERUN_INTERVAL: Duration = Duration::from_secs(60);

pub(in crate::provider) struct KeyCommand {
    command: Vec<String>,
    placement: KeyPlacement,
    /// How long a printed key is valid; `None` means indefinitely.
    key_lifetime: Option<Duration>,
    /// The last run and its start. Outlives an attempt that gives up, so that the next one waits for the same
    /// run.
    running: Mutex<Option<(SystemTime, SharedRun)>>,
}

impl fmt::Debug for KeyCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyCommand").field(&self.command.first()).finish()
    }
}

impl KeyCommand {
    pub(in crate::provider) fn new(
        command: Vec<String>,
        placement: KeyPlacement,
        key_lifetime: Option<Duration>,
    ) -> Self {
        Self { command, placement, key_lifetime, running: Mutex::new(None) }
    }

    /// Forgets a rejected key, so that the next use runs the command again. Returns whether that run, or one
    /// that another call has started since, may print another key.
    pub(super) fn try_renew(&self, rejected: &[Credential], now: SystemTime) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let other = |key: &Credential| rejected.iter().all(|rejected| rejected.expose() != key.expose());
        match running.as_ref() {
            Some((_, run)) if run.peek().is_none_or(|ended| ended.as_ref().is_ok_and(other)) => true,
            Some((started_at, _))
                if now.duration_since(*started_at).unwrap_or_default() < MIN_RERUN_INTERVAL =>
            {
                false
            }
            _ => {
                *running = None;
                true
            }
        }
    }

    /// The current run; starts one if there is none or the key has expired.
    fn current_run(&self, now: SystemTime) -> SharedRun {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let is_expired = |started_at: SystemTime| {
            self.key_lifetime
                .is_some_and(|lifetime| now.duration_since(started_at).unwrap_or_default() >= lifetime)
        };
        match running.as_ref() {
            Some((started_at, run)) if !is_expired(*started_at) => run.clone(),
            _ => running.insert((now, run_for_key(self.command.clone()).boxed().shared())).1.clone(),
        }
    }

    pub(super) async fn authorize(
        &self,
        outgoing: &mut OutgoingRequest,
        now: SystemTime,
    ) -> Result<Vec<Credential>, Failure> {
        let key = self.current_run(now).await?;
        self.placement.attach(&key, outgoing);
        Ok(vec![key])
    }
}

/// The first line that a command prints.
async fn run_for_key(command: Vec<String>) -> Result<Credential, Failure> {
    let printed = process::capture_stdout(&command, PROCESS_TIMEOUT).await?;
    let program = command.first().map_or("", String::as_str);
    let key = printed.lines().next().and_then(Credential::new);
    let key = key.ok_or_else(|| auth_failure(format!("`{program}` printed no key on its first line")))?;
    if key.is_header_safe() {
        Ok(key)
    } else {
        Err(auth_failure(format!("`{program}` printed characters that cannot be sent in a header")))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::provider::HttpMethod;

    fn command_args(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn empty_request() -> OutgoingRequest {
        OutgoingRequest {
            model: None,
            method: HttpMethod::Post,
            url: "https://a/".into(),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
        }
    }

    #[tokio::test]
    async fn command_runs_once() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let script = format!("echo x >> '{}'; echo planted-key-123; echo more", count.display());
        let command =
            KeyCommand::new(command_args(&["sh", "-c", &script]), KeyPlacement::Header("x-key".into()), None);
        for _ in 0..2 {
            let mut outgoing = empty_request();
            command.authorize(&mut outgoing, NOW).await.unwrap();
            assert_eq!(outgoing.headers, [("x-key".to_owned(), "planted-key-123".to_owned())]);
        }
        assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
        assert!(!format!("{command:?}").contains("planted"));
    }

    #[tokio::test]
    async fn canceled_attempt_leaves_command_running() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        // The command blocks until this pipe is written to.
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let script = format!("echo x >> '{}'; cat '{}'", count.display(), pipe.display());
        let command = KeyCommand::new(command_args(&["sh", "-c", &script]), KeyPlacement::Bearer, None);
        let canceled =
            tokio::time::timeout(std::time::Duration::ZERO, command.authorize(&mut empty_request(), NOW))
                .await;
        assert!(canceled.is_err());
        let writer = std::thread::spawn(move || std::fs::write(pipe, "planted-key-123\n").unwrap());
        command.authorize(&mut empty_request(), NOW).await.unwrap();
        writer.join().unwrap();
        assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
    }

    #[tokio::test]
    async fn command_reruns_after_expiry_or_rejection() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let script = format!("echo x >> '{0}'; wc -l < '{0}'", count.display());
        let at = |seconds| NOW + Duration::from_secs(seconds);
        async fn key_at(command: &KeyCommand, seconds: u64) -> String {
            let now = NOW + Duration::from_secs(seconds);
            command.authorize(&mut empty_request(), now).await.unwrap()[0].expose().to_owned()
        }
        let rejected = |key| [Credential::new(key).unwrap()];
        let command = KeyCommand::new(command_args(&["sh", "-c", &script]), KeyPlacement::Bearer, None);
        assert_eq!(key_at(&command, 0).await, "1");
        assert!(!command.try_renew(&rejected("1"), at(59)), "it has just run");
        assert!(command.try_renew(&rejected("1"), at(60)));
        assert_eq!(key_at(&command, 60).await, "2");
        assert!(command.try_renew(&rejected("1"), at(61)), "another call has rerun it since");
        assert_eq!(key_at(&command, 9999).await, "2");
        let expiring = KeyCommand::new(
            command_args(&["sh", "-c", &script]),
            KeyPlacement::Bearer,
            Some(Duration::from_secs(9)),
        );
        assert_eq!(key_at(&expiring, 0).await, "3");
        assert_eq!((key_at(&expiring, 8).await, key_at(&expiring, 9).await), ("3".into(), "4".into()));
    }

    #[tokio::test]
    async fn failed_command_is_not_retried() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let script = format!("echo x >> '{}'; exit 1", count.display());
        let command = KeyCommand::new(command_args(&["sh", "-c", &script]), KeyPlacement::Bearer, None);
        for _ in 0..2 {
            assert!(command.authorize(&mut empty_request(), NOW).await.is_err());
        }
        assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
        let empty = KeyCommand::new(command_args(&["true"]), KeyPlacement::Bearer, None);
        assert!(
            empty.authorize(&mut empty_request(), NOW).await.unwrap_err().message.contains("printed no key")
        );
    }
}
