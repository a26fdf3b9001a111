//! Rows of a Parquet table.

use super::record::Record;
use crate::TaskError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs::File;
use std::path::Path;

/// Calls `each` with every row, values as JSON: lists of strings are lists, class labels are numbers.
pub fn each_row(path: &Path, mut each: impl FnMut(Record) -> Result<(), TaskError>) -> Result<(), TaskError> {
    let damaged = |e: parquet::errors::ParquetError| {
        TaskError::malformed(path, format!("not a Parquet table that can be read: {e}"))
    };
    let file = File::open(path).map_err(|e| TaskError::read(path, e))?;
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    for (row, number) in reader.get_row_iter(None).map_err(damaged)?.zip(1..) {
        let columns = row.map_err(damaged)?.into_columns();
        let fields = columns.into_iter().map(|(name, value)| (name, value.to_json_value())).collect();
        each(Record { fields, place: format!("row {number}") })?;
    }
    Ok(())
}

#[cfg(test)]
pub mod testing {
    //! Small tables for tests.

    use parquet::basic::{Compression, ZstdLevel};
    use parquet::column::writer::ColumnWriter;
    use parquet::data_type::ByteArray;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use std::path::Path;
    use std::sync::Arc;

    /// A column of a test's table.
    pub enum Column<'a> {
        /// Strings.
        Texts(&'a [&'a str]),
        /// Numbers.
        Numbers(&'a [i64]),
        /// Lists of strings.
        Lists(&'a [&'a [&'a str]]),
    }

    /// Writes a table, by snappy as the hub's tables are, or by zstd.
    pub fn write(path: &Path, columns: &[(&str, Column<'_>)], zstd: bool) {
        let field = |(name, column): &(&str, Column<'_>)| match column {
            Column::Texts(_) => format!("optional binary {name} (UTF8);"),
            Column::Numbers(_) => format!("optional int64 {name};"),
            Column::Lists(_) => format!(
                "optional group {name} (LIST) {{ repeated group list {{ optional binary element (UTF8); }} }}"
            ),
        };
        let fields: Vec<String> = columns.iter().map(field).collect();
        let schema = parse_message_type(&format!("message t {{ {} }}", fields.join(" "))).unwrap();
        let codec = if zstd { Compression::ZSTD(ZstdLevel::default()) } else { Compression::SNAPPY };
        let properties = WriterProperties::builder().set_compression(codec).build();
        let file = std::fs::File::create(path).unwrap();
        let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let bytes = |texts: &[&str]| texts.iter().map(|t| ByteArray::from(*t)).collect::<Vec<_>>();
        for (_, column) in columns {
            let mut out = group.next_column().unwrap().unwrap();
            match (column, out.untyped()) {
                (Column::Texts(texts), ColumnWriter::ByteArrayColumnWriter(w)) => {
                    w.write_batch(&bytes(texts), Some(&vec![1; texts.len()]), None).unwrap();
                }
                (Column::Numbers(numbers), ColumnWriter::Int64ColumnWriter(w)) => {
                    w.write_batch(numbers, Some(&vec![1; numbers.len()]), None).unwrap();
                }
                (Column::Lists(lists), ColumnWriter::ByteArrayColumnWriter(w)) => {
                    let all = lists.concat();
                    let starts = lists.iter().flat_map(|list| (0..list.len()).map(|i| i16::from(i > 0)));
                    let repetition: Vec<i16> = starts.collect();
                    w.write_batch(&bytes(&all), Some(&vec![3; all.len()]), Some(&repetition)).unwrap();
                }
                _ => unreachable!("the schema says so"),
            }
            out.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{Column, write};
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_records_whatever_the_codec() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        for zstd in [false, true] {
            let choices: &[&[&str]] = &[&["x", "ü"], &["y", "z"]];
            let columns = [
                ("question", Column::Texts(&["one", "two"])),
                ("choices", Column::Lists(choices)),
                ("answer", Column::Numbers(&[1, 0])),
            ];
            write(&path, &columns, zstd);
            let mut rows = Vec::new();
            each_row(&path, |record| {
                rows.push((record.place, serde_json::Value::Object(record.fields)));
                Ok(())
            })
            .unwrap();
            let first = json!({"question": "one", "choices": ["x", "ü"], "answer": 1});
            let second = json!({"question": "two", "choices": ["y", "z"], "answer": 0});
            assert_eq!(rows, [("row 1".to_owned(), first), ("row 2".to_owned(), second)]);
        }
    }

    #[test]
    fn a_torn_table_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        write(&path, &[("text", Column::Texts(&["one"]))], false);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
        let error = each_row(&path, |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("t.parquet: not a Parquet table that can be read: "), "{error}");
    }
}
