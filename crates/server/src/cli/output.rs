//! What commands write: answers to stdout, complaints to stderr.

use std::io::Write;

use super::{FAILED, OK};

/// Writes an answer.
pub(super) fn print(text: &str) -> anyhow::Result<u8> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(OK)
}

/// Writes what went wrong. There is no third place to say that this failed.
pub(super) fn complain(problem: &str) {
    let _ = writeln!(std::io::stderr().lock(), "jixia: {problem}");
}

/// The exit code of work, with a complaint where it failed.
pub(super) fn outcome(result: anyhow::Result<u8>) -> u8 {
    match result {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            FAILED
        }
    }
}
