//! Which address belongs to which route: for the labels of metrics, and to tell a wrong method (405) from an
//! unknown address (404).
//!
//! It is made from the OpenAPI document and the page's few addresses. actix could answer the same by matching
//! each request once more against every pattern, which would cost the hot paths more than their work.

use std::collections::HashMap;

use actix_web::http::Method;

/// A route: an address template and the methods that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `/api/sessions/{id}`.
    pub template: String,
    /// `GET`, `POST`, … in upper case.
    pub methods: Vec<String>,
}

/// All routes.
#[derive(Debug, Default)]
pub struct RouteTable {
    routes: Vec<Route>,
    literal: HashMap<String, usize>,
    /// By number of segments.
    patterns: HashMap<usize, Vec<(Vec<Segment>, usize)>>,
}

#[derive(Debug)]
enum Segment {
    Literal(String),
    Any,
}

impl RouteTable {
    /// A table of these routes.
    pub fn new(routes: Vec<Route>) -> Self {
        let mut table = Self { routes: Vec::new(), ..Self::default() };
        for (index, route) in routes.iter().enumerate() {
            if route.template.contains('{') {
                let segments: Vec<Segment> = route.template.split('/').map(segment).collect();
                table.patterns.entry(segments.len()).or_default().push((segments, index));
            } else {
                table.literal.insert(route.template.clone(), index);
            }
        }
        table.routes = routes;
        table
    }

    /// The number of an address's route.
    pub fn index(&self, path: &str) -> Option<usize> {
        if let Some(index) = self.literal.get(path) {
            return Some(*index);
        }
        let candidates = self.patterns.get(&path.split('/').count())?;
        candidates.iter().find(|(segments, _)| matches(segments, path)).map(|(_, index)| *index)
    }

    /// The route of a number.
    pub fn route(&self, index: usize) -> Option<&Route> {
        self.routes.get(index)
    }

    /// The methods of an address, as the `Allow` header names them; `None` if nothing is there.
    pub fn allow(&self, path: &str) -> Option<String> {
        let route = self.route(self.index(path)?)?;
        Some(route.methods.join(", "))
    }

    /// Every route.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }
}

fn segment(text: &str) -> Segment {
    if text.starts_with('{') { Segment::Any } else { Segment::Literal(text.to_owned()) }
}

fn matches(segments: &[Segment], path: &str) -> bool {
    segments.iter().zip(path.split('/')).all(|(segment, text)| match segment {
        Segment::Literal(literal) => literal == text,
        Segment::Any => !text.is_empty(),
    })
}

/// A method's name as a label: a client can make up methods, and labels must stay few.
pub fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> RouteTable {
        let route = |template: &str, methods: &[&str]| Route {
            template: template.to_owned(),
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        };
        RouteTable::new(vec![
            route("/api/sessions", &["GET", "POST"]),
            route("/api/sessions/{id}", &["GET"]),
            route("/api/sessions/{id}/messages", &["GET", "POST"]),
        ])
    }

    fn template(path: &str) -> Option<String> {
        let table = table();
        table.index(path).and_then(|index| table.route(index)).map(|route| route.template.clone())
    }

    #[test]
    fn an_address_finds_its_template() {
        assert_eq!(template("/api/sessions").as_deref(), Some("/api/sessions"));
        assert_eq!(template("/api/sessions/1").as_deref(), Some("/api/sessions/{id}"));
        assert_eq!(template("/api/sessions/1/messages").as_deref(), Some("/api/sessions/{id}/messages"));
        for unknown in ["/", "", "/api/sessions/", "/api/sessions/1/", "/api/sessions/1/other", "/api/x/1"] {
            assert_eq!(template(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn an_address_names_the_methods_it_takes() {
        assert_eq!(table().allow("/api/sessions").as_deref(), Some("GET, POST"));
        assert_eq!(table().allow("/nowhere"), None);
    }

    #[test]
    fn a_method_that_a_client_made_up_is_no_label() {
        assert_eq!(method_label(&Method::from_bytes(b"BREW").unwrap()), "other");
        assert_eq!(method_label(&Method::PATCH), "PATCH");
    }
}
