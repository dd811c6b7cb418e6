// The console's own script: events keep the overview alive, and the explorer asks the service.
const prefix = document.body.dataset.prefix;
const node = (name, className, text) => {
  const one = document.createElement(name);
  if (className) one.className = className;
  if (text !== undefined) one.textContent = text;
  return one;
};

// ---- the overview

const fill = (table, rows) => {
  const heads = [...table.tHead.rows[0].cells].map((cell) => cell.classList.contains("text"));
  const told = (row) => [...row.cells].map((cell) => cell.textContent.trim()).join("|");
  const before = new Set([...table.tBodies[0].rows].map(told));
  table.tBodies[0].replaceChildren(...rows.map((texts) => {
    const row = node("tr");
    texts.forEach((text, i) => {
      const cell = node(i ? "td" : "th", heads[i] && i ? "text" : "", text);
      if (!i) cell.scope = "row";
      if (text.length > 30) cell.title = text;
      row.append(cell);
    });
    if (before.size && !before.has(told(row))) row.className = "new";
    return row;
  }));
};
const cards = (list, all) => list.replaceChildren(...all.map(({ label, value, unit, notes }) => {
  const card = node("div", "card"), big = node("dd", "big", value);
  if (unit) big.append(" ", node("small", "", unit));
  card.append(node("dt", "", label), big, ...notes.map((note) => node("dd", "", note)));
  return card;
}));
const watch = (live) => {
  const beat = document.getElementById("beat"), pulse = live.querySelector(".pulse"), pause = document.getElementById("pause");
  const plots = [...live.querySelectorAll(".boards .plot")], state = document.getElementById("state").textContent;
  let paused = false, snapshot = null, killed = null;
  const show = (now) => {
    if (now.error) { beat.textContent = now.error; return; }
    if (snapshot !== null && (snapshot !== now.snapshot || killed !== now.killed)) { location.reload(); return; }
    [snapshot, killed] = [now.snapshot, now.killed];
    pulse.classList.remove("now");
    requestAnimationFrame(() => pulse.classList.add("now"));
    if (paused) return;
    cards(live.querySelector(".cards"), now.cards);
    now.plots.forEach(({ spec, label }, i) => {
      const plot = plots[i];
      if (!plot || plot.matches(":focus, :hover")) return; // what is pointed at stays
      plot.dataset.spec = JSON.stringify(spec);
      plot.setAttribute("aria-label", label);
      hover.leave(plot);
      drawing.draw(plot);
    });
    fill(document.querySelector("#decisions table"), now.decisions);
    fill(live.querySelector(".reasons table"), now.reasons);
    live.dataset.ready = "true";
  };
  const source = new EventSource(live.dataset.events);
  source.addEventListener("message", (event) => show(JSON.parse(event.data)));
  source.addEventListener("open", () => { beat.textContent = "live"; live.classList.remove("quiet-line"); });
  source.addEventListener("error", () => { beat.textContent = "no connection, trying again"; live.classList.add("quiet-line"); });
  addEventListener("pagehide", () => source.close());
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    beat.textContent = paused ? "paused" : "live";
  });
  return state;
};
const live = document.getElementById("live");
if (live) watch(live);

// ---- the explorer

const post = async (path, question) => {
  const answer = await fetch(`${prefix}/explore/${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(question) });
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
};
const box = document.querySelector(".explorer");
if (box) {
  const view = explorerView(box, async (question, exact) => (await post("point", { ...question, exact })).json());
  const button = document.getElementById("plan"), saved = document.getElementById("saved");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await (await post("plan", view.question())).blob());
      link.download = "plan.toml";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      saved.textContent = "plan.toml is saved: equipoise run plan.toml";
    } catch (error) {
      saved.textContent = error.message;
    }
  });
}
