//! The API over real HTTP: every scenario on both profiles.

mod bad_input;
mod billing;
mod characters;
mod dropped;
mod events;
mod frame;
mod gateway;
mod home;
mod idempotency;
mod knowledge;
mod limits;
mod messages;
mod model_failures;
mod moderation;
mod operations;
mod orders;
mod ownership;
mod payments;
mod profile;
mod refunds;
mod room_members;
mod room_messages;
mod rooms;
mod sandbox;
mod sessions;
mod sign_in;
mod sign_ins;
mod spending;
mod squads;
mod stream_ends;
mod streams;
mod surface;

/// Each scenario on a server of each profile.
macro_rules! on_both_profiles {
    ($($scenario:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$scenario(tests::app::Profile::Embedded).await;
            })+
        }
        mod production {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$scenario(tests::app::Profile::Production).await;
            })+
        }
    };
}
pub(crate) use on_both_profiles;
