//! What credits are given, what may be spent, and when models cost more.

use serde::Deserialize;

/// `[billing]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    /// Credits (micro-yuan).
    pub welcome_credits: i64,
    /// Credits (micro-yuan).
    pub daily_credits: i64,
    /// Credits (micro-yuan) that may leave an account on one day; 0 is no limit.
    pub daily_spend_max: i64,
    /// Hours of working days at which the peak prices hold, as `09:00-12:00`, in China.
    pub peak_hours: Vec<String>,
    /// Days off besides the weekends, as `2026-10-01` or `2026-10-01..2026-10-07`.
    pub holidays: Vec<String>,
    /// Weekend days that count as working days.
    pub workdays: Vec<String>,
    /// A file of prices for other times, relative to `data.dir`; empty for none.
    pub prices_file: String,
}
