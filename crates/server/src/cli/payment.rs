//! `jixia payment reconcile`: compares orders with the books and with the providers, and shows what differs.

use std::fmt::Write;

use billing::Discrepancy;
use serde_json::json;

use super::{FAILED, Form, OK, output};
use crate::compose::Shop;
use crate::config::Config;

/// More rows help nobody; the first ones say what is wrong.
const ROWS_MAX: u32 = 1_000;

pub(super) fn reconcile(config: &Config, delivers: bool, form: Form) -> anyhow::Result<u8> {
    let found = super::block_on(async {
        let shop = Shop::open(config).await?;
        let found = shop.orders.audit(shop.clock.now(), ROWS_MAX, delivers).await;
        shop.close().await;
        Ok(found?)
    })?;
    output::print(&if form.json { as_json(&found).to_string() } else { as_text(&found) })?;
    Ok(if found.is_empty() { OK } else { FAILED })
}

fn as_json(found: &[Discrepancy]) -> serde_json::Value {
    let rows: Vec<_> = found
        .iter()
        .map(|row| {
            json!({
                "outTradeNo": row.trade_no.to_string(),
                "what": row.kind.as_str(),
                "expected": row.expected,
                "found": row.found,
            })
        })
        .collect();
    json!({ "ok": found.is_empty(), "rows": rows })
}

fn as_text(found: &[Discrepancy]) -> String {
    if found.is_empty() {
        return "orders, books and providers agree\n".to_owned();
    }
    let mut text = format!("{} DIFFERENCES\n", found.len());
    // Writing to a text does not fail.
    let _ = writeln!(text, "\n{:<32} {:<14} {:>20} {:>20}", "order", "what", "expected", "found");
    for row in found {
        let (order, what) = (row.trade_no.to_string(), row.kind.as_str());
        let _ = writeln!(text, "{order:<32} {what:<14} {:>20} {:>20}", row.expected, row.found);
    }
    text
}

#[cfg(test)]
mod tests {
    use billing::DiscrepancyKind;

    use super::*;

    #[test]
    fn what_differs_is_a_row_of_the_table() {
        let row = Discrepancy {
            trade_no: "00000000000000000000000000000abc".parse().unwrap(),
            kind: DiscrepancyKind::Credits,
            expected: "5".to_owned(),
            found: "0".to_owned(),
        };
        let rows = [row];
        let text = as_text(&rows);
        assert!(text.starts_with("1 DIFFERENCES") && text.contains("0abc credits"), "{text}");
        assert_eq!(as_json(&rows)["ok"], false);
        assert!(as_text(&[]).contains("agree"));
    }
}
