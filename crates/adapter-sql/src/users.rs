//! Users and their identities in SQL.

use async_trait::async_trait;
use auth::ports::{AccountKey, CreateOutcome, LoginTouch, NewUser, UserStore};
use auth::{
    Account, CheckedProfile, Email, Gender, IdentityKey, Level, NewIdentity, PasswordHash, Role,
    SealedSecret, Standing, User,
};
use kernel::{Id, PortError, Timestamp, UserId};
use sea_orm::sea_query::{Expr, OnConflict, SimpleExpr};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, UpdateMany,
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::detached::detached;
use crate::entity::{identity, user};
use crate::error::{corrupt, port_error};
use crate::store::SqlStore;

/// [`UserStore`] on SQLite and Postgres.
pub struct SqlUsers {
    store: SqlStore,
}

impl SqlUsers {
    /// On this store.
    pub fn new(store: SqlStore) -> Self {
        Self { store }
    }

    async fn find(&self, key: &AccountKey) -> Result<Option<user::Model>, PortError> {
        let db = self.store.reader();
        let find = user::Entity::find();
        let find = match key {
            AccountKey::Id(id) => find.filter(user::Column::Id.eq(id.as_uuid())),
            AccountKey::Email(email) => find.filter(user::Column::EmailKey.eq(email.key())),
            AccountKey::Identity(key) => match identity_of(db, key).await? {
                Some(found) => find.filter(user::Column::Id.eq(found.user_id)),
                None => return Ok(None),
            },
        };
        find.one(db).await.map_err(port_error)
    }

    /// Runs an update of one user and says whether there is one.
    async fn change(&self, id: UserId, change: UpdateMany<user::Entity>) -> Result<bool, PortError> {
        let store = self.store.clone();
        detached(async move {
            let change = change.filter(user::Column::Id.eq(id.as_uuid()));
            let done = change.exec(store.writer()).await.map_err(port_error)?;
            Ok(done.rows_affected > 0)
        })
        .await
    }

    async fn with_openid(&self, row: user::Model) -> Result<Account, PortError> {
        let openid = openid_of(self.store.reader(), row.id).await?;
        account_of(row, openid)
    }
}

#[async_trait]
impl UserStore for SqlUsers {
    async fn create(&self, new: &NewUser) -> Result<CreateOutcome, PortError> {
        let (store, new) = (self.store.clone(), new.clone());
        detached(async move {
            let tx = store.begin().await?;
            let outcome = insert(&tx, &new).await?;
            match outcome {
                CreateOutcome::Created => tx.commit().await.map_err(port_error)?,
                CreateOutcome::EmailTaken | CreateOutcome::IdentityTaken => {
                    tx.rollback().await.map_err(port_error)?;
                }
            }
            Ok(outcome)
        })
        .await
    }

    async fn get(&self, id: UserId) -> Result<Option<User>, PortError> {
        Ok(self.account(&AccountKey::Id(id)).await?.map(|account| account.user))
    }

    async fn account(&self, key: &AccountKey) -> Result<Option<Account>, PortError> {
        match self.find(key).await? {
            Some(row) => self.with_openid(row).await.map(Some),
            None => Ok(None),
        }
    }

    async fn update_profile(&self, id: UserId, change: &CheckedProfile) -> Result<Option<User>, PortError> {
        let sets = profile_sets(change);
        if !sets.is_empty() {
            let mut update = user::Entity::update_many();
            for (column, value) in sets {
                update = update.col_expr(column, value);
            }
            if !self.change(id, update).await? {
                return Ok(None);
            }
        }
        self.get(id).await
    }

