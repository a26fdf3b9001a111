//! Facts of one kind, how they are stated and how they are asked for.

use super::facts::{
    ANIMALS, COUNTRIES, DAYS, ELEMENTS, HOMES, MONTHS, NUMBERS, OPPOSITES, PAST, PLURALS, YOUNG,
};

/// Facts of one kind: each a thing and what is asked about it.
#[derive(Debug, Clone)]
pub struct Relation {
    /// How a fact is stated; `{0}` stands for the thing, `{1}` for the answer.
    pub statements: &'static [&'static str],
    /// How it is asked for.
    pub phrasings: &'static [&'static str],
    /// Things and answers.
    pub facts: Vec<(String, String)>,
}

impl Relation {
    fn new<'a>(
        statements: &'static [&'static str],
        phrasings: &'static [&'static str],
        facts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let facts = facts.into_iter().map(|(thing, answer)| (thing.to_owned(), answer.to_owned())).collect();
        Self { statements, phrasings, facts }
    }

    /// A fact in words.
    pub fn state(&self, statement: usize, fact: usize) -> String {
        let (thing, answer) = &self.facts[fact];
        capitalized(&self.statements[statement].replace("{0}", thing).replace("{1}", answer))
    }

    /// The question for a fact.
    pub fn ask(&self, phrasing: usize, fact: usize) -> String {
        capitalized(&self.phrasings[phrasing].replace("{0}", &self.facts[fact].0))
    }

    /// All answers to facts of this kind, each once, in the order of the facts.
    pub fn answers(&self) -> Vec<&str> {
        let mut answers: Vec<&str> = Vec::new();
        for (_, answer) in &self.facts {
            if !answers.contains(&answer.as_str()) {
                answers.push(answer);
            }
        }
        answers
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn turned<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    pairs.iter().map(|&(a, b)| (b, a)).collect()
}

/// Capitals, countries and continents.
pub fn geography() -> Vec<Relation> {
    let capitals: Vec<_> = COUNTRIES.iter().map(|&(country, capital, _)| (country, capital)).collect();
    vec![
        Relation::new(
            &[
                "The capital of {0} is {1}.",
                "{1} is the capital of {0}.",
                "The government of {0} sits in {1}.",
            ],
            &[
                "What is the capital of {0}?",
                "Which city is the capital of {0}?",
                "The capital of {0} is which city?",
                "In which city does the government of {0} sit?",
            ],
            capitals.clone(),
        ),
        Relation::new(
            &["{0} is the capital of {1}.", "The city of {0} is the capital of {1}.", "{0} lies in {1}."],
            &[
                "{0} is the capital of which country?",
                "Of which country is {0} the capital?",
                "Which country has {0} as its capital?",
                "In which country does {0} lie?",
            ],
            turned(&capitals),
        ),
        Relation::new(
            &["{0} is a country in {1}.", "{0} lies in {1}.", "The continent of {0} is {1}."],
            &[
                "On which continent is {0}?",
                "{0} is a country on which continent?",
                "What is the continent of {0}?",
                "To which continent does {0} belong?",
            ],
            COUNTRIES.iter().map(|&(country, _, continent)| (country, continent)),
        ),
    ]
}

/// Symbols and atomic numbers.
pub fn chemistry() -> Vec<Relation> {
    let numbers: Vec<String> = (1..=ELEMENTS.len()).map(|number| number.to_string()).collect();
    let numbered: Vec<_> = ELEMENTS.iter().zip(&numbers).map(|(e, number)| (e.0, number.as_str())).collect();
    vec![
        Relation::new(
            &["The symbol of {0} is {1}.", "{0} is written {1}.", "Chemists write {1} for {0}."],
            &[
                "What is the symbol of {0}?",
                "Which symbol stands for {0}?",
                "What do chemists write for {0}?",
                "How is {0} written in a formula?",
            ],
            ELEMENTS.iter().copied(),
        ),
        Relation::new(
            &["{0} is the symbol of {1}.", "{0} stands for {1}.", "The element with the symbol {0} is {1}."],
            &[
                "Which element has the symbol {0}?",
                "What does the symbol {0} stand for?",
                "{0} is the symbol of which element?",
                "Which element do chemists write as {0}?",
            ],
            turned(ELEMENTS),
        ),
        Relation::new(
            &[
                "The atomic number of {0} is {1}.",
                "{0} is element number {1}.",
                "An atom of {0} has {1} protons.",
            ],
            &[
                "What is the atomic number of {0}?",
                "Which atomic number does {0} have?",
                "How many protons has an atom of {0}?",
                "What number has the element {0}?",
            ],
            numbered.clone(),
        ),
        Relation::new(
            &["Element number {0} is {1}.", "{0} is the atomic number of {1}.", "{0} protons make {1}."],
            &[
                "Which element has the atomic number {0}?",
                "What is element number {0}?",
                "{0} is the atomic number of which element?",
                "The atoms of which element have {0} protons?",
            ],
            turned(&numbered),
        ),
    ]
}

