//! Rows as Polars frames, frames as CSV and Parquet. The only module that names Polars.

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

/// The rows, in the order given.
pub fn results(rows: &[Row]) -> PolarsResult<DataFrame> {
    let columns = columns!(rows;
        experiment: |r| r.experiment.as_str(),
        model: |r| r.model.as_str(),
        condition_on: |r| r.condition_on.as_deref(),
        method: |r| r.method.as_str(),
        saliency: |r| r.saliency.as_deref(),
        bits: |r| r.bits,
        group_size: |r| r.group_size,
        outlier_ratio: Row::outlier_ratio_value,
        variant: |r| r.variant.as_deref(),
        avg_bits: |r| r.avg_bits,
        bytes_on_disk: |r| r.bytes_on_disk,
        task: |r| r.task.as_str(),
        metric: |r| r.metric.as_str(),
        value: |r| r.value,
        n_examples: |r| r.n_examples,
        seed: |r| r.seed,
        stage_key_evaluate: |r| r.stage_key_evaluate.as_str(),
        stage_key_checkpoint: |r| r.stage_key_checkpoint.as_deref(),
    );
    DataFrame::new(rows.len(), columns)
}

/// The groups, in the order given.
pub fn summary(groups: &[Group]) -> PolarsResult<DataFrame> {
    let columns = columns!(groups;
        experiment: |g| g.experiment.as_str(),
        model: |g| g.model.as_str(),
        condition_on: |g| g.condition_on.as_deref(),
        method: |g| g.method.as_str(),
        saliency: |g| g.saliency.as_deref(),
        bits: |g| g.bits,
        group_size: |g| g.group_size,
        outlier_ratio: |g| g.outlier_ratio.as_deref().and_then(|text| text.parse::<f64>().ok()),
        variant: |g| g.variant.as_deref(),
        avg_bits: |g| g.avg_bits,
        bytes_on_disk: |g| g.bytes_on_disk,
        task: |g| g.task.as_str(),
        metric: |g| g.metric.as_str(),
        n: |g| g.n,
        mean: |g| g.mean,
        sd: |g| g.sd,
    );
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
