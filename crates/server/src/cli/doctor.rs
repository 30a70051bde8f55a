//! `jixia doctor`: one line for each part that the configuration names.

use serde_json::json;

use super::{FAILED, Form, OK, output};
use crate::compose::{Finding, examine};
use crate::config::Config;

pub(super) fn run(config: &Config, form: Form) -> anyhow::Result<u8> {
    let findings = super::block_on(async { anyhow::Ok(examine(config).await) })?;
    output::print(&if form.json { as_json(&findings) } else { as_text(&findings) })?;
    let is_well = findings.iter().all(|finding| finding.is_well);
    Ok(if is_well { OK } else { FAILED })
}

fn as_text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { part, is_well, note } in findings {
        let mark = if *is_well { "ok  " } else { "FAIL" };
        text.extend([mark, " ", part, ": ", note, "\n"]);
    }
    text
}

fn as_json(findings: &[Finding]) -> String {
    let parts: Vec<_> = findings
        .iter()
        .map(|finding| json!({"part": finding.part, "ok": finding.is_well, "note": finding.note}))
        .collect();
    json!({"ok": findings.iter().all(|finding| finding.is_well), "parts": parts}).to_string()
}
