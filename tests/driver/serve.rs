//! `serve`: sweeps in a browser, and what is not a browser.

use crate::sandbox::{Sandbox, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub const TOKEN: &str = "0123456789abcdef-of-the-tests";

/// A server, ended when dropped.
pub struct Server {
    child: Child,
    pub address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Server {
    /// With the stand-in engine, told what to do on a stage.
    fn start(sandbox: &Sandbox, told: &str, arguments: &[&str]) -> Self {
        Self::serve(sandbox, told, &[&["exp.yaml"], arguments].concat())
    }

    /// Of nothing but what the arguments name.
    pub fn serve(sandbox: &Sandbox, told: &str, arguments: &[&str]) -> Self {
        Self::serve_with(sandbox, told, arguments, &[])
    }

    /// With these variables in its environment.
    pub fn serve_with(sandbox: &Sandbox, told: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let arguments = [&["serve", "--port", "0"], arguments].concat();
        let mut command = sandbox.command_fake(&arguments, told);
        command.envs(variables.iter().copied());
        command.env("TACQ_SERVE_TOKEN", TOKEN).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").expect("an address").split('/').next().unwrap();
        assert!(line.trim().ends_with(&format!("?token={TOKEN}")), "{line}");
        Self { address: address.to_owned(), child }
    }

    /// Sends this and reads to the end.
    pub fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // A server that refuses a long request may close before it has read it all.
        let _ = stream.write_all(bytes);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let text = String::from_utf8_lossy(&all).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    pub fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let host = &self.address;
        self.send(
            format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n")
                .as_bytes(),
        )
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    fn post(&self, path: &str) -> Answer {
        self.ask("POST", path, &format!("authorization: Bearer {TOKEN}\r\n"))
    }

    fn state(&self) -> Value {
        let answer = self.get("/e/exp/state");
        serde_json::from_str(&unchunked(&answer)).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    /// Waits until the sweep is seen to be so.
    fn wait(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        wait_for(what, || {
            last = self.state();
            is_so(&last)
        });
        last
    }
}

/// Bodies here are short enough to be sent as they are.
fn unchunked(answer: &Answer) -> String {
    assert!(!answer.head.contains("transfer-encoding"), "{}", answer.head);
    answer.body.clone()
}

fn is_stored(state: &Value) -> bool {
    state["counts"]["stored"] == crate::sandbox::STAGES && state["run"].is_null()
}

#[test]
fn a_run_is_started_watched_and_reported() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, "", &[]);
    assert_eq!(server.get("/").status, 303, "the only experiment is shown at once");
    let state = server.wait("the first look", |state| state["trials"] == 4);
    assert_eq!(state["counts"]["waiting"], crate::sandbox::STAGES);

    let events = TcpStream::connect(&server.address).unwrap();
    let request = format!("GET /e/exp/events HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
    (&events).write_all(request.as_bytes()).unwrap();
    assert_eq!(server.post("/e/exp/run").status, 303);
    server.wait("the end of the run", is_stored);
    wait_for("the report", || server.get("/e/exp/report").body.contains("id=\"tables\""));

    // What was told meanwhile, stage by stage, ends with all of them stored.
    events.shutdown(Shutdown::Write).unwrap();
    events.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut states = vec![String::new(); crate::sandbox::STAGES];
    for line in BufReader::new(&events).lines().map_while(Result::ok) {
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let data: Value = serde_json::from_str(data).unwrap();
        for change in data.get("stages").and_then(Value::as_array).into_iter().flatten() {
            states[change[0].as_u64().unwrap() as usize] = change[1]["state"].as_str().unwrap().to_owned();
        }
    }
    assert!(states.iter().all(|state| state == "stored"), "{states:?}");

    // The served report is the one of the file, and a run from the page leaves the tables of one from a terminal.
    let from_page = sandbox.tables();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    assert_eq!(sandbox.tables(), from_page);
    sandbox.sweep(&["report", "exp.yaml", "--format", "html"]).expect(0);
    let file = sandbox.read("results/demo/report.html");
    let sections = |text: &str| {
        let start = text.find("<section id=\"scores\"").expect("scores");
        text[start..text.rfind("</section>").expect("sections")].trim().to_owned()
    };
    let served = server.get("/e/exp/report").body;
    assert_eq!(sections(&served), sections(&file));
    let tables = |text: &str| {
        let (_, rest) = text.split_once("id=\"tables\">").expect("tables");
        rest.split_once("</script>").expect("their end").0.to_owned()
    };
    assert_eq!(tables(&served), tables(&file), "figures are drawn from the same tables");
    assert!(server.get("/e/exp/").body.contains("id=\"tables\""), "and the page comes with it");
}

#[test]
fn a_stage_says_why_and_what_it_left() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, "", &[]);
    let state = server.wait("the first look", |state| state["trials"] == 4);
    let key = |state: &Value, kind: &str| {
        let plan = state["plan"].as_array().unwrap();
        plan.iter().find(|stage| stage["kind"] == kind).unwrap()["key"].as_str().unwrap().to_owned()
    };
    let page = server.get(&format!("/e/exp/stage/{}", key(&state, "gradients")));
    assert!(page.status == 200 && page.body.contains("No stage of this kind was ever stored"), "{page:?}");
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    server.wait("what another process ran", is_stored);
    let page = server.get(&format!("/e/exp/stage/{}", key(&state, "gradients")));
    assert!(page.body.contains("Artifact") && page.body.contains("<td>output.txt</td>"), "{page:?}");

    // The file is edited while it is served.
    let text = sandbox.read("exp.yaml").replace("n_samples: 4", "n_samples: 3");
    sandbox.write("exp.yaml", "sweep: {");
    let state = server.wait("a mistake in the file", |state| state["problems"] != serde_json::json!([]));
    assert_eq!(state["counts"]["stored"], crate::sandbox::STAGES, "what was loaded stays in view");
    sandbox.age();
    sandbox.write("exp.yaml", &text);
    let state = server.wait("the other plan", |state| !state["counts"]["waiting"].is_null());
    let page = server.get(&format!("/e/exp/stage/{}", key(&state, "calibrate")));
    assert!(page.body.contains("<code>params.n_samples</code></td><td>4</td><td>3</td>"), "{page:?}");
}

