//! The fake model endpoint as a program, to try the production profile without a provider:
//! `make fake-openai`, on port 9100 unless `ARGS="--port PORT"` says otherwise.

use std::io::Write;
use std::process::ExitCode;

use tests::fakes::openai::FakeOpenAi;

const PACE_MS: u64 = 20;
const PORT_DEFAULT: u16 = 9_100;

#[tokio::main]
async fn main() -> ExitCode {
    let Some(port) = port(std::env::args().skip(1)) else {
        return say(&mut std::io::stderr(), "usage: fake_openai [--port PORT]", ExitCode::from(2));
    };
    let endpoint = match FakeOpenAi::listen(port, PACE_MS).await {
        Ok(endpoint) => endpoint,
        Err(error) => {
            return say(&mut std::io::stderr(), &format!("port {port}: {error}"), ExitCode::FAILURE);
        }
    };
    say(&mut std::io::stdout(), &format!("listening on {}", endpoint.url()), ExitCode::SUCCESS);
    match tokio::signal::ctrl_c().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn port(mut arguments: impl Iterator<Item = String>) -> Option<u16> {
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, _, _) => Some(PORT_DEFAULT),
        (Some("--port"), Some(port), None) => port.parse().ok(),
        _ => None,
    }
}

/// Writes a line; where nobody reads, nothing is lost.
fn say(to: &mut dyn Write, line: &str, code: ExitCode) -> ExitCode {
    let _ = writeln!(to, "{line}");
    code
}
