//! What happens to the text of a query before it is executed.

use super::lexer::tokens;
use std::borrow::Cow;

/// The query in a model's output as the reference takes it (`Spider_eval.py`): all before the first semicolon,
/// stripped, newlines to spaces, and a semicolon.
pub fn first_statement(output: &str) -> String {
    let query = output.split(';').next().unwrap_or_default();
    format!("{};", strip(query).replace('\n', " "))
}

/// A prediction as `evaluation.py` executes it. Its files have a query a line with tabs between columns, so that a
/// query ends at a tab, and it fills in placeholders called `value`, be they that or not.
pub(super) fn prediction(query: &str) -> String {
    let query = strip(query).split('\t').next().unwrap_or_default();
    executed(&query.replace("value", "1"))
}

/// A gold query as `evaluation.py` executes it.
pub(super) fn gold(query: &str) -> String {
    executed(strip(query))
}

/// Whether the order of a result's rows counts, by the gold query as executed.
pub(super) fn orders_rows(gold: &str) -> bool {
    gold.to_lowercase().contains("order by")
}

/// Operators without spaces in them, the first statement, without DISTINCT, in the year 2020.
fn executed(query: &str) -> String {
    let query = query.replace("> =", ">=").replace("< =", "<=").replace("! =", "!=");
    in_2020(&without_distinct(&query)).into_owned()
}

/// Python's `str.strip`.
fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// The first statement without the word DISTINCT, even where it is a name, but not within quotes and comments.
fn without_distinct(query: &str) -> String {
    let mut ended = false;
    let first = tokens(query).take_while(|token| {
        let belongs = !ended || ends_no_line(token);
        ended |= *token == ";";
        belongs
    });
    first.filter(|token| !token.eq_ignore_ascii_case("distinct")).collect()
}

/// What `sqlparse` leaves with the statement that it follows: spaces and comments in the same line. SQLite may see
/// more in them than that, and Python then more than one statement.
fn ends_no_line(token: &str) -> bool {
    token.starts_with("--")
        || token.starts_with("# ")
        || token.chars().all(|c| is_space(c) && !"\r\n".contains(c))
}

/// MySQL's `YEAR(CURDATE())`, which some of the gold queries have, is the year 2020.
fn in_2020(query: &str) -> Cow<'_, str> {
    let mut result = String::new();
    let mut copied = 0;
    // ASCII only, so that positions are the query's.
    let lower = query.to_ascii_lowercase();
    for (start, _) in lower.match_indices("year") {
        if start < copied {
            continue;
        }
        if let Some(length) = length_of_words(&lower[start..], &["year", "(", "curdate", "(", ")", ")"]) {
            result.push_str(&query[copied..start]);
            result.push_str("2020");
            copied = start + length;
        }
    }
    if copied == 0 { Cow::Borrowed(query) } else { Cow::Owned(result + &query[copied..]) }
}

/// The length of these words with any space after each, if the text begins with them.
fn length_of_words(text: &str, words: &[&str]) -> Option<usize> {
    let rest = words
        .iter()
        .try_fold(text, |rest, word| Some(rest.strip_prefix(word)?.trim_start_matches(is_space)))?;
    Some(text.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &str) {
        assert_eq!(gold(query), expected);
    }

    #[test]
    fn the_first_statement_is_taken_as_the_reference_does() {
        assert_eq!(first_statement(" SELECT a\nFROM b ; SELECT c"), "SELECT a FROM b;");
        assert_eq!(first_statement("SELECT a"), "SELECT a;");
        assert_eq!(first_statement("SELECT ';'"), "SELECT ';");
        assert_eq!(first_statement("\n\u{1f} ; x"), ";");
        assert_eq!(first_statement(""), ";");
    }

    #[test]
    fn distinct_is_dropped_as_a_word_only() {
        check("SELECT DISTINCT a FROM t", "SELECT  a FROM t");
        check("SELECT count(distinct a), Distinct(b)", "SELECT count( a), (b)");
        check("SELECT distinctly, t.distinct, `distinct`", "SELECT distinctly, t., `distinct`");
        check("SELECT 'a distinct b', \"distinct\"", "SELECT 'a distinct b', \"distinct\"");
        check("SELECT a -- distinct\n, distinct b", "SELECT a -- distinct\n,  b");
        check("SELECT /* distinct */ [distinct] x[distinct]", "SELECT /* distinct */ [distinct] x[]");
    }

    #[test]
    fn quotes_end_where_sqlparse_ends_them() {
        check(r"SELECT 'it''s distinct' distinct", r"SELECT 'it''s distinct' ");
        check(r"SELECT 'a\' distinct' distinct", r"SELECT 'a\' distinct' ");
        check(r"SELECT 'a\' distinct b", r"SELECT 'a\'  b");
        check(r"SELECT 'a'' distinct b", r"SELECT 'a''  b");
        check("SELECT 'open distinct", "SELECT 'open ");
        check("SELECT /* open distinct", "SELECT /* open ");
        check("SELECT 1 ||-- 'distinct\n'", "SELECT 1 ||-- 'distinct\n'");
        check("SELECT 1 -- 'distinct\n , distinct 'x'", "SELECT 1 -- 'distinct\n ,  'x'");
    }

    #[test]
    fn what_follows_a_semicolon_is_dropped_unless_it_is_quoted() {
        check("SELECT 1; SELECT 2", "SELECT 1; ");
        check("SELECT 1;\n-- 2", "SELECT 1;");
        check("SELECT ';' -- ;\n; DROP TABLE t", "SELECT ';' -- ;\n; ");
        check("  ; SELECT 1", "; ");
        check("SELECT 1; # it's\n 2", "SELECT 1; # it's\n ");
    }

    #[test]
    fn operators_and_the_year_are_written_for_sqlite() {
        check("SELECT a > = 1, b ! = 2, c < =3", "SELECT a >= 1, b != 2, c <=3");
        check("SELECT YEAR(CURDATE()) - x, year ( curdate ( ) ) ", "SELECT 2020- x, 2020");
        check("SELECT myyear(curdate()), year(x)", "SELECT my2020, year(x)");
    }

    #[test]
    fn predictions_pass_through_the_original_s_files() {
        assert_eq!(prediction(" SELECT values_ FROM t\tWHERE 1 "), "SELECT 1s_ FROM t");
        assert_eq!(gold("SELECT value FROM t"), "SELECT value FROM t");
    }

    #[test]
    fn order_counts_where_the_gold_query_says_so() {
        assert!(orders_rows("SELECT a FROM t Order By b"));
        assert!(!orders_rows("SELECT a FROM t order  by b"), "the original looks for one space");
    }
}
