//! The `slalom` binary, a thin wrapper around [`slalom::command::run`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(slalom::command::run(std::env::args_os()))
}
