//! Names in Chinese sentences: the built-in characters are heard where they are called, and nowhere else.

use std::collections::BTreeSet;
use std::sync::Arc;

use chat::ports::Personas;
use chat::turn::mention::{NameIndex, Named};
use mbti_roles::{CharacterBook, CharacterService};
use server::bridge::CharacterPersonas;

/// Sentences, and who is called in them, in order.
const SENTENCES: &[(&str, &[&str])] = &[
    // Names amid a sentence, without a space.
    ("孔子怎么看加班？", &["classics_kongzi"]),
    ("请问孔子，什么是仁", &["classics_kongzi"]),
    ("我想听孟子说说浩然之气", &["classics_mengzi"]),
    ("老子会怎么劝我", &["classics_laozi"]),
    ("孙子来分析一下这个局面", &["classics_sunzi"]),
    ("孔子曰学而时习之是什么意思", &["classics_kongzi"]),
    ("让沈砚给我定个计划", &["intj_scientist_001"]),
    ("唐漫推荐个小城吧", &["enfp_traveler_001"]),
    ("方圆今天做什么菜", &["esfj_innkeeper_001"]),
    ("雷越来了吗", &["estp_rescuer_001"]),
    ("程总是怎么想的", &["entj_founder_001"]),
    ("老子是谁", &["classics_laozi"]),
    ("老子不是说上善若水吗", &["classics_laozi"]),
    ("老子都说了什么", &["classics_laozi"]),
    ("孙子今天在吗", &["classics_sunzi"]),
    ("那孙子怎么看呢", &["classics_sunzi"]),
    // Other names.
    ("仲尼先生在不在", &["classics_kongzi"]),
    ("孔老夫子您评评理", &["classics_kongzi"]),
    ("孔夫子与孟夫子谁高", &["classics_kongzi", "classics_mengzi"]),
    ("亚圣可有高见", &["classics_mengzi"]),
    ("老聃以为如何", &["classics_laozi"]),
    ("太上老君救命", &["classics_laozi"]),
    ("兵圣给个上策", &["classics_sunzi"]),
    ("孙武子留步", &["classics_sunzi"]),
    ("苏老师帮我看看作文", &["enfj_teacher_001"]),
    ("温老师我睡不着", &["infj_counselor_001"]),
    ("季老师这算悖论吗", &["intp_logician_001"]),
    ("沈老师你错了", &["intj_scientist_001"]),
    ("十一你来反驳我", &["entp_debater_001"]),
    ("陆教练十一点有空吗", &["entp_debater_001"]),
    ("老板娘来碗面", &["esfj_innkeeper_001"]),
    ("川哥我的车打不着", &["istp_mechanic_001"]),
    ("老周这页怎么补", &["istj_archivist_001"]),
    ("念安我发烧了", &["isfj_nurse_001"]),
    ("小满写首诗", &["infp_poet_001"]),
    ("小米粒讲个笑话", &["esfp_performer_001"]),
    // Several, in the order of their first appearance, each once.
    ("孟子、孔子、老子各说一句", &["classics_mengzi", "classics_kongzi", "classics_laozi"]),
    ("孔子说完孟子说，孟子说完孔子说", &["classics_kongzi", "classics_mengzi"]),
    ("林小满和叶青瓷谁更懂月亮", &["infp_poet_001", "isfp_potter_001"]),
    ("陆十一别跟程启吵", &["entp_debater_001", "entj_founder_001"]),
    ("秦铮、雷越、贺川一起上", &["estj_manager_001", "estp_rescuer_001", "istp_mechanic_001"]),
    ("孔子·孟子·老子同席", &["classics_kongzi", "classics_mengzi", "classics_laozi"]),
    // Traditional characters.
    ("請孫子談談以少勝多", &["classics_sunzi"]),
    ("蘇明朗老師您好", &["enfj_teacher_001"]),
    ("顧念安、葉青瓷、賀川在嗎", &["isfj_nurse_001", "isfp_potter_001", "istp_mechanic_001"]),
    ("雷隊，山上下雪了", &["estp_rescuer_001"]),
    ("周師傅與溫知夏都來", &["istj_archivist_001", "infj_counselor_001"]),
    // Latin letters, both widths and cases.
    ("Confucius，你好", &["classics_kongzi"]),
    ("問問ＣＯＮＦＵＣＩＵＳ吧", &["classics_kongzi"]),
    ("ask lao tzu and Sun Tzu", &["classics_laozi", "classics_sunzi"]),
    ("ｍｅｎｃｉｕｓ怎么说", &["classics_mengzi"]),
    // Ids, and the @ that makes a name a name.
    ("@classics_kongzi 在吗", &["classics_kongzi"]),
    ("classics_mengzi与intj_scientist_001比一比", &["classics_mengzi", "intj_scientist_001"]),
    ("@老子 不干了怎么办", &["classics_laozi"]),
    ("@老子不干了怎么办", &["classics_laozi"]),
    ("＠孙子 兵法怎么学", &["classics_sunzi"]),
    // A book and its author.
    ("《孙子兵法》是孙子写的吗", &["classics_sunzi"]),
    ("读《孟子》不如问孟子", &["classics_mengzi"]),
    // A title is a work.
    ("《孟子》第一章讲什么", &[]),
    ("《孙子兵法》好看吗", &[]),
    ("推荐《老子》和《论语》", &[]),
    ("《孔子家语》可信吗", &[]),
    ("孙子兵法怎么学", &[]),
    ("孫子兵法怎麼學", &[]),
    ("《孫子兵法》好看嗎", &[]),
    ("孙子算经里的题", &[]),
    ("孟子·告子上怎么背", &[]),
    // Everyday words that hold a name.
    ("老子不干了！", &[]),
    ("老子今天就要走", &[]),
    ("你老子是谁啊", &[]),
    ("父老子弟都来了", &[]),
    ("我孙子今年三岁", &[]),
    ("奶奶的孙子上学了", &[]),
    ("别装孙子", &[]),
    ("子子孙孙无穷匮也", &[]),
    ("周末去夫子庙吃小吃", &[]),
    ("孔子学院在哪里", &[]),
    ("一副新面孔子弟", &[]),
    ("没有规矩不成方圆", &[]),
    ("方圆百里没有人", &[]),
    ("十一点开会", &[]),
    ("双十一买什么", &[]),
    ("我今年二十一岁", &[]),
    ("工程启动了", &[]),
    ("课程总是排不开", &[]),
    ("外面打雷越来越响", &[]),
    ("四季问候语怎么写", &[]),
    ("路漫漫其修远兮", &[]),
    ("漫漫长夜睡不着", &[]),
    ("真是荒唐漫画", &[]),
    ("今天是小满，麦子熟了", &[]),
    ("信心满满地出发", &[]),
    ("地上有一米粒大小的虫", &[]),
    ("粒粒皆辛苦", &[]),
    ("买了龙泉青瓷", &[]),
    ("思念安静的夜晚", &[]),
    ("守正创新", &[]),
    ("四川哥们来了", &[]),
    // Nobody at all, and near-names.
    ("今天天气真好", &[]),
    ("庄子和荀子呢", &[]),
    ("孔雀东南飞", &[]),
    ("孟婆汤", &[]),
    ("老师，子曰是什么意思", &[]),
    ("墨子号卫星上天了", &[]),
    ("孙悟空大闹天宫", &[]),
    ("my_classics_kongzi_2", &[]),
    ("confuciusism", &[]),
    ("", &[]),
];

