//! Whether the server can do its work, as the operator's probes ask.

use async_trait::async_trait;

/// One system behind the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Its name, for example `store`.
    pub name: &'static str,
    /// Whether it answers.
    pub is_up: bool,
    /// Whether the server is of no use without it.
    pub is_required: bool,
}

/// What a look at all dependencies found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Whether requests should come here: everything required is up, and the server is not shutting down.
    pub is_ready: bool,
    /// Each dependency.
    pub dependencies: Vec<Dependency>,
}

/// Looks at the dependencies; answered by the composition, which knows them.
#[async_trait]
pub trait Health: Send + Sync {
    /// Looks now. MUST answer within a few seconds whatever hangs, and MAY answer from a look of the last second.
    async fn readiness(&self) -> Readiness;
}
