//! The offline reply as a pure function of the prompt's parts.

use chat::ports::{Persona, Retrieved};
use chat::prompt::Prompt;
use unicode_segmentation::UnicodeSegmentation;

/// Passages quoted in one reply.
const PASSAGES_MAX: usize = 3;
/// Further passages are quoted only if they match at least half as well as the best one.
const SCORE_SHARE_MIN: f32 = 0.5;
/// Longer passages are quoted in part, in characters.
const QUOTE_CHARS_MAX: usize = 120;
/// A longer question is repeated in part, in characters.
const QUESTION_CHARS_MAX: usize = 40;
/// Of question and passage, so many characters are compared.
const COMPARED_CHARS_MAX: usize = 1_000;
/// Fewer characters in common say nothing.
const COMMON_CHARS_MIN: usize = 2;

/// The whole reply.
pub(super) fn compose(prompt: &Prompt) -> String {
    let mut paragraphs = vec![greeting(&prompt.persona)];
    let quoted = worth_quoting(&prompt.passages);
    match quoted.split_first() {
        Some((best, others)) => {
            paragraphs.extend(best_passage(best, &prompt.question));
            paragraphs.extend(other_passages(others, &prompt.question));
        }
        None => paragraphs.push(nothing_found(prompt)),
    }
    paragraphs.extend(closing_line(prompt));
    paragraphs.join("\n\n")
}

fn greeting(persona: &Persona) -> String {
    format!("你好，我是{}的离线模型：没有连接云端，只引馆藏原文和自己常说的话，不替谁发挥。", persona.name)
}

fn worth_quoting(passages: &[Retrieved]) -> Vec<(usize, &Retrieved)> {
    let Some(best) = passages.first() else { return Vec::new() };
    let numbered = (1..).zip(passages).take(PASSAGES_MAX);
    numbered.filter(|(n, passage)| *n == 1 || passage.score >= best.score * SCORE_SHARE_MIN).collect()
}

fn best_passage((n, passage): &(usize, &Retrieved), question: &str) -> Vec<String> {
    let common = longest_common(question, &passage.text);
    vec![
        format!("你问「{}」，馆藏里最贴近的是：", shortened(question)),
        citation(*n, passage, &common),
        relation(&common),
    ]
}

fn other_passages(others: &[(usize, &Retrieved)], question: &str) -> Option<String> {
    if others.is_empty() {
        return None;
    }
    let mut lines = vec!["还可以对照着读：".to_owned()];
    for (n, passage) in others {
        lines.push(citation(*n, passage, &longest_common(question, &passage.text)));
    }
    Some(lines.join("\n"))
}

fn citation(n: usize, passage: &Retrieved, common: &str) -> String {
    format!("{}：「{}」[{n}]", source(passage), excerpt(&passage.text, common))
}

fn source(passage: &Retrieved) -> String {
    if passage.chapter.is_empty() || passage.chapter == passage.work {
        format!("《{}》", passage.work)
    } else {
        format!("《{}·{}》", passage.work, passage.chapter)
    }
}

fn relation(common: &str) -> String {
    if common.chars().count() >= COMMON_CHARS_MIN {
        format!(
            "你问到的「{common}」就在这一段里：把前后文连起来读，它在说谁、在什么情形下说，意思便清楚了。"
        )
    } else {
        "这一段与你的问题只有零星字词相合，未必切题；离线模型不懂文意，是否有用，还请你自己斟酌。".to_owned()
    }
}

fn nothing_found(prompt: &Prompt) -> String {
    let question = shortened(&prompt.question);
    if prompt.persona.uses_knowledge {
        format!("你问「{question}」，馆藏里没有找到相合的原文，我不敢编造出处；换几个字再问，也许就找到了。")
    } else {
        format!(
            "你说「{question}」，我听到了；馆藏里没有用得上的原文，离线时也想不出更多，只能先用自己的话陪你。"
        )
    }
}

/// One of the character's lines, the same one for the same question.
fn closing_line(prompt: &Prompt) -> Option<String> {
    let lines = &prompt.persona.lines;
    let seed = prompt
        .question
        .bytes()
        .fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let line = lines.get(seed.checked_rem(lines.len())?)?;
    Some(format!("再说一句：{line}"))
}

fn shortened(question: &str) -> String {
    let one_line = question.split_whitespace().collect::<Vec<_>>().join(" ");
    let kept: String = one_line.graphemes(true).take(QUESTION_CHARS_MAX).collect();
    if kept.len() < one_line.len() { format!("{kept}…") } else { kept }
}

/// The longest run of Han characters that both texts have; the first one of equals.
fn longest_common(question: &str, passage: &str) -> String {
    let question: Vec<char> = question.chars().take(COMPARED_CHARS_MAX).collect();
    let mut best: (usize, usize) = (0, 0);
    let mut above = vec![0_usize; question.len() + 1];
    for c in passage.chars().take(COMPARED_CHARS_MAX).filter(|c| !c.is_whitespace()) {
        let mut row = vec![0_usize; question.len() + 1];
        for (at, asked) in question.iter().enumerate() {
            let run = if *asked == c && is_han(c) { above.get(at).copied().unwrap_or(0) + 1 } else { 0 };
            if run > best.0 {
                best = (run, at + 1);
            }
            if let Some(cell) = row.get_mut(at + 1) {
                *cell = run;
            }
        }
        above = row;
    }
    let (length, end) = best;
    question.get(end.saturating_sub(length)..end).unwrap_or_default().iter().collect()
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{323AF}')
}

