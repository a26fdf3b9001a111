// Draws the figures from the tables that the page carries. Each figure says in its attributes which chart of which table
// it is; what it draws, and nothing else, is what its CSV has.
"use strict";
(() => {
  let texts = new Map();
  const parsed = new Map();

  /** The rows of a table; numbers as numbers, an empty field as null. */
  function rows(name) {
    if (!parsed.has(name)) {
      // Not csvParse, which compiles code, as the page's policy forbids.
      const [columns, ...lines] = d3.csvParseRows(texts.get(name) ?? "");
      parsed.set(name, lines.map((line) => typed(Object.fromEntries(columns.map((column, i) => [column, line[i]])))));
    }
    return parsed.get(name);
  }

  const TEXT = new Set(["name", "model", "task", "metric", "method", "of", "against", "with", "mask", "saliency", "checkpoint", "label",
    "reads", "key", "host", "engine", "libtorch", "condition_on", "outlier_ratio", "variant", "tensor", "module", "part"]);
  function typed(row) {
    for (const key of Object.keys(row)) {
      const text = row[key];
      if (TEXT.has(key)) continue;
      row[key] = text === "" ? null : text === "true" ? true : text === "false" ? false : isNaN(text) ? text : Number(text);
    }
    return row;
  }

  /** The matrices of a block in the order in which they are passed. */
  const MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
  const modules = (data) => d3.sort(new Set(data.map((r) => r.module)), (name) => (MODULES.indexOf(name) + 1 || 99));
  const percent = (share) => `${(share * 100).toFixed(1)} %`;
  const score = (share, value) => (share ? percent(value) : value.toPrecision(4));
  const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
  const words = (metric) => metric.replaceAll("_", " ");
  const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

  /** Points that no point with as few bits or fewer is better than. */
  function front(points, isShare) {
    const best = [];
    for (const point of d3.sort(points, (p) => p.avg_bits, (p) => (isShare ? -p.mean : p.mean))) {
      const last = best.at(-1);
      if (!last || (isShare ? point.mean > last.mean : point.mean < last.mean)) best.push(point);
    }
    return best;
  }

  /** Charts by name: the rows that a figure shows, and how it shows them in a width. */
  const charts = {
    pareto: {
      rows: (figure) => rows("scores").filter((r) => r.model === figure.dataset.model && r.task === figure.dataset.task && r.metric === figure.dataset.metric),
      draw(data, width) {
        const isShare = data[0].is_share;
        const quantized = data.filter((r) => r.avg_bits !== null);
        const baseline = data.filter((r) => r.avg_bits === null);
        const spread = (r) => [r.low ?? (r.sd === null ? null : r.mean - r.sd), r.high ?? (r.sd === null ? null : r.mean + r.sd)];
        const told = quantized.filter((r) => spread(r)[0] !== null);
        const title = (r) => `${r.name}\n${score(isShare, r.mean)} at ${r.avg_bits.toFixed(3)} bits`;
        return {
          width, height: Math.min(380, width * 0.75), marginLeft: 55, marginRight: 20, marginBottom: 45,
          x: { label: "bits a weight, on average", nice: true, inset: 8 },
          y: { label: isShare ? "right answers, %" : "perplexity (log)", type: isShare ? "linear" : "log", percent: isShare, grid: true, nice: isShare, tickFormat: isShare ? undefined : "~s", ticks: 6 },
          color: { legend: true, scheme: "tableau10", domain: [...new Set(quantized.map((r) => r.method))] },
          symbol: { domain: [...new Set(quantized.map((r) => r.method))] },
          marks: [
            Plot.ruleY(baseline, { y: "mean", strokeDasharray: "4 4", strokeOpacity: 0.7 }),
            Plot.line(front(quantized, isShare), { x: "avg_bits", y: "mean", strokeOpacity: 0.45, strokeWidth: 2 }),
            Plot.ruleX(told, { x: "avg_bits", y1: (r) => spread(r)[0], y2: (r) => spread(r)[1], stroke: "method", strokeOpacity: 0.6 }),
            Plot.dot(quantized, { x: "avg_bits", y: "mean", stroke: "method", symbol: "method", r: 5, strokeWidth: 2, title, tip: true }),
          ],
        };
      },
    },
    differences: {
      rows: (figure) => rows("differences").filter((r) => r.task === figure.dataset.task && r.metric === figure.dataset.metric && r.estimate !== null && r.contrast !== "baseline"),
      draw(data, width) {
        const isShare = data[0].is_share;
        const scale = isShare ? 100 : 1;
        const name = (r) => `${r.of} — ${r.against}`;
        const label = (r) => short(name(r), width < 600 ? 36 : 90);
        const titled = (r) => `${r.of}\nagainst ${r.against}\n${score(isShare, r.estimate)}`;
        const left = width < 600 ? 10 : Math.min(width * 0.5, 460);
        // On a narrow page names stand above their lines.
        const names = width < 600
          ? Plot.text(data, { y: name, text: label, frameAnchor: "left", textAnchor: "start", dy: -11, fontSize: 10 })
          : Plot.axisY({ tickFormat: (n) => short(n, 72), label: null });
        return {
          width, height: 50 + data.length * (width < 600 ? 34 : 22), marginLeft: left, marginRight: 20, marginTop: 30,
          x: { label: isShare ? "difference, percentage points" : "ratio of perplexities (log)", type: isShare ? "linear" : "log", grid: true, axis: "top", nice: isShare, tickFormat: isShare ? undefined : ".2~f" },
          y: { domain: data.map(name), axis: null },
          marks: [
            names,
            Plot.ruleX([isShare ? 0 : 1]),
            Plot.link(data.filter((r) => r.low !== null), { x1: (r) => r.low * scale, x2: (r) => r.high * scale, y1: name, y2: name, strokeOpacity: 0.6, strokeWidth: 2 }),
            Plot.dot(data, { x: (r) => r.estimate * scale, y: name, fill: "currentColor", r: 4, title: titled, tip: true }),
          ],
        };
      },
    },
    memory: {
      rows: () => rows("sizes"),
      draw(data, width) {
        const models = new Set(data.map((r) => r.model));
        const name = (r) => (models.size > 1 ? `${r.model} ${r.name}` : r.name);
        const order = [...new Set(data.map(name))];
        const narrow = width < 600;
        return {
          width, height: 70 + order.length * (narrow ? 34 : 24), marginLeft: narrow ? 10 : Math.min(width * 0.4, 320), marginRight: 20,
          x: { label: "MB", grid: true, transform: (b) => b / 1e6 },
          y: { domain: order, axis: null },
          color: { legend: true, domain: ["16-bit weights", "codes", "outliers", "grids", "header", "whole file"].filter((p) => data.some((r) => r.part === p)), scheme: "tableau10" },
          marks: [
            Plot.barX(data, { x: "bytes", y: name, fill: "part", insetTop: narrow ? 14 : 3, insetBottom: 3, title: (r) => `${name(r)}\n${r.part}: ${r.bytes.toLocaleString("en")} bytes`, tip: true }),
            narrow ? Plot.text(order, { y: (n) => n, text: (n) => short(n, 44), frameAnchor: "left", textAnchor: "start", dy: -10, fontSize: 10 }) : Plot.axisY({ label: null, tickFormat: (n) => short(n, 48) }),
          ],
        };
      },
    },
    weights: {
      rows: (figure, choices) => rows("weights").filter((r) => r.checkpoint === choices.checkpoint),
      draw(data, width) {
        // What lies beyond the bins is drawn as one more of their width.
        const wide = data[1].to - data[1].from;
        const bins = data.map((r) => ({ ...r, x1: r.from ?? r.to - wide, x2: r.to ?? r.from + wide }));
        const range = (r) => (r.from === null ? `less than ${r.to}` : r.to === null ? `${r.from} or more` : `${r.from} to ${r.to}`);
        const title = (r) => `${range(r)}\nbefore: ${(r.before * 100).toFixed(3)} %\nafter: ${(r.after * 100).toFixed(3)} %`;
        return {
          width, height: Math.min(340, width * 0.65), marginLeft: 55, marginBottom: 45,
          x: { label: "weight / root mean square" },
          y: { label: "weights, %", percent: true, grid: true },
          marks: [
            Plot.rectY(bins, { x1: "x1", x2: "x2", y: "after", fill: "var(--accent)", fillOpacity: 0.75, insetLeft: 0.5, insetRight: 0.5, title, tip: true }),
            Plot.line(bins.flatMap((r) => [[r.x1, r.before], [r.x2, r.before]]), { stroke: "currentColor", strokeWidth: 1.5 }),
            Plot.ruleY([0]),
          ],
        };
      },
    },
    errors: {
      rows: (figure, choices) => rows("errors").filter((r) => r.checkpoint === choices.checkpoint),
      draw(data, width) {
        const title = (r) => `layer ${r.layer}, ${r.module}\nrelative error ${(r.relative_error * 100).toPrecision(3)} %`;
        return {
          width, height: 90 + 26 * new Set(data.map((r) => r.layer)).size, marginLeft: 45, marginBottom: 60,
          x: { label: null, domain: modules(data), tickRotate: -35 },
          y: { label: "layer", domain: d3.sort(new Set(data.map((r) => r.layer))) },
          color: { legend: true, label: "relative error, %", scheme: isDark() ? "viridis" : "YlGnBu", transform: (s) => s * 100 },
          marks: [Plot.cell(data, { x: "module", y: "layer", fill: "relative_error", inset: 0.5, title, tip: true })],
        };
      },
    },
    circuit: {
      rows: (figure, choices) => rows("circuits").filter((r) => r.mask === choices.mask),
      draw(data, width) {
        const title = (r) => `${r.tensor}\n${r.kept.toLocaleString("en")} of ${r.weights.toLocaleString("en")}: ${(r.share * 100).toFixed(3)} %`;
        return {
          width, height: 90 + 26 * new Set(data.map((r) => r.layer)).size, marginLeft: 45, marginBottom: 60,
          x: { label: null, domain: modules(data), tickRotate: -35 },
          y: { label: "layer", domain: d3.sort(new Set(data.map((r) => r.layer))) },
          color: { legend: true, label: "kept, %", scheme: isDark() ? "viridis" : "YlGnBu", transform: (s) => s * 100 },
          marks: [Plot.cell(data, { x: "module", y: "layer", fill: "share", inset: 0.5, title, tip: true })],
        };
      },
    },
    concentration: {
      rows: (figure, choices) => rows("circuits").filter((r) => r.mask === choices.mask && r.kept > 0),
      draw(data, width) {
        const long = data.flatMap((r) => [{ ...r, of: "rows", part: r.in_top_rows }, { ...r, of: "columns", part: r.in_top_cols }]);
        return {
          width, height: Math.min(360, width * 0.75), marginBottom: 60, marginLeft: 45,
          x: { label: null, tickRotate: -35, domain: modules(data) },
          y: { label: "of the kept weights, %", percent: true, grid: true, domain: [0, 100] },
          color: { legend: true, scheme: "tableau10", domain: ["rows", "columns"] },
          symbol: { domain: ["rows", "columns"] },
          marks: [
            Plot.ruleY([0.01], { strokeDasharray: "4 4", strokeOpacity: 0.7 }),
            Plot.dot(long, { x: "module", y: "part", stroke: "of", symbol: "of", r: 4, title: (r) => `${r.tensor}\nfullest 1 % of ${r.of}: ${percent(r.part)}`, tip: true }),
          ],
        };
      },
    },
    overlap: {
      rows: () => rows("overlaps"),
      draw(data, width) {
        // Masks of one size stand together: only they are compared.
        const order = [...new Set(d3.sort(data, (r) => r.kept).map((r) => r.of))];
        const side = Math.min(width, 640);
        const number = new Map(order.map((n, i) => [n, i + 1]));
        return {
          width: side, height: side * 0.9, marginLeft: 40, marginBottom: 40,
          x: { label: null, domain: order, tickFormat: (n) => number.get(n) },
          y: { label: "mask", domain: order, tickFormat: (n) => number.get(n) },
          color: { legend: true, label: "in common, %", domain: [0, 100], transform: (s) => s * 100, scheme: isDark() ? "viridis" : "YlGnBu" },
          marks: [Plot.cell(data, { x: "of", y: "with", fill: "share", inset: 0.5, title: (r) => `${number.get(r.of)}: ${r.of}\n${number.get(r.with)}: ${r.with}\n${percent(r.share)} in common`, tip: true })],
        };
      },
    },
    saliency: {
      rows: (figure, choices) => rows("saliency").filter((r) => r.saliency === choices.saliency),
      draw(data, width) {
        return {
          width, height: Math.min(340, width * 0.65), marginLeft: 55, marginBottom: 45,
          x: { label: "score, power of two", grid: false },
          y: { label: "weights, %", percent: true, grid: true },
          marks: [
            Plot.rectY(data, { x1: "exponent", x2: (r) => r.exponent + 1, y: "share", fill: "var(--accent)", insetLeft: 0.5, insetRight: 0.5, title: (r) => `2^${r.exponent} to 2^${r.exponent + 1}\n${r.weights.toLocaleString("en")} weights`, tip: true }),
            Plot.ruleY([0]),
          ],
        };
      },
    },
    matrix: {
      rows: () => rows("kept"),
      draw(data, width, figure) {
        const [height, columns] = [Number(figure.dataset.rows), Number(figure.dataset.columns)];
        const title = (r) => `row ${r.row}, column ${r.column}\nsaliency ${r.score.toPrecision(3)} = change ${r.change.toPrecision(3)} × W·gradient ${r.sharpened.toPrecision(3)}`;
        return {
          width, height: Math.min(640, Math.max(220, (width * height) / columns)), marginLeft: 50, marginBottom: 40,
          x: { label: "column", domain: [0, columns] },
          y: { label: "row", domain: [0, height], reverse: true },
          r: { range: [1, 6] },
          color: { legend: true, type: "log", label: "saliency", scheme: isDark() ? "viridis" : "YlGnBu" },
          marks: [
            Plot.frame({ strokeOpacity: 0.4 }),
            Plot.dot(data, { x: "column", y: "row", r: "score", fill: "score", stroke: "currentColor", strokeOpacity: 0.35, strokeWidth: 0.5, title, tip: true }),
          ],
        };
      },
    },
    graph: {
      rows: () => rows("stages"),
      draw(data, width) {
        // A column for each depth; stages of a kind stand together, so that few edges cross.
        const levels = d3.groups(data, (r) => r.depth).map(([, of]) => d3.sort(of, (r) => r.kind, (r) => r.label));
        const place = new Map();
        levels.forEach((of, x) => of.forEach((r, i) => place.set(r.label, { x, y: (i + 0.5) / of.length })));
        const edges = data.flatMap((r) => r.reads.split(" ").filter((l) => place.has(l)).map((l) => ({ from: place.get(l), to: place.get(r.label) })));
        const most = d3.max(levels, (of) => of.length);
        return {
          width, height: Math.min(900, Math.max(220, most * 12)), marginBottom: 40, marginLeft: 20, marginRight: 20,
          x: { axis: null, domain: [-0.3, levels.length - 0.7] }, y: { axis: null, domain: [0, 1] },
          color: { legend: true, scheme: "tableau10" },
          marks: [
            Plot.link(edges, { x1: (e) => e.from.x, y1: (e) => e.from.y, x2: (e) => e.to.x, y2: (e) => e.to.y, curve: "bump-x", strokeOpacity: 0.15 }),
            Plot.dot(data, { x: (r) => place.get(r.label).x, y: (r) => place.get(r.label).y, fill: "kind", r: most > 40 ? 3.5 : 6, fillOpacity: (r) => (r.state === "stored" ? 1 : 0.35), title: (r) => `${r.label}\n${r.state}${r.wall_secs === null ? "" : `, ${r.wall_secs.toFixed(1)} s`}`, tip: true }),
          ],
        };
      },
    },
  };

  function save(name, text, type) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = Object.assign(document.createElement("a"), { href: url, download: name });
    link.click();
    URL.revokeObjectURL(url);
    document.getElementById("announce").textContent = `${name} saved`;
  }

  /** The chart alone, with its colours written out, as a file. */
  function asSvg(svg) {
    const copy = svg.cloneNode(true);
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    const style = getComputedStyle(document.documentElement);
    copy.setAttribute("color", style.getPropertyValue("--text"));
    copy.setAttribute("style", `background: ${style.getPropertyValue("--ground")}`);
    const text = new XMLSerializer().serializeToString(copy);
    return text.replaceAll("var(--accent)", style.getPropertyValue("--accent")).replaceAll("var(--ground)", style.getPropertyValue("--ground"));
  }

  function button(text, name, act) {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    made.setAttribute("aria-label", `${name} as ${text}`);
    made.addEventListener("click", act);
    return made;
  }

  /** A picture with a name, whose parts are none: what it shows is in the tables and in its CSV. */
  function accessible(drawn, caption) {
    for (const svg of drawn.querySelectorAll("svg")) {
      svg.setAttribute("role", "img");
      if (!svg.hasAttribute("aria-label")) svg.setAttribute("aria-label", `${caption}: legend`);
    }
    for (const part of drawn.querySelectorAll("svg [aria-label]")) {
      part.dataset.mark = part.getAttribute("aria-label");
      part.removeAttribute("aria-label");
    }
  }

  const choices = {};
  let figures = [];
  function draw(figure) {
    const chart = charts[figure.dataset.chart];
    const caption = figure.querySelector("figcaption").textContent.trim();
    const data = chart.rows(figure, choices);
    let drawn = figure.querySelector(".drawn");
    if (!drawn) {
      drawn = Object.assign(document.createElement("div"), { className: "drawn" });
      const tools = Object.assign(document.createElement("p"), { className: "tools" });
      const file = caption.replace(/[^\p{L}\p{N}]+/gu, "-").toLowerCase();
      tools.append(
        button("SVG", caption, () => save(`${file}.svg`, asSvg([...drawn.querySelectorAll("svg")].at(-1)), "image/svg+xml")),
        button("CSV", caption, () => save(`${file}.csv`, d3.csvFormat(chart.rows(figure, choices)), "text/csv")),
      );
      figure.append(drawn, tools);
    }
    if (data.length === 0) {
      figure.hidden = true;
      return;
    }
    figure.hidden = false;
    const options = chart.draw(data, Math.max(280, drawn.clientWidth), figure);
    const plot = Plot.plot({ ...options, style: { background: "transparent", fontSize: "12px", "--plot-background": "var(--ground)" }, ariaLabel: caption });
    drawn.replaceChildren(plot);
    accessible(drawn, caption);
    figure.dataset.drawn = String(data.length);
  }

  const follows = (name) => figures.filter((figure) => figure.dataset.follows === name);
  const all = () => figures.forEach(draw);

  /** Draws what the document holds now. What was chosen before is chosen again, where it is still there. */
  function start() {
    texts = new Map(JSON.parse(document.getElementById("tables").textContent).map((t) => [t.name, t.csv]));
    parsed.clear();
    figures = [...document.querySelectorAll("figure[data-chart]")];
    for (const select of document.querySelectorAll("select[data-choice]")) {
      const name = select.dataset.choice;
      if ([...select.options].some((option) => option.value === choices[name])) select.value = choices[name];
      choices[name] = select.value;
      select.addEventListener("change", () => {
        choices[name] = select.value;
        follows(name).forEach(draw);
      });
    }
    for (const each of document.querySelectorAll("button[data-csv]")) {
      each.addEventListener("click", () => save(`${each.dataset.csv}.csv`, texts.get(each.dataset.csv), "text/csv"));
    }
    all();
  }

  let width = innerWidth;
  let waiting = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(all);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  // A page that shows other results as they come calls this again.
  globalThis.drawReport = start;
  if (document.getElementById("tables")) start();
})();
