//! What codes stand for, as a header says it.

use crate::quant::levels::{MixedSpec, TableSpec, TwoLevelSpec};
use crate::quant::{MatrixSpec, Scheme};
use tacq_protocol::stage::Grid;
use tacq_protocol::units::{Bits, GroupSize};

/// A field of the header that is missing or not what it may be.
pub struct BadField {
    /// The field.
    pub key: &'static str,
    /// What it may be.
    pub expected: &'static str,
}

/// The fields that say a scheme.
pub fn to_metadata(scheme: Scheme) -> Vec<(&'static str, String)> {
    let bits = ("bits", scheme.bits().to_string());
    match scheme {
        Scheme::Grids(spec) => {
            let grid = serde_json::to_value(spec.grid).expect("plain data is JSON");
            vec![
                bits,
                ("group_size", spec.group_size.map_or("row".to_owned(), |size| size.to_string())),
                ("grid", grid.as_str().expect("a grid kind is a string").to_owned()),
            ]
        }
        Scheme::TwoLevel(spec) => vec![
            ("levels", "two_level".to_owned()),
            bits,
            ("group_size", spec.group_size.to_string()),
            ("stats_bits", spec.stats_bits.to_string()),
        ],
        Scheme::Mixed(spec) => {
            vec![("levels", "mixed".to_owned()), bits, ("group_size", spec.group_size.to_string())]
        }
        Scheme::Table(_) => vec![("levels", "table".to_owned()), bits],
    }
}

/// The scheme that the fields say.
pub fn from_metadata<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Result<Scheme, BadField> {
    let bits = |key| {
        let parsed = field(key).and_then(|text| Bits::new(text.parse().ok()?).ok());
        parsed.ok_or(BadField { key, expected: Bits::EXPECTED })
    };
    let group_size = |text: &str| GroupSize::new(text.parse().ok()?).ok();
    let fixed_group_size = || {
        let found = field("group_size").and_then(group_size);
        found.ok_or(BadField { key: "group_size", expected: GroupSize::EXPECTED })
    };
    Ok(match field("levels") {
        None => {
            let bits = bits("bits")?;
            let group_size = field("group_size").and_then(|text| match text {
                "row" => Some(None),
                size => group_size(size).map(Some),
            });
            let expected = "`row` or a group size from 1 to 65536";
            let group_size = group_size.ok_or(BadField { key: "group_size", expected })?;
            let grid = field("grid").and_then(|text| serde_json::from_value::<Grid>(text.into()).ok());
            let grid = grid.ok_or(BadField { key: "grid", expected: "`minmax` or `mse`" })?;
            Scheme::Grids(MatrixSpec { bits, group_size, grid })
        }
        Some("two_level") => Scheme::TwoLevel(TwoLevelSpec {
            bits: bits("bits")?,
            group_size: fixed_group_size()?,
            stats_bits: bits("stats_bits")?,
        }),
        Some("mixed") => Scheme::Mixed(MixedSpec { bits: bits("bits")?, group_size: fixed_group_size()? }),
        Some("table") => Scheme::Table(TableSpec { bits: bits("bits")? }),
        Some(_) => {
            return Err(BadField { key: "levels", expected: "absent, `two_level`, `mixed` or `table`" });
        }
    })
}
