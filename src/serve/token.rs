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
        // Characters that stand in addresses as they are.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        if found < LEAST || !text.trim().chars().all(is_plain) {
            return Err(ServeError::BadToken { found, least: LEAST });
        }
        Ok(Self(text.trim().to_owned()))
    }

    /// Whether this is it. Takes as long whatever differs.
    pub(super) fn is(&self, text: &str) -> bool {
        // Equality of these hashes is decided in constant time.
        blake3::hash(text.as_bytes()) == blake3::hash(self.0.as_bytes())
    }

    /// What a browser keeps in its place, so that a token that several servers have is not told to others of this host.
    pub(super) fn cookie(&self, port: u16) -> String {
        let key = blake3::derive_key(
            "tacq-sweep serve, cookie of a browser",
            format!("{port} {}", self.0).as_bytes(),
        );
        blake3::Hash::from_bytes(key).to_hex().to_string()
    }

    /// Whether this is [`Self::cookie`]. Takes as long whatever differs.
    pub(super) fn is_cookie(&self, port: u16, text: &str) -> bool {
        blake3::hash(text.as_bytes()) == blake3::hash(self.cookie(port).as_bytes())
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
        assert!(Token::chosen("0123456789abcdef;x").is_err() && Token::chosen("0123456789abcdef").is_ok());
        assert!(a.is_cookie(1, &a.cookie(1)) && !a.is_cookie(2, &a.cookie(1)) && !a.is_cookie(1, a.text()));
        assert!(matches!(Token::chosen(" short "), Err(ServeError::BadToken { found: 5, .. })));
    }
}