#[test]
fn a_run_is_ended_and_resumed() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, "gradients=wait:600000", &[]);
    server.wait("the first look", |state| state["trials"] == 4);
    assert_eq!(server.post("/e/exp/cancel").status, 409, "nothing runs");
    assert_eq!(server.post("/e/exp/run").status, 303);
    let is_hanging = |state: &Value| {
        let stages = state["stages"].as_array().into_iter().flatten();
        stages.zip(state["plan"].as_array().into_iter().flatten()).any(|(now, stage)| {
            stage["kind"] == "gradients" && now["state"] == "running" && !now["device"].is_null()
        })
    };
    let state = server.wait("gradients to run", is_hanging);
    assert!(state["run"]["is_here"] == true && state["counts"]["stored"].as_u64() > Some(0), "{state}");
    assert_eq!(server.post("/e/exp/run").status, 409, "one at a time");
    assert_eq!(server.post("/e/exp/cancel").status, 303);
    let state = server.wait("the end", |state| state["run"].is_null() && !state["last"].is_null());
    assert_eq!(state["last"]["how"], "interrupted");
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    server.wait("all of it", is_stored);
}

#[test]
fn a_sweep_outlives_its_server() {
    let sandbox = Sandbox::new();
    let mut server = Server::start(&sandbox, "gradients=wait:3000", &[]);
    server.wait("the first look", |state| state["trials"] == 4);
    assert_eq!(server.post("/e/exp/run").status, 303);
    server.wait("the run", |state| !state["run"].is_null());
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    wait_for("the tables of a run without a server", || {
        sandbox.root.join("results/demo/summary.csv").exists()
    });
    let server = Server::start(&sandbox, "", &[]);
    server.wait("what it did", is_stored);
}

#[test]
fn a_run_of_another_file_with_the_same_name_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("copy.yaml", &sandbox.read("exp.yaml").replace("n_samples: 4", "n_samples: 2"));
    let server = Server::start(&sandbox, "gradients=wait:600000", &["copy.yaml"]);
    server.wait("the first look", |state| state["trials"] == 4);
    assert_eq!(server.post("/e/exp/run").status, 303);
    let is_hanging = |state: &Value| !state["run"].is_null() && state["counts"]["running"] == 1;
    server.wait("the run", is_hanging);
    let copy: Value = serde_json::from_str(&server.get("/e/copy/state").body).unwrap();
    assert!(copy["run"].is_null() && copy["experiment"] == "demo", "{copy}");
    assert_eq!(server.post("/e/copy/cancel").status, 409);
    server.wait("it goes on", is_hanging);
    assert_eq!(server.post("/e/exp/cancel").status, 303);
    server.wait("the end", |state| state["run"].is_null() && state["last"]["how"] == "interrupted");
}

