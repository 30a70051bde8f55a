//! Who speaks where nobody was named.
