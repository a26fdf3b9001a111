use super::*;
use rand_mt::Mt;
use serde_json::json;

fn gsm8k() -> Judge {
    Judge::new(&serde_json::from_value(json!({"kind": "gsm8k", "few_shot": 8})).unwrap(), None, &[]).unwrap()
}

fn custom(answer: serde_json::Value) -> Judge {
    let params = json!({"kind": "custom", "prompt": "", "completion": "", "few_shot": 0, "separator": "", "chat": false});
    let answer: AnswerParams = serde_json::from_value(answer).unwrap();
    Judge::new(&serde_json::from_value(params).unwrap(), Some(&answer), &[]).unwrap()
}

fn wanted(gold: &str) -> Example {
    Example { gold: gold.to_owned(), ..Example::default() }
}

/// Outputs and the answers that the reference's `clean_answer` finds in them.
const NUMBERS: [(&str, &str); 24] = [
    ("The answer is 5.", "5"),
    (" THE ANSWER IS 5", "5"),
    ("the answer is $1,234.50 in all", "1234.50"),
    ("The answer is 7.\n\nQ: And now? A: The answer is 8.", "7"),
    ("It is 3 + 4 = 7. So it is 7 apples.", "7"),
    ("3 apples and 4.", "4"),
    ("The answer is -12", "-12"),
    ("The answer is 10-3", "10"),
    ("range 5-7", "-7"),
    ("The answer is unclear. 12 of them", "12"),
    ("12 or so. The answer is unclear", "[invalid]"),
    ("The answer is the answer is 5", "[invalid]"),
    ("12", "12"),
    ("", "[invalid]"),
    ("none", "[invalid]"),
    ("The answer is 3.14159.", "3.14159"),
    ("The answer is 1.2.3", "1.2"),
    ("The answer is .5", "5"),
    ("The answer is 1,2,3", "123"),
    ("The answer is ٣٤ .", "٣٤"),
    ("The answer is １２", "１２"),
    ("The answer is x² = 4", "4"),
    ("The answer  is 5 or 6", "6"),
    ("The answer is --5", "-5"),
];

#[test]
fn gsm8k_numbers_are_those_of_the_reference() {
    for (output, expected) in NUMBERS {
        let verdict = gsm8k().judge(&wanted("5"), output).unwrap();
        assert_eq!(verdict.prediction, expected, "{output:?}");
        assert_eq!(verdict.correct, expected == "5", "{output:?}");
        assert_eq!(verdict.note.is_empty(), expected != "[invalid]", "{output:?}");
    }
}

#[test]
fn gsm8k_compares_texts_not_values() {
    assert!(!gsm8k().judge(&wanted("5"), "The answer is 5.0").unwrap().correct);
    assert!(gsm8k().judge(&wanted("1004"), "The answer is 1,004").unwrap().correct);
}

#[test]
fn gsm8k_ends_when_the_number_is_whole() {
    for (output, is_final) in [
        ("The answer is 5", false),
        ("The answer is 5.", false),
        ("The answer is 5,", false),
        ("The answer is 5.,", false),
        ("The answer is 5.0", false),
        ("The answer is 5\u{fffd}", false),
        ("The answer is 5.\n", true),
        ("The answer is 5 ", true),
        ("The answer is 5.0.", true),
        ("The answer is 5-", true),
        ("The answer is - ", false),
        ("The answer is", false),
        ("So 5 it is.\n\n", false),
        ("The answer is x. The answer i", false),
        ("The answer is x. The answer is", true),
        ("The answer is the answer is ", true),
    ] {
        assert_eq!(gsm8k().is_final(output), is_final, "{output:?}");
    }
}

/// Whatever may matter, in pieces that a tokenizer could give.
const PIECES: [&str; 22] = [
    "the answer is",
    "The answer is",
    "the answer",
    " is",
    " ",
    "1",
    "23",
    ".",
    ",",
    "-",
    "\n",
    "x",
    "the ",
    "４",
    "٣",
    "Σ",
    "İ",
    "\u{fffd}",
    "$",
    "a",
    "K",
    "\n\nQ: ",
];

fn text(random: &mut Mt, longest: u32) -> String {
    let n = random.next_u32() % (longest + 1);
    (0..n).map(|_| PIECES[(random.next_u32() % PIECES.len() as u32) as usize]).collect()
}

