//! The word that lets a visitor start and end runs.

use super::error::ServeError;
use std::fmt;

/// Fewer characters could be tried one after the other.
const LEAST: usize = 16;

/// What a visitor must know to change something; from outside of this machine, to see something.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new one, of 128 random bits.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn random() -> Result<Self, ServeError> {
        let mut bytes = [0u8; 16];
        getrandom::fill(&mut bytes)
            .map_err(|error| ServeError::System { action: "make a token", why: error.to_string() })?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// One that was chosen.
    ///
    /// # Errors
    /// It is too short.
    pub fn chosen(text: &str) -> Result<Self, ServeError> {
        let found = text.trim().chars().count();
        if found < LEAST {
            return Err(ServeError::ShortToken { found, least: LEAST });
        }
        Ok(Self(text.trim().to_owned()))
    }

    /// Whether this is it. Takes as long whatever differs.
    pub(super) fn is(&self, text: &str) -> bool {
        // Equality of these hashes is decided in constant time.
        blake3::hash(text.as_bytes()) == blake3::hash(self.0.as_bytes())
    }

    /// As it stands in an address.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random_and_not_shown() {
        let (a, b) = (Token::random().unwrap(), Token::random().unwrap());
        assert!(a.text().len() == 32 && a.text() != b.text());
        assert!(a.is(a.text()) && !a.is(b.text()) && !a.is("") && !a.is(&a.text()[..31]));
        assert_eq!(format!("{a:?}"), "Token(…)");
        assert!(matches!(Token::chosen(" short "), Err(ServeError::ShortToken { found: 5, .. })));
    }
}
