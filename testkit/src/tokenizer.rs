//! A byte-level tokenizer: token i is byte i. Any text is covered and no vocabulary has to be learned.

use serde_json::{Map, Value, json};

/// Tokens: one for each byte, then `<s>` and `</s>`.
pub const VOCAB_SIZE: usize = 258;
/// Id of `<s>`.
pub const BOS: usize = 256;
/// Id of `</s>`.
pub const EOS: usize = 257;

/// Contents of `tokenizer.json`: byte-pair encoding without merges over GPT-2's byte alphabet.
pub fn tokenizer_json() -> Value {
    let vocab: Map<String, Value> =
        alphabet().into_iter().enumerate().map(|(id, symbol)| (symbol.to_string(), json!(id))).collect();
    let special = |id: usize, content: &str| {
        json!({
            "id": id, "content": content, "special": true, "normalized": false,
            "single_word": false, "lstrip": false, "rstrip": false,
        })
    };
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [special(BOS, "<s>"), special(EOS, "</s>")],
        "normalizer": null,
        "pre_tokenizer": byte_level,
        "post_processor": null,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "vocab": vocab,
            "merges": [],
        },
    })
}

/// The printable symbol that stands for each byte: itself where it is a visible Latin-1 character, else the next
/// free one from U+0100 on, as in GPT-2.
fn alphabet() -> [char; 256] {
    let mut free = 0x100;
    std::array::from_fn(|byte| {
        let visible = matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
        let code = if visible { byte as u32 } else { free };
        free += u32::from(!visible);
        char::from_u32(code).expect("below the surrogates")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_a_symbol_of_its_own() {
        let alphabet = alphabet();
        assert_eq!(
            (alphabet[b'A' as usize], alphabet[b' ' as usize], alphabet[b'\n' as usize]),
            ('A', 'Ġ', 'Ċ')
        );
        let vocab = tokenizer_json()["model"]["vocab"].as_object().unwrap().len();
        assert_eq!(vocab + 2, VOCAB_SIZE);
    }
}