/// The passage, or whole sentences of it that begin with the one that holds `common`: word for word, without
/// a gap.
fn excerpt<'a>(passage: &'a str, common: &str) -> &'a str {
    if passage.chars().count() <= QUOTE_CHARS_MAX {
        return passage.trim();
    }
    let sentences = sentences(passage);
    let holds_common = |sentence: &&str| !common.is_empty() && sentence.contains(common);
    let first = sentences.iter().position(holds_common).unwrap_or(0);
    let start: usize = sentences.iter().take(first).map(|sentence| sentence.len()).sum();
    let mut end = start;
    let mut chars = 0;
    for sentence in sentences.iter().skip(first) {
        chars += sentence.chars().count();
        if chars > QUOTE_CHARS_MAX && end > start {
            break;
        }
        end += sentence.len();
    }
    let whole = passage.get(start..end).unwrap_or(passage);
    let cut = whole.grapheme_indices(true).nth(QUOTE_CHARS_MAX).map_or(whole.len(), |(at, _)| at);
    whole.get(..cut).unwrap_or(whole).trim()
}

/// The sentences of a text, each with its closing marks; together they are the text.
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut ended = false;
    for (at, c) in text.char_indices() {
        if ended && !is_closing(c) {
            found.extend(text.get(start..at));
            start = at;
            ended = false;
        }
        ended |= matches!(c, '。' | '！' | '？' | '\n');
    }
    found.extend(text.get(start..).filter(|rest| !rest.is_empty()));
    found
}

fn is_closing(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '\n' | '」' | '』' | '”' | '’' | '）' | '》')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(chapter: &str, text: &str, score: f32) -> Retrieved {
        Retrieved {
            passage_id: chapter.to_owned(),
            work: "论语".to_owned(),
            chapter: chapter.to_owned(),
            text: text.to_owned(),
            score,
        }
    }

    fn prompt(question: &str, passages: Vec<Retrieved>) -> Prompt {
        Prompt {
            system: "你是孔子。".to_owned(),
            turns: Vec::new(),
            persona: Persona {
                lines: vec!["学而不厌，诲人不倦。".to_owned(), "温故而知新。".to_owned()],
                uses_knowledge: true,
                ..Persona::named("classics_kongzi".parse().unwrap(), "孔子", "你是孔子。")
            },
            passages,
            question: question.to_owned(),
        }
    }

    const XUE_ER: &str = "子曰：“学而时习之，不亦说乎？有朋自远方来，不亦乐乎？人不知而不愠，不亦君子乎？”";

    #[test]
    fn it_quotes_word_for_word_with_source_and_marker() {
        let reply = compose(&prompt("学而时习之是什么意思？", vec![passage("学而", XUE_ER, 9.0)]));
        assert!(reply.contains(&format!("《论语·学而》：「{XUE_ER}」[1]")), "{reply}");
        assert!(reply.contains("你问到的「学而时习之」"), "{reply}");
        assert_eq!(reply.matches("离线模型").count(), 1);
    }

    #[test]
    fn only_passages_that_match_well_follow_the_best_one_and_keep_their_numbers() {
        let passages = vec![
            passage("学而", "甲。", 8.0),
            passage("为政", "乙。", 1.0),
            passage("里仁", "丙。", 7.0),
            passage("子罕", "丁。", 7.0),
        ];
        let reply = compose(&prompt("问", passages));
        assert!(reply.contains("《论语·学而》：「甲。」[1]") && reply.contains("《论语·里仁》：「丙。」[3]"));
        assert!(!reply.contains("[2]") && !reply.contains("[4]"), "{reply}");
    }

    #[test]
    fn without_a_passage_it_says_so_and_speaks_with_its_own_line() {
        let prompt = prompt("量子力学", Vec::new());
        let reply = compose(&prompt);
        assert!(reply.contains("馆藏里没有找到") && !reply.contains('['), "{reply}");
        assert!(prompt.persona.lines.iter().any(|line| reply.ends_with(line.as_str())), "{reply}");
        assert_eq!(reply, compose(&prompt));
    }

    #[test]
    fn a_long_passage_is_quoted_in_whole_sentences_around_the_question() {
        let long =
            format!("{}何必曰利？亦有仁义而已矣。”{}", "王曰：“叟。”".repeat(30), "上下交征利。".repeat(30));
        let quote = excerpt(&long, "仁义");
        assert!(long.contains(quote) && quote.chars().count() <= QUOTE_CHARS_MAX);
        assert!(quote.starts_with("亦有仁义而已矣。”") && quote.ends_with('。'), "{quote}");
        assert!(excerpt(&"长".repeat(500), "").chars().count() == QUOTE_CHARS_MAX);
    }

    #[test]
    fn a_character_without_lines_still_answers() {
        let mut silent = prompt("问", Vec::new());
        silent.persona.lines.clear();
        assert!(compose(&silent).ends_with("也许就找到了。"));
    }
}
