//! Quantities of an experiment as types that cannot hold a wrong value.
//!
//! Each type says its range in its error, so a message never has to repeat it.

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::str::FromStr;

/// A value that lies outside its type's range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found} is not {expected}")]
pub struct UnitError {
    /// What was given.
    pub found: String,
    /// What the type allows, as a noun phrase.
    pub expected: &'static str,
}

macro_rules! integer_unit {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $range:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            /// What the type allows, as a noun phrase for messages.
            pub const EXPECTED: &'static str = $expected;

            /// Checks the range.
            pub fn new(value: u64) -> Result<Self, UnitError> {
                <$inner>::try_from(value)
                    .ok()
                    .filter(|v| $range.contains(v))
                    .map(Self)
                    .ok_or(UnitError { found: value.to_string(), expected: $expected })
            }

            /// The plain number.
            pub fn get(self) -> $inner {
                self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = u64::deserialize(deserializer)?;
                Self::new(value).map_err(serde::de::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let (low, high): ($inner, $inner) = $range.into_inner();
                schemars::json_schema!({
                    "type": "integer", "minimum": low, "maximum": high, "description": $expected
                })
            }
        }
    };
}

integer_unit!(
    /// Bits per quantized weight.
    Bits, u8, (1..=8), "a bit width from 1 to 8"
);
integer_unit!(
    /// Input columns that share one scale and zero point.
    GroupSize, u32, (1..=65_536), "a group size from 1 to 65536"
);
integer_unit!(
    /// Tokens per sequence.
    SeqLen, u32, (2..=1_048_576), "a sequence length from 2 to 1048576"
);
integer_unit!(
    /// How many calibration sequences (or, for task data, how many sequences' worth of tokens).
    NSamples, u32, (1..=1_000_000), "a number of samples from 1 to 1000000"
);
integer_unit!(
    /// How many evaluation windows.
    NWindows, u32, (1..=100_000_000), "a number of windows from 1 to 100000000"
);
integer_unit!(
    /// Columns that GPTQ quantizes before it updates the rest by one product.
    BlockSize, u32, (1..=65_536), "a block size from 1 to 65536"
);
integer_unit!(
    /// How many of a task's examples are scored.
    NExamples, u32, (1..=100_000_000), "a number of examples from 1 to 100000000"
);
integer_unit!(
    /// Solved examples that a prompt begins with.
    FewShot, u32, (0..=1_000), "a number of examples from 0 to 1000"
);
integer_unit!(
    /// Most tokens that are generated for one example.
    MaxNewTokens, u32, (1..=65_536), "a number of tokens from 1 to 65536"
);
integer_unit!(
    /// Examples that are computed side by side.
    BatchSize, u32, (1..=65_536), "a batch size from 1 to 65536"
);
integer_unit!(
    /// Seed of everything random in a trial.
    Seed, u32, (0..=u32::MAX), "a seed from 0 to 4294967295"
);

macro_rules! decimal_unit {
    ($(#[$doc:meta])* $name:ident, $with_zero:literal, $maximum:literal, $expected:literal) => {
        $(#[$doc])*
        ///
        /// A decimal, never a binary fraction: `0.0035`, `0.00350` and `3.5e-3` are one value, and its text, which
        /// enters stage keys, is the same on every machine.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Decimal);

        impl $name {
            /// What the type allows, as a noun phrase for messages.
            pub const EXPECTED: &'static str = $expected;

            /// Checks the range.
            pub fn new(value: Decimal) -> Result<Self, UnitError> {
                // A zero may have a sign.
                let in_range = if value.is_zero() { $with_zero } else { value.is_sign_positive() };
                if in_range && value <= Decimal::from($maximum) {
                    Ok(Self(value.abs().normalize()))
                } else {
                    Err(UnitError { found: value.to_string(), expected: $expected })
                }
            }

            /// The exact decimal.
            pub fn decimal(self) -> Decimal {
                self.0
            }

            /// The nearest binary fraction, for arithmetic.
            pub fn to_f64(self) -> f64 {
                // Through the text, which rounds correctly.
                self.0.to_string().parse().expect("a decimal prints as a number")
            }
        }

        impl FromStr for $name {
            type Err = UnitError;
            fn from_str(text: &str) -> Result<Self, UnitError> {
                let value = Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text));
                value
                    .map_err(|_| UnitError { found: format!("`{text}`"), expected: $expected })
                    .and_then(Self::new)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0.to_string())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = String;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_str<E>(self, v: &str) -> Result<String, E> {
                        Ok(v.to_owned())
                    }
                    fn visit_f64<E>(self, v: f64) -> Result<String, E> {
                        // The shortest text that reads back as this number is what the author typed.
                        Ok(v.to_string())
                    }
                    fn visit_u64<E>(self, v: u64) -> Result<String, E> {
                        Ok(v.to_string())
                    }
                    fn visit_i64<E>(self, v: i64) -> Result<String, E> {
                        Ok(v.to_string())
                    }
                }
                let text = deserializer.deserialize_any(Text)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let minimum = if $with_zero { "minimum" } else { "exclusiveMinimum" };
                schemars::json_schema!({
                    "type": "number", minimum: 0, "maximum": $maximum, "description": $expected
                })
            }
        }
    };
}

