//! Where the tokens of a query end for Python's `sqlparse`, through which the original drops DISTINCT.
//!
//! Of its rules only those are here that decide whether a word or a semicolon stands by itself: comments, quotes,
//! words, and the runs of operators in which it overlooks the start of a comment. It reads quotes differently from
//! SQLite: a backslash before a quote escapes it, where the quote is closed later.

/// The tokens of a query, in order and without gaps.
pub(super) fn tokens(sql: &str) -> impl Iterator<Item = &str> {
    let mut position = 0;
    // Looked for once: text full of comments that are opened and never closed is read in one pass, too.
    let last_close = sql.rfind("*/").unwrap_or(0);
    std::iter::from_fn(move || {
        let start = position;
        position = end_of_token(sql, start, last_close)?;
        Some(&sql[start..position])
    })
}

/// Where the token that begins at a position ends; nothing at the end of the text.
fn end_of_token(sql: &str, start: usize, last_close: usize) -> Option<usize> {
    let rest = &sql[start..];
    let first = rest.chars().next()?;
    let single = start + first.len_utf8();
    let before = sql[..start].chars().next_back();
    let end = match first {
        '/' if rest.starts_with("/*") && start < last_close => match end_of_comment(rest) {
            Some(length) => start + length,
            None => start + length_of(rest, is_operator),
        },
        '-' if rest.starts_with("--") => start + length_of_line(rest),
        '#' if rest.starts_with("# ") => start + length_of_line(rest),
        '\'' | '"' | '`' | '´' => end_of_quoted(sql, start, first).unwrap_or(single),
        '[' if !before.is_some_and(|c| is_word(c) || "])".contains(c)) => {
            end_of_bracketed(rest).map_or(single, |length| start + length)
        }
        c if is_letter(c) && (before == Some('.') || is_name(rest)) => start + length_of(rest, is_word),
        c if is_word(c) => start + length_of(rest, |c| is_word(c) || "$#".contains(c)),
        // A minus is a token by itself, but not within a run.
        c if c != '-' && is_operator(c) => start + length_of(rest, is_operator),
        _ => single,
    };
    Some(end)
}

fn length_of(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// Up to and with the end of the line.
fn length_of_line(text: &str) -> usize {
    text.find(['\r', '\n']).map_or(text.len(), |end| end + 1)
}

/// A word that is taken as a name, whatever it is, because of what follows: a member access, or an argument list.
fn is_name(text: &str) -> bool {
    let rest = &text[length_of(text, is_word)..];
    let member = rest.trim_start().strip_prefix('.');
    rest.starts_with('(') || member.is_some_and(|member| !member.starts_with(|c: char| c.is_ascii_digit()))
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || ('À'..='Ü').contains(&c) || ('à'..='ü').contains(&c)
}

fn is_operator(c: char) -> bool {
    "+/@#%^&|-".contains(c)
}

/// The length of `/* … */`; nothing if it is not closed, which makes it no comment.
fn end_of_comment(text: &str) -> Option<usize> {
    let opening = if text.starts_with("/*+") { 3 } else { 2 };
    text[opening..].find("*/").map(|inner| opening + inner + 2)
}

/// The length of `[…]` without brackets inside.
fn end_of_bracketed(text: &str) -> Option<usize> {
    let inner = length_of(&text[1..], |c| !"[]".contains(c));
    (inner > 0 && text[1 + inner..].starts_with(']')).then_some(inner + 2)
}

/// The end of a quoted text: a quote is doubled, or escaped by a backslash in `'` and `"`. As a regular expression
/// does, takes back the last doubled or escaped quote when no closing one follows.
fn end_of_quoted(sql: &str, start: usize, quote: char) -> Option<usize> {
    let escapes = matches!(quote, '\'' | '"');
    let width = quote.len_utf8();
    let is_quote = |at: usize| sql[at..].starts_with(quote);
    let mut taken_back = Vec::new();
    let mut at = start + width;
    loop {
        let Some(c) = sql[at..].chars().next() else {
            // The end: what was taken as two is one and what follows.
            at = taken_back.pop()?;
            if is_quote(at) {
                return Some(at + width);
            }
            at += 1;
            continue;
        };
        if c == quote && !is_quote(at + width) {
            return Some(at + width);
        }
        let escaped = escapes && c == '\\' && is_quote(at + 1);
        if c == quote || escaped {
            taken_back.push(at);
            at += width;
        }
        at += c.len_utf8();
    }
}
