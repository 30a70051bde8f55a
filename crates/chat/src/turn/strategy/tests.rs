//! What the choice promises, by example and by property.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn id(n: usize) -> CharacterId {
    format!("c{n}").parse().unwrap()
}

fn speaker(n: usize) -> Speaker {
    Speaker {
        id: id(n),
        talkativeness: 50,
        affinity: 50,
        topics: Vec::new(),
        is_muted: false,
        spoke_at: None,
    }
}

fn scene<'a>(strategy: TurnStrategy, speakers: &'a [Speaker], text: &'a str, seed: u64) -> Scene<'a> {
    Scene {
        strategy,
        speakers,
        text,
        room_topics: &[],
        by_id: &[],
        by_name: &[],
        replied_to: None,
        last_speaker: None,
        open_turns: 0,
        seed,
        now: NOW,
    }
}

fn who(decision: &Decision) -> Vec<(String, Reason)> {
    decision.speakers.iter().map(|(id, reason)| (id.to_string(), *reason)).collect()
}

fn reason_of(decision: &Decision, n: usize) -> Reason {
    decision.candidates.iter().find(|candidate| candidate.character_id == id(n)).unwrap().reason
}

#[test]
fn all_who_are_named_answer_in_order_and_once() {
    let speakers: Vec<Speaker> = (0..5).map(speaker).collect();
    let (by_id, by_name, replied_to) = ([id(3)], [id(1), id(3), id(9)], id(0));
    for strategy in [TurnStrategy::Natural, TurnStrategy::List, TurnStrategy::Pooled, TurnStrategy::Manual] {
        let decision = decide(&Scene {
            by_id: &by_id,
            by_name: &by_name,
            replied_to: Some(&replied_to),
            open_turns: 50,
            ..scene(strategy, &speakers, "", 1)
        });
        let expected = [
            ("c3".to_owned(), Reason::MentionedById),
            ("c1".to_owned(), Reason::MentionedByName),
            ("c0".to_owned(), Reason::RepliedTo),
        ];
        assert_eq!(who(&decision), expected);
        assert_eq!(reason_of(&decision, 2), Reason::Outweighed);
    }
}

#[test]
fn who_is_named_needs_no_rest_and_who_is_muted_never_speaks() {
    let mut speakers: Vec<Speaker> = (0..2).map(speaker).collect();
    speakers[0].spoke_at = Some(NOW);
    speakers[1].is_muted = true;
    let by_name = [id(1), id(0)];
    let last = id(0);
    let decision = decide(&Scene {
        by_name: &by_name,
        last_speaker: Some(&last),
        ..scene(TurnStrategy::Natural, &speakers, "", 1)
    });
    assert_eq!(who(&decision), [("c0".to_owned(), Reason::MentionedByName)]);
    assert_eq!(reason_of(&decision, 1), Reason::Muted);
}

#[test]
fn where_only_a_muted_one_is_named_nobody_stands_in() {
    let speakers: Vec<Speaker> = (0..3).map(speaker).collect();
    let mut with_muted = speakers.clone();
    with_muted[1].is_muted = true;
    let (named, replied_to) = ([id(1), id(1)], id(1));
    for strategy in [TurnStrategy::Natural, TurnStrategy::List, TurnStrategy::Pooled, TurnStrategy::Manual] {
        let asked = |speakers| {
            let plain = scene(strategy, speakers, "", 1);
            decide(&Scene { by_id: &named, replied_to: Some(&replied_to), ..plain })
        };
        let decision = asked(&with_muted);
        assert!(decision.speakers.is_empty());
        assert_eq!((&decision.silenced[..], reason_of(&decision, 1)), (&[id(1)][..], Reason::Muted));
        let heard = asked(&speakers);
        assert_eq!((who(&heard).len(), heard.silenced.len()), (1, 0));
    }
    assert!(decide(&scene(TurnStrategy::List, &with_muted, "", 1)).silenced.is_empty());
}

#[test]
fn a_greeting_buys_one_reply_and_seldom_two() {
    let speakers: Vec<Speaker> = (0..8).map(speaker).collect();
    let counts: Vec<usize> = (0..1_000)
        .map(|seed| decide(&scene(TurnStrategy::Natural, &speakers, "大家好", seed)).speakers.len())
        .collect();
    let twice = counts.iter().filter(|count| **count == 2).count();
    assert!(counts.iter().all(|count| (1..=2).contains(count)));
    assert!((20..250).contains(&twice), "{twice} of 1000");
}

#[test]
fn the_talkative_and_those_whose_topic_it_is_speak_more() {
    let mut speakers: Vec<Speaker> = (0..3).map(speaker).collect();
    speakers[0].talkativeness = 20;
    speakers[1].talkativeness = 90;
    speakers[2].talkativeness = 20;
    speakers[2].topics = vec!["做飯".to_owned()];
    let first = |text: &str| {
        let mut counts = [0; 3];
        for seed in 0..3_000 {
            let decision = decide(&scene(TurnStrategy::Natural, &speakers, text, seed));
            let place = speakers.iter().position(|speaker| speaker.id == decision.speakers[0].0).unwrap();
            counts[place] += 1;
        }
        counts
    };
    let plain = first("今天天气真好");
    assert!(plain[1] > 2 * plain[0]);
    let fitting = first("谁来教我做饭");
    assert!(fitting[2] > plain[2] + 300, "{plain:?} {fitting:?}");
}