decimal_unit!(
    /// Share of the linear weights kept in 16 bit (arXiv 2504.07389: about 0.0035).
    OutlierRatio,
    false,
    1,
    "an outlier ratio above 0 and at most 1"
);
decimal_unit!(
    /// Share of the linear weights in a sparse part that a method may do without.
    SparseRatio,
    true,
    1,
    "a share from 0 to 1"
);
decimal_unit!(
    /// How many times an error counts.
    SalienceWeight,
    true,
    1_000_000,
    "a weight from 0 to 1000000"
);
decimal_unit!(
    /// A squared error relative to the mean; 0 stands for none.
    Threshold,
    true,
    1_000_000,
    "a threshold from 0 to 1000000"
);
decimal_unit!(
    /// Bits per linear weight, with what groups and outliers take.
    AvgBits,
    false,
    16,
    "an average number of bits above 0 and at most 16"
);
decimal_unit!(
    /// GPTQ's damping as a share of the Hessian's mean diagonal.
    Damp,
    false,
    1,
    "a damping above 0 and at most 1"
);
decimal_unit!(
    /// What logits are divided by before sampling.
    Temperature,
    false,
    100,
    "a temperature above 0 and at most 100"
);
decimal_unit!(
    /// Nucleus sampling (arXiv 1904.09751): the most likely tokens whose probabilities first reach this sum stay.
    TopP,
    false,
    1,
    "a top_p above 0 and at most 1"
);

impl OutlierRatio {
    /// Exactly floor(ratio · n).
    pub fn count_of(self, n: u64) -> u64 {
        share_of(self.0, n)
    }
}

impl SparseRatio {
    /// Exactly floor(ratio · n).
    pub fn count_of(self, n: u64) -> u64 {
        share_of(self.0, n)
    }
}

/// Exactly floor(ratio · n), of a ratio from 0 to 1.
fn share_of(ratio: Decimal, n: u64) -> u64 {
    let (mantissa, divisor) = (ratio.mantissa().unsigned_abs(), 10u128.pow(ratio.scale()));
    // mantissa <= divisor <= 10^28 < 2^94, so that a product with 32 bits fits; the quotient is at most n.
    let (high, low) = (u128::from(n >> 32), u128::from(n & 0xffff_ffff));
    let (quotient, remainder) = (mantissa * high / divisor, mantissa * high % divisor);
    ((quotient << 32) + ((remainder << 32) + mantissa * low) / divisor) as u64
}

/// Number format of computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DType {
    /// 32-bit floating point.
    #[serde(rename = "f32")]
    F32,
    /// 32-bit floating point of which a GPU's products round the factors to 10 bits of fraction (NVIDIA's TF32) and are
    /// several times as fast. On the CPU the same as `f32`.
    #[serde(rename = "tf32")]
    Tf32,
    /// bfloat16; sums and losses stay in 32 bit.
    #[serde(rename = "bf16")]
    Bf16,
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::Tf32 => "tf32",
            DType::Bf16 => "bf16",
        })
    }
}

/// Where a stage runs: `cpu` or `cuda:N`. Never part of a stage key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Device {
    /// The host's processors.
    Cpu,
    /// The CUDA device of this index.
    Cuda(u16),
}

impl FromStr for Device {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        match text {
            "cpu" => Some(Device::Cpu),
            "cuda" => Some(Device::Cuda(0)),
            _ => text.strip_prefix("cuda:").and_then(|n| n.parse().ok()).map(Device::Cuda),
        }
        .ok_or(UnitError { found: format!("`{text}`"), expected: "a device: cpu or cuda:N" })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl Serialize for Device {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Device {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Device".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(cpu|cuda(:[0-9]+)?)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ratios_have_one_text() {
        for text in ["0.0035", "0.00350", "3.5e-3"] {
            assert_eq!(text.parse::<OutlierRatio>().unwrap().to_string(), "0.0035");
        }
        let from_number: OutlierRatio = serde_json::from_str("0.0035").unwrap();
        assert_eq!(serde_json::to_string(&from_number).unwrap(), "\"0.0035\"");
    }

    #[test]
    fn values_out_of_range_say_the_range() {
        assert_eq!(Bits::new(0).unwrap_err().to_string(), "0 is not a bit width from 1 to 8");
        let error = "1.5".parse::<OutlierRatio>().unwrap_err();
        assert_eq!(error.to_string(), "1.5 is not an outlier ratio above 0 and at most 1");
        assert!("-0.1".parse::<OutlierRatio>().is_err() && "0".parse::<OutlierRatio>().is_err());
        assert!(serde_json::from_str::<Bits>("9").is_err());
    }

    #[test]
    fn counts_are_exact_floors() {
        let count = |text: &str, n| text.parse::<OutlierRatio>().unwrap().count_of(n);
        assert_eq!(count("0.0035", 106_168_320), 371_589);
        // In binary, 0.29 · 100 is 28.999999999999996.
        assert_eq!(count("0.29", 100), 29);
        assert_eq!(count("0.3", 9), 2);
        assert_eq!(count("1", u64::MAX), u64::MAX);
        assert_eq!(count("0.5", u64::MAX), u64::MAX / 2);
        assert_eq!(count("0.0000000000000000000000000001", 1 << 40), 0);
        assert_eq!(count("0.9999999999999999999999999999", 10_000_000_000), 9_999_999_999);
    }

    #[test]
    fn devices_round_trip() {
        for text in ["cpu", "cuda:0", "cuda:13"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert!("gpu".parse::<Device>().is_err() && "cuda:x".parse::<Device>().is_err());
    }
}
