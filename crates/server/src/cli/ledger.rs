//! `jixia ledger check`: adds the whole ledger up, and shows every sum that is off.

use std::fmt::Write;

use billing::LedgerReport;
use serde_json::json;

use super::{FAILED, Form, OK, output};
use crate::compose::Books;
use crate::config::Config;

pub(super) fn check(config: &Config, form: Form) -> anyhow::Result<u8> {
    let report = super::block_on(async {
        let parts = Books::open(config).await?;
        let report = parts.billing.check().await;
        parts.close().await;
        Ok(report?)
    })?;
    output::print(&if form.json { as_json(&report).to_string() } else { as_text(&report) })?;
    Ok(if report.ok { OK } else { FAILED })
}

fn as_json(report: &LedgerReport) -> serde_json::Value {
    // The sum of all balances may leave 64 bits only in a broken ledger, and then its text is what matters.
    let imbalance = i64::try_from(report.imbalance)
        .map_or_else(|_| json!(report.imbalance.to_string()), |sum| json!(sum));
    json!({
        "ok": report.ok,
        "accounts": report.accounts,
        "transfers": report.transfers,
        "openHolds": report.open_holds,
        "imbalance": imbalance,
    })
}

fn as_text(report: &LedgerReport) -> String {
    let verdict = if report.ok { "the ledger adds up" } else { "THE LEDGER DOES NOT ADD UP" };
    let mut text = format!(
        "{verdict}: {} accounts, {} transfers, {} open holds, imbalance {}\n",
        report.accounts, report.transfers, report.open_holds, report.imbalance
    );
    if report.rows.is_empty() {
        return text;
    }
    // Writing to a text does not fail.
    let _ = writeln!(text, "\n{:<16} {:<44} {:>20} {:>20}", "rule", "account", "expected", "found");
    for row in &report.rows {
        let _ =
            writeln!(text, "{:<16} {:<44} {:>20} {:>20}", row.check, row.account, row.expected, row.found);
    }
    text
}

#[cfg(test)]
mod tests {
    use billing::{Check, Finding};

    use super::*;

    fn broken() -> LedgerReport {
        let row = Finding {
            check: Check::SumIsZero,
            account: "all".to_owned(),
            expected: "0".to_owned(),
            found: "5".to_owned(),
        };
        LedgerReport { ok: false, accounts: 2, transfers: 1, open_holds: 0, imbalance: 5, rows: vec![row] }
    }

    #[test]
    fn the_json_has_the_five_fields() {
        let expected = json!({"ok": false, "accounts": 2, "transfers": 1, "openHolds": 0, "imbalance": 5});
        assert_eq!(as_json(&broken()), expected);
    }

    #[test]
    fn a_sum_that_is_off_is_a_row_of_the_table() {
        let text = as_text(&broken());
        assert!(text.starts_with("THE LEDGER DOES NOT ADD UP: 2 accounts"), "{text}");
        assert!(text.lines().any(|line| line.starts_with("sum_is_zero")), "{text}");
    }
}
