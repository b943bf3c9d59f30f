//! Exit codes, and errors that map to one.

use std::io;

use crate::config::{AttachmentError, ConfigError, SubjectError, TemplateError};

/// How a command ends. Scripts and CI jobs depend on the exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandOutcome {
    /// Done, and the gate passed if there is one.
    Success,
    GateFailed,
    /// Invalid usage, config, or golden set; nothing was sent.
    UsageError,
    /// No answer, an interrupted answer, or too many unscored cases.
    NoAnswer,
    /// Stopped by --timeout, --max-cost, or the daily budget.
    LimitReached,
    /// SIGINT, usually from Ctrl-C.
    Interrupted,
    /// SIGTERM, for example from `timeout` or a supervisor.
    Terminated,
    /// SIGHUP: the terminal was closed.
    HungUp,
}

impl CommandOutcome {
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::GateFailed => 1,
            Self::UsageError => 2,
            Self::NoAnswer => 3,
            Self::LimitReached => 4,
            // 128 plus the signal number, as in a shell.
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Returns the worse outcome. From worst to best: signal, 2, 4, 3, 1, 0.
    pub(super) fn max_severity(self, other: Self) -> Self {
        let rank = |outcome: Self| match outcome {
            Self::Success => 0,
            Self::GateFailed => 1,
            Self::NoAnswer => 2,
            Self::LimitReached => 3,
            Self::UsageError => 4,
            Self::Interrupted | Self::Terminated | Self::HungUp => 5,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

#[derive(Debug)]
pub(super) struct CommandError {
    pub outcome: CommandOutcome,
    pub error: anyhow::Error,
    pub hint: Option<String>,
}

impl CommandError {
    /// Invalid input; nothing was sent.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { outcome: CommandOutcome::UsageError, error: anyhow::Error::msg(message.into()), hint: None }
    }

    pub(super) fn new(outcome: CommandOutcome, message: impl Into<String>) -> Self {
        Self { outcome, error: anyhow::Error::msg(message.into()), hint: None }
    }

    pub(super) fn from_signal(outcome: CommandOutcome) -> Self {
        let message = match outcome {
            CommandOutcome::Terminated => "terminated",
            CommandOutcome::HungUp => "hung up",
            _ => "interrupted",
        };
        Self { outcome, error: anyhow::Error::msg(message), hint: None }
    }

    /// An unexpected failure of the operating system.
    pub(super) fn from_io(error: io::Error) -> Self {
        Self { outcome: CommandOutcome::NoAnswer, error: error.into(), hint: None }
    }

    #[must_use]
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self { outcome: CommandOutcome::UsageError, error: error.into(), hint: None }
    }
}

impl From<SubjectError> for CommandError {
    fn from(error: SubjectError) -> Self {
        Self { outcome: CommandOutcome::UsageError, hint: error.hint.clone(), error: error.into() }
    }
}

impl From<AttachmentError> for CommandError {
    fn from(error: AttachmentError) -> Self {
        Self { outcome: CommandOutcome::UsageError, hint: error.hint.clone(), error: error.into() }
    }
}

impl From<TemplateError> for CommandError {
    fn from(error: TemplateError) -> Self {
        let hint = Some(
            if error.is_undefined { "set it with -p NAME=VALUE" } else { error.syntax_hint() }.to_owned(),
        );
        Self { outcome: CommandOutcome::UsageError, error: error.into(), hint }
    }
}

/// Maps the result of printing to `outcome`. A closed pipe is not an error.
pub(super) fn check_printed(
    written: io::Result<()>,
    outcome: CommandOutcome,
) -> Result<CommandOutcome, CommandError> {
    match written {
        Ok(()) => Ok(outcome),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(outcome),
        Err(error) => Err(CommandError {
            outcome: CommandOutcome::NoAnswer.max_severity(outcome),
            error: anyhow::Error::new(error).context("cannot write to standard output"),
            hint: Some("check the destination for a full disk or missing write permission".to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_severity_returns_worse_outcome() {
        let order = [
            CommandOutcome::Success,
            CommandOutcome::GateFailed,
            CommandOutcome::NoAnswer,
            CommandOutcome::LimitReached,
            CommandOutcome::UsageError,
            CommandOutcome::Interrupted,
        ];
        for (n, better) in order.iter().enumerate() {
            for worse in &order[n..] {
                assert_eq!(better.max_severity(*worse), *worse);
                assert_eq!(worse.max_severity(*better), *worse);
            }
        }
    }
}
