// Renews what the list says of each experiment.
"use strict";
(() => {
  async function renew() {
    const answer = await fetch("/sites").catch(() => null);
    if (!answer?.ok) return;
    for (const site of await answer.json()) {
      const line = document.querySelector(`[data-slug="${CSS.escape(site.slug)}"]`);
      if (!line) continue;
      line.querySelector("a").textContent = site.experiment || site.slug;
      Object.assign(line.querySelector("progress"), { max: Math.max(site.trials, 1), value: site.trials_done });
      line.querySelector(".far").textContent = `${site.trials_done} of ${site.trials} trials${site.run ? ", running" : ""}`;
      line.querySelector(".problem").textContent = site.problems.join(" ");
    }
  }
  setInterval(() => document.hidden || renew(), 2000);
})();
