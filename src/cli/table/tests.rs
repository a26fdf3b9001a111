use super::*;
use crate::cli::fit::columns;

const WIDTHS: [usize; 4] = [40, 80, 120, 200];

fn window(width: usize) -> Option<Window> {
    Some(Window { width, ellipsis: '…' })
}

fn rows(cells: &[&[&str]]) -> Vec<Vec<String>> {
    cells.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
}

/// Scores of `n` tasks: long names that differ at their ends, some of them wide.
fn scores(n: usize) -> (Vec<(String, Cells)>, Vec<Vec<String>>) {
    let mut headings = vec![("quantized".to_owned(), Cells::Names), ("bits a weight".into(), Cells::Numbers)];
    headings.extend((0..n).map(|task| (format!("task{task} exact match, %"), Cells::Numbers)));
    let names = [
        "16 bit",
        "2 bit gptq g128 damp=0.1 on 日本語の模型と数学",
        "2 bit tacq 0.35 % g128 damp=0.1 on 日本語",
    ];
    let row = |name: &&str| {
        let score = |task: usize| format!("{}.{task} [{}.{task}, 97.{task}]", name.len(), name.len() / 2);
        [(*name).to_owned(), format!("2.{}", name.len())].into_iter().chain((0..n).map(score)).collect()
    };
    (headings, names.iter().map(row).collect())
}

fn shown(headings: &[(String, Cells)], rows: &[Vec<String>], width: Option<usize>) -> String {
    let headings: Vec<(&str, Cells)> = headings.iter().map(|(text, cells)| (&text[..], *cells)).collect();
    table(&headings, rows, width.and_then(window))
}

#[track_caller]
fn assert_fits(text: &str, width: usize) {
    let wide = text.lines().find(|line| columns(line) > width);
    assert_eq!(wide, None, "wider than {width}:\n{text}");
}

#[test]
fn columns_align() {
    let rows = rows(&[&["gradients", "2"], &["quantize", "14"]]);
    let text = table(&[("kind", Cells::Words), ("run", Cells::Numbers)], &rows, None);
    assert_eq!(text, "kind       run\ngradients    2\nquantize    14");
}

#[test]
fn wide_characters_take_two_columns() {
    let rows = rows(&[&["日本語", "1"], &["prose", "20"]]);
    let text = table(&[("set", Cells::Names), ("n", Cells::Numbers)], &rows, None);
    assert_eq!(text, "set      n\n日本語   1\nprose   20");
}

#[test]
fn no_table_is_wider_than_its_window() {
    for n in [1, 2, 5, 12] {
        let (headings, rows) = scores(n);
        for width in WIDTHS.into_iter().chain(18..40) {
            assert_fits(&shown(&headings, &rows, Some(width)), width);
        }
    }
}

#[test]
fn every_value_is_whole_at_40_columns() {
    let (headings, rows) = scores(12);
    for width in WIDTHS {
        let text = shown(&headings, &rows, Some(width));
        for value in rows.iter().flat_map(|row| &row[1..]) {
            assert!(text.contains(&value[..]), "no `{value}` at {width}:\n{text}");
        }
    }
}

#[test]
fn what_fits_and_what_goes_elsewhere_is_whole() {
    let (headings, rows) = scores(1);
    let whole = shown(&headings, &rows, None);
    assert_eq!(shown(&headings, &rows, Some(200)), whole);
    assert!(whole.contains("2 bit gptq g128 damp=0.1 on 日本語の模型と数学"), "{whole}");
    let (headings, rows) = scores(40);
    let whole = shown(&headings, &rows, None);
    assert!(whole.lines().count() == 4 && !whole.contains('…'), "a line a row, whatever its width: {whole}");
}

#[test]
fn columns_that_are_all_equal_are_said_once() {
    let headings =
        [("model", Cells::Names), ("task", Cells::Names), ("note", Cells::Sentences), ("p", Cells::Numbers)];
    let rows = rows(&[&["smollm2", "mmlu", "", "0.1"], &["smollm2", "gsm8k", "", "0.2"]]);
    let text = table(&headings, &rows, window(14));
    assert_eq!(text, "in every line:\nmodel smollm2;\nno note\n\ntask     p\nmmlu   0.1\ngsm8k  0.2");
    // Where all are, or there is but one line, no column would be left, or all would go.
    let same = table(&headings[..2], &rows[..1], window(10));
    assert!(!same.contains("every") && same.contains("smollm2"), "{same}");
}

#[test]
fn headings_are_broken_before_names_are() {
    let headings = [("stage", Cells::Names), ("bits a weight", Cells::Numbers)];
    let rows = rows(&[&["quantize[model,prose]", "2"], &["evaluate[model,prose]", "16"]]);
    let text = table(&headings, &rows, window(29));
    let expected = [
        "                       bits a",
        "stage                  weight",
        "quantize[model,prose]       2",
        "evaluate[model,prose]      16",
    ];
    assert_eq!(text, expected.join("\n"));
}

