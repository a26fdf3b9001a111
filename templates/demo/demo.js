// Sends what is chosen, shows how it is computed, and puts what was found on the page.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const form = $("choices");
  if (!form) return;
  const visitor = crypto.getRandomValues(new Uint32Array(4)).join("-");
  const value = (name) => {
    const field = form.elements[name];
    return field.dataset.values ? field.dataset.values.split(" ")[Number(field.value)] : field.value;
  };
  const choices = () => ({ bits: Number(value("bits")), ratio: value("ratio"), task: value("task"), method: value("method"), seed: Number(value("seed")), sizes: value("sizes") });
  const secs = (s) => (s < 0.95 ? `${Math.round(s * 1000)} ms` : `${s.toFixed(1)} s`);
  const KINDS = {
    download: "look at files", calibrate: "choose examples of the task", quantize: "quantize", gradients: "gradients",
    saliency: "saliency: abs(W) · abs(gradient) · abs(change)", select: "select the weights that stay", mixed_quantize: "quantize around them", evaluate: "evaluate",
  };
  const MARKS = { stored: "stored", done: "stored", waiting: "waiting", running: "running", failed: "failed" };

  function shown() {
    $("bits-shown").textContent = value("bits");
    $("ratio-shown").textContent = `${Number((100 * Number(value("ratio"))).toPrecision(3))} %`;
    for (const name of ["bits", "ratio"]) form.elements[name].setAttribute("aria-valuetext", $(`${name}-shown`).textContent);
  }

  function step(step) {
    const line = document.createElement("li");
    const mark = Object.assign(document.createElement("span"), { className: `mark ${MARKS[step.state]}` });
    mark.setAttribute("aria-hidden", "true");
    if (step.total) mark.style.setProperty("--done", step.done / step.total);
    const label = step.label.replace(/^[a-z_]+/, "");
    const words = { stored: "kept from before", done: `computed in ${secs(step.secs ?? 0)}`, waiting: "to come", running: step.total ? `${step.done} of ${step.total} ${step.unit}` : "running", failed: "failed" };
    const what = Object.assign(document.createElement("span"), { className: "what" });
    what.append(`${KINDS[step.kind] ?? step.kind} `, Object.assign(document.createElement("small"), { textContent: `${label} ${words[step.state]}` }));
    line.append(mark, what);
    return line;
  }

  /** The examples of the page as texts to begin with. */
  function offer() {
    const prompts = [...document.querySelectorAll("#report #answers pre.prompt")].slice(0, 3);
    $("examples").replaceChildren(...prompts.map((prompt, at) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: `Question ${at + 1}` });
      button.addEventListener("click", () => { $("text").value = prompt.textContent; $("text").focus(); });
      return button;
    }));
  }

  function put(html) {
    const open = new Set([...$("report").querySelectorAll("details[open] > summary")].map((s) => s.textContent));
    $("report").replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
    for (const summary of $("report").querySelectorAll("details > summary")) if (open.size) summary.parentElement.open = open.has(summary.textContent);
    drawReport();
    offer();
    $("ask").hidden = false;
  }

  /** Follows one job after the other; of several only the newest. */
  function follower(tell, done) {
    let turn = 0;
    let source = null;
    const failed = (problem) => tell({ state: "failed", problem });
    async function found(job, own) {
      const answer = await fetch(`jobs/${job.id}/result`).catch(() => null);
      if (own !== turn) return;
      if (answer?.ok) done(await answer.text(), job);
      else failed(answer ? (await answer.text()).trim() : "The server does not answer.");
    }
    return async (chosen) => {
      const own = ++turn;
      const answer = await fetch("jobs", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ visitor, choices: chosen }) }).catch(() => null);
      const text = answer ? await answer.text() : "The server does not answer.";
      if (own !== turn) return;
      source?.close();
      if (!answer?.ok) return failed(text.trim());
      const { job, html } = JSON.parse(text);
      tell(job);
      let seen = 0;
      if (html !== undefined) {
        seen = job.version;
        done(html, job);
        if (chosen.prompt) return;
      }
      source = new EventSource(`jobs/${job.id}/events`);
      const mine = source;
      mine.addEventListener("message", (event) => {
        if (own !== turn) return mine.close();
        const now = JSON.parse(event.data);
        tell(now);
        if (now.state === "failed" || (now.state === "done" && chosen.prompt)) mine.close();
        if (now.state !== "done" || now.version <= seen) return;
        seen = now.version;
        found(now, own);
      });
      mine.addEventListener("error", () => {
        // A connection that broke is opened again; one that was refused is not: the server was started anew, or forgot it.
        if (own === turn && mine.readyState === EventSource.CLOSED) failed("The server knows nothing of this any more. Compute it again.");
      });
    };
  }

  const states = (job) => ({ waiting: job.before ? `${job.before} before you` : "next in the queue", running: "computing", done: `done in ${secs(job.secs ?? 0)}`, failed: "this did not work" })[job.state];
  const main = follower((job) => {
    $("work").hidden = false;
    $("job").textContent = states(job);
    $("trouble").textContent = job.problem ?? "";
    $("trouble").hidden = !job.problem;
    $("steps").replaceChildren(...(job.steps ?? []).filter((one) => one.kind !== "download").map(step));
    $("beside").textContent = job.beside ? `Beside, for the table: ${job.beside}` : "";
  }, (html, job) => {
    put(html);
    document.body.dataset.done = `${job.id} ${job.version}`;
  });
  const prompts = follower((job) => {
    $("asked").textContent = job.problem ?? states(job);
  }, (html) => {
    $("answers-here").replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
    document.body.dataset.answered = "yes";
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    main(choices());
  });
  // What is chosen is computed at once, when the hand is still.
  let still = 0;
  form.addEventListener("input", () => {
    shown();
    clearTimeout(still);
    if (!$("work").hidden) still = setTimeout(() => main(choices()), 120);
  });
  $("prompt").addEventListener("submit", (event) => {
    event.preventDefault();
    const prompt = $("text").value;
    if (prompt.trim()) prompts({ ...choices(), prompt });
  });
  shown();
})();
