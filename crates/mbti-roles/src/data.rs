//! The built-in data files, compiled in. Masters keep the order of this list.

/// A data file's name, for errors, and its text.
pub type Source = (&'static str, &'static str);

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../data/", $path)))),+]
    };
}

/// The rules that all characters keep.
pub const RULES: Source = ("rules.toml", include_str!("../data/rules.toml"));

/// One file a character.
pub const CHARACTERS: [Source; 20] = files![
    "masters/classics_kongzi.toml",
    "masters/classics_mengzi.toml",
    "masters/classics_laozi.toml",
    "masters/classics_sunzi.toml",
    "companions/intj_scientist_001.toml",
    "companions/intp_logician_001.toml",
    "companions/entj_founder_001.toml",
    "companions/entp_debater_001.toml",
    "companions/infj_counselor_001.toml",
    "companions/infp_poet_001.toml",
    "companions/enfj_teacher_001.toml",
    "companions/enfp_traveler_001.toml",
    "companions/istj_archivist_001.toml",
    "companions/isfj_nurse_001.toml",
    "companions/estj_manager_001.toml",
    "companions/esfj_innkeeper_001.toml",
    "companions/istp_mechanic_001.toml",
    "companions/isfp_potter_001.toml",
    "companions/estp_rescuer_001.toml",
    "companions/esfp_performer_001.toml",
];

/// One file a character of squads, in the order of the letters E I S N T F J P.
pub const SQUAD_CHARACTERS: [Source; 16] = files![
    "squad/char_e_1.toml",
    "squad/char_e_2.toml",
    "squad/char_i_1.toml",
    "squad/char_i_2.toml",
    "squad/char_s_1.toml",
    "squad/char_s_2.toml",
    "squad/char_n_1.toml",
    "squad/char_n_2.toml",
    "squad/char_t_1.toml",
    "squad/char_t_2.toml",
    "squad/char_f_1.toml",
    "squad/char_f_2.toml",
    "squad/char_j_1.toml",
    "squad/char_j_2.toml",
    "squad/char_p_1.toml",
    "squad/char_p_2.toml",
];

/// What squads may talk about.
pub const SQUAD_TOPICS: Source = ("squad_topics.toml", include_str!("../data/squad_topics.toml"));