#[test]
fn names_are_shortened_only_as_long_as_they_stay_distinct() {
    let headings = [("stage", Cells::Names), ("n", Cells::Numbers)];
    let distinct = rows(&[&["evaluate[model,prose,gptq]", "1"], &["quantize[model,prose,tacq]", "2"]]);
    let text = table(&headings, &distinct, window(18));
    assert_eq!(text, "stage            n\nevaluat…e,gptq]  1\nquantiz…e,tacq]  2");
    let alike = rows(&[&["evaluate[model,gptq,prose]", "1"], &["evaluate[model,tacq,prose]", "2"]]);
    let text = table(&headings, &alike, window(18));
    assert_eq!(text, "stage            n\nevaluate[model,  1\ngptq,prose]\nevaluate[model,  2\ntacq,prose]");
}

#[test]
fn many_columns_go_to_blocks_that_repeat_the_names() {
    let (headings, rows) = scores(5);
    let text = shown(&headings, &rows, Some(80));
    let blocks: Vec<&str> = text.split("\n\n").collect();
    assert!(blocks.len() > 1, "{text}");
    for block in &blocks {
        assert!(block.contains("quantized") && block.contains("16 bit"), "{text}");
    }
    for task in 0..5 {
        let heading = format!("task{task}");
        assert_eq!(blocks.iter().filter(|block| block.contains(&heading)).count(), 1, "{text}");
    }
}

#[test]
fn blocks_repeat_as_many_columns_as_tell_the_rows_apart() {
    let headings =
        [("task", Cells::Names), ("method", Cells::Names), ("a", Cells::Words), ("b", Cells::Words)];
    let rows = rows(&[
        &["mmlu", "gptq", "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"],
        &["mmlu", "tacq", "cccccccccccccccc", "dddddddddddddddd"],
        &["gsm8k", "gptq", "eeeeeeeeeeeeeeee", "ffffffffffffffff"],
    ]);
    let text = table(&headings, &rows, window(40));
    let second = text.split("\n\n").nth(1).expect("two blocks");
    assert!(second.starts_with("task   method  b\nmmlu   gptq    bbbb"), "{text}");
}

#[test]
fn rows_that_begin_alike_become_sections() {
    let headings =
        [("task", Cells::Names), ("examples", Cells::Numbers), ("method", Cells::Names), ("p", Cells::Words)];
    let rows = rows(&[
        &["mmlu accuracy", "240", "2 bit gptq g128", "0.0001"],
        &["mmlu accuracy", "240", "2 bit tacq 0.35 %", "0.0002"],
        &["mmlu accuracy", "240", "2 bit rtn g128", "0.0003"],
        &["gsm8k exact_match", "200", "2 bit gptq g128", "0.0004"],
        &["gsm8k exact_match", "200", "2 bit tacq 0.35 %", "0.0005"],
        &["gsm8k exact_match", "200", "2 bit rtn g128", "0.0006"],
    ]);
    let expected = [
        "task mmlu accuracy; examples 240:",
        "method             p",
        "2 bit gptq g128    0.0001",
        "2 bit tacq 0.35 %  0.0002",
        "2 bit rtn g128     0.0003",
        "",
        "task gsm8k exact_match; examples 200:",
        "method             p",
        "2 bit gptq g128    0.0004",
        "2 bit tacq 0.35 %  0.0005",
        "2 bit rtn g128     0.0006",
    ];
    assert_eq!(table(&headings, &rows, window(40)), expected.join("\n"));
    assert_eq!(table(&headings, &rows, window(60)).lines().count(), 7, "one part where it fits");
}

#[test]
fn rows_that_no_block_could_tell_apart_become_a_list() {
    let headings = [("method", Cells::Names), ("against", Cells::Names), ("difference", Cells::Sentences)];
    let rows = rows(&[
        &["2 bit gptq g128", "16 bit", "−92.5 [−96.0, −88.5] pp"],
        &["2 bit gptq g128", "2 bit rtn g128", "+20.0 [+13.5, +26.0] pp"],
    ]);
    let expected = [
        "in every line: method 2",
        "bit gptq g128",
        "",
        "against 16 bit; difference",
        "−92.5 [−96.0, −88.5] pp",
        "",
        "against 2 bit rtn g128;",
        "difference +20.0 [+13.5,",
        "+26.0] pp",
    ];
    assert_eq!(table(&headings, &rows, window(26)), expected.join("\n"));
}

#[test]
fn names_that_can_be_read_are_worth_a_block() {
    let (headings, rows) = scores(3);
    let text = shown(&headings, &rows, Some(80));
    assert!(text.contains("2 bit gptq g128") && text.split("\n\n").count() == 2, "{text}");
}
