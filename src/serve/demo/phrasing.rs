//! Other words for what the guides say, by a model behind an interface like OpenAI's, if there is one. It is told measured values
//! and the templates' words, and nothing of visitors; what it says is used only if it names no other number. Without it, or if
//! anything goes wrong, the templates' words stay.

use super::Demo;
use super::choices::Choices;
use super::guides::Said;
use super::measured::Measured;
use crate::serve::site::lock;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Jobs whose words are kept.
const KEPT: usize = 200;
/// Characters of a paragraph.
const LONGEST: usize = 1500;

/// A model to be asked.
pub(super) struct Phrasing {
    agent: ureq::Agent,
    url: String,
    key: String,
    model: String,
}

impl Phrasing {
    /// The one that `OPENAI_API_KEY` is for, at `OPENAI_BASE_URL`, named by `OPENAI_MODEL`; none without a key.
    pub fn from_env() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let key = variable("OPENAI_API_KEY")?;
        let base = variable("OPENAI_BASE_URL").unwrap_or_else(|| "https://api.openai.com/v1".to_owned());
        let model = variable("OPENAI_MODEL").unwrap_or_else(|| "gpt-4o-mini".to_owned());
        let roots = ureq::tls::RootCerts::PlatformVerifier;
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .tls_config(ureq::tls::TlsConfig::builder().root_certs(roots).build());
        let url = format!("{}/chat/completions", base.trim_end_matches('/'));
        Some(Self { agent: config.build().into(), url, key, model })
    }

    /// Other words for these paragraphs; none if there was any trouble.
    fn phrase(&self, said: &[Said], measured: &Measured) -> Option<Vec<Said>> {
        let task = "Say each paragraph in other, plain and friendly words for somebody who has never heard of quantization. \
                    Keep who says it, the order and every number as it is written; add no number and no fact. \
                    Answer with JSON alone: {\"said\": [{\"who\": …, \"text\": …}, …]}.";
        let told = json!({ "said": said, "measured": measured }).to_string();
        let question = json!({
            "model": self.model,
            "temperature": 0,
            "response_format": { "type": "json_object" },
            "messages": [{ "role": "system", "content": task }, { "role": "user", "content": told }],
        });
        let answer = self.agent.post(&self.url).header("authorization", format!("Bearer {}", self.key));
        let answer = answer.header("content-type", "application/json").send(question.to_string());
        let text = answer.ok()?.body_mut().with_config().limit(1 << 20).read_to_string().ok()?;
        let answer: Value = serde_json::from_str(&text).ok()?;
        let content: Value =
            serde_json::from_str(answer["choices"][0]["message"]["content"].as_str()?).ok()?;
        let phrased: Vec<Said> = serde_json::from_value(content["said"].clone()).ok()?;
        is_faithful(said, &phrased).then_some(phrased)
    }
}

/// Whether it is the same people, and no number that was not there before.
fn is_faithful(said: &[Said], phrased: &[Said]) -> bool {
    let known: BTreeSet<String> = said.iter().flat_map(|said| numbers(&said.text)).collect();
    said.len() == phrased.len()
        && said.iter().zip(phrased).all(|(before, after)| before.who == after.who)
        && phrased.iter().all(|said| (1..=LONGEST).contains(&said.text.chars().count()))
        && phrased.iter().flat_map(|said| numbers(&said.text)).all(|number| known.contains(&number))
}

fn numbers(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != ',');
    parts.map(|part| part.trim_matches(['.', ',']).to_owned()).filter(|part| !part.is_empty()).collect()
}

impl Demo {
    /// Asks for other words, beside everything else.
    pub(super) fn phrase_beside(self: &Arc<Self>, choices: &Choices) {
        if self.phrasing.is_some() && self.phrased(&choices.id()).is_none() {
            let (demo, choices) = (Arc::clone(self), choices.clone());
            std::thread::spawn(move || demo.phrase(&choices));
        }
    }

    fn phrase(&self, choices: &Choices) {
        let Some(phrasing) = &self.phrasing else { return };
        let Ok((measured, said)) = self.measured(choices) else { return };
        if let Some(said) = phrasing.phrase(&said, &measured) {
            let mut phrased = lock(&self.phrased);
            while phrased.len() >= KEPT {
                phrased.pop_first();
            }
            phrased.insert(choices.id(), said);
            drop(phrased);
            self.board.change(&choices.id(), |job| job.version += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_have_no_other_numbers() {
        let said = |who: &str, text: &str| Said { who: who.into(), text: text.into() };
        let before =
            [said("TCQAG-1", "Keep 0.35 % of 5,898,240 weights."), said("TCQAG-2", "37.5 %, not 16.7 %.")];
        let fine = [said("TCQAG-1", "Of 5,898,240, 0.35 % stay."), said("TCQAG-2", "It is 37.5 %.")];
        assert!(is_faithful(&before, &fine));
        let other = [said("TCQAG-1", "Of 5,898,240, 0.36 % stay."), fine[1].clone()];
        assert!(!is_faithful(&before, &other), "a number that nobody measured");
        assert!(
            !is_faithful(&before, &fine[..1]) && !is_faithful(&before, &[fine[1].clone(), fine[0].clone()])
        );
        assert!(!is_faithful(&before, &[fine[0].clone(), said("TCQAG-2", "")]));
    }
}
