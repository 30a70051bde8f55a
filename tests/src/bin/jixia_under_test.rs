//! The `jixia` command as a binary of this package, so that tests can start it, and kill it.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::cli::run()
}