async fn index() -> NameIndex {
    let service = CharacterService::new(CharacterBook::built_in().expect("the built-in book"));
    let ids: Vec<String> =
        CharacterBook::built_in().unwrap().characters().iter().map(|c| c.id.to_string()).collect();
    let personas = CharacterPersonas(Arc::new(service));
    let mut named = Vec::new();
    for id in ids {
        let persona = personas.persona(&id.parse().unwrap()).await.unwrap().expect("a character");
        named.push(Named::from(&persona));
    }
    NameIndex::of(&named)
}

#[tokio::test]
async fn every_call_is_heard_and_nothing_else() {
    let index = index().await;
    assert!(SENTENCES.len() >= 60);
    let (mut called, mut heard, mut right) = (0_u32, 0_u32, 0_u32);
    let mut wrong = Vec::new();
    for (sentence, expected) in SENTENCES {
        let found: Vec<String> = index.named_in(sentence).iter().map(ToString::to_string).collect();
        let both: BTreeSet<&str> =
            found.iter().map(String::as_str).filter(|id| expected.contains(id)).collect();
        called += u32::try_from(expected.len()).unwrap();
        heard += u32::try_from(found.len()).unwrap();
        right += u32::try_from(both.len()).unwrap();
        if found != *expected {
            wrong.push(format!("{sentence}: heard {found:?}, called {expected:?}"));
        }
    }
    let (precision, recall) = (f64::from(right) / f64::from(heard), f64::from(right) / f64::from(called));
    assert!(wrong.is_empty(), "precision {precision:.3}, recall {recall:.3}\n{}", wrong.join("\n"));
    assert_eq!((right, right), (heard, called), "precision {precision:.3}, recall {recall:.3}");
}

#[tokio::test]
async fn no_character_answers_to_another_s_near_name() {
    // Whoever adds a character sees here which everyday words it takes.
    let index = index().await;
    let book = CharacterBook::built_in().unwrap();
    for character in book.characters() {
        for near in &character.near_names {
            let heard: Vec<String> = index.named_in(near).iter().map(ToString::to_string).collect();
            assert!(heard.is_empty(), "{near} calls {heard:?}");
        }
        for name in character.aliases.iter().chain([&character.name, &character.english_name]) {
            let heard = index.named_in(&format!("请{name}说说"));
            assert_eq!(heard.len(), 1, "{name}");
        }
    }
}
