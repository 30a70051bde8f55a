//! What every `billing::EntitlementStore` must do.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use billing::{Entitlement, EntitlementSource, Subject};
use futures::future::join_all;
use kernel::UserId;

use super::books::START;
use super::shop::Shop;

fn right(shop: &Shop, user: UserId, subject: Subject, key: &str) -> Entitlement {
    Entitlement {
        id: shop.id(),
        user,
        subject,
        source: EntitlementSource::Free,
        key: key.to_owned(),
        from: START,
        until: None,
        revoked_at: None,
    }
}

/// MUST give one key once, and return the right as it was given.
pub async fn one_key_gives_one_right(shop: &Shop) {
    let user = shop.id();
    let skill = Subject::Skill { character_id: "a".into(), skill_id: "s".into() };
    let rights: Vec<_> = (0..6).map(|_| right(shop, user, skill.clone(), "free:1")).collect();
    let outcomes = join_all(rights.iter().map(|right| shop.rights.give(right))).await;
    assert_eq!(outcomes.into_iter().filter(|given| *given.as_ref().unwrap()).count(), 1);
    let found = shop.rights.of_user(user, START).await.unwrap();
    assert!(matches!(found.as_slice(), [only] if rights.contains(only)), "{found:?}");
    assert_eq!(shop.rights.of_user(shop.id(), START).await.unwrap(), []);
}

/// Rights that are over are left out, those to come are not.
pub async fn rights_that_are_over_are_left_out(shop: &Shop) {
    let (user, at) = (shop.id(), |seconds| START.plus_seconds(seconds));
    let kept = right(shop, user, Subject::Character("a".into()), "1");
    let over = Entitlement { until: Some(at(10)), ..right(shop, user, Subject::Vip, "2") };
    let coming = Entitlement { from: at(20), until: Some(at(30)), ..right(shop, user, Subject::Vip, "3") };
    let revoked = Entitlement { revoked_at: Some(at(1)), ..right(shop, user, Subject::Vip, "4") };
    for given in [&kept, &over, &coming, &revoked] {
        assert!(shop.rights.give(given).await.unwrap());
    }
    assert_eq!(shop.rights.of_user(user, at(10)).await.unwrap(), [kept, coming]);
}

/// A membership lasts until the first gap.
pub async fn a_membership_lasts_until_the_first_gap(shop: &Shop) {
    let (user, at) = (shop.id(), |seconds| START.plus_seconds(seconds));
    let part = |from, until, key| Entitlement {
        from: at(from),
        until: Some(at(until)),
        ..right(shop, user, Subject::Vip, key)
    };
    for given in [part(0, 10, "1"), part(10, 20, "2"), part(30, 40, "3")] {
        shop.rights.give(&given).await.unwrap();
    }
    let until = async |seconds| shop.rights.member_until(user, at(seconds)).await.unwrap();
    assert_eq!((until(5).await, until(25).await, until(30).await), (Some(at(20)), None, Some(at(40))));
}