#[test]
fn nobody_speaks_twice_in_a_row_unless_alone() {
    let speakers: Vec<Speaker> = (0..2).map(speaker).collect();
    let last = id(0);
    for seed in 0..200 {
        let with_last =
            Scene { last_speaker: Some(&last), ..scene(TurnStrategy::Natural, &speakers, "", seed) };
        let decision = decide(&with_last);
        assert_eq!(who(&decision), [("c1".to_owned(), Reason::Chosen)]);
        assert_eq!(reason_of(&decision, 0), Reason::SpokeLast);
        let alone = decide(&Scene { speakers: &speakers[..1], ..with_last });
        assert_eq!(who(&alone), [("c0".to_owned(), Reason::Chosen)]);
    }
}

#[test]
fn a_character_rests_for_ten_seconds() {
    let mut speakers: Vec<Speaker> = (0..1).map(speaker).collect();
    speakers[0].spoke_at = Some(NOW.plus_millis(-9_999));
    let decision = decide(&scene(TurnStrategy::Natural, &speakers, "", 1));
    assert_eq!((decision.speakers.len(), reason_of(&decision, 0)), (0, Reason::CoolingDown));
    speakers[0].spoke_at = Some(NOW.plus_millis(-10_000));
    assert_eq!(decide(&scene(TurnStrategy::Natural, &speakers, "", 1)).speakers.len(), 1);
}

#[test]
fn a_list_is_gone_through_in_order_and_a_pool_by_who_waited_longest() {
    let mut speakers: Vec<Speaker> = (0..4).map(speaker).collect();
    speakers[1].is_muted = true;
    let list = decide(&scene(TurnStrategy::List, &speakers, "", 1));
    let ids: Vec<String> = who(&list).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["c0", "c2", "c3"]);
    speakers[0].spoke_at = Some(NOW.plus_millis(-20_000));
    speakers[2].spoke_at = Some(NOW.plus_millis(-60_000));
    speakers[3].spoke_at = Some(NOW.plus_millis(-5_000));
    let pool = decide(&scene(TurnStrategy::Pooled, &speakers, "", 1));
    assert_eq!(who(&pool), [("c2".to_owned(), Reason::WaitedLongest)]);
    assert_eq!(reason_of(&pool, 3), Reason::CoolingDown);
    speakers[0].spoke_at = None;
    assert_eq!(who(&decide(&scene(TurnStrategy::Pooled, &speakers, "", 1)))[0].0, "c0");
    assert!(decide(&scene(TurnStrategy::Manual, &speakers, "", 1)).speakers.is_empty());
}

#[test]
fn a_busy_room_hears_only_who_is_named() {
    let speakers: Vec<Speaker> = (0..3).map(speaker).collect();
    for strategy in [TurnStrategy::Natural, TurnStrategy::List, TurnStrategy::Pooled] {
        let decision = decide(&Scene { open_turns: OPEN_TURNS_MAX, ..scene(strategy, &speakers, "", 1) });
        assert!(decision.speakers.is_empty());
        assert!((0..3).all(|n| reason_of(&decision, n) == Reason::RoomBusy));
    }
}

fn any_speakers() -> impl Strategy<Value = Vec<Speaker>> {
    let one = (0..=100_u8, 0..=100_u8, any::<bool>(), proptest::option::of(0..30_000_i64));
    proptest::collection::vec(one, 0..10).prop_map(|all| {
        let make =
            |(n, (talkativeness, affinity, is_muted, ago)): (usize, (u8, u8, bool, Option<i64>))| Speaker {
                talkativeness,
                affinity,
                is_muted,
                spoke_at: ago.map(|ago| NOW.plus_millis(-ago)),
                ..speaker(n)
            };
        all.into_iter().enumerate().map(make).collect()
    })
}

fn any_strategy() -> impl Strategy<Value = TurnStrategy> {
    prop_oneof![
        Just(TurnStrategy::Natural),
        Just(TurnStrategy::List),
        Just(TurnStrategy::Pooled),
        Just(TurnStrategy::Manual),
    ]
}

proptest! {
    #[test]
    fn the_same_scene_gives_the_same_decision_and_every_rule_holds(
        speakers in any_speakers(),
        strategy in any_strategy(),
        named in proptest::collection::vec(0..12_usize, 0..4),
        last in proptest::option::of(0..10_usize),
        open_turns in 0..12_u32,
        seed in any::<u64>(),
    ) {
        let by_name: Vec<CharacterId> = named.into_iter().map(id).collect();
        let last = last.map(id);
        let scene = Scene {
            by_name: &by_name,
            last_speaker: last.as_ref(),
            open_turns,
            ..scene(strategy, &speakers, "大家好", seed)
        };
        let decision = decide(&scene);
        prop_assert_eq!(&decision, &decide(&scene));
        prop_assert_eq!(decision.candidates.len(), speakers.len());
        prop_assert!(decision.speakers.len() <= SPEAKERS_MAX);
        let unasked = decision.speakers.iter().filter(|(_, reason)| reason.is_unasked()).count();
        prop_assert!(strategy == TurnStrategy::List || unasked <= UNASKED_MAX);
        prop_assert!(open_turns < OPEN_TURNS_MAX || unasked == 0);
        let able = |id: &CharacterId| speakers.iter().any(|speaker| speaker.id == *id && !speaker.is_muted);
        for (id, reason) in &decision.speakers {
            prop_assert!(able(id));
            let stored = decision.candidates.iter().find(|candidate| candidate.character_id == *id);
            prop_assert_eq!(stored.map(|candidate| candidate.reason), Some(*reason));
            prop_assert!(*reason != Reason::Chosen
                || last.as_ref() != Some(id)
                || speakers.iter().filter(|speaker| !speaker.is_muted).count() == 1);
        }
        if by_name.iter().any(able) {
            prop_assert_eq!(unasked, 0);
        }
    }
}
