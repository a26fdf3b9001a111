//! Examples laid out for people.

use super::Example;
use crate::cli::fit::wrap;
use std::collections::BTreeMap;
use tacq_protocol::artifact::Record;

/// Columns of the labels on the left.
const LABELS: usize = 12;

/// Characters of a text's beginning and end that are shown when it is longer than both.
const BEGINNING: usize = 600;
const END: usize = 1800;

/// What stands above the examples.
pub struct Head<'a> {
    pub trial: &'a str,
    pub task: &'a str,
    pub against: Option<&'a str>,
    /// Right answers; none where there is no right and wrong.
    pub n_right: Option<usize>,
    pub n_all: usize,
    /// Examples that were asked for.
    pub n_matching: usize,
    pub n_shown: usize,
}

/// How it is laid out.
pub struct Layout<'a> {
    /// Columns of the terminal; none where lines are not to be broken.
    pub width: Option<usize>,
    pub color: bool,
    /// Whether texts are shown whole.
    pub full: bool,
    /// Bytes that the prompts of a group begin with.
    pub shared: &'a BTreeMap<String, usize>,
    /// What the choices are called.
    pub choices: &'static [&'static str],
}

/// Colours; never the only carrier of meaning.
#[derive(Clone, Copy)]
enum Paint {
    Dim,
    Bold,
    Right,
    Wrong,
}

