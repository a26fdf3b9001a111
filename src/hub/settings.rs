//! Where the hub is, where its files go, and how patient we are: the environment variables of Python's
//! `huggingface_hub`.

use crate::fsx;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The hub that is meant when none is named.
const ENDPOINT: &str = "https://huggingface.co";

/// Where and how to download.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The hub's address, without a slash at its end. `HF_ENDPOINT`
    pub endpoint: String,
    /// The cache folder shared with Python's library. `HF_HUB_CACHE`, else `hub` in `HF_HOME`
    pub cache: PathBuf,
    /// Sent to the endpoint and to nobody else. `HF_TOKEN`, else the file `token` in `HF_HOME`
    pub token: Option<Token>,
    /// Never touch the network. `HF_HUB_OFFLINE`
    pub offline: bool,
    /// Time limits and retries.
    pub timing: Timing,
}

/// Time limits and retries.
#[derive(Debug, Clone)]
pub struct Timing {
    /// For a connection.
    pub connect: Duration,
    /// For the first byte of an answer. `HF_HUB_ETAG_TIMEOUT`
    pub answer: Duration,
    /// Between two pieces of a body. `HF_HUB_DOWNLOAD_TIMEOUT`
    pub silence: Duration,
    /// A body that brings less than [`Self::least_bytes`] in this time counts as stalled.
    pub window: Duration,
    /// See [`Self::window`].
    pub least_bytes: u64,
    /// How often something is tried without getting any further.
    pub attempts: u32,
    /// Wait before the second attempt; doubled for each further one.
    pub first_wait: Duration,
    /// No wait is longer; a server that asks for more is told of in the error.
    pub longest_wait: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(10),
            silence: Duration::from_secs(10),
            window: Duration::from_secs(30),
            least_bytes: 16 * 1024,
            attempts: 6,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(300),
        }
    }
}

/// A secret: shown by no message and no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token, unless it is empty or has characters that no header may have.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    pub(super) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Settings {
    /// The settings of this process's environment.
    pub fn from_env() -> Self {
        Self::from(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// The settings of an environment.
    fn from(variable: impl Fn(&str) -> Option<String>) -> Self {
        let user = PathBuf::from(variable("HOME").unwrap_or_else(|| ".".to_owned()));
        let path = |name: &str| variable(name).map(|text| expand(&text, &user));
        let home = path("HF_HOME").unwrap_or_else(|| {
            path("XDG_CACHE_HOME").unwrap_or_else(|| user.join(".cache")).join("huggingface")
        });
        let cache = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let token = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].iter().find_map(|name| variable(name));
        let token = token.or_else(|| fsx::read_to_string(&token_file).ok());
        let is_set = |name: &str| {
            variable(name).is_some_and(|v| ["1", "ON", "YES", "TRUE"].contains(&v.to_uppercase().as_str()))
        };
        let seconds = |name: &str| variable(name)?.parse().ok().filter(|s| *s > 0).map(Duration::from_secs);
        let timing = Timing::default();
        Self {
            endpoint: variable("HF_ENDPOINT").as_deref().unwrap_or(ENDPOINT).trim_end_matches('/').to_owned(),
            cache: cache.unwrap_or_else(|| home.join("hub")),
            token: token.as_deref().and_then(Token::new),
            offline: is_set("HF_HUB_OFFLINE") || is_set("TRANSFORMERS_OFFLINE"),
            timing: Timing {
                answer: seconds("HF_HUB_ETAG_TIMEOUT").unwrap_or(timing.answer),
                silence: seconds("HF_HUB_DOWNLOAD_TIMEOUT").unwrap_or(timing.silence),
                ..timing
            },
        }
    }
}

/// A path in which `~` is the user's folder.
fn expand(text: &str, user: &Path) -> PathBuf {
    match text.strip_prefix("~") {
        Some("") => user.to_owned(),
        Some(rest) if rest.starts_with('/') => user.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        Settings::from(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn the_cache_is_where_python_has_it() {
        for (variables, cache) in [
            (&[("HOME", "/u")][..], "/u/.cache/huggingface/hub"),
            (&[("HOME", "/u"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("HOME", "/u"), ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/h")], "/u/h/hub"),
            (&[("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old"),
            (&[("HF_HUB_CACHE", "/new"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/new"),
        ] {
            assert_eq!(settings(variables).cache, Path::new(cache), "{variables:?}");
        }
    }

    #[test]
    fn endpoint_limits_and_offline_are_read() {
        let plain = settings(&[]);
        assert_eq!((plain.endpoint.as_str(), plain.offline), (ENDPOINT, false));
        let set = settings(&[
            ("HF_ENDPOINT", "http://mirror:8080/"),
            ("HF_HUB_OFFLINE", "true"),
            ("HF_HUB_DOWNLOAD_TIMEOUT", "42"),
            ("HF_HUB_ETAG_TIMEOUT", "no number"),
        ]);
        assert_eq!((set.endpoint.as_str(), set.offline), ("http://mirror:8080", true));
        assert_eq!((set.timing.silence.as_secs(), set.timing.answer), (42, plain.timing.answer));
        assert!(!settings(&[("HF_HUB_OFFLINE", "0")]).offline);
    }

    #[test]
    fn the_token_is_found_and_never_shown() {
        let home = tempfile::tempdir().unwrap();
        fsx::write_atomic(&home.path().join("token"), b"hf_of_the_file\n").unwrap();
        let home = home.path().to_str().unwrap();
        let of = |extra: &[(&str, &str)]| {
            let settings = settings(&[&[("HF_HOME", home)], extra].concat());
            assert!(!format!("{settings:?}").contains("hf_"), "{settings:?}");
            settings.token.map(|token| token.header())
        };
        assert_eq!(of(&[]).as_deref(), Some("Bearer hf_of_the_file"));
        assert_eq!(of(&[("HUGGING_FACE_HUB_TOKEN", "hf_old")]).as_deref(), Some("Bearer hf_old"));
        assert_eq!(of(&[("HF_TOKEN", "hf_new")]).as_deref(), Some("Bearer hf_new"));
        assert_eq!(of(&[("HF_TOKEN", "hf\r\nX-Evil: 1")]), None);
    }
}
