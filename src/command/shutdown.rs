//! Waits for shutdown signals, so that calls in flight can record their cost and release their reservations.

use super::outcome::CommandOutcome;

/// Waits for a shutdown signal and returns the matching outcome.
pub(super) async fn wait_for_shutdown_signal() -> CommandOutcome {
    #[cfg(unix)]
    {
        use tokio::signal::unix::SignalKind;
        tokio::select! {
            () = wait_for_signal(SignalKind::interrupt()) => CommandOutcome::Interrupted,
            () = wait_for_signal(SignalKind::terminate()) => CommandOutcome::Terminated,
            () = wait_for_hangup() => CommandOutcome::HungUp,
        }
    }
    #[cfg(not(unix))]
    {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        CommandOutcome::Interrupted
    }
}

/// Turns SIGXFSZ into a write error; by default, the signal would kill the process.
pub(super) fn catch_file_size_signal() {
    #[cfg(unix)]
    {
        /// SIGXFSZ, the same on all supported platforms.
        const FILE_TOO_LARGE: i32 = 25;
        // Without a handler, the signal still kills the process, as it does any other.
        let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(FILE_TOO_LARGE));
    }
}

#[cfg(unix)]
async fn wait_for_signal(kind: tokio::signal::unix::SignalKind) {
    match tokio::signal::unix::signal(kind) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Waits for SIGHUP; never returns if the process ignores it, or if that is unknown (`nohup` may be in use).
#[cfg(unix)]
async fn wait_for_hangup() {
    let kind = tokio::signal::unix::SignalKind::hangup();
    if is_signal_ignored(kind.as_raw_value()).unwrap_or(true) {
        std::future::pending::<()>().await;
    }
    wait_for_signal(kind).await;
}

/// Whether the parent process made this one ignore a signal, as `nohup` does; `None` if unknown.
#[cfg(unix)]
fn is_signal_ignored(number: i32) -> Option<bool> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    is_ignored_in_status(&status, number)
}

#[cfg(unix)]
fn is_ignored_in_status(status: &str, number: i32) -> Option<bool> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask >> (number - 1) & 1 == 1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_mask() {
        let status = "Name:\tslalom\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\n";
        assert_eq!(
            [1, 2, 13, 15].map(|n| is_ignored_in_status(status, n)),
            [true, false, true, false].map(Some)
        );
        assert_eq!(is_ignored_in_status("Name:\tslalom\n", 1), None);
    }
}