impl Layout<'_> {
    /// The head, then all examples.
    pub fn page(&self, head: &Head<'_>, examples: &[Example]) -> String {
        let mut page = self.paint(Paint::Bold, &format!("{}: {}", head.trial, head.task));
        if let Some(against) = head.against {
            page.push_str(&format!("\nagainst {against}"));
        }
        page.push_str(&match head.n_right {
            Some(right) => format!("\n{right} of {} right", head.n_all),
            None => format!("\n{} windows", head.n_all),
        });
        page.push_str(&match (head.n_matching, head.n_shown) {
            (0, _) => "; none is as asked for".to_owned(),
            (matching, shown) if shown < matching => {
                format!("; the first {shown} of {matching} as asked for (--limit 0 shows all)")
            }
            (matching, _) => format!("; all {matching} as asked for"),
        });
        if head.n_right.is_none() {
            page.push_str(", worst first");
        }
        page.push('\n');
        for example in examples {
            page.push('\n');
            self.example(example, head.against, &mut page);
        }
        page.truncate(page.trim_end().len());
        page
    }

    fn example(&self, Example { record, other }: &Example, against: Option<&str>, page: &mut String) {
        let mut title = vec![format!("#{}", record.index)];
        // A window's name is its place.
        title.extend(Some(&record.id).filter(|id| **id != record.index.to_string()).cloned());
        title.extend(Some(&record.group).filter(|g| !g.is_empty() && !record.id.starts_with(&**g)).cloned());
        page.push_str(&self.paint(Paint::Bold, &printable(&title.join("  "))));
        page.push_str(&self.verdict(record));
        page.push('\n');
        if !record.prompt.is_empty() {
            self.field("prompt", &self.prompt(record), page);
        }
        self.answer(record, page);
        if let (Some(other), Some(name)) = (other, against) {
            let head = format!("{}{}", self.paint(Paint::Bold, name), self.verdict(other));
            page.push_str(&format!("  {head}\n"));
            self.answer(other, page);
        }
    }

    fn verdict(&self, record: &Record) -> String {
        match record.correct {
            Some(true) => format!("  {}", self.paint(Paint::Right, "right")),
            Some(false) => format!("  {}", self.paint(Paint::Wrong, "wrong")),
            None => String::new(),
        }
    }

    /// What was answered, and what came of it.
    fn answer(&self, record: &Record, page: &mut String) {
        if record.correct.is_none() {
            let perplexity = record.value.exp();
            let loss = format!("{:.4} nats a token (perplexity {perplexity:.3})", record.value);
            self.field("loss", &loss, page);
        }
        if !record.output.is_empty() {
            self.field("output", &self.shortened(&record.output), page);
        }
        if record.correct.is_some() {
            let or_none = |text: &str| if text.is_empty() { "(none)".to_owned() } else { text.to_owned() };
            self.field("prediction", &or_none(&record.prediction), page);
            self.field("gold", &or_none(&record.gold), page);
        }
        if !record.note.is_empty() {
            self.field("note", &record.note, page);
        }
        if !record.logprobs.is_empty() {
            let choice = |(i, value): (usize, &f64)| match self.choices.get(i) {
                Some(name) => format!("{name} {value:.3}"),
                None => format!("{i}: {value:.3}"),
            };
            let choices: Vec<_> = record.logprobs.iter().enumerate().map(choice).collect();
            self.field("log-probs", &choices.join("   "), page);
        }
        if record.n_tokens > 0 {
            self.field("tokens", &record.n_tokens.to_string(), page);
        }
    }

    /// The prompt without what all prompts of its group begin with.
    fn prompt(&self, record: &Record) -> String {
        let shared = self.shared.get(&record.group).copied().unwrap_or(0);
        if self.full || shared == 0 {
            return self.shortened(&record.prompt);
        }
        let (hidden, own) = record.prompt.split_at(shared);
        let own = self.shortened(own);
        format!("[… {} characters that all prompts begin with …]\n{own}", hidden.chars().count())
    }

    /// Beginning and end of a text that is long.
    fn shortened(&self, text: &str) -> String {
        let n = text.chars().count();
        if self.full || n <= BEGINNING + END + 100 {
            return text.to_owned();
        }
        let at = |place: usize| text.char_indices().nth(place).map_or(text.len(), |(byte, _)| byte);
        let (beginning, end) = (&text[..at(BEGINNING)], &text[at(n - END)..]);
        format!("{beginning}\n[… {} characters; --full shows them …]\n{end}", n - BEGINNING - END)
    }

    /// A label and a text beside it, broken at the terminal's width.
    fn field(&self, label: &str, text: &str, page: &mut String) {
        let text = printable(text.trim_end());
        let width = self.width.map_or(usize::MAX, |width| width.saturating_sub(LABELS + 2).max(20));
        for (i, line) in text.split('\n').flat_map(|line| wrap(line, width)).enumerate() {
            let label = if i == 0 { label } else { "" };
            let label = self.paint(Paint::Dim, &format!("  {label:<LABELS$}"));
            page.push_str(format!("{label}{line}").trim_end());
            page.push('\n');
        }
    }

    fn paint(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Dim => "2",
            Paint::Bold => "1",
            Paint::Right => "32",
            Paint::Wrong => "31",
        };
        if self.color && !text.trim().is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A model may say anything, also what a terminal would obey: control characters are shown, not sent.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push(c),
            '\t' => shown.push_str("    "),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(shared: &BTreeMap<String, usize>) -> Layout<'_> {
        Layout { width: Some(40), color: false, full: false, shared, choices: &["A", "B"] }
    }

    fn question() -> Record {
        Record {
            index: 3,
            id: "law/3".into(),
            group: "law".into(),
            prompt: "Solved.\n\nWho pays the heir when nobody has left a will?\nAnswer:".into(),
            prediction: "B".into(),
            gold: "A".into(),
            correct: Some(false),
            logprobs: vec![-1.5, -0.25],
            ..Record::default()
        }
    }

    #[test]
    fn an_example_fits_its_terminal() {
        let shared = BTreeMap::from([("law".to_owned(), 9)]);
        let head = Head {
            trial: "m/gptq",
            task: "mmlu",
            against: Some("m/16-bit"),
            n_right: Some(2),
            n_all: 5,
            n_matching: 3,
            n_shown: 1,
        };
        let other =
            Record { prediction: "A".into(), correct: Some(true), note: "lucky".into(), ..question() };
        let example = Example { record: question(), other: Some(other) };
        let expected = "\
m/gptq: mmlu
against m/16-bit
2 of 5 right; the first 1 of 3 as asked for (--limit 0 shows all)

#3  law/3  wrong
  prompt      [… 9 characters that all
              prompts begin with …]
              Who pays the heir when
              nobody has left a will?
              Answer:
  prediction  B
  gold        A
  log-probs   A -1.500   B -0.250
  m/16-bit  right
  prediction  A
  gold        A
  note        lucky
  log-probs   A -1.500   B -0.250";
        assert_eq!(layout(&shared).page(&head, std::slice::from_ref(&example)), expected);
        let coloured = Layout { color: true, ..layout(&shared) }.page(&head, &[example]);
        assert!(coloured.contains("\x1b[31mwrong\x1b[0m") && coloured.contains("\x1b[32mright\x1b[0m"));
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(printable("a\u{1b}[2J\tb\r\n"), "a\\u{1b}[2J    b\\r\n");
    }

    #[test]
    fn long_texts_are_shortened_unless_asked_for() {
        let none = BTreeMap::new();
        let text = "word ".repeat(1000);
        let short = layout(&none).shortened(&text);
        assert!(short.contains("[… 2600 characters; --full shows them …]"), "{short}");
        assert_eq!(Layout { full: true, ..layout(&none) }.shortened(&text), text);
    }

    #[test]
    fn a_window_has_a_loss() {
        let none = BTreeMap::new();
        let record = Record { index: 2, id: "2".into(), value: 1.0, n_tokens: 31, ..Record::default() };
        let mut page = String::new();
        layout(&none).example(&Example { record, other: None }, None, &mut page);
        assert_eq!(
            page,
            "#2\n  loss        1.0000 nats a token\n              (perplexity 2.718)\n  tokens      31\n"
        );
    }
}
