//! Hands the terms of `rag::analysis` to tantivy, with their true positions and offsets.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// The name under which the schema's fields refer to the tokenizer.
pub(crate) const NAME: &str = "rag";

/// The library's own analysis as a tantivy tokenizer.
#[derive(Clone)]
pub(crate) struct TermTokenizer;

impl Tokenizer for TermTokenizer {
    type TokenStream<'a> = TermStream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> TermStream {
        TermStream { terms: rag::analysis::terms(text).into_iter(), token: Token::default() }
    }
}

/// The terms of one text.
pub(crate) struct TermStream {
    terms: std::vec::IntoIter<rag::analysis::Term>,
    token: Token,
}

impl TokenStream for TermStream {
    fn advance(&mut self) -> bool {
        let Some(term) = self.terms.next() else { return false };
        self.token = Token {
            offset_from: term.start,
            offset_to: term.end,
            position: term.position,
            text: term.text,
            position_length: 1,
        };
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_keep_the_positions_of_the_analysis() {
        let mut tokens = Vec::new();
        TermTokenizer.token_stream("学而，Ａ").process(&mut |token| tokens.push(token.clone()));
        let listed: Vec<(&str, usize, usize, usize)> =
            tokens.iter().map(|t| (t.text.as_str(), t.position, t.offset_from, t.offset_to)).collect();
        assert_eq!(listed, [("学", 0, 0, 3), ("学而", 0, 0, 6), ("而", 1, 3, 6), ("a", 3, 9, 12)]);
    }
}
