//! Values as Python's `sqlite3` returns them, equal and ordered as Python has it.

/// A value of a result.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// A value by what it is: two are the same if type and bits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exact<'a> {
    Null,
    Integer(i64),
    Real(u64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl Value {
    pub(super) fn exact(&self) -> Exact<'_> {
        match self {
            Value::Null => Exact::Null,
            Value::Integer(i) => Exact::Integer(*i),
            Value::Real(x) => Exact::Real(x.to_bits()),
            Value::Text(text) => Exact::Text(text),
            Value::Blob(bytes) => Exact::Blob(bytes),
        }
    }

    /// Bytes of a text or blob: equal values have equally many.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

impl Exact<'_> {
    /// The one value that stands for all that are equal to this in Python: `1 == 1.0`, `0.0 == -0.0`, and a float is
    /// compared with an integer exactly. (SQLite has no NaN.)
    pub(super) fn canonical(self) -> Self {
        let Exact::Real(bits) = self else { return self };
        let x = f64::from_bits(bits);
        // 2^63 itself is no i64, and the floats below it that are whole all are.
        let fits = x.fract() == 0.0 && (-TWO_63..TWO_63).contains(&x);
        if fits { Exact::Integer(x as i64) } else { self }
    }

    /// `str(x) + str(type(x))`, by which the original sorts the values of a row before it compares rows.
    pub(super) fn sort_key(self) -> String {
        match self {
            Exact::Null => "None<class 'NoneType'>".to_owned(),
            Exact::Integer(i) => format!("{i}<class 'int'>"),
            Exact::Real(bits) => format!("{}<class 'float'>", float_repr(f64::from_bits(bits))),
            Exact::Text(text) => format!("{text}<class 'str'>"),
            Exact::Blob(bytes) => format!("{}<class 'bytes'>", bytes_repr(bytes)),
        }
    }
}

const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// Python's `repr` of a float: the shortest digits that read back as the same, positional from 1e-4 to below 1e16.
fn float_repr(x: f64) -> String {
    if !x.is_finite() {
        return if x.is_nan() {
            "nan"
        } else if x > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let scientific = format!("{x:e}");
    let (digits, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a small integer");
    if (-4..16).contains(&exponent) {
        let positional = format!("{x}");
        return if positional.contains('.') { positional } else { positional + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Python's `repr` of bytes.
fn bytes_repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut repr = format!("b{quote}");
    for &byte in bytes {
        match char::from(byte) {
            '\\' => repr.push_str("\\\\"),
            c if c == quote => repr.extend(['\\', c]),
            '\t' => repr.push_str("\\t"),
            '\n' => repr.push_str("\\n"),
            '\r' => repr.push_str("\\r"),
            c @ ' '..='~' => repr.push(c),
            _ => repr.push_str(&format!("\\x{byte:02x}")),
        }
    }
    repr.push(quote);
    repr
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_float(x: f64, expected: &str) {
        assert_eq!(float_repr(x), expected);
    }

    #[test]
    fn floats_are_written_as_in_python() {
        check_float(1.0, "1.0");
        check_float(-0.0, "-0.0");
        check_float(0.1 + 0.2, "0.30000000000000004");
        check_float(1e15, "1000000000000000.0");
        check_float(1e16, "1e+16");
        check_float(12_345_678_901_234_567.0, "1.2345678901234568e+16");
        check_float(1e-4, "0.0001");
        check_float(0.000_012, "1.2e-05");
        check_float(5e-324, "5e-324");
        check_float(1e100, "1e+100");
        check_float(f64::NEG_INFINITY, "-inf");
    }

    #[test]
    fn bytes_are_written_as_in_python() {
        assert_eq!(bytes_repr(b"a\x00\xff\\\n"), r"b'a\x00\xff\\\n'");
        assert_eq!(bytes_repr(b"it's"), "b\"it's\"");
        assert_eq!(bytes_repr(b"'\""), "b'\\'\"'");
    }

    #[test]
    fn numbers_are_equal_as_in_python() {
        let same = |a: Value, b: Value| a.exact().canonical() == b.exact().canonical();
        assert!(same(Value::Integer(1), Value::Real(1.0)));
        assert!(same(Value::Real(0.0), Value::Real(-0.0)));
        assert!(same(Value::Integer(1 << 53), Value::Real(9_007_199_254_740_992.0)));
        assert!(!same(Value::Integer((1 << 53) + 1), Value::Real(9_007_199_254_740_992.0)));
        assert!(!same(Value::Integer(i64::MAX), Value::Real(TWO_63)));
        assert!(same(Value::Integer(i64::MIN), Value::Real(-TWO_63)));
        assert!(!same(Value::Integer(1), Value::Text("1".to_owned())));
        assert!(!same(Value::Blob(b"a".to_vec()), Value::Text("a".to_owned())));
        assert!(!same(Value::Null, Value::Integer(0)));
    }
}
