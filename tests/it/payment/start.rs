//! What a start needs before WeChat may take money, as `jixia doctor` tells it.

use server::compose::examine;
use server::config::{Config, Sources};
use tests::fakes::wechat::{APP_ID, APP_KEY, APP_SECRET, OFFER_ID, PUSH_AES_KEY, PUSH_TOKEN};
use tests::fakes::wechat_pay::{
    API_V3_KEY, CERTIFICATE, MCH_ID, MERCHANT_PRIVATE, PUBLIC_KEY, PUBLIC_KEY_ID, SERIAL_NO,
};

/// Everything set, PEM by files as operators give it.
fn config(folder: &std::path::Path, change: &[(&str, &str)]) -> Config {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut variables = vec![
        ("JIXIA_DATA__DIR", folder.join("data").to_str().unwrap().to_owned()),
        ("JIXIA_WECHAT__APP_ID", APP_ID.to_owned()),
        ("JIXIA_WECHAT__APP_SECRET", APP_SECRET.to_owned()),
        ("JIXIA_PAYMENT__URL", "wechat:".to_owned()),
        ("JIXIA_PAYMENT__PUBLIC_URL", "https://chat.example.com".to_owned()),
        ("JIXIA_PAYMENT__VIRTUAL__OFFER_ID", OFFER_ID.to_owned()),
        ("JIXIA_PAYMENT__VIRTUAL__APP_KEY_FILE", file("app_key", APP_KEY)),
        ("JIXIA_PAYMENT__VIRTUAL__PUSH_TOKEN", PUSH_TOKEN.to_owned()),
        ("JIXIA_PAYMENT__VIRTUAL__PUSH_AES_KEY", PUSH_AES_KEY.to_owned()),
        ("JIXIA_PAYMENT__PAY__MCH_ID", MCH_ID.to_owned()),
        ("JIXIA_PAYMENT__PAY__SERIAL_NO", SERIAL_NO.to_owned()),
        ("JIXIA_PAYMENT__PAY__PRIVATE_KEY_FILE", file("key.pem", MERCHANT_PRIVATE)),
        ("JIXIA_PAYMENT__PAY__API_V3_KEY", API_V3_KEY.to_owned()),
        ("JIXIA_PAYMENT__PAY__PUBLIC_KEY_ID", PUBLIC_KEY_ID.to_owned()),
        ("JIXIA_PAYMENT__PAY__PUBLIC_KEY_FILE", file("public.pem", PUBLIC_KEY)),
        ("JIXIA_PAYMENT__PAY__PLATFORM_CERTIFICATES_FILE", file("platform.pem", CERTIFICATE)),
    ];
    variables.retain(|(name, _)| !change.iter().any(|(changed, _)| name.starts_with(changed)));
    variables.extend(change.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Sources { variables, ..Sources::default() }.load().expect("known keys")
}

async fn note(config: &Config) -> (bool, String) {
    let found = examine(config).await.into_iter().find(|finding| finding.part == "payment");
    let found = found.expect("a line about payment");
    (found.is_well, found.note)
}

#[tokio::test]
async fn both_ways_of_wechat_open_when_all_keys_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[]);
    config.check().expect("a sound configuration");
    assert_eq!(note(&config).await, (true, "wechat_virtual, wechat_pay".to_owned()));
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_named_and_not_quoted() {
    for (variable, value, key) in [
        ("JIXIA_PAYMENT__PAY__PRIVATE_KEY", "a-secret", "payment.pay.private_key"),
        ("JIXIA_PAYMENT__PAY__API_V3_KEY", "a-secret", "payment.pay.api_v3_key"),
        ("JIXIA_PAYMENT__PAY__PUBLIC_KEY_ID", "a-secret", "payment.pay.public_key_id"),
        ("JIXIA_PAYMENT__PAY__PLATFORM_CERTIFICATES", "a-secret", "payment.pay.platform_certificates"),
        ("JIXIA_PAYMENT__VIRTUAL__PUSH_AES_KEY", "a-secret", "payment.virtual.push_aes_key"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (is_well, said) = note(&config(folder.path(), &[(variable, value)])).await;
        assert!(!is_well && said.contains(key) && !said.contains("a-secret"), "{key}: {said}");
    }
}

#[tokio::test]
async fn play_money_and_none_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = config(folder.path(), &[("JIXIA_PAYMENT__URL", "sandbox:")]);
    assert_eq!(note(&sandbox).await, (true, "sandbox".to_owned()));
    let nothing = config(folder.path(), &[("JIXIA_PAYMENT__URL", "")]);
    assert_eq!(note(&nothing).await, (true, "not set up: nothing is sold".to_owned()));
}
