//! The demonstration: what a visitor chooses is computed, and only that.

use crate::sandbox::{Sandbox, wait_for};
use crate::serve::{Answer, Server, TOKEN};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/quickstart");
const ARGUMENTS: [&str; 6] = ["--demo-model", "model", "--demo-data", DATA, "--store", "demo-store"];

/// The demonstration on the sandbox's model and the data that comes with the repository.
fn demo(sandbox: &Sandbox, told: &str) -> Server {
    Server::serve(sandbox, told, &ARGUMENTS)
}

fn choices() -> Value {
    json!({ "bits": 2, "ratio": "0.0035", "task": "gsm8k", "method": "gptq", "seed": 0 })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut choices = choices();
    choices[name] = value.into();
    choices
}

fn post(server: &Server, body: &str) -> Answer {
    let length = body.len();
    let head = format!(
        "authorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n"
    );
    let host = &server.address;
    server.send(
        format!("POST /demo/jobs HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{head}\r\n{body}")
            .as_bytes(),
    )
}

fn ask(server: &Server, visitor: &str, choices: &Value) -> Answer {
    post(server, &json!({ "visitor": visitor, "choices": choices }).to_string())
}

/// What was found, when it was; its HTML.
fn computed(server: &Server, choices: &Value) -> String {
    let mut found = String::new();
    wait_for("a result", || {
        let answer = ask(server, "a", choices);
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        assert_ne!(answer["job"]["state"], "failed", "{answer}");
        found = answer["html"].as_str().unwrap_or_default().to_owned();
        !found.is_empty()
    });
    found
}

/// Kinds of stages that the engine was asked for, until it was asked for nothing more.
fn asked(sandbox: &Sandbox) -> Vec<String> {
    let mut all = sandbox.asked();
    loop {
        std::thread::sleep(std::time::Duration::from_millis(700));
        let more = sandbox.asked();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

#[test]
fn another_share_only_selects_and_quantizes_anew() {
    let sandbox = Sandbox::new();
    let server = demo(&sandbox, "");
    assert_eq!(
        server.get("/").head.lines().find(|line| line.starts_with("location")),
        Some("location: /demo/")
    );
    assert!(server.get("/demo/").status == 200);
    let html = computed(&server, &choices());
    assert!(html.contains("<p class=\"who\">TCQAG-2</p>") && html.contains("id=\"tables\""), "{html}");
    let first = asked(&sandbox);
    assert!(first.contains(&"gradients".to_owned()), "{first:?}");
    // The other methods follow when nobody waits.
    assert_eq!(first.iter().filter(|kind| *kind == "quantize").count(), 6, "{first:?}");

    computed(&server, &with("ratio", "0.01"));
    assert_eq!(asked(&sandbox), ["select", "mixed_quantize", "evaluate"]);
    computed(&server, &choices());
    computed(&server, &with("method", "awq"));
    assert_eq!(asked(&sandbox), Vec::<String>::new(), "all of it was there");
}

#[test]
fn a_visitors_text_is_data_and_nothing_else() {
    let sandbox = Sandbox::new();
    let server = demo(&sandbox, "");
    computed(&server, &choices());
    asked(&sandbox);
    let prompt = "\"}: {{ 7 * 7 }} {% raw %}\n- <script>alert(1)</script> ../../etc/passwd \u{1f642}";
    let html = computed(&server, &with("prompt", prompt));
    let (lists, answers) = (html.matches("<ul").count(), html.matches("<li>").count());
    assert_eq!(answers, 8 * lists, "16 bit and seven methods: {html}");
    assert!(!html.contains("<script"), "{html}");
    let folder = sandbox.root.join("demo-store/v1/serve/prompts");
    let kept: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let record: Value = serde_json::from_str(&std::fs::read_to_string(&kept[0]).unwrap()).unwrap();
    assert_eq!((kept.len(), record["prompt"].as_str()), (1, Some(prompt)));
    assert!(asked(&sandbox).iter().all(|kind| kind == "evaluate"));
    computed(&server, &with("prompt", prompt));
    assert!(asked(&sandbox).is_empty(), "the same text again");
}

#[test]
fn what_is_not_offered_is_refused_in_words() {
    let sandbox = Sandbox::new();
    let server = demo(&sandbox, "");
    for (choices, word) in [
        (with("bits", 1), "bits"),
        (with("ratio", "0.5"), "ratio"),
        (with("task", "../../etc"), "task"),
        (with("method", "sh"), "method"),
        (with("seed", 7), "seed"),
        (with("prompt", "x".repeat(4001)), "4000"),
        (with("prompt", "  "), "prompt"),
        (with("shell", "rm"), "shell"),
        (with("bits", "two"), "bits"),
    ] {
        let answer = ask(&server, "a", &choices);
        assert!(answer.status == 422 && answer.body.contains(word), "{word}: {answer:?}");
    }
    assert_eq!(post(&server, "{").status, 400);
    assert_eq!(post(&server, &" ".repeat(40_000)).status, 413);
    assert_eq!(server.ask("POST", "/demo/jobs", "content-length: 0\r\n").status, 403, "without the token");
    assert_eq!(server.get("/demo/jobs/none/events").status, 404);
    assert_eq!(server.get("/demo/jobs/..%2f..%2fmodel/result").status, 404);
    assert_eq!(sandbox.asked(), Vec::<String>::new());
}

#[test]
fn the_queue_has_an_end_and_a_visitor_one_place_in_it() {
    let sandbox = Sandbox::new();
    let go = sandbox.root.join("go");
    let server = demo(&sandbox, &format!("calibrate=until:{}", go.display()));
    let choice = |n: usize| {
        let ratios = ["0.0005", "0.001", "0.002", "0.0035", "0.005", "0.01", "0.02"];
        let mut choices = with("ratio", ratios[n % 7]);
        choices["seed"] = (n / 7).into();
        choices
    };
    assert_eq!(ask(&server, "first", &choice(0)).status, 200);
    wait_for("the first to run", || sandbox.asked().contains(&"calibrate".to_owned()));
    for n in 1..=16 {
        assert_eq!(ask(&server, &n.to_string(), &choice(n)).status, 200, "{n}");
    }
    let answer = ask(&server, "late", &choice(17));
    assert!(answer.status == 503 && answer.body.contains("16 others"), "{answer:?}");
    assert_eq!(ask(&server, "16", &choice(18)).status, 200, "in place of what they asked for before");
    let answer: Value = serde_json::from_str(&ask(&server, "late", &choice(1)).body).unwrap();
    assert_eq!(answer["job"]["state"], "waiting", "what is waited for is shared");
    std::fs::write(go, "").unwrap();
    computed(&server, &choice(0));
}

#[test]
fn what_fails_is_told_and_tried_again_when_asked() {
    let sandbox = Sandbox::new();
    let engine_fails = "gradients=fail:numerics";
    let server = demo(&sandbox, engine_fails);
    let id = {
        let answer: Value = serde_json::from_str(&ask(&server, "a", &choices()).body).unwrap();
        answer["job"]["id"].as_str().unwrap().to_owned()
    };
    let mut told = String::new();
    wait_for("the failure", || {
        // The events of a job end with the connection; what was said until then is enough.
        let answer: Value = serde_json::from_str(&ask(&server, "b", &with("seed", 1)).body).unwrap();
        told = answer["job"]["problem"].as_str().unwrap_or_default().to_owned();
        !told.is_empty() || server.get(&format!("/demo/jobs/{id}/result")).status == 404
    });
    drop(server);
    let server = demo(&sandbox, "");
    computed(&server, &choices());
}

#[test]
fn a_model_that_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    sandbox.sweep(&["serve", "--demo-model", "nowhere"]).expect(2).says(&["nowhere", "--demo-model DIR"]);
}

/// A server like OpenAI's that gives this answer to everything, and keeps what it was asked.
fn chat(answer: impl Fn(&Value) -> String + Send + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let questions = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&questions);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while reader.read_line(&mut head).unwrap() > 2 {
                let last = head.lines().last().unwrap_or_default().to_lowercase();
                length = last.strip_prefix("content-length:").map_or(length, |n| n.trim().parse().unwrap());
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let question: Value = serde_json::from_slice(&body).unwrap();
            let said: Value =
                serde_json::from_str(question["messages"][1]["content"].as_str().unwrap()).unwrap();
            let text = answer(&said["said"]);
            kept.lock().unwrap().push(format!("{head}{question}"));
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
            stream.write_all(format!("{head}{text}").as_bytes()).unwrap();
        }
    });
    (base, questions)
}

