//! Requests with everything that can go wrong with them: redirects, refusals, waiting, trying again.

use super::Stop;
use super::error::HubError;
use super::exchange::{self, Answer, Fault, Question};
use super::settings::{Settings, Timing, Token};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Redirects in a row that are followed.
const REDIRECTS: usize = 10;

/// Sends requests.
#[derive(Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    timing: Timing,
    token: Option<Token>,
    /// Whoever may see the token.
    trusted: String,
}

/// How often a thing was tried without getting any further, and what went wrong last.
#[derive(Debug)]
pub(super) struct Tries {
    what: String,
    failed: u32,
}

impl Tries {
    /// Of a thing, as it is called in messages.
    pub(super) fn of(what: impl Into<String>) -> Self {
        Self { what: what.into(), failed: 0 }
    }

    /// Something arrived: patience begins anew.
    pub(super) fn progressed(&mut self) {
        self.failed = 0;
    }
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Self {
        let timing = settings.timing.clone();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Followed here, so that the token goes to the hub alone.
            .max_redirects(0)
            .user_agent(concat!("tacq-sweep/", env!("CARGO_PKG_VERSION")))
            // Sizes and ranges are those of the file itself.
            .accept_encoding("identity")
            .timeout_resolve(Some(timing.connect))
            .timeout_connect(Some(timing.connect))
            .timeout_send_request(Some(timing.answer))
            .timeout_recv_response(Some(timing.answer))
            .timeout_per_read(Some(timing.silence))
            .tls_config(
                // Those of the system, so that a company's own authority counts.
                ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build(),
            )
            .build();
        Self {
            agent: config.new_agent(),
            timing,
            token: settings.token.clone(),
            trusted: origin(&settings.endpoint).to_owned(),
        }
    }

    /// Bytes that count as getting further.
    pub(super) fn least_progress(&self) -> u64 {
        self.timing.least_bytes
    }

    /// Asks until there is an answer other than "later". `headers` go along every redirect, the token does not.
    pub(super) fn get(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        tries: &mut Tries,
        stop: &Stop,
    ) -> Result<Answer, HubError> {
        self.ask(false, url, headers, tries, stop)
    }

    /// The head alone, of the first answer that is not a redirect within one host.
    pub(super) fn head(&self, url: &str, tries: &mut Tries, stop: &Stop) -> Result<Answer, HubError> {
        self.ask(true, url, &[], tries, stop)
    }

    fn ask(
        &self,
        head_only: bool,
        url: &str,
        headers: &[(&'static str, String)],
        tries: &mut Tries,
        stop: &Stop,
    ) -> Result<Answer, HubError> {
        loop {
            match self.follow(head_only, url, headers, stop) {
                Ok(answer) if is_later(answer.status) => {
                    let asked = answer.header("retry-after").and_then(|v| v.trim().parse().ok());
                    self.wait(tries, format!("the server answers HTTP {}", answer.status), asked, stop)?;
                }
                Ok(answer) => return Ok(answer),
                Err(Fault::Stopped) => return Err(HubError::Stopped),
                Err(Fault::Broken(problem)) => self.wait(tries, problem, None, stop)?,
            }
        }
    }

    fn follow(
        &self,
        head_only: bool,
        url: &str,
        headers: &[(&'static str, String)],
        stop: &Stop,
    ) -> Result<Answer, Fault> {
        let mut url = url.to_owned();
        for _ in 0..REDIRECTS {
            let mut headers = headers.to_vec();
            if let Some(token) = self.token.as_ref().filter(|_| origin(&url) == self.trusted) {
                headers.push(("authorization", token.header()));
            }
            let question = Question { head_only, url: url.clone(), headers };
            let answer = exchange::ask(&self.agent, question, &self.timing, stop)?;
            let target = match answer.status {
                301 | 302 | 303 | 307 | 308 => answer.header("location"),
                _ => None,
            };
            let Some(target) = target.map(|target| join(&url, target)) else { return Ok(answer) };
            // What the hub says of a file stands in its own answer, not in that of whoever keeps the bytes.
            if head_only && origin(&target) != origin(&url) {
                return Ok(answer);
            }
            url = target;
        }
        Err(Fault::Broken(format!("more than {REDIRECTS} redirects in a row")))
    }

    /// Waits before the next attempt, or gives up. `asked`: seconds that the server wants to be left alone.
    pub(super) fn wait(
        &self,
        tries: &mut Tries,
        problem: String,
        asked: Option<u64>,
        stop: &Stop,
    ) -> Result<(), HubError> {
        tries.failed += 1;
        let asked = asked.map(Duration::from_secs);
        let too_long = asked.is_some_and(|asked| asked > self.timing.longest_wait);
        if too_long || tries.failed >= self.timing.attempts {
            let problem = match asked.filter(|_| too_long) {
                Some(asked) => format!("{problem} and asks to wait {} s", asked.as_secs()),
                None => problem,
            };
            return Err(HubError::Network { what: tries.what.clone(), problem, attempts: tries.failed });
        }
        let doubled = self.timing.first_wait.saturating_mul(1 << (tries.failed - 1).min(16));
        let wait = doubled.min(self.timing.longest_wait).max(asked.unwrap_or_default());
        tracing::debug!("{}: {problem}; trying again in {:.1} s", tries.what, wait.as_secs_f64());
        let until = Instant::now() + wait;
        while Instant::now() < until {
            if stop.load(Ordering::Relaxed) {
                return Err(HubError::Stopped);
            }
            std::thread::sleep(Duration::from_millis(20).min(wait));
        }
        Ok(())
    }
}

/// Whether the same request may succeed later.
fn is_later(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

/// The address that a redirect from `base` names.
fn join(base: &str, target: &str) -> String {
    if target.contains("://") && !target.starts_with('/') {
        return target.to_owned();
    }
    if let Some(rest) = target.strip_prefix("//") {
        let scheme = base.split_once("://").map_or("https", |(scheme, _)| scheme);
        return format!("{scheme}://{rest}");
    }
    if target.starts_with('/') {
        return format!("{}{target}", origin(base));
    }
    let path = base.split(['?', '#']).next().unwrap_or(base);
    let folder = path.rfind('/').filter(|at| *at >= origin(base).len()).map_or(path, |at| &path[..at]);
    format!("{folder}/{target}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_resolved_against_where_they_come_from() {
        let base = "https://hub.co:8/a/b/c?x=1";
        for (target, url) in [
            ("https://cdn.co/f?sig=/", "https://cdn.co/f?sig=/"),
            ("//cdn.co/f", "https://cdn.co/f"),
            ("/api/f?to=http://x", "https://hub.co:8/api/f?to=http://x"),
            ("d", "https://hub.co:8/a/b/d"),
        ] {
            assert_eq!(join(base, target), url);
        }
        assert_eq!(join("https://hub.co", "d"), "https://hub.co/d");
    }

    #[test]
    fn the_origin_is_all_of_scheme_host_and_port() {
        assert_eq!(origin("http://h:1/a"), "http://h:1");
        assert_eq!(origin("http://h:1"), "http://h:1");
        assert_ne!(origin("http://hub.co.evil.com/"), origin("http://hub.co/"));
        assert_ne!(origin("http://hub.co:80@evil.com/"), origin("http://hub.co:80/"));
    }
}
