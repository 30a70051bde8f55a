//! What others see of the people in an answer: joined here, since messages and members name people by id only.

use std::collections::HashMap;

use auth::{AuthError, AuthService};
use chat::{Author, Message, UserCard};
use kernel::UserId;

use crate::problem::Problem;

/// The cards of the people in one answer.
#[derive(Debug, Default)]
pub(crate) struct Cards(HashMap<UserId, UserCard>);

impl Cards {
    /// The cards of these people; who is gone has none. Profiles are cached, so that most cost nothing.
    pub(crate) async fn of(
        auth: &AuthService,
        people: impl IntoIterator<Item = UserId>,
    ) -> Result<Self, Problem> {
        let mut cards = HashMap::new();
        for user_id in people {
            if cards.contains_key(&user_id) {
                continue;
            }
            match auth.profile(user_id).await {
                Ok(user) => {
                    let card = UserCard { user_id, nick_name: user.nick_name, avatar_url: user.avatar_url };
                    cards.insert(user_id, card);
                }
                Err(AuthError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self(cards))
    }

    /// The cards of those who wrote these messages.
    pub(crate) async fn of_authors(
        auth: &AuthService,
        messages: impl IntoIterator<Item = &Message>,
    ) -> Result<Self, Problem> {
        Self::of(auth, messages.into_iter().filter_map(person)).await
    }

    /// A person's card.
    pub(crate) fn get(&self, user: UserId) -> Option<&UserCard> {
        self.0.get(&user)
    }

    /// The card of who wrote a message, if a person did.
    pub(crate) fn author(&self, message: &Message) -> Option<&UserCard> {
        person(message).and_then(|user| self.get(user))
    }
}

fn person(message: &Message) -> Option<UserId> {
    match message.author {
        Author::User(user) => Some(user),
        Author::Character(_) | Author::System => None,
    }
}
