//! The command line: what was typed, what it does, what is printed, how it exits.

mod args;
mod commands;
mod error;
mod exit_code;
mod fit;
mod logging;
mod output;
mod progress;
mod select;
mod sparkline;
mod store_args;
mod table;
mod transfer;
mod watch;

pub use exit_code::ExitCode;

use clap::Parser;

/// Runs the program on this process's arguments.
pub fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // clap prints help and version to stdout with success, mistakes to stderr.
            let code = if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done };
            let _ = error.print();
            return code;
        }
    };
    let output = output::Output::new(args.color);
    match commands::dispatch(&args, &output) {
        Ok(code) => code,
        Err(error) => {
            if error.is_list() {
                output.news(&error);
            } else {
                output.error(&error);
            }
            error.exit_code()
        }
    }
}
