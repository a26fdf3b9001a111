//! Templates, built in and of users, right and wrong.

use super::{read, report, rows, settings};
use std::collections::BTreeMap;
use std::path::Path;
use tacq_sweep::report::Row;

fn template(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Writes a report with one template and returns the error and the folder.
fn failure(name: &str, text: &str) -> (String, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = template(dir.path(), name, text);
    let error = report(&dir.path().join("out"), &rows(), &settings(&[&path, "table.md.j2"])).unwrap_err();
    let message = error.to_string().replace(&format!("{}/", dir.path().display()), "");
    (message, dir)
}

#[test]
fn the_built_in_table_is_markdown() {
    let dir = tempfile::tempdir().unwrap();
    report(dir.path(), &rows(), &settings(&["table.md.j2"])).unwrap();
    let expected = "\
# demo

| model | condition_on | method | saliency | bits | group_size | outlier_ratio | variant | avg_bits | size | wikitext2 perplexity |
| --- | --- | --- | --- | --- | --- | --- | --- | ---: | ---: | ---: |
| SmolLM2 | – | none | – | 16 | – | – | – | – | – | 32.884 |
| SmolLM2 | wikitext2 | gptq | – | 3 | – | – | – | 3.000 | 39.8 MB | 170.600 |
| SmolLM2 | wikitext2 | gptq | – | 3 | 128 | – | minmax damp=0.1 | 3.000 | 39.8 MB | 150.250 |
| SmolLM2 | wikitext2 | tacq | tacq | 3 | – | 0.35 % | – | 3.102 | 41.0 MB | 62.000 ± 1.414 (n=2) |

± is the sample standard deviation over n seeds.
";
    assert_eq!(read(dir.path(), "table.md"), expected);
}

#[test]
fn a_line_per_method_holds_the_tasks_that_its_models_were_conditioned_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = rows();
    for (task, condition) in [("gsm8k", "gsm8k"), ("gsm8k", "wikitext2")] {
        let mut row = all[1].clone();
        row.task = task.into();
        row.trial.condition_on = Some(condition.into());
        row.value = if task == condition { 40.0 } else { 30.0 };
        all.push(row);
    }
    report(dir.path(), &all, &settings(&["matched.md.j2"])).unwrap();
    let text = read(dir.path(), "matched.md");
    let gptq = text.lines().find(|line| line.contains("gptq") && !line.contains("128")).unwrap();
    assert!(gptq.contains("40.000") && gptq.contains("170.600") && !gptq.contains("30.000"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("gptq")).count(), 2, "{text}");
    let base = text.lines().find(|line| line.contains("none")).unwrap();
    assert!(base.ends_with("| – | 32.884 |"), "{text}");
}

/// Renders every layout of the paper in every format; the results by name, such as `methods.md`.
fn papers_layouts(rows: &[Row]) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/paper");
    let layouts = ["methods", "conditioning", "ablation", "curves", "outliers"];
    let names = layouts.iter().flat_map(|layout| ["md", "csv", "tex"].map(|of| format!("{layout}.{of}")));
    let names: Vec<String> = names.collect();
    let path = |name: &String| folder.join(format!("{name}.j2")).to_str().unwrap().to_owned();
    let paths: Vec<String> = names.iter().map(path).collect();
    let dir = tempfile::tempdir().unwrap();
    report(dir.path(), rows, &settings(&paths.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    names.into_iter().map(|name| (name.clone(), read(dir.path(), &name))).collect()
}

#[test]
fn the_papers_tables_have_its_words_in_every_format() {
    let found = papers_layouts(&rows());
    let expected = "\
# demo

| bits | method | avg. bits | WikiText2 perplexity |
| --- | --- | --- | ---: |
| 16 | Full | – | 32.88 |
| 3 | GPTQ | 3.000 | 170.60 |
| 3 | GPTQ g128 minmax damp=0.1 | 3.000 | 150.25 |
| 3 | TaCQ | 3.102 | 62.00 ± 1.41 |

Shares of right answers in percent, perplexities as they are. ± is the sample standard deviation over 2 seeds.
";
    assert_eq!(found["methods.md"], expected);
    assert!(found["methods.csv"].contains("\n3,TaCQ,3.102,62.00,1.41\n"), "{}", found["methods.csv"]);
    assert!(
        found["methods.tex"].contains("\n3 & TaCQ & 3.102 & 62.00 $\\pm$ 1.41 \\\\\n"),
        "{}",
        found["methods.tex"]
    );
}

#[test]
fn the_papers_layouts_take_partial_results() {
    let all = rows();
    for part in [&all[..], &all[1..], &all[..1], &all[4..], &[]] {
        for (name, text) in papers_layouts(part) {
            if name.ends_with(".csv") {
                // Lines of other lengths than the first are errors.
                for record in csv::Reader::from_reader(text.as_bytes()).records() {
                    record.unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
                }
            }
            if name.ends_with(".tex") {
                let count = |mark: char| text.chars().filter(|c| *c == mark).count();
                assert_eq!(count('{'), count('}'), "{name}:\n{text}");
            }
        }
    }
}

#[test]
fn columns_that_no_line_needs_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    report(dir.path(), &rows()[..2], &settings(&["table.md.j2"])).unwrap();
    let expected = "\
# demo

| model | condition_on | method | bits | avg_bits | size | wikitext2 perplexity |
| --- | --- | --- | --- | ---: | ---: | ---: |
| SmolLM2 | – | none | 16 | – | – | 32.884 |
| SmolLM2 | wikitext2 | gptq | 3 | 3.000 | 39.8 MB | 170.600 |
";
    assert_eq!(read(dir.path(), "table.md"), expected);
}

