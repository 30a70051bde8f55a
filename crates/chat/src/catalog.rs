//! The models that clients may name, by alias.

use std::collections::BTreeMap;

/// The alias that always exists, and is meant where a client names none.
pub const DEFAULT_ALIAS: &str = "default";

/// What is known of a model before it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLimits {
    /// Most tokens of an answer, reasoning included.
    pub output_tokens_max: u32,
    /// Most tokens of prompt and answer together.
    pub context_tokens_max: u32,
}

/// Models by alias.
#[derive(Debug, Clone, Default)]
pub struct ModelCatalog {
    models: BTreeMap<String, ModelLimits>,
}

impl ModelCatalog {
    /// A catalogue of these models.
    pub fn new(models: impl IntoIterator<Item = (String, ModelLimits)>) -> Self {
        Self { models: models.into_iter().collect() }
    }

    /// The alias that is meant, and its limits; `None` where no model has it.
    pub fn resolve(&self, alias: Option<&str>) -> Option<(&str, &ModelLimits)> {
        self.models
            .get_key_value(alias.unwrap_or(DEFAULT_ALIAS))
            .map(|(alias, limits)| (alias.as_str(), limits))
    }

    /// Every alias and its limits, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ModelLimits)> {
        self.models.iter().map(|(alias, limits)| (alias.as_str(), limits))
    }
}
