//! However a file is damaged, it is read or refused with places inside it; nothing panics.

use tacq_sweep::spec::{parse_str, trials};

const PIECES: [&str; 24] = [
    ":", "- ", "[", "]", "{", "}", "\n", "\n  ", "\t", "\"", "'", "#", "&a ", "*a", "!x ", "<<: ", "| ",
    "? ", "---\n", "0", "-1", ".nan", "é", "null",
];

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

fn damage(text: &str, random: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(3) {
        let at = random.below(chars.len());
        match random.below(3) {
            0 => {
                let end = (at + 1 + random.below(12)).min(chars.len());
                chars.drain(at..end);
            }
            1 => {
                let piece = PIECES[random.below(PIECES.len())].chars();
                chars.splice(at..at, piece).for_each(drop);
            }
            _ => {
                let from = random.below(chars.len());
                let moved: Vec<char> = chars[from..(from + 20).min(chars.len())].to_vec();
                chars.splice(at..at, moved).for_each(drop);
            }
        }
    }
    chars.into_iter().collect()
}

#[test]
fn damaged_files_are_refused_with_places_inside_them() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/specs/valid/everything.yaml"))
            .expect("readable");
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..1500 {
        let text = damage(&text, &mut random);
        match parse_str("damaged.yaml".as_ref(), &text, &[]) {
            Ok(experiment) => {
                read += 1;
                trials(&experiment);
            }
            Err(errors) => {
                refused += 1;
                let n_lines = text.lines().count();
                for diagnostic in &errors.diagnostics {
                    let position = diagnostic.position;
                    assert!(position.line >= 1 && position.column >= 1, "{errors}\n{text}");
                    // A syntax error may be the end of the text itself.
                    assert!(position.line <= n_lines + 1, "{errors}\n{text}");
                }
                assert!(errors.diagnostics.is_sorted_by_key(|diagnostic| diagnostic.position), "{errors}");
            }
        }
    }
    assert!(read > 50 && refused > 500, "{read} read, {refused} refused");
}
