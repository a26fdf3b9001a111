// Follows a sweep: server-sent events say what changed, and the report is fetched anew when it is another.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const make = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const STATES = ["stored", "running", "waiting", "failed", "blocked", "unneeded"];
  const WORDS = { stored: "stored", running: "running", waiting: "to run", failed: "failed", blocked: "blocked", unneeded: "not needed" };
  const LEVELS = ["trace", "debug", "info", "warn", "error"];
  const MOST_LINES = 2000;

  let plan = [];
  let readers = [];
  let stages = [];
  let cells = [];
  let now = null;
  let lines = [];

  function duration(secs) {
    if (secs < 60) return `${secs.toFixed(secs < 10 ? 1 : 0)} s`;
    const minutes = Math.round(secs / 60);
    return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }
  const gigabytes = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const part = (stage) => (stage.progress?.[1] ? stage.progress[0] / stage.progress[1] : null);

  /** A stage in words. */
  function told(at) {
    const stage = stages[at] ?? {};
    const words = [plan[at].label, WORDS[stage.state] ?? ""];
    if (stage.progress?.[1]) words.push(`${stage.progress[0]} of ${stage.progress[1]} ${stage.progress[2]}`);
    if (stage.device) words.push(`on ${stage.device}`);
    if (stage.wall_secs !== undefined) words.push(`took ${duration(stage.wall_secs)}`);
    if (stage.failure) words.push(stage.failure);
    return words.filter(Boolean).join(", ");
  }

  /** All that one stage reads, or that reads it, and theirs. */
  function reach(at, next) {
    const found = new Set([at]);
    const open = [at];
    while (open.length) for (const other of next(open.pop())) if (!found.has(other)) { found.add(other); open.push(other); }
    return found;
  }

  function pick(at) {
    const lanes = $("lanes");
    lanes.classList.toggle("picked", at !== null);
    for (const cell of cells) cell.classList.remove("near", "own");
    $("told").textContent = at === null ? "" : told(at);
    if (at === null) return;
    const near = new Set([...reach(at, (i) => plan[i].reads), ...reach(at, (i) => readers[i])]);
    for (const other of near) cells[other].classList.add("near");
    cells[at].classList.add("own");
  }

  /** A lane for each kind, in the order in which stages read each other. */
  function build() {
    readers = plan.map(() => []);
    plan.forEach((stage, at) => stage.reads.forEach((input) => readers[input].push(at)));
    const kinds = d3.sort(d3.rollups(plan, (of) => d3.max(of, (s) => s.depth), (s) => s.kind), ([, depth]) => depth).map(([kind]) => kind);
    cells = plan.map((stage, at) => {
      const cell = stage.key ? make("a", { href: `stage/${stage.key}` }) : make("span", { role: "img" });
      cell.className = "mark";
      cell.dataset.at = at;
      cell.tabIndex = -1;
      cell.addEventListener("focus", () => pick(at));
      cell.addEventListener("blur", () => pick(null));
      cell.addEventListener("mouseenter", () => pick(at));
      cell.addEventListener("mouseleave", () => pick(null));
      return cell;
    });
    const rows = kinds.flatMap((kind) => {
      const own = plan.flatMap((stage, at) => (stage.kind === kind ? [cells[at]] : []));
      return [make("span", { class: "kind" }, kind), make("div", { class: "cells" }, ...own)];
    });
    $("lanes").replaceChildren(...rows);
    const first = $("lanes").querySelector(".mark");
    if (first) first.tabIndex = 0;
  }

  function paint(at) {
    const cell = cells[at];
    const stage = stages[at];
    cell.className = cell.className.replace(new RegExp(` ?\\b(${STATES.join("|")})\\b`, "g"), "");
    cell.classList.add(stage.state);
    cell.style.setProperty("--done", part(stage) ?? 0.15);
    cell.setAttribute("aria-label", told(at));
  }

  $("lanes").addEventListener("keydown", (event) => {
    const all = [...$("lanes").querySelectorAll(".mark")];
    const at = all.indexOf(document.activeElement);
    if (at < 0) return;
    const lane = (cell) => cell.parentElement;
    const goals = {
      ArrowRight: () => all[at + 1],
      ArrowLeft: () => all[at - 1],
      ArrowDown: () => all.find((cell, i) => i > at && lane(cell) !== lane(all[at])),
      ArrowUp: () => { const before = all.filter((cell, i) => i < at && lane(cell) !== lane(all[at])).at(-1); return before && lane(before).firstElementChild; },
      Home: () => all[0],
      End: () => all.at(-1),
    };
    const goal = goals[event.key]?.();
    if (!goal) return;
    event.preventDefault();
    all[at].tabIndex = -1;
    goal.tabIndex = 0;
    goal.focus();
  });

  function legend() {
    const shown = STATES.filter((state) => now.counts[state]);
    $("legend").replaceChildren(...shown.map((state) => make("span", { class: "one" }, make("span", { class: `mark ${state}`, "aria-hidden": "true" }), `${now.counts[state]} ${WORDS[state]}`)));
  }

  function meter(name, value, most, text) {
    const bar = make("meter", { min: 0, max: most || 1, value, "aria-label": name });
    return [make("dt", {}, name), make("dd", {}, bar, make("span", {}, text))];
  }

  function machine() {
    const d = now.devices;
    if (!d) return;
    const parts = [
      ...meter("processors", d.cpu_percent, 100, `${d.cpu_percent} % of ${d.cpus}`),
      ...meter("memory", d.memory_bytes, d.memory_total_bytes, `${gigabytes(d.memory_bytes)} of ${gigabytes(d.memory_total_bytes)}`),
      ...d.gpus.flatMap((gpu) => [
        ...meter(`GPU ${gpu.index}`, gpu.percent ?? 0, 100, `${gpu.percent ?? "?"} % of ${gpu.name}`),
        ...meter(`GPU ${gpu.index} memory`, gpu.memory_bytes ?? 0, gpu.memory_total_bytes, `${gigabytes(gpu.memory_bytes ?? 0)} of ${gigabytes(gpu.memory_total_bytes ?? 0)}`),
      ]),
      ...d.engines.flatMap((engine) => [make("dt", {}, `engine ${engine.pid}`), make("dd", {}, `${engine.cpu_percent} % of a processor, ${gigabytes(engine.memory_bytes)}`)]),
    ];
    $("devices").replaceChildren(...parts);
  }

  function list(id, states, describe) {
    const found = stages.flatMap((stage, at) => (states.includes(stage.state) ? [at] : []));
    const focused = $(id).contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    $(id).replaceChildren(...found.map((at) => make("li", {}, plan[at].key ? make("a", { href: `stage/${plan[at].key}` }, plan[at].label) : plan[at].label, ...describe(stages[at], at))));
    if (focused) $(id).querySelector(`a[href="${focused}"]`)?.focus();
    return found.length;
  }

  function running(stage, at) {
    const words = [];
    if (stage.device) words.push(String(stage.device));
    if (stage.progress?.[1]) words.push(`${stage.progress[0]} of ${stage.progress[1]} ${stage.progress[2]}`);
    if (stage.started_unix) words.push(duration(Math.max(0, now.unix - stage.started_unix)));
    const far = part(stage);
    const bar = far === null ? [] : [make("progress", { max: 1, value: far, "aria-label": plan[at].label })];
    return [make("span", { class: "soft" }, ` ${words.join(", ")}`), ...bar];
  }

  function head() {
    const needed = stages.length - (now.counts.unneeded ?? 0);
    const stored = now.counts.stored ?? 0;
    const run = now.run;
    const where = run ? `, process ${run.pid} on ${run.host}` : "";
    $("far").textContent = needed === 0 ? (now.problems.length ? "The experiment cannot be shown." : "Reading the experiment…") : `${stored} of ${needed} stages, ${now.trials_done} of ${now.trials} trials${run ? `: running${where}` : ""}`;
    Object.assign($("progress"), { max: Math.max(needed, 1), value: stored });
    const rest = [];
    if (run) rest.push(`Since ${new Date(run.started_unix * 1000).toLocaleString()}: ${run.computed} computed, ${run.reused} reused, ${run.failed} failed, of ${run.to_run}.`);
    else if (now.last) rest.push(`The last run ${{ done: "was done", failed: "had failures", interrupted: "was interrupted", killed: "was killed" }[now.last.how]}${now.last.how === "killed" ? "" : `: ${now.last.computed} computed, ${now.last.reused} reused, ${now.last.failed} failed in ${duration(now.last.wall_secs)}`}.`);
    $("rest").textContent = rest.join(" ");
    const problems = now.problems.join("\n");
    if ($("problems").textContent !== problems) $("problems").textContent = problems;
    $("problems").hidden = !problems;
    const begun = now.launched?.is_running;
    const start = $("start");
    if (start) {
      start.disabled = Boolean(run || begun) || stored === needed || needed === 0;
      start.textContent = needed > 0 && stored === needed ? "All is there" : stored > 0 || now.last ? "Resume" : "Run";
      $("cancel").disabled = !(run || begun);
    }
    const said = !run && !begun && now.launched?.said ? `tacq-sweep ${now.launched.what} ended${now.launched.exit_code === null ? "" : ` with ${now.launched.exit_code}`}: ${now.launched.said}` : "";
    if ($("said").textContent !== said) $("said").textContent = said;
    $("said").hidden = !said;
  }

  function log() {
    const least = LEVELS.indexOf($("level").value);
    const shown = lines.filter((line) => LEVELS.indexOf(line.level) >= least);
    const box = $("log");
    box.replaceChildren(...shown.map((line) => make("span", { class: line.level }, `${line.time} ${line.level} ${line.text}\n`)));
    if ($("follow").checked) box.scrollTop = box.scrollHeight;
  }
  $("level").addEventListener("change", log);

  let renewing = false;
  /** Puts another report in place of the one that is shown, with what was open still open. */
  async function renew(version) {
    const place = $("report");
    if (Number(place.dataset.version) >= version) return;
    if (renewing) return;
    renewing = true;
    const answer = await fetch("report").catch(() => null);
    renewing = false;
    if (!answer?.ok) return;
    place.dataset.version = version;
    const text = await answer.text();
    const open = new Set([...place.querySelectorAll("details[open] > summary")].map((s) => s.textContent));
    const at = scrollY;
    place.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
    for (const summary of place.querySelectorAll("details > summary")) summary.parentElement.open = open.has(summary.textContent);
    $("no-report").hidden = Boolean(text);
    if (text) drawReport();
    scrollTo({ top: at, behavior: "instant" });
  }

  for (const form of document.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      form.querySelector("button").disabled = true;
      const answer = await fetch(form.action, { method: "POST", redirect: "manual" }).catch(() => null);
      const isFine = answer && (answer.ok || answer.type === "opaqueredirect");
      $("announce").textContent = isFine ? "The server was told" : "";
      $("said").textContent = isFine ? "" : answer ? await answer.text() : "The server does not answer.";
      $("said").hidden = isFine;
    });
  }

  function follow() {
  const source = new EventSource("events");
  source.addEventListener("plan", (event) => {
    plan = JSON.parse(event.data);
    stages = [];
    build();
  });
  source.addEventListener("state", (event) => {
    const { stages: changed, ...rest } = JSON.parse(event.data);
    now = rest;
    // Another run has another log.
    lines = lines.filter((line) => line.n >= now.log_first);
    for (const [at, stage] of changed) {
      stages[at] = stage;
      paint(at);
    }
    head();
    legend();
    machine();
    if (list("running", ["running"], running) === 0) $("running").replaceChildren(make("li", { class: "soft" }, "Nothing runs."));
    $("failed-part").hidden = list("failed", ["failed"], (stage) => [make("p", { class: "problem" }, stage.failure ?? "")]) === 0;
    document.body.dataset.live = "yes";
    renew(now.report);
  });
  source.addEventListener("log", (event) => {
    const more = JSON.parse(event.data);
    const last = lines.at(-1)?.n ?? -1;
    lines = [...lines, ...more.filter((line) => line.n > last)].slice(-MOST_LINES);
    log();
  });
  source.addEventListener("error", () => {
    $("far").textContent = "The server does not answer. Trying again…";
    // What it says after it was started anew is all new.
    lines = [];
    // A refusal ends it for good, a broken connection does not.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  });
  }
  follow();
})();
