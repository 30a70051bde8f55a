//! Passwords, by bcrypt.

use std::sync::Arc;

use adapter_crypto::{BcryptHasher, BcryptSettings};
use auth::ports::{PasswordHasher, SALT_BYTES};
use futures::future::join_all;
use kernel::PortError;
use secrecy::{SecretBox, SecretString};
use tests::contract::password_hasher as suite;

fn hasher(waiting_max: usize) -> BcryptHasher {
    let settings = BcryptSettings { cost: 4, workers: 1, waiting_max };
    BcryptHasher::new(SecretBox::new(Box::new([5; 32])), &settings)
}

macro_rules! contract {
    ($($must:ident),+ $(,)?) => {
        mod bcrypt {
            $(
                #[tokio::test]
                async fn $must() {
                    super::suite::$must(&super::hasher(8)).await;
                }
            )+
        }
    };
}

contract! {
    a_password_matches_its_own_hash_alone,
    all_64_characters_of_any_script_count,
    a_hash_depends_on_its_salt,
    an_absent_account_matches_nothing,
}

#[tokio::test]
async fn when_too_many_wait_the_next_is_told_at_once() {
    let hasher = Arc::new(hasher(3));
    let password = SecretString::from("correct horse battery");
    let outcomes = join_all((0..20).map(|_| hasher.hash(&password, [1; SALT_BYTES]))).await;
    let (made, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (4, 16));
    for error in refused {
        assert!(matches!(error, Err(PortError::Unavailable { .. })));
    }
    assert!(hasher.hash(&password, [1; SALT_BYTES]).await.is_ok(), "the queue is free again");
}
