//! Chat's use cases on a real database: how replies grow, end, are watched, and are paid for.

mod completion;
mod ending;
mod feeds;
mod moderation;
mod posting;
mod recall;
mod rooms;
mod squads;
mod turns;
mod turns_adoption;
mod watching;

/// Each scenario on each database.
macro_rules! on_both_databases {
    ($($scenario:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario(&tests::backends::sqlite().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario(&tests::backends::postgres().await).await;
            })+
        }
    };
}
use on_both_databases;
