//! The JSON Schema and the reader agree, and the committed schema is the program's.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use tacq_sweep::spec::{parse_str, schema};

/// Property names of the object schema at a path of keys, references followed.
fn keys<'a>(root: &'a Value, path: &[&str]) -> BTreeSet<&'a str> {
    let mut here = root;
    for key in path {
        here = follow(root, follow(root, here)["properties"].get(*key).unwrap_or_else(|| panic!("no {key}")));
        if let Some(values) = here.get("additionalProperties").filter(|values| values.is_object()) {
            here = values;
        }
    }
    follow(root, here)["properties"]
        .as_object()
        .expect("an object schema")
        .keys()
        .map(String::as_str)
        .collect()
}

/// The object schema that a reference, or the one alternative that has properties, leads to.
fn follow<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix("#/$defs/").expect("a local reference");
        return follow(root, &root["$defs"][name]);
    }
    match schema["anyOf"].as_array() {
        Some(alternatives) => alternatives
            .iter()
            .map(|alternative| follow(root, alternative))
            .find(|alternative| alternative.get("properties").is_some())
            .unwrap_or(schema),
        None => schema,
    }
}

/// The keys that the reader allows in a mapping, from its answer to a wrong one.
fn allowed(text: &str) -> BTreeSet<String> {
    let error = parse_str("x.yaml".as_ref(), text, &[]).unwrap_err();
    let message = error
        .diagnostics
        .iter()
        .find_map(|diagnostic| diagnostic.message.strip_prefix("unknown key `zzzzzzzz`; allowed here: "))
        .unwrap_or_else(|| panic!("{error}"));
    message.split(", ").map(str::to_owned).collect()
}

#[test]
fn schema_has_exactly_the_keys_that_are_read() {
    let schema = schema();
    let cases: [(&[&str], &str); 19] = [
        (&[], "zzzzzzzz: 1"),
        (&["sweep"], "sweep: {zzzzzzzz: 1}"),
        (&["sweep", "methods", "rtn"], "sweep: {methods: {rtn: {zzzzzzzz: 1}}}"),
        (&["sweep", "methods", "gptq"], "sweep: {methods: {gptq: {zzzzzzzz: 1}}}"),
        (&["sweep", "methods", "slim_llm"], "sweep: {methods: {slim_llm: {zzzzzzzz: 1}}}"),
        (&["sweep", "methods", "awq"], "sweep: {methods: {awq: {zzzzzzzz: 1}}}"),
        (&["sweep", "methods", "spqr"], "sweep: {methods: {spqr: {zzzzzzzz: 1}}}"),
        (&["sweep", "methods", "squeezellm"], "sweep: {methods: {squeezellm: {zzzzzzzz: 1}}}"),
        (&["sweep", "methods", "tacq"], "sweep: {methods: {tacq: {zzzzzzzz: 1}}}"),
        (&["datasets"], "datasets: {x: {zzzzzzzz: 1}}"),
        (&["tasks"], "tasks: {x: {zzzzzzzz: 1}}"),
        (&["datasets", "train"], "datasets: {x: {train: {zzzzzzzz: 1}}}"),
        (&["tasks", "decoding"], "tasks: {x: {decoding: {zzzzzzzz: 1}}}"),
        (&["calibration"], "calibration: {zzzzzzzz: 1}"),
        (&["report"], "report: {zzzzzzzz: 1}"),
        (&["run"], "run: {zzzzzzzz: 1}"),
        (&["run", "remote"], "run: {remote: {url: x, zzzzzzzz: 1}}"),
        (&["run"], "run:\n  zzzzzzzz: 1"),
        (&["run", "kinds", "gradients"], "run: {kinds: {gradients: {zzzzzzzz: 1}}}"),
    ];
    for (path, text) in cases {
        let in_schema: BTreeSet<String> = keys(&schema, path).into_iter().map(str::to_owned).collect();
        assert_eq!(in_schema, allowed(text), "{path:?}");
    }
    let methods: Vec<&str> = keys(&schema, &["sweep", "methods"]).into_iter().collect();
    assert_eq!(methods, ["awq", "gptq", "rtn", "slim_llm", "spqr", "squeezellm", "tacq"]);
}

/// Each word of an enumeration in the schema is read; the reader's list has no other.
#[test]
fn schema_has_exactly_the_words_that_are_read() {
    let schema = schema();
    let cases = [
        ("Grid", "sweep: {methods: {rtn: {grid: zzzzzzzz}}}"),
        ("Order", "sweep: {methods: {gptq: {order: zzzzzzzz}}}"),
        ("Rounding", "sweep: {methods: {tacq: {quantizer: zzzzzzzz}}}"),
        ("Score", "sweep: {methods: {tacq: {saliency: zzzzzzzz}}}"),
        ("TextFormat", "datasets: {x: {format: zzzzzzzz}}"),
        ("TaskType", "tasks: {x: {type: zzzzzzzz}}"),
        ("CalibrationSampling", "calibration: {sampling: zzzzzzzz}"),
        ("DType", "run: {dtype: zzzzzzzz}"),
        ("RemoteMode", "run: {remote: {url: x, mode: zzzzzzzz}}"),
        ("ArtifactKind", "run: {remote: {url: x, push: zzzzzzzz}}"),
        ("Executor", "run: {executor: zzzzzzzz}"),
    ];
    for (name, text) in cases {
        let error = parse_str("x.yaml".as_ref(), text, &[]).unwrap_err();
        let known = error
            .diagnostics
            .iter()
            .find_map(|diagnostic| {
                diagnostic.message.strip_prefix("`zzzzzzzz` is not ")?.split_once("; known: ")
            })
            .unwrap_or_else(|| panic!("{error}"))
            .1;
        let known: BTreeSet<&str> = known.split(", ").collect();
        let definition = &schema["$defs"][name];
        let words: BTreeSet<&str> = match definition["oneOf"].as_array() {
            Some(alternatives) => {
                alternatives.iter().map(|word| word["const"].as_str().expect("text")).collect()
            }
            None => definition["enum"]
                .as_array()
                .expect("words")
                .iter()
                .map(|w| w.as_str().expect("text"))
                .collect(),
        };
        assert_eq!(words, known, "{name}");
    }
}

#[test]
fn committed_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/schema.json");
    let current = serde_json::to_string_pretty(&schema()).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_SPECS").is_some() {
        std::fs::write(&path, &current).expect("writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == current,
        "experiments/schema.json is out of date: UPDATE_SPECS=1 cargo test --test specs"
    );
}
