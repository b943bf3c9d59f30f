//! `-v` and `-vv`: what slalom does, as log lines on stderr.

use std::io;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::time::uptime;
use tracing_subscriber::layer::SubscriberExt;

/// Prints log lines from now on: with `-v` what happens once per command, with `-vv` every attempt too. Only
/// slalom's own lines, because those of HTTP crates may contain headers.
pub(super) fn start_logging(verbosity: u8) {
    let level = match verbosity {
        0 => return,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_timer(uptime())
        .with_target(false)
        .with_ansi(false);
    let own_lines = Targets::new().with_target("slalom", level);
    // Fails only if logging was started before.
    let _ =
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(own_lines).with(lines));
}
