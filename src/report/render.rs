//! Templates → text.

use super::error::TemplateError;
use crate::fsx;
use crate::spec::TEMPLATE_SUFFIX;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};
use std::path::Path;
use tacq_protocol::artifact::metric;

/// Templates that need no file, by name.
pub const BUILT_IN_TEMPLATES: &[(&str, &str)] = &[
    ("table.md.j2", include_str!("../../templates/table.md.j2")),
    ("matched.md.j2", include_str!("../../templates/matched.md.j2")),
];

/// Renders one template: the name of a built-in one, or a file.
pub fn render(template: &str, context: &Value) -> Result<String, TemplateError> {
    let source = source(template)?;
    let mut environment = environment(Path::new(template).parent());
    environment
        .add_template_owned(template.to_owned(), source)
        .and_then(|()| environment.get_template(template)?.render(context))
        .map_err(|error| describe(template, &error))
}

/// Name of the file that a template makes.
pub fn output_name(template: &str) -> Result<String, TemplateError> {
    let name =
        Path::new(template).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match name.strip_suffix(TEMPLATE_SUFFIX) {
        Some(output) if !output.is_empty() => Ok(output.to_owned()),
        _ => Err(TemplateError {
            template: template.to_owned(),
            line: None,
            message: format!("its name must end in {TEMPLATE_SUFFIX}; what stands before names the result"),
        }),
    }
}

/// The text of a built-in template.
pub(super) fn built_in(name: &str) -> Option<String> {
    BUILT_IN_TEMPLATES.iter().find(|(built_in, _)| *built_in == name).map(|(_, text)| (*text).to_owned())
}

fn source(template: &str) -> Result<String, TemplateError> {
    if let Some(source) = built_in(template) {
        return Ok(source);
    }
    fsx::read_to_string(Path::new(template)).map_err(|error| {
        let message = if error.is_not_found() {
            let names: Vec<&str> = BUILT_IN_TEMPLATES.iter().map(|(name, _)| *name).collect();
            format!(
                "there is no such file and no built-in template of this name (built in: {})",
                names.join(", ")
            )
        } else {
            error.to_string()
        };
        TemplateError { template: template.to_owned(), line: None, message }
    })
}

fn environment(folder: Option<&Path>) -> Environment<'static> {
    let mut environment = Environment::new();
    // A misspelled name is an error, not an empty cell.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Lines that hold only a tag leave no trace, as in Ansible and most generators of text.
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("these options do not conflict"));
    add_filters(&mut environment);
    environment.add_filter("cell", cell);
    // What a template includes or extends lies beside it, or is built in.
    let folder = folder.map(Path::to_owned).unwrap_or_default();
    environment.set_loader(move |name| match built_in(name) {
        Some(source) => Ok(Some(source)),
        None => load(&folder.join(name)),
    });
    environment
}

/// How numbers are written, wherever people read them.
pub fn add_filters(environment: &mut Environment<'_>) {
    environment.add_filter("fixed", fixed);
    environment.add_filter("score", score);
    environment.add_test("share", metric::is_share);
    environment.add_filter("percent", percent);
    environment.add_filter("megabytes", megabytes);
}

fn load(path: &Path) -> Result<Option<String>, Error> {
    match fsx::read_if_exists(path) {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| Error::new(ErrorKind::BadInclude, format!("{} is not UTF-8 text", path.display()))),
        Err(error) => Err(Error::new(ErrorKind::BadInclude, error.to_string())),
    }
}

/// `{{ value | fixed(2) }}`: always so many decimals; a dash for what is absent.
fn fixed(value: &Value, digits: usize) -> Result<String, Error> {
    Ok(number(value)?.map_or_else(|| "–".to_owned(), |number| fixed_text(number, digits)))
}

fn fixed_text(number: f64, digits: usize) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        _ if number.is_infinite() => if number > 0.0 { "∞" } else { "−∞" }.to_owned(),
        _ => format!("{number:.digits$}"),
    }
}

/// `{{ value | score(metric) }}`: a share as percent with one decimal, a perplexity with three; also their deviations
/// and intervals.
fn score(value: &Value, metric: &str) -> Result<String, Error> {
    Ok(number(value)?.map_or_else(|| "–".to_owned(), |number| score_text(number, metric)))
}

/// What [`score`] makes of a number.
pub(super) fn score_text(number: f64, metric: &str) -> String {
    match metric {
        _ if metric::is_share(metric) => fixed_text(number * 100.0, 1),
        metric::PERPLEXITY => fixed_text(number, 3),
        _ => fixed_text(number, 4),
    }
}

/// `{{ ratio | percent }}`: 0.0035 → 0.35 %, without digits that were not written.
fn percent(value: &Value) -> Result<String, Error> {
    let text = match number(value)? {
        None => return Ok("–".to_owned()),
        // Twelve digits are more than a ratio has and fewer than where binary fractions show.
        Some(number) => format!("{:.12}", number * 100.0),
    };
    Ok(format!("{} %", text.trim_end_matches('0').trim_end_matches('.')))
}

/// `{{ bytes | megabytes }}`: in units of 10⁶ bytes with one decimal.
fn megabytes(value: &Value) -> Result<String, Error> {
    Ok(number(value)?.map_or_else(|| "–".to_owned(), megabytes_text))
}

/// Bytes in units of 10⁶ with one decimal, wherever people read sizes of models.
pub fn megabytes_text(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}

/// `{{ name | cell }}`: text that cannot end a Markdown cell; a dash for what is absent.
fn cell(value: &Value) -> String {
    if value.is_none() { "–".to_owned() } else { value.to_string().replace('|', "\\|").replace('\n', " ") }
}

/// A number, or text that is one; nothing of none.
fn number(value: &Value) -> Result<Option<f64>, Error> {
    if value.is_none() {
        return Ok(None);
    }
    let parsed = match value.as_str() {
        Some(text) => text.parse().ok(),
        None => f64::try_from(value.clone()).ok(),
    };
    parsed.map(Some).ok_or_else(|| {
        Error::new(ErrorKind::InvalidOperation, format!("{value} is {}, not a number", value.kind()))
    })
}

/// The template and line nearest to the cause, and what it says.
fn describe(template: &str, error: &Error) -> TemplateError {
    let message = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    // An error inside an included file wraps the one that knows the place.
    let mut inner = error;
    while let Some(source) =
        std::error::Error::source(inner).and_then(|source| source.downcast_ref::<Error>())
    {
        inner = source;
    }
    let cause = if std::ptr::eq(inner, error) { String::new() } else { format!(" ({inner})") };
    TemplateError {
        template: error.name().unwrap_or(template).to_owned(),
        line: error.line(),
        message: format!("{message}{cause}"),
    }
}