    async fn replace_password(
        &self,
        id: UserId,
        expected: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, PortError> {
        let change = user::Entity::update_many()
            .col_expr(user::Column::PasswordHash, Expr::value(new.as_str()))
            .filter(user::Column::PasswordHash.eq(expected.as_str()));
        self.change(id, change).await
    }

    async fn record_login(&self, touch: &LoginTouch) -> Result<(), PortError> {
        let (store, touch) = (self.store.clone(), touch.clone());
        detached(async move {
            let tx = store.begin().await?;
            user::Entity::update_many()
                .col_expr(user::Column::LastLoginAt, Expr::value(touch.at.as_millis()))
                .filter(user::Column::Id.eq(touch.user_id.as_uuid()))
                .exec(&tx)
                .await
                .map_err(port_error)?;
            if let Some(identity) = &touch.identity {
                renew_identity(&tx, identity, touch.at).await?;
            }
            tx.commit().await.map_err(port_error)
        })
        .await
    }

    async fn set_standing(&self, id: UserId, standing: Standing) -> Result<bool, PortError> {
        let change = user::Entity::update_many()
            .col_expr(user::Column::Role, Expr::value(standing.role.as_str()))
            .col_expr(user::Column::Disabled, Expr::value(standing.disabled));
        self.change(id, change).await
    }

    async fn session_key(&self, key: &IdentityKey) -> Result<Option<SealedSecret>, PortError> {
        let found = identity_of(self.store.reader(), key).await?;
        Ok(found.and_then(|row| row.session_key).map(SealedSecret::new))
    }
}

/// `ON CONFLICT DO NOTHING` keeps the transaction usable on Postgres, and the row count says who was first.
async fn insert(tx: &impl ConnectionTrait, new: &NewUser) -> Result<CreateOutcome, PortError> {
    let row = user_row(new).into_active_model().reset_all();
    let taken = OnConflict::column(user::Column::EmailKey).do_nothing().to_owned();
    let user = user::Entity::insert(row).on_conflict(taken).exec_without_returning(tx).await;
    if user.map_err(port_error)? == 0 {
        return Ok(CreateOutcome::EmailTaken);
    }
    let Some(identity) = &new.identity else { return Ok(CreateOutcome::Created) };
    let row = identity_row(identity, new.user.id, new.user.create_time).into_active_model().reset_all();
    let taken =
        OnConflict::columns([identity::Column::Provider, identity::Column::AppId, identity::Column::Subject])
            .do_nothing()
            .to_owned();
    let identity = identity::Entity::insert(row).on_conflict(taken).exec_without_returning(tx).await;
    if identity.map_err(port_error)? == 0 {
        return Ok(CreateOutcome::IdentityTaken);
    }
    Ok(CreateOutcome::Created)
}

async fn renew_identity(
    tx: &impl ConnectionTrait,
    identity: &NewIdentity,
    at: Timestamp,
) -> Result<(), PortError> {
    let row = identity::ActiveModel {
        provider: ActiveValue::Unchanged(identity.key.provider.clone()),
        app_id: ActiveValue::Unchanged(identity.key.app_id.clone()),
        subject: ActiveValue::Unchanged(identity.key.subject.clone()),
        union_id: set_if_given(exposed(identity.union_id.as_ref())),
        session_key: set_if_given(identity.session_key.as_ref().map(|key| key.as_str().to_owned())),
        updated_at: ActiveValue::Set(at.as_millis()),
        ..Default::default()
    };
    identity::Entity::update_many()
        .set(row)
        .filter(identity::Column::Provider.eq(&identity.key.provider))
        .filter(identity::Column::AppId.eq(&identity.key.app_id))
        .filter(identity::Column::Subject.eq(&identity.key.subject))
        .exec(tx)
        .await
        .map(drop)
        .map_err(port_error)
}

fn set_if_given(value: Option<String>) -> ActiveValue<Option<String>> {
    match value {
        Some(value) => ActiveValue::Set(Some(value)),
        None => ActiveValue::NotSet,
    }
}

async fn identity_of(
    db: &impl ConnectionTrait,
    key: &IdentityKey,
) -> Result<Option<identity::Model>, PortError> {
    let id = (key.provider.clone(), key.app_id.clone(), key.subject.clone());
    identity::Entity::find_by_id(id).one(db).await.map_err(port_error)
}

/// The subject of a user's oldest identity.
async fn openid_of(db: &impl ConnectionTrait, user: Uuid) -> Result<Option<String>, PortError> {
    let oldest = identity::Entity::find()
        .filter(identity::Column::UserId.eq(user))
        .order_by_asc(identity::Column::CreatedAt)
        .order_by_asc(identity::Column::Subject);
    Ok(oldest.one(db).await.map_err(port_error)?.map(|row| row.subject))
}

fn profile_sets(change: &CheckedProfile) -> Vec<(user::Column, SimpleExpr)> {
    let texts = [
        (user::Column::NickName, &change.nick_name),
        (user::Column::AvatarUrl, &change.avatar_url),
        (user::Column::Country, &change.country),
        (user::Column::Province, &change.province),
        (user::Column::City, &change.city),
        (user::Column::MbtiType, &change.mbti_type),
    ];
    let texts = texts.into_iter().filter_map(|(column, text)| {
        let text = text.as_ref()?;
        Some((column, Expr::value(text.clone())))
    });
    let gender = change.gender.map(|gender| (user::Column::Gender, Expr::value(gender.code())));
    texts.chain(gender).collect()
}

fn exposed(secret: Option<&SecretString>) -> Option<String> {
    secret.map(|secret| secret.expose_secret().to_owned())
}

fn user_row(new: &NewUser) -> user::Model {
    let user = &new.user;
    user::Model {
        id: user.id.as_uuid(),
        email: user.email.as_ref().map(|email| email.as_str().to_owned()),
        email_key: user.email.as_ref().map(Email::key),
        password_hash: new.password_hash.as_ref().map(|hash| hash.as_str().to_owned()),
        nick_name: user.nick_name.clone(),
        avatar_url: user.avatar_url.clone(),
        gender: user.gender.code(),
        country: user.country.clone(),
        province: user.province.clone(),
        city: user.city.clone(),
        level: user.level.as_str().to_owned(),
        role: user.role.as_str().to_owned(),
        disabled: user.disabled,
        mbti_type: user.mbti_type.clone(),
        created_at: user.create_time.as_millis(),
        last_login_at: user.last_login_time.map(Timestamp::as_millis),
    }
}

fn identity_row(identity: &NewIdentity, user: UserId, at: Timestamp) -> identity::Model {
    identity::Model {
        provider: identity.key.provider.clone(),
        app_id: identity.key.app_id.clone(),
        subject: identity.key.subject.clone(),
        user_id: user.as_uuid(),
        union_id: exposed(identity.union_id.as_ref()),
        session_key: identity.session_key.as_ref().map(|key| key.as_str().to_owned()),
        created_at: at.as_millis(),
        updated_at: at.as_millis(),
    }
}

fn account_of(row: user::Model, openid: Option<String>) -> Result<Account, PortError> {
    let email = row.email.as_deref().map(Email::parse).transpose();
    let user = User {
        id: Id::from_uuid(row.id),
        email: email.map_err(|_not_an_address| corrupt("users.email"))?,
        openid,
        nick_name: row.nick_name,
        avatar_url: row.avatar_url,
        gender: Gender::from_code(i64::from(row.gender)).ok_or_else(|| corrupt("users.gender"))?,
        country: row.country,
        province: row.province,
        city: row.city,
        level: Level::parse(&row.level).ok_or_else(|| corrupt("users.level"))?,
        role: Role::parse(&row.role).ok_or_else(|| corrupt("users.role"))?,
        disabled: row.disabled,
        mbti_type: row.mbti_type,
        create_time: Timestamp::from_millis(row.created_at),
        last_login_time: row.last_login_at.map(Timestamp::from_millis),
    };
    Ok(Account { user, password_hash: row.password_hash.map(PasswordHash::new) })
}
