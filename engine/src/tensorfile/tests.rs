use super::*;
use std::fs;

/// A file with `a` [2, 3] F32 (0, 1, … 5) and `b` [2] I64 (7, 8).
fn sample(folder: &Path) -> PathBuf {
    let path = folder.join("t.safetensors");
    let specs = [TensorSpec::new("a", Dtype::F32, &[2, 3]), TensorSpec::new("b", Dtype::I64, &[2])];
    let mut writer = TensorWriter::create(&path, &specs).unwrap();
    for value in 0..6_u8 {
        writer.write(&f32::from(value).to_le_bytes()).unwrap();
    }
    writer.write(&[7_i64.to_le_bytes(), 8_i64.to_le_bytes()].concat()).unwrap();
    writer.commit().unwrap();
    path
}

#[track_caller]
fn assert_opens_with_error(path: &Path, expected: &str) {
    let error = TensorFile::open(path).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    assert!(error.to_string().contains("t.safetensors"), "{error}");
    assert_eq!(error.kind(), FailureKind::InvalidInput);
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = TensorFile::open(&sample(folder.path())).unwrap();
    assert_eq!(file.names(), ["a", "b"]);
    assert_eq!(file.get("a").unwrap(), Tensor::from_slice(&[0_f32, 1., 2., 3., 4., 5.]).view([2, 3]));
    assert_eq!(file.i64s("b").unwrap(), [7, 8]);
    assert_eq!(file.data_start % 8, 0);
}

#[test]
fn other_readers_accept_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(sample(folder.path())).unwrap();
    let parsed = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(parsed.tensor("a").unwrap().shape(), [2, 3]);
}

#[test]
fn a_truncated_file_is_told_with_both_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let path = sample(folder.path());
    let bytes = fs::read(&path).unwrap();
    let full = bytes.len();
    for length in [full - 1, full - 20, 40, 9] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert_opens_with_error(&path, &format!("it has {length}"));
    }
    fs::write(&path, &bytes[..4]).unwrap();
    assert_opens_with_error(&path, "not a valid safetensors file");
    fs::write(&path, b"").unwrap();
    assert_opens_with_error(&path, "not a valid safetensors file");
}

#[test]
fn another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.safetensors");
    fs::write(&path, b"PK\x03\x04 this is a zip archive, as PyTorch writes").unwrap();
    assert_opens_with_error(&path, "not a valid safetensors file");
    fs::write(&path, [b"\x08\0\0\0\0\0\0\0".as_slice(), b"{\"a\": 1}"].concat()).unwrap();
    assert_opens_with_error(&path, "not a valid safetensors file");
}

#[test]
fn wrong_shape_dtype_or_name_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = TensorFile::open(&sample(folder.path())).unwrap();
    let error = file.get_shaped("a", &[3, 2]).unwrap_err().to_string();
    assert!(error.contains("tensor `a` has shape [2, 3], expected [3, 2]"), "{error}");
    let error = file.i64s("a").unwrap_err().to_string();
    assert!(error.contains("tensor `a` has dtype F32, expected I64"), "{error}");
    let error = file.get("c").unwrap_err().to_string();
    assert!(error.contains("tensor `c` is missing"), "{error}");
}

#[test]
fn nan_and_infinity_are_found_in_every_float_format() {
    let check = |dtype: Dtype, bytes: &[u8]| first_not_finite(dtype, bytes);
    let f32s = |v: [f32; 2]| v.map(f32::to_le_bytes).concat();
    assert_eq!(check(Dtype::F32, &f32s([f32::MAX, f32::NAN])), Some((1, "NaN")));
    assert_eq!(check(Dtype::F32, &f32s([f32::NEG_INFINITY, 0.0])), Some((0, "infinity")));
    assert_eq!(check(Dtype::F32, &f32s([f32::MIN_POSITIVE, -0.0])), None);
    let halves = |v: [u16; 2]| v.map(u16::to_le_bytes).concat();
    assert_eq!(check(Dtype::BF16, &halves([0x3f80, 0x7fc0])), Some((1, "NaN")));
    assert_eq!(check(Dtype::F16, &halves([0x7bff, 0xfc00])), Some((1, "infinity")));
    assert_eq!(check(Dtype::F64, &f64::NAN.to_le_bytes()), Some((0, "NaN")));
    assert_eq!(check(Dtype::I64, &(-1_i64).to_le_bytes()), None);
}
