//! A run of the chaos suite as a program, for long ones: see bench/README.md.
//!
//! `chaos [--topology sqlite|postgres|postgres3] [--seed N] [--clients N] [--seconds N] [--json FILE]`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tests::backends;
use tests::chaos::plan::{Plan, Topology};
use tests::chaos::run::run;

struct Arguments {
    topology: Topology,
    seed: Option<u64>,
    clients: usize,
    seconds: u64,
    json: Option<PathBuf>,
}

const USAGE: &str = "usage: chaos [--topology sqlite|postgres|postgres3] [--seed N] [--clients N] [--seconds N] [--json FILE]\n";

#[tokio::main]
async fn main() -> ExitCode {
    let Some(arguments) = parse(std::env::args().skip(1)) else {
        say(USAGE);
        return ExitCode::from(2);
    };
    let Some(binary) = server_beside_this() else {
        say("jixia_under_test is not beside this program: cargo build -p tests --bins\n");
        return ExitCode::from(2);
    };
    let seed = arguments.seed.unwrap_or_else(backends::seed);
    let plan = Plan::long(arguments.topology, seed, arguments.clients, arguments.seconds);
    say(&format!("seed {seed}\n"));
    let report = run(&plan, &binary).await;
    say(&report.text());
    if let Some(path) = arguments.json
        && let Err(error) = std::fs::write(&path, format!("{}\n", report.figures))
    {
        say(&format!("{}: {error}\n", path.display()));
        return ExitCode::FAILURE;
    }
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut parsed =
        Arguments { topology: Topology::PostgresThree, seed: None, clients: 200, seconds: 300, json: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next()?;
        match name.as_str() {
            "--topology" => parsed.topology = Topology::named(&value)?,
            "--seed" => parsed.seed = Some(value.parse().ok()?),
            "--clients" => parsed.clients = value.parse().ok()?,
            "--seconds" => parsed.seconds = value.parse().ok()?,
            "--json" => parsed.json = Some(value.into()),
            _ => return None,
        }
    }
    Some(parsed)
}

/// Cargo puts the binaries of a package into one folder.
fn server_beside_this() -> Option<PathBuf> {
    let binary = std::env::current_exe().ok()?.parent().map(Path::to_owned)?.join("jixia_under_test");
    binary.exists().then_some(binary)
}

/// Where nobody reads, nothing is lost.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
