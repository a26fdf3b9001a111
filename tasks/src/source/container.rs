//! What a file is packed in, and its text.

use crate::TaskError;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// What a file is packed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// Text as it is.
    Text,
    /// Text compressed by gzip.
    Gzip,
    /// A table of Apache Parquet.
    Parquet,
}

/// Looks at a file's first bytes.
pub fn container(path: &Path) -> Result<Container, TaskError> {
    let mut start = Vec::new();
    open(path)?.take(4).read_to_end(&mut start).map_err(|e| TaskError::read(path, e))?;
    Ok(match start.as_slice() {
        [0x1f, 0x8b, ..] => Container::Gzip,
        b"PAR1" => Container::Parquet,
        _ => Container::Text,
    })
}

fn open(path: &Path) -> Result<BufReader<File>, TaskError> {
    Ok(BufReader::with_capacity(1 << 16, File::open(path).map_err(|e| TaskError::read(path, e))?))
}

/// A text file's bytes, unpacked. A table is an error: it has rows, not a text.
fn unpacked(path: &Path) -> Result<Box<dyn BufRead>, TaskError> {
    match container(path)? {
        Container::Text => Ok(Box::new(open(path)?)),
        // Shards of C4 consist of many gzip members.
        Container::Gzip => Ok(Box::new(BufReader::new(MultiGzDecoder::new(open(path)?)))),
        Container::Parquet => {
            Err(TaskError::malformed(path, "a Parquet table, where a text file is expected"))
        }
    }
}

/// The whole text of a file, unpacked.
pub fn read_text(path: &Path) -> Result<String, TaskError> {
    let mut bytes = Vec::new();
    unpacked(path)?.read_to_end(&mut bytes).map_err(|e| TaskError::read(path, e))?;
    String::from_utf8(bytes).map_err(|e| {
        let position = e.utf8_error().valid_up_to();
        TaskError::malformed(path, format!("not a UTF-8 text (byte {position} is not valid)"))
    })
}

/// Whether the first byte of a text file that is no white space is this one.
pub fn starts_with(path: &Path, byte: u8) -> Result<bool, TaskError> {
    let mut rest = unpacked(path)?.bytes().skip_while(|b| b.as_ref().is_ok_and(u8::is_ascii_whitespace));
    let first = rest.next().transpose().map_err(|e| TaskError::read(path, e))?;
    Ok(first == Some(byte))
}

/// Calls `each` with the number (from 1) and the text of every line, without its end. The file is not held in memory.
pub fn lines(
    path: &Path,
    mut each: impl FnMut(usize, &str) -> Result<(), TaskError>,
) -> Result<(), TaskError> {
    let mut reader = unpacked(path)?;
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(|e| TaskError::read(path, e))? == 0 {
            break;
        }
        let text = std::str::from_utf8(&line)
            .map_err(|_| TaskError::malformed(path, format!("line {number} is not UTF-8")))?;
        each(number, text.trim_end_matches(['\r', '\n']))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_seen_by_its_bytes_and_all_its_members_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard.json");
        std::fs::write(&path, [gzip("one\ntw"), gzip("o\n")].concat()).unwrap();
        assert_eq!(container(&path).unwrap(), Container::Gzip);
        assert_eq!(read_text(&path).unwrap(), "one\ntwo\n");
        let mut seen = Vec::new();
        lines(&path, |number, line| {
            seen.push((number, line.to_owned()));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [(1, "one".to_owned()), (2, "two".to_owned())]);
    }

    #[test]
    fn a_torn_gzip_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard.json.gz");
        let whole = gzip(&"many words ".repeat(1000));
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = read_text(&path).unwrap_err().to_string();
        assert!(error.contains("shard.json.gz: cannot be read"), "{error}");
    }

    #[test]
    fn binary_files_and_tables_are_no_texts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.txt");
        std::fs::write(&path, b"ab\xff").unwrap();
        let error = read_text(&path).unwrap_err().to_string();
        assert!(error.ends_with("t.txt: not a UTF-8 text (byte 2 is not valid)"), "{error}");
        let error = lines(&path, |_, _| Ok(())).unwrap_err().to_string();
        assert!(error.ends_with("t.txt: line 1 is not UTF-8"), "{error}");
        std::fs::write(&path, b"PAR1").unwrap();
        let error = read_text(&path).unwrap_err().to_string();
        assert!(error.ends_with("t.txt: a Parquet table, where a text file is expected"), "{error}");
    }

    #[test]
    fn an_empty_file_is_an_empty_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.txt");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(container(&path).unwrap(), Container::Text);
        assert_eq!(read_text(&path).unwrap(), "");
    }
}
