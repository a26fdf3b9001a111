use super::*;
use std::collections::BTreeSet;
use template::RESULTS;

const DRAWS: u64 = 20_000;

fn problems() -> Vec<Problem> {
    (0..DRAWS).map(|seed| problem(&mut Random::new(seed))).collect()
}

/// What the annotation's expression comes to.
fn evaluated(expression: &str) -> i64 {
    let (left, right) = expression.split_once(['+', '-', '*', '/']).unwrap();
    let operator = Operator::ALL.into_iter().find(|o| expression.contains(o.sign())).unwrap();
    operator.apply(left.parse().unwrap(), right.parse().unwrap()).unwrap()
}

#[test]
fn calculations_are_right_and_easy() {
    for problem in problems() {
        for step in &problem.steps {
            assert_eq!(step.operator.apply(step.left, step.right), Some(step.result), "{step:?}");
            assert!(RESULTS.contains(&step.result), "{step:?}");
            assert!((1..=400).contains(&step.left) && (1..=400).contains(&step.right), "{step:?}");
        }
        assert_eq!(problem.steps.last().unwrap().result, problem.answer);
    }
}

#[test]
fn published_solutions_have_the_layout_of_gsm8k() {
    for problem in problems() {
        let published = problem.published();
        let (lines, answer) = published.split_once("\n#### ").unwrap();
        assert_eq!(answer, problem.answer.to_string());
        assert_eq!(lines.lines().count(), problem.steps.len());
        for line in lines.lines() {
            let (before, rest) = line.split_once("<<").unwrap();
            let (annotation, after) = rest.split_once(">>").unwrap();
            let (expression, result) = annotation.split_once('=').unwrap();
            assert_eq!(evaluated(expression).to_string(), result, "{line}");
            assert!(after.starts_with(result), "{line}");
            assert!(before.trim_end_matches('$').ends_with(&format!("{expression} = ")), "{line}");
        }
    }
}

#[test]
fn a_solution_reads_the_same_with_and_without_annotations() {
    let step = Step {
        before: "Anna pays ".into(),
        left: 3,
        operator: Operator::Multiply,
        right: 4,
        result: 12,
        money: true,
        after: ".".into(),
    };
    let problem = Problem { question: "How much?".into(), steps: vec![step], answer: 12 };
    assert_eq!(problem.published(), "Anna pays 3*4 = $<<3*4=12>>12.\n#### 12");
    assert_eq!(problem.chain(), "Anna pays 3 * 4 = $12.");
}

#[test]
fn texts_are_clean_and_short() {
    for problem in problems() {
        let (question, chain) = (&problem.question, problem.chain());
        assert!(question.ends_with('?'), "{question}");
        assert!(chain.ends_with('.'), "{chain}");
        assert!(!chain.to_lowercase().contains("answer"), "{chain}");
        assert!(question.split(' ').count() <= 45, "{question}");
        assert!(chain.split(' ').count() <= 30, "{chain}");
        for text in [question, &chain] {
            assert!(text.starts_with(|first: char| first.is_ascii_uppercase()), "{text}");
            assert!(!text.contains("  ") && !text.contains(['[', ']', '{', '}', '|', '<', '>']), "{text}");
        }
    }
}

#[test]
fn every_number_of_the_question_is_used() {
    for problem in problems() {
        for number in problem.question.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty()) {
            let number: i64 = number.parse().unwrap();
            let used = problem.steps.iter().any(|step| step.left == number || step.right == number);
            assert!(used, "{} {}", problem.question, problem.chain());
        }
    }
}

#[test]
fn every_template_has_its_problems() {
    assert!(n_templates() >= 40);
    for template in TEMPLATES.iter().copied().flatten() {
        for question in template.questions {
            assert!(question.ends_with('?'), "{question}");
        }
        let problem = template.problem(&mut Random::new(1));
        assert_eq!(problem.steps.len(), template.steps.len());
    }
}

#[test]
fn problems_rarely_repeat_and_have_one_to_three_steps() {
    let problems = problems();
    let distinct: BTreeSet<&str> = problems.iter().map(|problem| problem.question.as_str()).collect();
    assert!(distinct.len() * 100 > problems.len() * 99, "{} distinct questions", distinct.len());
    for n_steps in 1..=3 {
        let n = problems.iter().filter(|problem| problem.steps.len() == n_steps).count();
        assert!((problems.len() / 5..problems.len() / 2).contains(&n), "{n} problems of {n_steps} steps");
    }
}
