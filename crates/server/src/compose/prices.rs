//! The table of prices: what the aliases say, dearer in the peak hours of working days, and what a file of prices
//! says for other times.

use std::path::Path;

use anyhow::Context;
use billing::{Calendar, Day, Price, PriceTable, Tier};
use kernel::{Tariff, Timestamp};
use serde::Deserialize;

use super::aliases;
use crate::config::{Alias, Billing, Config};

/// A file of prices.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PricesFile {
    #[serde(default)]
    prices: Vec<PriceOfFile>,
}

/// A price that holds from one day to another, in credits per million tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceOfFile {
    alias: String,
    /// `peak` or `off_peak`; the price of neither is the alias's own.
    tier: String,
    /// The first day, as `2026-12-01`, in China.
    from: Option<String>,
    /// The last day.
    until: Option<String>,
    miss: i64,
    hit: i64,
    output: i64,
}

/// Prices and calendar of this configuration.
pub(super) fn table(config: &Config) -> anyhow::Result<PriceTable> {
    let billing = &config.billing;
    let mut prices = Vec::new();
    if !billing.prices_file.is_empty() {
        prices = read(&config.data.dir.join(&billing.prices_file))?;
    }
    let of_file = |alias: &str, tier| prices.iter().any(|price| price.alias == alias && price.tier == tier);
    let mut all = Vec::new();
    for (name, alias) in aliases(config) {
        let normal = Tariff { miss: alias.miss, hit: alias.hit, output: alias.output };
        all.push(Price::always(name, normal));
        // A price of the file holds instead for the whole tier, with the alias's own between its intervals.
        if alias.peak_percent != WHOLE && !of_file(name, Tier::Peak) {
            all.push(Price { tier: Tier::Peak, ..Price::always(name, at_peak(normal, alias)?) });
        }
    }
    all.extend(prices);
    PriceTable::new(all, calendar(billing)?).context("prices of models")
}

/// Peak hours and working days.
pub(super) fn calendar(billing: &Billing) -> anyhow::Result<Calendar> {
    Ok(Calendar::new(&billing.holidays, &billing.workdays, &billing.peak_hours)?)
}

const WHOLE: u32 = 100;

fn at_peak(normal: Tariff, alias: &Alias) -> anyhow::Result<Tariff> {
    let dearer = |rate: i64| {
        let scaled =
            rate.checked_mul(i64::from(alias.peak_percent)).context("a peak price is out of range")?;
        anyhow::Ok(scaled / i64::from(WHOLE))
    };
    Ok(Tariff { miss: dearer(normal.miss)?, hit: dearer(normal.hit)?, output: dearer(normal.output)? })
}

fn read(path: &Path) -> anyhow::Result<Vec<Price>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    parse(&text).with_context(|| format!("{}", path.display()))
}

fn parse(text: &str) -> anyhow::Result<Vec<Price>> {
    let file: PricesFile = toml::from_str(text)?;
    file.prices.into_iter().map(price).collect()
}

fn price(stated: PriceOfFile) -> anyhow::Result<Price> {
    let day = |text: &Option<String>| text.as_deref().map(str::parse::<Day>).transpose();
    let begin = |day: Day| Timestamp::from_millis(Day::from_number(day.number() - 1).end().as_millis());
    let tier = match stated.tier.as_str() {
        "peak" => Tier::Peak,
        "off_peak" => Tier::OffPeak,
        other => anyhow::bail!("{other} is not a tier: peak or off_peak"),
    };
    Ok(Price {
        alias: stated.alias,
        tier,
        from: day(&stated.from)?.map(begin),
        until: day(&stated.until)?.map(Day::end),
        tariff: Tariff { miss: stated.miss, hit: stated.hit, output: stated.output },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_of_a_file_holds_from_its_first_day_to_its_last() {
        let text = "[[prices]]\nalias = \"a\"\ntier = \"peak\"\nfrom = \"2026-12-01\"\nuntil = \"2026-12-31\"\n\
                    miss = 3\nhit = 1\noutput = 9\n";
        let prices = parse(text).unwrap();
        let [only] = prices.as_slice() else { panic!("one price") };
        let (from, until) = (only.from.unwrap(), only.until.unwrap());
        assert_eq!((Day::of(from).date(), Day::of(until).date()), ("2026-12-01".into(), "2027-01-01".into()));
        assert!(parse("[[prices]]\nalias = \"a\"\n").is_err());
    }
}
