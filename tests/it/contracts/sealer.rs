//! Sealed secrets, by AES-256-GCM.

use adapter_crypto::AesSealer;
use secrecy::SecretBox;
use tests::contract::sealer as suite;

fn aes() -> AesSealer {
    AesSealer::new(&SecretBox::new(Box::new([6; 32])), &[]).unwrap()
}

#[test]
fn a_secret_opens_where_it_belongs() {
    suite::a_secret_opens_where_it_belongs(&aes());
}

#[test]
fn a_secret_does_not_open_elsewhere() {
    suite::a_secret_does_not_open_elsewhere(&aes());
}

#[test]
fn a_changed_secret_does_not_open() {
    suite::a_changed_secret_does_not_open(&aes());
}