#[test]
fn a_task_that_a_line_lacks_is_a_dash() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = rows();
    rows[1].task = "c4".into();
    report(dir.path(), &rows[..2], &settings(&["table.md.j2"])).unwrap();
    let table = read(dir.path(), "table.md");
    assert!(table.contains("| c4 perplexity | wikitext2 perplexity |\n"), "{table}");
    assert!(table.contains("| – | 32.884 |\n"), "{table}");
    assert!(table.contains("| 170.600 | – |\n"), "{table}");
}

#[test]
fn a_template_of_ones_own_sees_rows_and_includes_its_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    template(dir.path(), "unit.html", "<i>ppl</i>");
    let text = "{% for row in rows %}{{ row.method }} {{ row.value|fixed(1) }} {% include 'unit.html' %};\n{% endfor %}";
    let path = template(dir.path(), "mine.html.j2", text);
    let out = dir.path().join("out");
    report(&out, &rows()[..2], &settings(&[&path])).unwrap();
    assert_eq!(read(&out, "mine.html"), "none 32.9 <i>ppl</i>;\ngptq 170.6 <i>ppl</i>;\n");
}

#[test]
fn html_is_escaped_and_markdown_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = rows();
    rows.truncate(1);
    rows[0].trial.model = "a<b".into();
    let html = template(dir.path(), "t.html.j2", "{{ rows[0].model }}");
    let markdown = template(dir.path(), "t.md.j2", "{{ rows[0].model }}");
    report(dir.path(), &rows, &settings(&[&html, &markdown])).unwrap();
    assert_eq!(read(dir.path(), "t.html"), "a&lt;b");
    assert_eq!(read(dir.path(), "t.md"), "a<b");
}

#[test]
fn an_error_names_template_and_line_and_loses_nothing_else() {
    let (message, dir) = failure("broken.md.j2", "fine\n{% for row in rows %}\n");
    assert!(message.starts_with("template broken.md.j2, line 2: syntax error: "), "{message}");
    assert!(message.ends_with("\nthe tables are in out"), "{message}");
    let out = dir.path().join("out");
    assert!(read(&out, "results.csv").contains("170.6"));
    assert!(read(&out, "table.md").contains("170.6"), "the other template is rendered");
    assert!(!out.join("broken.md").exists());
}

#[test]
fn a_misspelled_name_is_an_error() {
    let (message, _dir) = failure("typo.md.j2", "\n{{ experimnt }}");
    assert!(message.starts_with("template typo.md.j2, line 2: undefined value"), "{message}");
}

#[test]
fn an_error_in_an_included_file_is_found_there() {
    let dir = tempfile::tempdir().unwrap();
    template(dir.path(), "inner.md", "a\nb\n{{ nothing.x }}");
    let outer = template(dir.path(), "outer.md.j2", "{% include 'inner.md' %}");
    let error = report(dir.path(), &rows(), &settings(&[&outer])).unwrap_err().to_string();
    assert!(error.contains("inner.md"), "{error}");
    assert!(error.contains("line 3") || error.contains(":3"), "{error}");
}

#[test]
fn a_missing_template_lists_the_built_in_ones() {
    let dir = tempfile::tempdir().unwrap();
    let error = report(dir.path(), &rows(), &settings(&["tabel.md.j2"])).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "template tabel.md.j2: there is no such file and no built-in template of this name (built in: table.md.j2, matched.md.j2)"
        ),
        "{error}"
    );
}

#[test]
fn names_that_would_overwrite_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, expected) in [
        ("results.csv.j2", "it would overwrite results.csv"),
        ("differences.csv.j2", "it would overwrite differences.csv"),
        ("plain.md", "its name must end in .j2"),
        (".j2", "its name must end in .j2"),
    ] {
        let path = template(dir.path(), name, "x");
        let error = report(&dir.path().join("out"), &rows(), &settings(&[&path])).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(read(&dir.path().join("out"), "results.csv").len() > 100);
}

#[test]
fn a_filter_on_the_wrong_type_is_a_sentence() {
    let (message, _dir) = failure("type.md.j2", "{{ rows | fixed(2) }}");
    assert!(message.starts_with("template type.md.j2, line 1: invalid operation: "), "{message}");
    assert!(message.contains("not a number"), "{message}");
}

/// The names that docs/experiment-file.md promises, and no others.
#[test]
fn a_template_sees_the_documented_names() {
    let dir = tempfile::tempdir().unwrap();
    let text = "{{ experiment }} {{ rows|length }} {{ groups|length }} {{ columns|length }} {{ lines|length }} {{ n_seeds }} \
                {{ lines[0].is_baseline }} {{ lines[3].cells[0].n }} {{ groups[3].sd|fixed(2) }} {{ 0.0035|percent }} \
                {{ 12345678|megabytes }} {{ 0.6314|score('accuracy') }} {{ 5|score('perplexity') }} \
                {{ 'accuracy' is share }} {{ 'perplexity' is share }} {{ differences|length }}";
    let path = template(dir.path(), "names.txt.j2", text);
    report(dir.path(), &rows(), &settings(&[&path])).unwrap();
    assert_eq!(
        read(dir.path(), "names.txt"),
        "demo 5 4 1 4 2 True 2 1.41 0.35 % 12.3 MB 63.1 5.000 True False 0"
    );
}
