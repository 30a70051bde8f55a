//! Signing in and out over HTTP.

use std::sync::Arc;

use kernel::{ManualClock, Timestamp};
use reqwest::Method;
use serde_json::json;
use tests::app::{Answer, PASSWORD, Profile, TestApp, answer};

use super::on_both_profiles;

on_both_profiles! {
    a_person_registers_and_signs_in,
    an_address_is_registered_once,
    a_wrong_password_and_an_unknown_account_look_the_same,
    a_mini_program_signs_in_by_either_name,
    a_code_that_wechat_does_not_know_proves_nothing,
    a_refresh_token_is_followed_by_the_next,
    a_spent_refresh_token_ends_the_sign_in,
    a_bearer_alone_gets_fresh_tokens,
    a_refresh_with_nothing_names_the_field,
    a_sign_out_ends_the_tokens_at_once,
    an_expired_token_says_so,
    a_token_that_is_not_ours_is_refused,
}

fn user_keys(answer: &Answer) -> Vec<&str> {
    let user = answer.data()["user"].as_object().expect("a user");
    user.keys().map(String::as_str).collect()
}

async fn a_person_registers_and_signs_in(profile: Profile) {
    let app = TestApp::start(profile).await;
    let body = json!({ "email": "Zhongni@Example.com", "password": PASSWORD, "nickName": "仲尼" });
    let registered = app.post("/api/auth/register", &body).await;
    let data = registered.data();
    assert_eq!((&data["expiresIn"], &data["user"]["isNewUser"]), (&json!(900), &json!(true)));
    assert_eq!((&data["user"]["nickName"], &data["user"]["userLevel"]), (&json!("仲尼"), &json!("normal")));
    let wanted = [
        "userId",
        "email",
        "nickName",
        "avatarUrl",
        "gender",
        "country",
        "province",
        "city",
        "userLevel",
        "createTime",
        "lastLoginTime",
        "isNewUser",
    ];
    for key in wanted {
        assert!(user_keys(&registered).contains(&key), "{key} in {}", registered.text);
    }

    let login = json!({ "email": "zhongni@example.com", "password": PASSWORD });
    let signed_in = app.post("/api/auth/email-login", &login).await;
    assert_eq!(signed_in.data()["user"]["userId"], data["user"]["userId"]);
    assert_eq!(signed_in.data()["user"]["isNewUser"], false);
    let verified = app.signed_in(&signed_in).get("/api/auth/verify").await;
    assert_eq!(verified.data()["valid"], true);
    assert_eq!(verified.data()["userId"], data["user"]["userId"]);
    assert!(verified.data()["expiresAt"].as_i64().is_some_and(|at| at > 1_700_000_000_000), "milliseconds");
}

async fn an_address_is_registered_once(profile: Profile) {
    let app = TestApp::start(profile).await;
    app.person("one").await;
    let again = json!({ "email": "ONE@example.com", "password": PASSWORD });
    assert_eq!(app.post("/api/auth/register", &again).await.error(), (409, "email_taken"));
}

async fn a_wrong_password_and_an_unknown_account_look_the_same(profile: Profile) {
    let app = TestApp::start(profile).await;
    app.person("one").await;
    let login = |email: &str| json!({ "email": email, "password": "not the password" });
    let wrong = app.post("/api/auth/email-login", &login("one@example.com")).await;
    let unknown = app.post("/api/auth/email-login", &login("nobody@example.com")).await;
    assert_eq!(wrong.error(), (401, "invalid_credentials"));
    assert_eq!(unknown.error(), wrong.error());
    assert_eq!(unknown.body["message"], wrong.body["message"]);
}

async fn a_mini_program_signs_in_by_either_name(profile: Profile) {
    let app = TestApp::start(profile).await;
    let first = app.post("/api/auth/wechat-login", &json!({ "code": "ok-ming-1", "nickName": "小明" })).await;
    let data = first.data();
    assert_eq!((&data["expiresIn"], &data["user"]["isNewUser"]), (&json!(7_200), &json!(true)));
    assert_eq!(data["user"]["nickName"], "小明");
    assert!(data["user"]["openid"].is_string(), "{}", first.text);
    let characters = data["defaultCharacters"].as_array().expect("characters");
    assert_eq!(characters.len(), 16);
    for character in characters {
        assert_eq!(character["isDefault"], true);
        assert!(character["characterId"].is_string() && character["dimension"].is_string(), "{character}");
    }

    // WeChat takes a code once; the made-up identity of the embedded profile is the code's own.
    let second = match profile {
        Profile::Embedded => "ok-ming-1",
        Profile::Production => "ok-ming-2",
    };
    let again = app.post("/api/auth/wxlogin", &json!({ "code": second })).await;
    assert_eq!(again.data()["user"]["userId"], data["user"]["userId"]);
    assert_eq!(again.data()["user"]["isNewUser"], false);
}

