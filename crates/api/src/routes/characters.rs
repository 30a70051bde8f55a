//! Who there is to talk to.

use std::collections::BTreeMap;

use actix_web::{get, web};
use kernel::Fen;
use mbti_roles::{Character, CharacterFilter, CharacterKind, CharacterService, UnlockType};
use serde::{Deserialize, Serialize, Serializer};
use utoipa::{IntoParams, ToSchema};

use crate::envelope::{Envelope, Pagination, Reply, page_request};
use crate::extract::{FromCaller, PathText, Query};
use crate::problem::{Problem, Rule};
use crate::settings::ApiSettings;

/// Fen shown as a number of yuan, which the shop's old clients read.
#[derive(Debug)]
struct Yuan(Fen);

impl Serialize for Yuan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fen = self.0.get();
        match i32::try_from(fen) {
            Ok(fen) if fen % 100 != 0 => serializer.serialize_f64(f64::from(fen) / 100.0),
            Ok(_) | Err(_) => serializer.serialize_i64(fen / 100),
        }
    }
}

/// 性格。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PersonalityView {
    /// 几个形容词。
    traits: Vec<String>,
    /// 口头禅。
    catchphrase: String,
    /// 说话的方式。
    communication: String,
    /// 小习惯。
    quirks: Vec<String>,
}

/// 统计。
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CharacterStatistics {
    /// 消息总数。
    total_messages: u64,
    /// 获赞总数。
    total_likes: u64,
    /// 平均应答时间，毫秒。
    average_response_time: u64,
    /// 评分。
    user_rating: f32,
    /// 各话题的专长。
    topic_expertise: BTreeMap<String, f32>,
}

/// 一个角色。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CharacterView {
    /// 角色编号。
    #[schema(example = "classics_kongzi")]
    character_id: String,
    /// `master` 国学大师，`companion` 十六型角色。
    #[schema(example = "master")]
    kind: &'static str,
    /// 十六型之一。
    #[schema(example = "ENFJ")]
    dimension: &'static str,
    /// 名字。
    #[schema(example = "孔子")]
    name: String,
    /// 拉丁字母的名字。
    #[schema(example = "Confucius")]
    english_name: String,
    /// 几个字的身份。
    title: String,
    /// 别名，可用来提到它。
    aliases: Vec<String>,
    /// 头像地址。
    #[schema(example = "/avatars/classics_kongzi.svg")]
    avatar: String,
    /// 一句话的背景。
    background: String,
    /// 背景故事。
    background_story: String,
    /// 初次见面的问候。
    greeting: String,
    /// 稀有度：`common`、`rare`、`epic` 或 `legendary`。
    #[schema(example = "legendary")]
    rarity: &'static str,
    /// 如何获得：`free`、`paid`、`vip` 或 `limited`。
    #[schema(example = "free")]
    unlock_type: &'static str,
    /// 价格，元。
    #[schema(value_type = f64, example = 0)]
    price: Yuan,
    /// 价格，分。
    #[schema(example = 0)]
    price_fen: i64,
    /// 依据哪些典籍回答；空表示不限。
    works: Vec<String>,
    /// 性格。
    personality: PersonalityView,
    /// 已会的技能。
    #[schema(value_type = Vec<Object>)]
    talents: [(); 0],
    /// 可学的技能。
    #[schema(value_type = Vec<Object>)]
    learnable_skills: [(); 0],
    /// 统计。
    statistics: CharacterStatistics,
}

impl From<&Character> for CharacterView {
    fn from(character: &Character) -> Self {
        let personality = PersonalityView {
            traits: character.personality.traits.clone(),
            catchphrase: character.personality.catchphrase.clone(),
            communication: character.personality.communication.clone(),
            quirks: character.personality.quirks.clone(),
        };
        Self {
            character_id: character.id.to_string(),
            kind: match character.kind {
                CharacterKind::Master => "master",
                CharacterKind::Companion => "companion",
            },
            dimension: character.dimension.as_str(),
            name: character.name.clone(),
            english_name: character.english_name.clone(),
            title: character.title.clone(),
            aliases: character.aliases.clone(),
            avatar: character.avatar.clone(),
            background: character.background.clone(),
            background_story: character.background_story.clone(),
            greeting: character.greeting.clone(),
            rarity: character.rarity.as_str(),
            unlock_type: character.unlock_type.as_str(),
            price: Yuan(character.price),
            price_fen: character.price.get(),
            works: character.works.clone(),
            personality,
            // Nobody has a skill and nothing is counted before those exist; their shape is promised already.
            talents: [],
            learnable_skills: [],
            statistics: CharacterStatistics::default(),
        }
    }
}

/// 哪些角色。
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct CharactersQuery {
    /// 只要这一型，大小写均可。
    #[param(example = "INTJ")]
    dimension: Option<String>,
    /// 第几页，从 1 开始。
    #[param(minimum = 1, example = 1)]
    page: Option<u32>,
    /// 每页多少个，最多 100。
    #[param(minimum = 1, example = 20)]
    page_size: Option<u32>,
}

impl CharactersQuery {
    fn filter(&self) -> Result<CharacterFilter, Problem> {
        let parse = |text: &String| text.parse().map_err(|_unknown| Problem::field("dimension", Rule::Value));
        Ok(CharacterFilter { dimension: self.dimension.as_ref().map(parse).transpose()? })
    }
}

/// 角色列表。
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CharactersData {
    /// 角色，大师在前。
    characters: Vec<CharacterView>,
    /// 分页。
    pagination: Pagination,
}

#[utoipa::path(tag = "角色", summary = "角色列表", params(CharactersQuery),
    responses((status = 200, description = "角色列表", body = Envelope<CharactersData>)))]
#[get("/api/characters")]
pub(crate) async fn list_characters(
    FromCaller(_caller, Query(query)): FromCaller<Query<CharactersQuery>>,
    service: web::Data<CharacterService>,
    settings: web::Data<ApiSettings>,
) -> Result<Reply<CharactersData>, Problem> {
    let request = page_request(query.page, query.page_size, &settings);
    let page = service.list(&query.filter()?, request);
    let pagination = Pagination::of(&page, request);
    let characters = page.items.into_iter().map(Into::into).collect();
    Ok(Reply::new(CharactersData { characters, pagination }))
}

/// 自己和这个角色。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserProgress {
    /// 是否可以对话。
    is_unlocked: bool,
}

/// 一个角色，和自己与它的进展。
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CharacterData {
    /// 角色。
    character: CharacterView,
    /// 进展。
    user_progress: UserProgress,
}

#[utoipa::path(tag = "角色", summary = "一个角色", params(("id" = String, Path, description = "角色编号")),
    responses((status = 200, description = "角色", body = Envelope<CharacterData>)))]
#[get("/api/characters/{id}")]
pub(crate) async fn get_character(
    FromCaller(_caller, PathText(id)): FromCaller<PathText>,
    service: web::Data<CharacterService>,
) -> Result<Reply<CharacterData>, Problem> {
    let character = service.get(&id).ok_or_else(Problem::not_found)?;
    let user_progress = UserProgress { is_unlocked: character.unlock_type == UnlockType::Free };
    Ok(Reply::new(CharacterData { character: character.into(), user_progress }))
}
