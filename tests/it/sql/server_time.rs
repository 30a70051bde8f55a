//! The time by which instances on different machines agree.

use std::time::SystemTime;

use tests::backends;

#[tokio::test]
async fn postgres_tells_its_time_in_milliseconds() {
    let backend = backends::postgres().await;
    let told = backend.store.server_time().await.expect("an answer").expect("a time").as_millis();
    #[expect(clippy::disallowed_methods, reason = "the server's clock is compared with this machine's")]
    let here =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_millis();
    // The server of a test stands beside it; a minute is a wrong unit or a wrong zone.
    assert!(i128::from(told).abs_diff(i128::try_from(here).expect("a time")) < 60_000, "{told} {here}");
}

#[tokio::test]
async fn sqlite_has_no_time_of_its_own() {
    let backend = backends::sqlite().await;
    assert_eq!(backend.store.server_time().await.expect("an answer"), None);
}
