//! Query strings, with the manners of bodies.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use super::refusal;
use crate::problem::{Problem, Rule};

/// A request's query.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = || form_urlencoded::parse(query.as_bytes());
    if let Some((name, _)) = pairs().find(|(name, value)| name.contains('\0') || value.contains('\0')) {
        return Err(Problem::field(name, Rule::Nul));
    }
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs()))
        .map_err(|error| refusal(&error.path().to_string(), &error.inner().to_string()))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    struct Search {
        q: String,
        page_size: Option<u32>,
    }

    fn refused(query: &str) -> (String, &'static str) {
        let problem = parse::<Search>(query).unwrap_err();
        (problem.fields()[0].field.clone(), problem.fields()[0].rule.as_str())
    }

    #[test]
    fn a_query_is_decoded_and_unknown_names_are_ignored() {
        let search: Search = parse("q=%E5%AD%A6+%E8%80%8C&pageSize=5&x=1").unwrap();
        assert_eq!(search, Search { q: "学 而".to_owned(), page_size: Some(5) });
    }

    #[test]
    fn what_cannot_be_taken_is_named() {
        assert_eq!(refused(""), ("q".to_owned(), "required"));
        assert_eq!(refused("q=a&pageSize=x"), ("pageSize".to_owned(), "value"));
        assert_eq!(refused("q=a&pageSize=-1"), ("pageSize".to_owned(), "value"));
        assert_eq!(refused("q=a&pageSize=99999999999"), ("pageSize".to_owned(), "value"));
        assert_eq!(refused("q=a&q=b"), ("q".to_owned(), "value"));
        assert_eq!(refused("q=%00"), ("q".to_owned(), "nul"));
    }
}
