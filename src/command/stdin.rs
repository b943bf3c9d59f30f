//! Reads piped input.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::outcome::CommandError;
use crate::view::Console;

/// Delay before slalom prints a note that it is waiting for stdin.
const NOTICE_DELAY: Duration = Duration::from_secs(2);

/// Reads stdin; `None` unless it is a pipe or file. A separate thread reads, so that Ctrl-C can end the wait.
pub(super) async fn read_stdin(has_prompt: bool, console: &Console) -> Result<Option<String>, CommandError> {
    if !is_stdin_pipe_or_file() {
        return Ok(None);
    }
    let (sender, mut receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut bytes);
        // The receiver is gone if the command ended first.
        let _ = sender.send(read.map(|_| bytes));
    });
    let mut read = timeout(NOTICE_DELAY, &mut receiver).await;
    if read.is_err() {
        if has_prompt {
            console.note("waiting for stdin (use --no-stdin or </dev/null to skip it)");
        }
        read = Ok(receiver.await);
    }
    let bytes = match read {
        Ok(Ok(read)) => read.map_err(CommandError::from_io)?,
        _ => Vec::new(),
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(CommandError::usage("stdin is not valid UTF-8").with_hint("pipe in UTF-8 text")),
    }
}

#[cfg(unix)]
pub(super) fn is_stdin_pipe_or_file() -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;
    let Ok(handle) = io::stdin().as_fd().try_clone_to_owned() else { return false };
    File::from(handle).metadata().is_ok_and(|m| m.file_type().is_fifo() || m.is_file())
}

#[cfg(not(unix))]
pub(super) fn is_stdin_pipe_or_file() -> bool {
    use std::io::IsTerminal;
    !io::stdin().is_terminal()
}
