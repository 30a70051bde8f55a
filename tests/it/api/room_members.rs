//! Members over HTTP: who is in, and how somebody is shown out.

use serde_json::json;
use tests::app::{Person, Profile, TestApp};

use super::on_both_profiles;

on_both_profiles! {
    members_are_listed_with_their_names,
    a_removed_member_may_come_back_and_a_banned_one_may_not,
    a_muted_member_is_not_heard,
    the_owner_stays,
    only_who_keeps_order_shows_others_out,
}

/// A room of an owner with a guest in it.
async fn with_guest(app: &TestApp) -> (Person, Person, String) {
    let (owner, guest) = (app.person("owner").await, app.person("guest").await);
    let room = owner.room(&[]).await;
    join(&owner, &guest, &room).await;
    (owner, guest, room)
}

async fn join(owner: &Person, guest: &Person, room: &str) {
    let invited = owner.post(&format!("/api/rooms/{room}/invite"), &json!({})).await;
    let code = &invited.data()["inviteCode"];
    guest.post(&format!("/api/rooms/{room}/join"), &json!({ "inviteCode": code })).await.data();
}

async fn members_are_listed_with_their_names(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, guest, room) = with_guest(&app).await;
    let list = guest.get(&format!("/api/rooms/{room}/members")).await;
    let members = list.data()["members"].as_array().expect("members");
    let shown: Vec<_> =
        members.iter().map(|member| (member["nickName"].as_str(), member["role"].as_str())).collect();
    assert_eq!(shown, [(Some("owner"), Some("owner")), (Some("guest"), Some("member"))]);
    assert_eq!(members[0]["userId"], json!(owner.id));
    assert_eq!(list.data()["pagination"]["total"], 2);
}

async fn a_removed_member_may_come_back_and_a_banned_one_may_not(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, guest, room) = with_guest(&app).await;
    let member = format!("/api/rooms/{room}/members/{}", guest.id);
    owner.delete(&member).await.data();
    assert_eq!(guest.get(&format!("/api/rooms/{room}")).await.error(), (404, "not_found"));
    join(&owner, &guest, &room).await;
    owner.delete(&format!("{member}?ban=true")).await.data();
    let invited = owner.post(&format!("/api/rooms/{room}/invite"), &json!({})).await;
    let code = json!({ "inviteCode": invited.data()["inviteCode"] });
    let refused = guest.post(&format!("/api/rooms/{room}/join"), &code).await;
    assert_eq!(refused.error(), (403, "forbidden"));
    let events = owner.events_until(&room, 0, "member").await;
    assert_eq!(events[0]["action"], "joined");
    let all = owner.get(&format!("/api/rooms/{room}/events?since=0")).await;
    let actions: Vec<_> =
        all.data()["events"].as_array().expect("events").iter().map(|event| &event["action"]).collect();
    assert_eq!(actions, ["joined", "removed", "joined", "banned"]);
}

async fn a_muted_member_is_not_heard(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, guest, room) = with_guest(&app).await;
    let mute = format!("/api/rooms/{room}/members/{}/mute", guest.id);
    owner.post(&mute, &json!({ "seconds": 600 })).await.data();
    let refused = guest.post(&format!("/api/rooms/{room}/messages"), &json!({ "content": "喂" })).await;
    assert_eq!(refused.error(), (403, "forbidden"));
    let seen = guest.get(&format!("/api/rooms/{room}")).await;
    assert!(seen.data()["userStatus"]["mutedUntil"].is_i64());
    owner.post(&mute, &json!({ "seconds": 0 })).await.data();
    guest.say(&room, "喂").await;
}

async fn the_owner_stays(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, guest, room) = with_guest(&app).await;
    let left = owner.post(&format!("/api/rooms/{room}/leave"), &json!({})).await;
    assert_eq!(left.error(), (403, "forbidden"));
    let shown_out = guest.delete(&format!("/api/rooms/{room}/members/{}", owner.id)).await;
    assert_eq!(shown_out.error(), (403, "forbidden"));
}

async fn only_who_keeps_order_shows_others_out(profile: Profile) {
    let app = TestApp::start(profile).await;
    let (owner, guest, room) = with_guest(&app).await;
    let other = app.person("other").await;
    join(&owner, &other, &room).await;
    for path in [format!("/api/rooms/{room}/members/{}", other.id), format!("/api/rooms/{room}")] {
        assert_eq!(guest.delete(&path).await.error(), (403, "forbidden"), "{path}");
    }
    let invite = guest.post(&format!("/api/rooms/{room}/invite"), &json!({})).await;
    assert_eq!(invite.error(), (403, "forbidden"));
    assert_eq!(guest.patch(&format!("/api/rooms/{room}"), &json!({})).await.error(), (403, "forbidden"));
}