async fn a_code_that_wechat_does_not_know_proves_nothing(profile: Profile) {
    let app = TestApp::start(profile).await;
    // Without an AppID every code is somebody's, so only a real endpoint can refuse one.
    if profile == Profile::Production {
        let refused = app.post("/api/auth/wechat-login", &json!({ "code": "used-1" })).await;
        assert_eq!(refused.error(), (401, "invalid_credentials"));
    }
    let blank = app.post("/api/auth/wechat-login", &json!({ "code": " " })).await;
    assert_eq!(blank.invalid().0, "code");
}

async fn a_refresh_token_is_followed_by_the_next(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let first = app.post("/api/auth/refresh", &json!({ "refreshToken": person.refresh_token })).await;
    let next = first.data()["refreshToken"].as_str().expect("a token").to_owned();
    assert_ne!(next, person.refresh_token);
    assert_eq!(first.data()["expiresIn"], 900);
    assert_eq!(app.signed_in(&first).get("/api/auth/verify").await.data()["userId"], person.id);
    // A client whose answer was lost asks again within ten seconds and gets the same successor.
    let again = app.post("/api/auth/refresh", &json!({ "refreshToken": person.refresh_token })).await;
    assert_eq!(again.data()["refreshToken"], next);
}

async fn a_spent_refresh_token_ends_the_sign_in(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let mut token = person.refresh_token.clone();
    for _ in 0..2 {
        let next = app.post("/api/auth/refresh", &json!({ "refreshToken": token })).await;
        next.data()["refreshToken"].as_str().expect("a token").clone_into(&mut token);
    }
    let spent = app.post("/api/auth/refresh", &json!({ "refreshToken": person.refresh_token })).await;
    assert_eq!(spent.error(), (401, "unauthorized"));
    let newest = app.post("/api/auth/refresh", &json!({ "refreshToken": token })).await;
    assert_eq!(newest.error(), (401, "unauthorized"));
    assert_eq!(person.get("/api/auth/verify").await.error(), (401, "unauthorized"));
}

async fn a_bearer_alone_gets_fresh_tokens(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let fresh = answer(person.request(Method::POST, "/api/auth/refresh")).await;
    assert!(fresh.data()["token"].is_string());
    assert_eq!(app.signed_in(&fresh).get("/api/auth/verify").await.data()["userId"], person.id);
}

async fn a_refresh_with_nothing_names_the_field(profile: Profile) {
    let app = TestApp::start(profile).await;
    assert_eq!(app.post("/api/auth/refresh", &json!({})).await.invalid(), ("refreshToken", "required"));
    let forged = app.post("/api/auth/refresh", &json!({ "refreshToken": "jxr1.AAAA" })).await;
    assert_eq!(forged.error(), (401, "unauthorized"));
}

async fn a_sign_out_ends_the_tokens_at_once(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    assert_eq!(person.get("/api/user/profile").await.status, 200);
    person.post("/api/auth/logout", &json!({})).await.data();
    assert_eq!(person.get("/api/user/profile").await.error(), (401, "unauthorized"));
    let refresh = app.post("/api/auth/refresh", &json!({ "refreshToken": person.refresh_token })).await;
    assert_eq!(refresh.error(), (401, "unauthorized"));
}

async fn an_expired_token_says_so(profile: Profile) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_790_000_000_000)));
    let app = TestApp::on_clock(profile, clock.clone()).await;
    let person = app.person("one").await;
    clock.advance_millis(899_000);
    person.get("/api/auth/verify").await.data();
    clock.advance_millis(2_000);
    assert_eq!(person.get("/api/auth/verify").await.error(), (401, "token_expired"));
    let bearer = answer(person.request(Method::POST, "/api/auth/refresh")).await;
    assert_eq!(bearer.error(), (401, "token_expired"));
    let fresh = app.post("/api/auth/refresh", &json!({ "refreshToken": person.refresh_token })).await;
    app.signed_in(&fresh).get("/api/auth/verify").await.data();
}

async fn a_token_that_is_not_ours_is_refused(profile: Profile) {
    let app = TestApp::start(profile).await;
    let person = app.person("one").await;
    let (head, signature) = person.token.rsplit_once('.').expect("a JWT");
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIwIn0.";
    for token in
        [format!("{head}.{}", signature.chars().rev().collect::<String>()), unsigned.into(), "x".into()]
    {
        let request = app.request(Method::GET, "/api/user/profile").bearer_auth(token);
        assert_eq!(answer(request).await.error(), (401, "unauthorized"));
    }
    for value in ["", "Bearer", "Bearer ", "Basic YTpi", person.token.as_str()] {
        let request = app.request(Method::GET, "/api/user/profile").header("authorization", value);
        assert_eq!(answer(request).await.error(), (401, "unauthorized"), "{value}");
    }
    assert_eq!(app.get("/api/user/profile").await.error(), (401, "unauthorized"));
}
