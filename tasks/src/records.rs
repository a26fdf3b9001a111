//! `records.parquet`: one row per example of an evaluation, the columns those of [`Record`].
//!
//! Column after column, Zstandard-compressed, without Arrow. Equal records give equal bytes. Text columns compress well
//! although prompts repeat their solved examples: these lie within one window of the compressor.

use bytes::Bytes;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::{ListAccessor, Row, RowAccessor};
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;
use tacq_protocol::artifact::Record;

/// The columns, in the order of [`Record`]'s fields; [`column()`] fills them by their place.
const SCHEMA: &str = "message record {
    required int64 index (INTEGER(64,false));
    required binary id (STRING);
    required binary group (STRING);
    required binary prompt_hash (STRING);
    required binary prompt (STRING);
    required binary output (STRING);
    required binary prediction (STRING);
    required binary gold (STRING);
    optional boolean correct;
    required double value;
    required group logprobs (LIST) { repeated group list { required double element; } }
    required int64 n_tokens (INTEGER(64,false));
    required binary note (STRING);
}";

/// Records that cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[error("cannot encode records.parquet: {0}")]
pub struct RecordsError(#[from] ParquetError);

/// The file's bytes.
///
/// # Errors
/// A column is too large for the format: more than 2 GiB in one value.
pub fn write(records: &[Record]) -> Result<Vec<u8>, RecordsError> {
    let properties = WriterProperties::builder()
        // The default names the version of the library, and equal records must give equal bytes.
        .set_created_by("tacq-sweep".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut rows = file.next_row_group()?;
    let mut place = 0;
    while let Some(mut writer) = rows.next_column()? {
        column(place, records, writer.untyped())?;
        writer.close()?;
        place += 1;
    }
    rows.close()?;
    Ok(file.into_inner()?)
}

/// The records of a file that [`write()`] made.
///
/// # Errors
/// The bytes are no such file.
pub fn read(bytes: Vec<u8>) -> Result<Vec<Record>, RecordsError> {
    let reader = SerializedFileReader::new(Bytes::from(bytes))?;
    reader.get_row_iter(None)?.map(|row| Ok(record(&row?)?)).collect()
}

fn record(row: &Row) -> Result<Record, ParquetError> {
    let text = |place| row.get_string(place).cloned();
    let list = row.get_list(10)?;
    Ok(Record {
        index: row.get_ulong(0)?,
        id: text(1)?,
        group: text(2)?,
        prompt_hash: text(3)?,
        prompt: text(4)?,
        output: text(5)?,
        prediction: text(6)?,
        gold: text(7)?,
        // The accessor fails on what is absent.
        correct: row.get_bool(8).ok(),
        value: row.get_double(9)?,
        logprobs: (0..list.len()).map(|i| list.get_double(i)).collect::<Result<_, _>>()?,
        n_tokens: row.get_ulong(11)?,
        note: text(12)?,
    })
}

/// Writes one column of all records.
fn column(place: usize, records: &[Record], writer: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
    match place {
        0 => integers(records, writer, |r| r.index),
        1 => texts(records, writer, |r| &r.id),
        2 => texts(records, writer, |r| &r.group),
        3 => texts(records, writer, |r| &r.prompt_hash),
        4 => texts(records, writer, |r| &r.prompt),
        5 => texts(records, writer, |r| &r.output),
        6 => texts(records, writer, |r| &r.prediction),
        7 => texts(records, writer, |r| &r.gold),
        8 => {
            let levels: Vec<i16> = records.iter().map(|r| i16::from(r.correct.is_some())).collect();
            let values: Vec<bool> = records.iter().filter_map(|r| r.correct).collect();
            let ColumnWriter::BoolColumnWriter(writer) = writer else { return Err(mismatch(place)) };
            writer.write_batch(&values, Some(&levels), None).map(drop)
        }
        9 => {
            let values: Vec<f64> = records.iter().map(|r| r.value).collect();
            let ColumnWriter::DoubleColumnWriter(writer) = writer else { return Err(mismatch(place)) };
            writer.write_batch(&values, None, None).map(drop)
        }
        10 => lists(records, writer, place),
        11 => integers(records, writer, |r| r.n_tokens),
        12 => texts(records, writer, |r| &r.note),
        _ => Err(mismatch(place)),
    }
}

fn texts<'a>(
    records: &'a [Record],
    writer: &mut ColumnWriter<'_>,
    text: impl Fn(&'a Record) -> &'a String,
) -> Result<(), ParquetError> {
    let values: Vec<ByteArray> = records.iter().map(|r| ByteArray::from(text(r).as_str())).collect();
    let ColumnWriter::ByteArrayColumnWriter(writer) = writer else { return Err(mismatch(1)) };
    writer.write_batch(&values, None, None).map(drop)
}

fn integers(
    records: &[Record],
    writer: &mut ColumnWriter<'_>,
    number: impl Fn(&Record) -> u64,
) -> Result<(), ParquetError> {
    // The format has no unsigned physical type: the bits are what counts.
    let values: Vec<i64> = records.iter().map(|r| number(r).cast_signed()).collect();
    let ColumnWriter::Int64ColumnWriter(writer) = writer else { return Err(mismatch(0)) };
    writer.write_batch(&values, None, None).map(drop)
}

/// Lists as the format flattens them (Dremel): the first element of a record has repetition level 0, its others 1; an
/// empty list is a place with definition level 0 and no value.
fn lists(records: &[Record], writer: &mut ColumnWriter<'_>, place: usize) -> Result<(), ParquetError> {
    let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        if record.logprobs.is_empty() {
            defined.push(0);
            repeated.push(0);
        }
        for (i, &value) in record.logprobs.iter().enumerate() {
            values.push(value);
            defined.push(1);
            repeated.push(i16::from(i > 0));
        }
    }
    let ColumnWriter::DoubleColumnWriter(writer) = writer else { return Err(mismatch(place)) };
    writer.write_batch(&values, Some(&defined), Some(&repeated)).map(drop)
}

fn mismatch(place: usize) -> ParquetError {
    ParquetError::General(format!("column {place} of the schema has another type or is not known"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let first = Record {
            index: 0,
            id: "abstract_algebra/75".into(),
            group: "abstract_algebra".into(),
            prompt_hash: "0123456789abcdef".into(),
            prompt: "Zwei „Fragen“?\n\nA.".into(),
            output: " B".into(),
            prediction: "B".into(),
            gold: "A".into(),
            correct: Some(false),
            value: 0.0,
            logprobs: vec![-1.5, -0.25, f64::NEG_INFINITY],
            n_tokens: u64::MAX,
            note: "note".into(),
        };
        let window = Record { index: 1, value: 2.5, ..Record::default() };
        let last = Record { index: 2, correct: Some(true), logprobs: vec![-0.5], ..first.clone() };
        vec![first, window, last]
    }

    #[test]
    fn every_field_is_a_column_in_its_order() {
        let bytes = write(&records()).unwrap();
        assert_eq!(read(bytes.clone()).unwrap(), records());
        let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
        let schema = reader.metadata().file_metadata().schema();
        let columns: Vec<&str> = schema.get_fields().iter().map(|field| field.name()).collect();
        // Serialized fields come in the order of the struct.
        let json = serde_json::to_string(&records()[0]).unwrap();
        let places: Vec<usize> = columns.iter().map(|c| json.find(&format!("\"{c}\":")).unwrap()).collect();
        assert!(places.is_sorted(), "{columns:?}");
        assert_eq!(columns.len(), serde_json::to_value(&records()[0]).unwrap().as_object().unwrap().len());
        assert!(read(b"PAR1".to_vec()).is_err());
    }

    #[test]
    fn equal_records_are_equal_bytes_and_repeated_prompts_are_small() {
        let prompt: String = (0..400).map(|i| format!("solved example {} ", i * 7919 % 1009)).collect();
        let long: Vec<Record> = (0..500)
            .map(|index| Record { index, prompt: format!("{prompt}{index}"), ..Record::default() })
            .collect();
        let bytes = write(&long).unwrap();
        assert_eq!(bytes, write(&long).unwrap());
        let text: usize = long.iter().map(|r| r.prompt.len()).sum();
        assert!(bytes.len() * 50 < text, "{} of {text}", bytes.len());
        assert!(write(&[]).unwrap().starts_with(b"PAR1"));
    }
}