/// Checks for random texts that once a verdict is final, no continuation changes it. How many were final.
fn final_verdicts_stay(judge: &Judge, gold: &str) -> usize {
    let mut random = Mt::new(7);
    let mut n_final = 0;
    for _ in 0..4000 {
        let output = text(&mut random, 12);
        if !judge.is_final(&output) {
            continue;
        }
        n_final += 1;
        let verdict = judge.judge(&wanted(gold), &output).unwrap();
        // What is not yet decoded may become another character.
        let settled = output.trim_end_matches('\u{fffd}');
        for _ in 0..40 {
            let longer = format!("{settled}{}", text(&mut random, 12));
            assert_eq!(
                judge.judge(&wanted(gold), &longer).unwrap(),
                verdict,
                "{output:?} and then {longer:?}"
            );
        }
    }
    n_final
}

#[test]
fn no_continuation_changes_a_final_verdict() {
    assert!(final_verdicts_stay(&gsm8k(), "1") > 500);
    let stops = json!({"stop": ["\n\nQ: ", "x", "\nx", "1\n", "the answer is"]});
    assert!(final_verdicts_stay(&custom(stops), "1") > 500);
}

#[test]
fn custom_answers_are_the_text_up_to_the_first_stop() {
    let judge = custom(json!({"stop": ["\n", "END", ""]}));
    assert_eq!(judge.cut("Paris END\n"), "Paris ");
    assert!(judge.judge(&wanted("Paris"), " Paris \nLondon").unwrap().correct);
    assert!(!judge.judge(&wanted("paris"), "Paris").unwrap().correct);
    assert!(custom(json!({"ignore_case": true})).judge(&wanted("paris"), "Paris").unwrap().correct);
}

#[test]
fn custom_patterns_find_the_last_match() {
    let judge = custom(json!({"extract": "answer: (\\w+)|\\d+"}));
    let found = |output: &str, gold: &str| judge.judge(&wanted(gold), output).unwrap();
    assert_eq!(found("answer: a. answer: b.", "b").prediction, "b");
    assert_eq!(found("answer: a, 17", "17").prediction, "17");
    assert!(found("answer: a", "the answer: a").correct, "the pattern applies to the gold answer too");
    assert!(found("answer: a", "a").correct, "a gold answer without a match is taken whole");
    let none = found("neither", "neither");
    assert_eq!((none.correct, none.prediction.as_str()), (false, ""));
    assert_eq!(none.note, "no match of the pattern");
}

#[test]
fn a_wrong_pattern_is_told() {
    let params = json!({"kind": "mmlu", "split": "all", "few_shot": 0});
    let answer = AnswerParams { extract: Some("(".to_owned()), ..AnswerParams::default() };
    let error =
        Judge::new(&serde_json::from_value(params).unwrap(), Some(&answer), &[]).unwrap_err().to_string();
    assert!(error.starts_with("`extract: (` is not a regular expression: "), "{error}");
}

/// A judge of Spider with one database, `d`, that has a table `t` with the numbers 1 and 2 in `a`.
fn spider() -> (tempfile::TempDir, Judge) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)").unwrap();
    let databases = [DataFile { name: "d.sqlite".to_owned(), path }];
    let params = serde_json::from_value(json!({"kind": "spider"})).unwrap();
    let judge = Judge::new(&params, None, &databases).unwrap();
    (folder, judge)
}

#[test]
fn spider_executes_the_first_statement() {
    let (_folder, judge) = spider();
    let example = Example { group: "d".to_owned(), ..wanted("SELECT count(*) FROM t") };
    let output = " SELECT max(a)\nFROM t; SELECT 7;";
    assert_eq!(judge.cut(output), " SELECT max(a)\nFROM t;");
    let verdict = judge.judge(&example, output).unwrap();
    assert_eq!((verdict.prediction.as_str(), verdict.correct), ("SELECT max(a) FROM t;", true));
    let verdict = judge.judge(&example, "SELECT b FROM t").unwrap();
    assert!(!verdict.correct && verdict.note.contains("no such column: b"), "{verdict:?}");
    assert_eq!([output, "SELECT 1", ";", "a\u{fffd}"].map(|o| judge.is_final(o)), [true, false, true, false]);
}

#[test]
fn spider_needs_the_database() {
    let (_folder, judge) = spider();
    let example = Example { group: "e".to_owned(), ..wanted("SELECT 1") };
    assert!(!judge.can_judge(&example));
    assert!(judge.can_judge(&Example { group: "d".to_owned(), ..example.clone() }));
    let error = judge.judge(&example, "SELECT 1").unwrap_err().to_string();
    assert!(error.starts_with("there is no e.sqlite among the 1 databases"), "{error}");
}

#[test]
fn a_choice_is_right_if_it_is_the_gold_one() {
    let choices = [" A", " B"].map(str::to_owned).to_vec();
    let example = Example { choices, ..wanted("B") };
    let wrong = Verdict::of_choice(&example, 0);
    assert_eq!((wrong.prediction.as_str(), wrong.gold.as_str(), wrong.correct), ("A", "B", false));
    assert!(Verdict::of_choice(&example, 1).correct);
}
