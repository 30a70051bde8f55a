//! Which characters a text names.
