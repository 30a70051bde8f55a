//! What handlers take: bodies, queries, ids in paths, and who is calling.
//!
//! All of them refuse in the same manner, so that no handler has words for bad input of its own.

mod body;
mod caller;
mod idempotency;
mod path;
mod query;

pub use body::{Body, RawBody};
pub use caller::{CurrentUser, FromCaller, FromOperator, SignIn};
pub(crate) use caller::{RequestLimit, has_authorization};
pub use idempotency::Idempotency;
pub use path::{MessagePath, OrderPath, PathText, UserPath};
pub use query::Query;

use crate::problem::{Problem, Rule};

/// The problem that a deserializer's words mean, for the field at `path`.
///
/// serde has no error type of its own, only words that each format builds by the same fixed prefixes; they
/// are told apart here and nowhere else.
pub(crate) fn refusal(path: &str, words: &str) -> Problem {
    let path = if path == "." { "" } else { path };
    let named = |prefix: &str| words.strip_prefix(prefix).and_then(|rest| rest.split('`').next());
    if let Some(name) = named("missing field `") {
        return Problem::field(join(path, name), Rule::Required);
    }
    if let Some(name) = named("duplicate field `") {
        return Problem::field(join(path, name), Rule::Value);
    }
    let by_value = ["invalid value", "invalid length", "unknown variant", "number too", "invalid digit"];
    let rule = if by_value.iter().any(|prefix| words.starts_with(prefix)) { Rule::Value } else { Rule::Type };
    Problem::field(path, rule)
}

fn join(path: &str, name: &str) -> String {
    // serde's path of a missing field ends in its parent or in the field itself, by how the parent is read.
    let names_it = path == name || path.strip_suffix(name).is_some_and(|parent| parent.ends_with('.'));
    if names_it {
        path.to_owned()
    } else if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str, words: &str) -> (String, &'static str) {
        let problem = refusal(path, words);
        let field = &problem.fields()[0];
        (field.field.clone(), field.rule.as_str())
    }

    #[test]
    fn the_words_of_serde_name_a_field_and_a_rule() {
        assert_eq!(parts(".", "missing field `email`"), ("email".to_owned(), "required"));
        assert_eq!(parts("a[0]", "missing field `role`"), ("a[0].role".to_owned(), "required"));
        assert_eq!(parts("a.role", "missing field `role`"), ("a.role".to_owned(), "required"));
        assert_eq!(
            parts("email", "invalid type: integer `3`, expected a string"),
            ("email".to_owned(), "type")
        );
        assert_eq!(parts("k", "invalid value: integer `-1`, expected u32"), ("k".to_owned(), "value"));
        assert_eq!(parts(".", "duplicate field `page`"), ("page".to_owned(), "value"));
    }
}
