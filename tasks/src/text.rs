//! How a text data set's file becomes the one string that is tokenized.

use crate::TaskError;
use std::borrow::Cow;
use std::path::Path;
use tacq_protocol::task::TextFormat;

/// Reads a text data set's file as one string.
pub fn read(path: &Path, format: TextFormat) -> Result<String, TaskError> {
    let bytes = std::fs::read(path).map_err(|source| TaskError::Read { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let position = e.utf8_error().valid_up_to();
        TaskError::malformed(path, format!("not a UTF-8 text (byte {position} is not valid)"))
    })?;
    Ok(match joined(&text, format) {
        Cow::Borrowed(_) => text,
        Cow::Owned(joined) => joined,
    })
}

/// The string that a file's text stands for.
///
/// WikiText as published on the Hugging Face hub has one row a line: a blank line is an empty row, any other row
/// keeps its newline. GPTQ's `datautils.py` joins the rows with two newlines.
fn joined(text: &str, format: TextFormat) -> Cow<'_, str> {
    match format {
        TextFormat::Plain => Cow::Borrowed(text),
        _ => {
            let row = |line: &'_ str| if line.trim().is_empty() { String::new() } else { line.to_owned() };
            Cow::Owned(text.split_inclusive('\n').map(row).collect::<Vec<_>>().join("\n\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wikitext_rows_are_joined_as_gptq_does() {
        let file = " \n = Title = \n \n Text . \n";
        assert_eq!(joined(file, TextFormat::Wikitext), "\n\n = Title = \n\n\n\n\n Text . \n");
        assert_eq!(joined(file, TextFormat::Plain), file);
    }

    #[test]
    fn a_binary_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.txt");
        std::fs::write(&path, b"ab\xff").unwrap();
        let error = read(&path, TextFormat::Plain).unwrap_err().to_string();
        assert!(error.ends_with("t.txt: not a UTF-8 text (byte 2 is not valid)"), "{error}");
    }
}