#[test]
fn what_fails_is_shown_with_its_reason() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, "gradients=fail:internal", &[]);
    server.wait("the first look", |state| state["trials"] == 4);
    assert_eq!(server.post("/e/exp/run").status, 303);
    let ended = |state: &Value| !state["last"].is_null() && state["launched"]["is_running"] == false;
    let state = server.wait("the end", ended);
    assert_eq!((&state["last"]["how"], &state["counts"]["failed"]), (&"failed".into(), &1.into()));
    assert!(state["counts"]["blocked"].as_u64() > Some(3), "what reads it: {state}");
    let said = state["launched"]["said"].as_str().unwrap();
    assert!(state["launched"]["exit_code"] == 1 && said.contains("failed: gradients"), "{said}");
}

#[test]
fn hostile_requests_are_refused_in_words() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, "", &[]);
    server.wait("the first look", |state| state["trials"] == 4);
    for path in [
        "/../../../etc/passwd",
        "/assets/../../Cargo.toml",
        "/assets/..%2f..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/e/..%2f..%2f/",
        "/e/exp/stage/..%2f..%2f..%2fmodel%2fconfig.json",
        "/e/exp/stage/%00",
        "/e/exp/../../exp.yaml",
        "//etc/passwd",
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(!answer.body.contains("root:") && !answer.body.contains("name:"), "{path}");
    }
    let text = "GET / HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert_eq!(server.send(text.as_bytes()).status, 421, "a name that was pointed here");
    assert_eq!(server.send(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n").status, 421);
    assert_eq!(server.get(&format!("/{}", "a".repeat(4000))).status, 414);
    assert!(matches!(server.get(&format!("/{}", "a".repeat(100_000))).status, 414 | 431));
    assert_eq!(server.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").status, 400, "TLS");
    assert_eq!(server.send(b"GET /\r\n\r\n").status, 400);
    assert_eq!(server.ask("DELETE", "/e/exp/", &format!("authorization: Bearer {TOKEN}\r\n")).status, 405);

    // Nothing is started by somebody who does not know the token, or by a page of another site.
    let own = format!("authorization: Bearer {TOKEN}\r\n");
    for headers in [
        String::new(),
        "authorization: Bearer 0123456789abcdef-of-the-wrong\r\n".to_owned(),
        format!("cookie: tacq_sweep_1={TOKEN}\r\n"),
        format!("{own}origin: http://evil.example\r\n"),
        format!("{own}origin: null\r\n"),
        format!("{own}sec-fetch-site: cross-site\r\n"),
    ] {
        assert_eq!(server.ask("POST", "/e/exp/run", &headers).status, 403, "{headers}");
    }
    assert_eq!(server.get("/?token=0123456789abcdef-of-the-wrong").status, 403);
    let long = format!("{own}content-length: 1000000000\r\n");
    assert_eq!(server.ask("POST", "/e/exp/run", &long).status, 413);
    assert_eq!(server.ask("POST", "/e/exp/run", &format!("{own}transfer-encoding: chunked\r\n")).status, 413);
    assert!(server.state()["run"].is_null() && server.state()["launched"].is_null());

    let answer = server.get("/e/exp/");
    for header in [
        "content-security-policy: default-src 'none'; script-src 'self'",
        "x-content-type-options: nosniff",
        "x-frame-options: deny",
        "referrer-policy: no-referrer",
        "cross-origin-opener-policy: same-origin",
        "cache-control: no-store",
    ] {
        assert!(answer.head.contains(header), "{header}: {}", answer.head);
    }
}

#[test]
fn a_visitor_with_the_token_is_remembered() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, "", &[]);
    server.wait("the first look", |state| state["trials"] == 4);
    let answer = server.get(&format!("/e/exp/?token={TOKEN}"));
    assert!(answer.status == 303 && answer.head.contains("location: /e/exp/\r\n"), "{answer:?}");
    let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap().to_owned();
    assert!(cookie.contains("httponly; samesite=strict"), "{cookie}");
    let cookie = format!("cookie: a=b; {}\r\n", cookie.split(';').next().unwrap());
    assert!(server.ask("GET", "/e/exp/", &cookie).body.contains("<form method=\"post\" action=\"run\">"));
    assert!(!server.get("/e/exp/").body.contains("<form"), "who may not is shown no button");
    let own = format!("{cookie}origin: http://{}\r\nsec-fetch-site: same-origin\r\n", server.address);
    assert_eq!(server.ask("POST", "/e/exp/run", &own).status, 303);
    server.wait("the run", is_stored);
}