/// As a chat model answers.
fn completion(content: &str) -> String {
    json!({ "choices": [{ "message": { "role": "assistant", "content": content } }] }).to_string()
}

#[test]
fn another_model_may_find_the_words_but_no_number() {
    let in_other_words = |said: &Value| {
        let mut said = said.clone();
        for one in said.as_array_mut().unwrap() {
            one["text"] = format!("In other words: {}", one["text"].as_str().unwrap()).into();
        }
        completion(&json!({ "said": said }).to_string())
    };
    let with_a_number = |said: &Value| {
        let mut said = said.clone();
        said[0]["text"] = "It is 12345 times better.".into();
        completion(&json!({ "said": said }).to_string())
    };
    let sandbox = Sandbox::new();
    let served = |base: &str| {
        let variables = [("OPENAI_API_KEY", "secret"), ("OPENAI_BASE_URL", base), ("OPENAI_MODEL", "m")];
        Server::serve_with(&sandbox, "", &ARGUMENTS, &variables)
    };
    let (base, questions) = chat(in_other_words);
    let server = served(&base);
    computed(&server, &choices());
    wait_for("other words", || computed(&server, &choices()).contains("In other words: The task is"));
    let asked = questions.lock().unwrap().join("\n");
    assert!(asked.contains("authorization: Bearer secret") && asked.contains("\"model\":\"m\""), "{asked}");
    drop(server);

    let (base, questions) = chat(with_a_number);
    let server = served(&base);
    computed(&server, &with("ratio", "0.01"));
    wait_for("the question", || !questions.lock().unwrap().is_empty());
    std::thread::sleep(std::time::Duration::from_millis(300));
    let html = computed(&server, &with("ratio", "0.01"));
    assert!(html.contains("The task is word problems") && !html.contains("12345"), "{html}");
    drop(server);

    let server = served("http://127.0.0.1:9/v1");
    let html = computed(&server, &with("ratio", "0.02"));
    assert!(html.contains("The task is word problems"), "{html}");
}
