//! Rows as Polars frames, frames as CSV and Parquet.

use super::coordinates::Coordinates;
use super::error::ReportError;
use super::row::Row;
use super::summary::Group;
use polars::prelude::{
    Column, CsvWriter, DataFrame, NamedFrom, ParquetWriter, PolarsResult, SerWriter, Series,
};

/// A frame's columns from a field of each item, in order.
macro_rules! columns {
    ($items:expr; $($name:ident: $value:expr),* $(,)?) => {
        vec![$({
            let values: Vec<_> = $items.iter().map($value).collect();
            Column::from(Series::new(stringify!($name).into(), values))
        }),*]
    };
}

/// The columns of what was quantized how.
fn coordinates<'a>(trials: impl Iterator<Item = &'a Coordinates>) -> Vec<Column> {
    let trials: Vec<&Coordinates> = trials.collect();
    columns!(trials;
        experiment: |t| t.experiment.as_str(),
        model: |t| t.model.as_str(),
        condition_on: |t| t.condition_on.as_deref(),
        method: |t| t.method.as_str(),
        saliency: |t| t.saliency.as_deref(),
        bits: |t| t.bits,
        group_size: |t| t.group_size,
        outlier_ratio: |t| t.outlier_ratio_value(),
        variant: |t| t.variant.as_deref(),
    )
}

/// The rows, in the order given.
pub fn results(rows: &[Row]) -> PolarsResult<DataFrame> {
    let mut columns = coordinates(rows.iter().map(|row| &row.trial));
    columns.extend(columns!(rows;
        avg_bits: |r| r.avg_bits,
        bytes_on_disk: |r| r.bytes_on_disk,
        task: |r| r.task.as_str(),
        metric: |r| r.metric.as_str(),
        value: |r| r.value,
        low: |r| r.low,
        high: |r| r.high,
        n_examples: |r| r.n_examples,
        seed: |r| r.seed,
        stage_key_evaluate: |r| r.stage_key_evaluate.as_str(),
        stage_key_checkpoint: |r| r.stage_key_checkpoint.as_deref(),
    ));
    DataFrame::new(rows.len(), columns)
}

/// The groups, in the order given.
pub fn summary(groups: &[Group]) -> PolarsResult<DataFrame> {
    let mut columns = coordinates(groups.iter().map(|group| &group.trial));
    columns.extend(columns!(groups;
        avg_bits: |g| g.avg_bits,
        bytes_on_disk: |g| g.bytes_on_disk,
        task: |g| g.task.as_str(),
        metric: |g| g.metric.as_str(),
        n: |g| g.n,
        mean: |g| g.mean,
        sd: |g| g.sd,
        low: |g| g.low,
        high: |g| g.high,
    ));
    DataFrame::new(groups.len(), columns)
}

/// CSV with a header; nulls are empty, numbers have the shortest text that reads back as the same number.
pub fn csv(table: &'static str, frame: PolarsResult<DataFrame>) -> Result<Vec<u8>, ReportError> {
    let encode = |mut frame: DataFrame| {
        let mut bytes = Vec::new();
        CsvWriter::new(&mut bytes).include_header(true).finish(&mut frame)?;
        Ok(bytes)
    };
    frame.and_then(encode).map_err(|source| ReportError::Encode { table, source })
}

/// Parquet.
pub fn parquet(table: &'static str, frame: PolarsResult<DataFrame>) -> Result<Vec<u8>, ReportError> {
    let encode = |mut frame: DataFrame| {
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes).set_parallel(false).finish(&mut frame)?;
        Ok(bytes)
    };
    frame.and_then(encode).map_err(|source| ReportError::Encode { table, source })
}