#[test]
fn from_elsewhere_nothing_is_seen_without_the_token() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, "", &["--host", "0.0.0.0", "--allow-host", "gpu7"]);
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    let server = {
        let mut server = server;
        server.address = format!("127.0.0.1:{port}");
        server
    };
    for path in ["/", "/sites", "/e/exp/", "/e/exp/state", "/e/exp/events", "/assets/live.js"] {
        assert_eq!(server.get(path).status, 403, "{path}");
    }
    let own = format!("authorization: Bearer {TOKEN}\r\n");
    assert_eq!(server.ask("GET", "/sites", &own).status, 200);
    let text = format!("GET /sites HTTP/1.1\r\nhost: gpu7:{port}\r\nconnection: close\r\n{own}\r\n");
    assert_eq!(server.send(text.as_bytes()).status, 200);
    // As the address is printed.
    let own_name = tacq_sweep::exec::host_name();
    let text = format!("GET /sites HTTP/1.1\r\nhost: {own_name}:{port}\r\nconnection: close\r\n{own}\r\n");
    assert_eq!(server.send(text.as_bytes()).status, 200);
    let text = format!("GET /sites HTTP/1.1\r\nhost: gpu8:{port}\r\nconnection: close\r\n{own}\r\n");
    assert_eq!(server.send(text.as_bytes()).status, 421);
}

#[test]
fn two_hundred_at_once_are_answered_while_a_sweep_runs() {
    let sandbox = Sandbox::new();
    sandbox.sweep_fake(&["run", "exp.yaml"]).expect(0);
    let alone = sandbox.tables();
    std::fs::remove_dir_all(sandbox.root.join(".tacq")).unwrap();
    std::fs::remove_dir_all(sandbox.root.join("results")).unwrap();

    let server = Server::start(&sandbox, "", &[]);
    server.wait("the first look", |state| state["trials"] == 4);
    // Some never finish their request, some never read what they asked for.
    let slow: Vec<TcpStream> = (0..60)
        .map(|at| {
            let stream = TcpStream::connect(&server.address).unwrap();
            let rest = if at % 2 == 0 { "" } else { ": x\r\n\r\n" };
            let request = format!("GET /e/exp/events HTTP/1.1\r\nhost: {}\r\nx{rest}", server.address);
            (&stream).write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    assert_eq!(server.post("/e/exp/run").status, 303);
    let fine = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for at in 0..200 {
            let (server, fine) = (&server, &fine);
            scope.spawn(move || {
                let path = ["/e/exp/", "/e/exp/state", "/assets/plot.js", "/e/exp/report", "/sites"][at % 5];
                let answer = server.get(path);
                assert_eq!(answer.status, 200, "{path}: {}", answer.head);
                fine.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(fine.into_inner(), 200);
    server.wait("the end of the run", is_stored);
    drop(slow);
    assert_eq!(sandbox.tables(), alone);
}

#[test]
fn a_server_that_cannot_start_says_what_to_do() {
    let sandbox = Sandbox::new();
    let server = Server::start(&sandbox, "", &[]);
    let port = server.address.rsplit(':').next().unwrap();
    sandbox
        .sweep(&["serve", "exp.yaml", "--port", port])
        .expect(3)
        .says(&["cannot listen on 127.0.0.1", "--port"]);
    sandbox.write("token", "short\n");
    sandbox.sweep(&["serve", "exp.yaml", "--token-file", "token"]).expect(2).says(&["5 characters", "16"]);
    sandbox.sweep(&["serve", "no.yaml"]).expect(2).says(&["no.yaml"]);
}
