//! What is for sale: compiled in, or the operator's own file; and every character that has a price.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use billing::product::Offering;
use billing::{Catalog, Content, Coupon, CouponCode, Day, Discount, Product, ProductId, ProductKind};
use kernel::{Credits, Fen, PageRequest, Timestamp};
use mbti_roles::{CharacterFilter, CharacterService};
use serde::Deserialize;

/// The operator's file, in the data directory.
pub const FILE: &str = "catalog.toml";

const BUILT_IN: &str = include_str!("../data/catalog.toml");
const QUANTITY_MAX: u32 = 100;
/// As an order keeps it.
const NAME_CHARS_MAX: usize = 127;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    products: Vec<Entry>,
    #[serde(default)]
    coupons: Vec<CouponEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    kind: String,
    name: String,
    price_fen: i64,
    #[serde(default)]
    credits: i64,
    #[serde(default)]
    bonus: i64,
    credits_days: Option<u32>,
    #[serde(default)]
    vip_months: u32,
    #[serde(default)]
    characters: Vec<String>,
    #[serde(default)]
    skills: Vec<SkillEntry>,
    #[serde(default = "one")]
    quantity_max: u32,
    from: Option<String>,
    until: Option<String>,
    stock: Option<u32>,
    #[serde(default)]
    members_only: bool,
    virtual_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SkillEntry {
    character: String,
    skill: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CouponEntry {
    code: String,
    percent: Option<u8>,
    amount_fen: Option<i64>,
    #[serde(default)]
    min_fen: i64,
    #[serde(default)]
    kinds: Vec<String>,
    from: Option<String>,
    until: Option<String>,
    uses_max: Option<u32>,
}

const fn one() -> u32 {
    1
}

/// The catalogue of this data directory, and its coupons.
pub async fn load(data_dir: &Path, characters: &CharacterService) -> anyhow::Result<(Catalog, Vec<Coupon>)> {
    let own = data_dir.join(FILE);
    let text = match tokio::fs::read_to_string(&own).await {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BUILT_IN.to_owned(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", own.display())),
    };
    read(&text, characters).context(FILE)
}

fn read(text: &str, characters: &CharacterService) -> anyhow::Result<(Catalog, Vec<Coupon>)> {
    let file: File = toml::from_str(text)?;
    let mut products = Vec::with_capacity(file.products.len());
    for entry in file.products {
        let id = entry.id.clone();
        products.push(product(entry, characters).with_context(|| format!("product {id}"))?);
    }
    products.extend(priced_characters(characters)?);
    let coupons = file.coupons.into_iter().map(|entry| {
        let code = entry.code.clone();
        coupon(&entry).with_context(|| format!("coupon {code}"))
    });
    Ok((Catalog::new(products)?, coupons.collect::<anyhow::Result<_>>()?))
}

/// A character that has a price is a product under its own id.
fn priced_characters(characters: &CharacterService) -> anyhow::Result<Vec<Product>> {
    let all = characters.list(&CharacterFilter::default(), PageRequest::new(1, u32::MAX, u32::MAX));
    let priced = all.items.into_iter().filter(|character| character.price.is_positive());
    let product = |character: &mbti_roles::Character| {
        anyhow::Ok(Product {
            id: character.id.as_str().parse()?,
            kind: ProductKind::Character,
            name: character.name.clone(),
            price: character.price,
            contents: vec![Content::Character { id: character.id.to_string() }],
            quantity_max: 1,
            offering: Offering::default(),
            members_only: false,
            virtual_id: None,
        })
    };
    priced.map(product).collect()
}

fn product(entry: Entry, characters: &CharacterService) -> anyhow::Result<Product> {
    let kind: ProductKind =
        entry.kind.parse().context("kind is not one of credits, character, skill, vip, bundle")?;
    let id: ProductId = entry.id.parse()?;
    ensure!(!entry.name.trim().is_empty(), "a product needs a name");
    let names = [Some(entry.name.as_str()), entry.virtual_id.as_deref()];
    let fits = |name: &str| name.chars().count() <= NAME_CHARS_MAX;
    ensure!(names.into_iter().flatten().all(fits), "names have at most {NAME_CHARS_MAX} characters");
    ensure!(entry.quantity_max <= QUANTITY_MAX, "at most {QUANTITY_MAX} at once");
    let named = entry.characters.iter().chain(entry.skills.iter().map(|skill| &skill.character));
    for character in named {
        ensure!(characters.get(character).is_some(), "there is no character {character}");
    }
    let mut contents = Vec::new();
    if entry.credits > 0 {
        let (amount, bonus) = (Credits::new(entry.credits), Credits::new(entry.bonus));
        contents.push(Content::Credits { amount, bonus, days: entry.credits_days });
    } else {
        ensure!(entry.bonus == 0 && entry.credits_days.is_none(), "bonus and credits_days go with credits");
    }
    if entry.vip_months > 0 {
        contents.push(Content::Vip { months: entry.vip_months });
    }
    contents.extend(entry.characters.into_iter().map(|id| Content::Character { id }));
    let skill = |skill: SkillEntry| Content::Skill { character_id: skill.character, skill_id: skill.skill };
    contents.extend(entry.skills.into_iter().map(skill));
    ensure!(kind == ProductKind::Bundle || contents.len() == 1, "only a bundle has several things in it");
    Ok(Product {
        id,
        kind,
        name: entry.name,
        price: Fen::new(entry.price_fen),
        contents,
        quantity_max: entry.quantity_max,
        offering: Offering {
            from: first_moment(entry.from.as_deref())?,
            until: last_moment(entry.until.as_deref())?,
            stock: entry.stock,
        },
        members_only: entry.members_only,
        virtual_id: entry.virtual_id,
    })
}

fn coupon(entry: &CouponEntry) -> anyhow::Result<Coupon> {
    let code: CouponCode = entry.code.parse()?;
    let discount = match (entry.percent, entry.amount_fen) {
        (Some(percent @ 1..=100), None) => Discount::Percent(percent),
        (None, Some(amount)) if amount > 0 => Discount::Amount(Fen::new(amount)),
        _ => bail!("percent (1 to 100) or amount_fen (at least 1), one of them"),
    };
    let kinds = entry.kinds.iter().map(|kind| kind.parse().context("kinds"));
    Ok(Coupon {
        code,
        discount,
        total_min: Fen::new(entry.min_fen),
        kinds: kinds.collect::<anyhow::Result<_>>()?,
        from: first_moment(entry.from.as_deref())?,
        until: last_moment(entry.until.as_deref())?,
        uses_max: entry.uses_max,
    })
}

/// The beginning of a day in China.
fn first_moment(day: Option<&str>) -> anyhow::Result<Option<Timestamp>> {
    let day = day.map(str::parse::<Day>).transpose().context("from is no day")?;
    Ok(day.map(|day| Day::from_number(day.number() - 1).end()))
}

/// The end of a day in China, which is part of the offer.
fn last_moment(day: Option<&str>) -> anyhow::Result<Option<Timestamp>> {
    Ok(day.map(str::parse::<Day>).transpose().context("until is no day")?.map(Day::end))
}

#[cfg(test)]
mod tests {
    use mbti_roles::CharacterBook;

    use super::*;

    fn characters() -> CharacterService {
        CharacterService::new(CharacterBook::built_in().unwrap())
    }

    #[test]
    fn every_shelf_has_something_on_it_and_a_credit_pack_gives_a_million_a_yuan() {
        let (catalog, coupons) = read(BUILT_IN, &characters()).unwrap();
        let on = |kind| catalog.iter().filter(|product| product.kind == kind).count();
        for kind in [ProductKind::Credits, ProductKind::Skill, ProductKind::Vip, ProductKind::Bundle] {
            assert!(on(kind) > 0, "{}", kind.as_str());
        }
        for product in catalog.iter().filter(|product| product.kind == ProductKind::Credits) {
            let [Content::Credits { amount, .. }] = product.contents.as_slice() else {
                panic!("{product:?}")
            };
            assert_eq!(amount.get(), product.price.get() * 10_000, "{}", product.id);
        }
        assert!(catalog.iter().any(|product| product.offering.stock.is_some()), "a limited offer");
        assert!(!coupons.is_empty());
    }

    #[test]
    fn a_file_with_a_mistake_says_which() {
        let wrong = |from: &str, to: &str| {
            format!("{:#}", read(&BUILT_IN.replacen(from, to, 1), &characters()).unwrap_err())
        };
        assert!(wrong("price_fen = 600", "price_fen = 0").contains("credits_6"));
        assert!(wrong("\"credits_6\"", "\"credits_30\"").contains("credits_30 is there twice"));
        assert!(wrong("intj_scientist_001", "nobody_001").contains("no character nobody_001"));
        assert!(wrong("kind = \"vip\"", "kind = \"wip\"").contains("vip_month"));
        assert!(wrong("percent = 10", "percent = 0").contains("WELCOME10"));
    }
}
