//! The bytes are a contract: store keys of the quickstart and expectations of tests rest on them.

use std::fs;
use tacq_testkit::{Size, random_llama, sentences};

/// FNV-1a, 64 bit: enough to notice a change.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[test]
fn a_seed_gives_the_same_files_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    random_llama(folder.path(), &Size::TINY, 0).unwrap();
    let hash = |name: &str| fnv(&fs::read(folder.path().join(name)).unwrap());
    let found = [hash("config.json"), hash("tokenizer.json"), hash("model.safetensors")];
    assert_eq!(found, [0xba35_1d6e_be32_a671, 0xb396_43d8_2257_75c8, 0x56f6_6af3_ae4f_2db1], "{found:#x?}");
    assert_eq!(fnv(sentences(10_000, 0).as_bytes()), 0xed6c_f57e_010b_6638);
}

#[test]
fn the_safetensors_header_covers_the_file() {
    let folder = tempfile::tempdir().unwrap();
    random_llama(folder.path(), &Size::TINY, 1).unwrap();
    let bytes = fs::read(folder.path().join("model.safetensors")).unwrap();
    let header_len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header_len]).unwrap();
    let tensors = header.as_object().unwrap();
    let end = tensors.values().filter_map(|t| t["data_offsets"][1].as_u64()).max().unwrap();
    assert_eq!(8 + header_len + end as usize, bytes.len());
    assert_eq!(header_len % 8, 0);

    let linear: u64 = tensors
        .iter()
        .filter(|(name, _)| name.contains("_proj"))
        .map(|(_, tensor)| {
            tensor["data_offsets"][1].as_u64().unwrap() - tensor["data_offsets"][0].as_u64().unwrap()
        })
        .sum();
    assert_eq!(linear as usize / 4, Size::TINY.linear_weights());
}
