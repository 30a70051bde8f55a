//! What every [`auth::ports::PasswordHasher`] must do.

use auth::ports::{PasswordHasher, SALT_BYTES, Verdict};
use secrecy::SecretString;

const SALT: [u8; SALT_BYTES] = [7; SALT_BYTES];

fn password(text: &str) -> SecretString {
    SecretString::from(text)
}

/// The one matches; others do not.
pub async fn a_password_matches_its_own_hash_alone(hasher: &dyn PasswordHasher) {
    let hash = hasher.hash(&password("学而时习之，不亦说乎？"), SALT).await.unwrap();
    let verify = async |text: &str| hasher.verify(&password(text), Some(&hash)).await.unwrap();
    assert_eq!(verify("学而时习之，不亦说乎？").await, Verdict::Match);
    for wrong in ["学而时习之，不亦说乎", "学而时习之，不亦说乎？ ", "", "x"] {
        assert_eq!(verify(wrong).await, Verdict::Mismatch, "{wrong}");
    }
}

/// MUST count every character of a password of 64 characters of any script.
pub async fn all_64_characters_of_any_script_count(hasher: &dyn PasswordHasher) {
    for script in ["学", "a", "𠀀"] {
        let whole = script.repeat(63) + "终";
        let hash = hasher.hash(&password(&whole), SALT).await.unwrap();
        assert_eq!(hasher.verify(&password(&whole), Some(&hash)).await.unwrap(), Verdict::Match);
        let other_last = script.repeat(63) + "始";
        let one_less = script.repeat(63);
        for wrong in [other_last, one_less] {
            let verdict = hasher.verify(&password(&wrong), Some(&hash)).await.unwrap();
            assert_eq!(verdict, Verdict::Mismatch);
        }
    }
}

/// The hash depends on the salt and tells nothing of the password.
pub async fn a_hash_depends_on_its_salt(hasher: &dyn PasswordHasher) {
    let text = password("correct horse battery");
    let one = hasher.hash(&text, [1; SALT_BYTES]).await.unwrap();
    let two = hasher.hash(&text, [2; SALT_BYTES]).await.unwrap();
    assert_ne!(one, two);
    assert!(!one.as_str().contains("correct"));
    for hash in [one, two] {
        assert_eq!(hasher.verify(&text, Some(&hash)).await.unwrap(), Verdict::Match);
    }
}

/// MUST answer `Mismatch` without a hash.
pub async fn an_absent_account_matches_nothing(hasher: &dyn PasswordHasher) {
    for text in ["", "password", "U*U"] {
        assert_eq!(hasher.verify(&password(text), None).await.unwrap(), Verdict::Mismatch);
    }
}