/// Classes, young and homes of animals.
pub fn zoology() -> Vec<Relation> {
    vec![
        Relation::new(
            &["The {0} is a kind of {1}.", "Every {0} belongs to the {1} class.", "Class of the {0}: {1}."],
            &[
                "What kind of animal is the {0}?",
                "To which class of animals does the {0} belong?",
                "The {0} is what kind of animal?",
                "How do biologists class the {0}?",
            ],
            ANIMALS.iter().copied(),
        ),
        Relation::new(
            &["A young {0} is called {1}.", "The young of the {0} is the {1}.", "Young {0}: {1}."],
            &[
                "What is a young {0} called?",
                "What is the name of a young {0}?",
                "How do we call the young of the {0}?",
                "Which word means a young {0}?",
            ],
            YOUNG.iter().copied(),
        ),
        Relation::new(
            &["A {0} grows up to be a {1}.", "The {0} is a young {1}.", "Parent of the {0}: {1}."],
            &[
                "What does a {0} grow up to be?",
                "Which animal has a {0} as its young?",
                "A {0} is the young of which animal?",
                "Of which animal is the {0} the young?",
            ],
            turned(YOUNG),
        ),
        Relation::new(
            &["The home of a {0} is its {1}.", "A {0} lives in a {1}.", "Home of the {0}: {1}."],
            &[
                "What is the home of a {0} called?",
                "Where does a {0} live?",
                "In what does a {0} live?",
                "Which of these is the home of a {0}?",
            ],
            HOMES.iter().copied(),
        ),
    ]
}

/// Opposites, past tenses and plurals.
pub fn english() -> Vec<Relation> {
    let both: Vec<_> = OPPOSITES.iter().copied().chain(turned(OPPOSITES)).collect();
    vec![
        Relation::new(
            &["The opposite of {0} is {1}.", "What is not {0} is {1}.", "{0} and {1} are opposites."],
            &[
                "What is the opposite of {0}?",
                "Which word is the opposite of {0}?",
                "Which word means the contrary of {0}?",
                "{0} is the opposite of which word?",
            ],
            both,
        ),
        Relation::new(
            &["The past tense of {0} is {1}.", "Today I {0}, yesterday I {1}.", "I {0} now, I {1} before."],
            &[
                "What is the past tense of {0}?",
                "Which word is the past tense of {0}?",
                "Today I {0}. What did I do yesterday?",
                "How does {0} read in the past tense?",
            ],
            PAST.iter().copied(),
        ),
        Relation::new(
            &["The plural of {0} is {1}.", "One {0}, two {1}.", "Here is one {0}, there are many {1}."],
            &[
                "What is the plural of {0}?",
                "Which word is the plural of {0}?",
                "Here is one {0}. What are two of them called?",
                "How does the plural of {0} read?",
            ],
            PLURALS.iter().copied(),
        ),
    ]
}

/// Days and months before and after others, and the lengths of months.
pub fn calendar() -> Vec<Relation> {
    const STEPS: [&[&str]; 2] = [
        &["{1} comes {0}.", "{0} comes {1}.", "If you wait, {0} is {1}."],
        &["{1} comes {0}.", "{0} came {1}.", "If you look back, {0} was {1}."],
    ];
    let steps = |names: &[&str], unit: &str, word: &str, forward: bool, phrasings| {
        let n = names.len();
        let fact = |from: usize, by: usize| {
            let to = if forward { from + by } else { from + n - by } % n;
            let units = if by == 1 { unit.to_owned() } else { format!("{unit}s") };
            (format!("{} {units} {word} {}", NUMBERS[by], names[from]), names[to].to_owned())
        };
        let facts = (0..n).flat_map(|from| (1..=4).map(move |by| (from, by))).map(|(f, by)| fact(f, by));
        Relation { statements: STEPS[usize::from(!forward)], phrasings, facts: facts.collect() }
    };
    let months = MONTHS.map(|(month, _)| month);
    let lengths = MONTHS.map(|(_, days)| days.to_string());
    let of_days = &["Which day is {0}?", "What day comes {0}?", "{0} is which day?", "Name the day {0}."];
    let of_months =
        &["Which month is {0}?", "What month comes {0}?", "{0} is which month?", "Name the month {0}."];
    vec![
        steps(&DAYS, "day", "after", true, of_days),
        steps(&DAYS, "day", "before", false, of_days),
        steps(&months, "month", "after", true, of_months),
        steps(&months, "month", "before", false, of_months),
        Relation::new(
            &["{0} has {1} days.", "There are {1} days in {0}.", "Days of {0}: {1}."],
            &[
                "How many days has {0}?",
                "How many days are there in {0}?",
                "What is the number of days in {0}?",
                "{0} lasts for how many days?",
            ],
            months.into_iter().zip(lengths.iter().map(String::as_str)),
        ),
    ]
}
