"use strict";
// Sliders of weights and demands with what they give.  The page's own units answer, or whoever `ask` asks:
//
//   explorerView(box, ask)   ask({weights, bounds}, exact) gives an answer, or a promise of one; exact is false while a slider moves
const explorerView = (box, ask) => {
  const data = JSON.parse(box.querySelector("script").textContent), cells = [data.control, ...data.candidates];
  const plot = box.querySelector(".plot"), spec = JSON.parse(plot.dataset.spec), list = box.querySelector(".meters");
  const column = box.querySelector(".outcome select"), [chosen, voice] = ["chosen", "voice"].map((name) => box.querySelector(`.${name}`));
  const MINUS = "\u2212", GLUE = "\u00a0", DASH = "\u2013", PAUSE = 350, COST = data.scored[data.metrics.length];
  const number = (x, places, plus) => {
    if (!Number.isFinite(x)) return DASH;
    const sign = plus ? "exceptZero" : "auto", text = new Intl.NumberFormat("en-US", { minimumFractionDigits: places, maximumFractionDigits: places, signDisplay: sign }).format(x);
    return /[1-9]/.test(text) ? text.replace("-", MINUS) : text.replace(/^[+-]/, "");
  };
  const digits = (spread) => (spread > 0 && Number.isFinite(spread) ? Math.min(Math.max(1 - Math.floor(Math.log10(spread)), 0), 6) : 2);
  const plain = (x) => String(Number(x.toPrecision(3))).replace("-", MINUS);
  const percent = (x) => (x > 0 && x < 0.001 ? "<0.1%" : `${number(100 * x, x > 0 && x < 0.0995 ? 1 : 0)}%`);
  const node = (name, className, text) => {
    const one = document.createElement(name);
    if (className) one.className = className;
    if (text !== undefined) one.textContent = text;
    return one;
  };

  // ---- what is set

  const dials = [...box.querySelectorAll(".dial")].map((dial) => {
    const input = dial.querySelector("input[type=range]"), tick = dial.querySelector("input[type=checkbox]");
    return { input, tick, output: dial.querySelector("output"), ...input.dataset, start: input.dataset.start === "" ? null : Number(input.dataset.start) };
  });
  const value = ({ input, tick, start, touched }) => {
    if (tick && !tick.checked) return null;
    return !touched && start !== null ? start : Number(input.value); // a start may lie between two steps
  };
  const write = (dial) => {
    const { input, tick, output, scale, unit } = dial, at = value(dial), places = Math.max(0, Math.ceil(-Math.log10(Number(input.step) * scale) - 1e-9));
    output.textContent = at === null ? "off" : `${number(at * scale, at ? Math.min(places, 6) : 0)}${unit.trim() ? (unit.startsWith("%") ? "" : GLUE) : ""}${unit.trim()}`;
    input.setAttribute("aria-valuetext", output.textContent);
    input.classList.toggle("off", Boolean(tick) && !tick.checked);
  };
  const question = () => ({
    weights: Object.fromEntries([...Object.entries(data.weights), ...dials.filter((d) => d.kind === "weight").map((d) => [d.name, value(d)])]),
    bounds: Object.fromEntries(dials.filter((d) => d.kind !== "weight").map((d) => [d.name, value(d)])),
  });

  // ---- what it gives

  const meters = data.scored.map((name) => {
    const item = node("li"), words = node("span", "value"), strip = node("span", "strip"), lane = node("span", "lane"), ends = node("span", "ends");
    const parts = { b: node("b"), span: node("span", "span"), band: node("i", "band"), sign: node("i", "sign"), here: node("i", "here") };
    const star = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    star.setAttribute("viewBox", "0 0 18 12");
    star.setAttribute("class", "mark");
    star.dataset.colour = "#D55E00";
    star.style.color = drawing.colour("#D55E00");
    drawing.add(star, "path", { d: "M9 0l1.8 4.1 4.2.4-3.2 2.9 1 4.4L9 9.4l-3.8 2.4 1-4.4L3 4.5l4.2-.4z", fill: "currentColor" });
    parts.sign.append(star);
    words.append(parts.b, " ", parts.span);
    lane.append(parts.band, parts.sign, parts.here);
    ends.append(node("span"), node("span"));
    strip.append(lane, ends);
    strip.setAttribute("aria-hidden", "true");
    item.append(node("span", "what", name), words, strip);
    list.append(item);
    const known = data.start?.values[name], zero = { low: 0, high: 0 };
    if (known) [zero.low, zero.high] = [Math.min(0, name === COST ? 0 : known[0] - 2 * data.z * known[1]), Math.max(0, known[0] + 2 * data.z * known[1])];
    return { name, ...parts, ends: [...ends.children], ...zero, start: known ? known[0] : null };
  });
  const interval = (name, [mean, error]) => {
    const { scale, change } = data.formats[name], half = data.z * error * scale, places = digits(half);
    const text = (x) => number(x, places, name !== COST);
    return { text: `${text(mean * scale)}${change}`, span: half > 0 ? `${text(mean * scale - half)} to ${text(mean * scale + half)}` : "" };
  };
  const meter = (one, pair) => {
    const { scale, change } = data.formats[one.name], said = interval(one.name, pair), [low, high] = [pair[0] - data.z * pair[1], pair[0] + data.z * pair[1]];
    one.low = Math.min(one.low, one.name === COST ? 0 : low);
    one.high = Math.max(one.high, high, one.low + 1e-12);
    const margin = 0.05 * (one.high - one.low), left = one.low < 0 ? one.low - margin : 0, right = one.high + margin;
    const at = (x) => (100 * (Math.max(x, left) - left)) / (right - left);
    [one.b.textContent, one.span.textContent] = [said.text, said.span];
    one.here.style.left = `${at(pair[0])}%`;
    [one.band.style.left, one.band.style.right] = [`${at(low)}%`, `${100 - at(high)}%`];
    one.sign.style.display = one.start === null ? "none" : "";
    if (one.start !== null) one.sign.style.left = `${at(one.start)}%`;
    const places = digits((scale * (one.high - one.low)) / 20);
    one.ends.forEach((end, i) => { end.textContent = `${number(scale * (i ? right : left), places)}${change}`; });
  };
  const rowOf = (texts, words = [0]) => {
    const row = node("tr");
    texts.forEach((text, i) => {
      const cell = node(i ? "td" : "th", words.includes(i) && i ? "text" : "", text);
      if (!i) cell.scope = "row";
      row.append(cell);
    });
    return row;
  };
  const fill = (table, rows, words) => table.querySelector("tbody").replaceChildren(...rows.map((row) => rowOf(row, words)));
  const shares = (counts) => counts.map((x) => x / Math.max(counts.reduce((a, b) => a + b, 0), 1));
  const mix = (answer) => {
    const labels = column ? data.labels[column.value] : [], rows = [answer.counts, ...(column ? answer.groups[column.value] : [])].map(shares);
    const names = ["all", ...labels];
    spec.names = names;
    Object.assign(spec.layout.yaxis, { tickvals: names.map((_, i) => i), ticktext: names.map(escaped), range: [names.length - 0.5, -0.6] });
    spec.layout.height = 66 + 34 * Math.max(names.length, 2);
    plot.style.height = `${spec.layout.height}px`;
    spec.data.forEach((trace, c) => {
      trace.x = rows.map((row) => 100 * row[c]);
      trace.y = names.map((_, i) => i);
      trace.text = rows.map((row) => (row[c] >= 0.09 ? percent(row[c]) : ""));
      trace.hovertext = rows.map((row, i) => `<b>${escaped(names[i])}</b><br>${escaped(cells[c])} ${percent(row[c])}`);
    });
    plot.dataset.spec = JSON.stringify(spec);
    hover.leave(plot);
    drawing.draw(plot);
  };
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const demands = (answer) => answer.demands.map((use) => {
    const { scale, change } = data.demands[use.name] ?? { scale: 1, change: "" }, said = (x) => `${plain(x * scale)}${change}`;
    return [use.name, `${use.rule} ${said(use.bound)}`, said(use.used), use.binding ? plain(use.price) : "nothing"];
  });
  const sentence = (answer) => {
    const gets = shares(answer.counts).map((x, i) => [x, cells[i]]).filter(([x]) => x > 0).sort((a, b) => b[0] - a[0]).slice(0, 4);
    const who = gets.map(([x, name], i) => `${percent(x)} ${i ? "" : "get "}${name}`).join(", ");
    return `${who}. Per head: ${data.scored.map((name) => `${name}${GLUE}${interval(name, answer.values[name]).text}`).join("; ")}.`;
  };
  const basis = (answer) => {
    const some = answer.units < answer.of ? `On ${number(answer.units, 0)} of ${number(answer.of, 0)} people` : `On all ${number(answer.of, 0)} people`;
    const { weights } = question(), net = data.money === null ? data.cost_weight > 0 : data.money.some((name) => weights[name]);
    return `${some}; ${net ? "worth net of cost; " : ""}within ${answer.gap < 1e-4 ? "0.01" : plain(Number((100 * answer.gap).toPrecision(2)))}% of the most that these demands leave room for.`;
  };
  // The lines of a plan that ask for the same.
  const lines = ({ weights, bounds }) => {
    const quoted = (name) => (/^[\w-]+$/.test(name) ? name : JSON.stringify(name)), exact = (x) => String(Number(x.toPrecision(12)));
    const tables = { floor: [], cap: [], "group-budget": [], budget: [], offers: [], parity: [] };
    data.rows.forEach((row) => {
      const bound = bounds[row.name] === undefined ? row.turned * row.bound : bounds[row.name], of = data.dials.find((dial) => dial.name === row.name)?.of ?? "";
      if (bound === null) return;
      const said = { budget: `budget = { per_head = ${exact(bound)} }`, offers: `offers = { share = ${exact(bound)} }` };
      said.cap = `{ candidate = ${JSON.stringify(of)}, share = ${exact(bound)} }`;
      said.floor = said.ceiling = `{ metric = ${JSON.stringify(of)}, per_head = ${exact(bound)} }`;
      if (said[row.kind]) tables[row.kind === "ceiling" ? "floor" : row.kind].push(said[row.kind]);
    });
    const worth = Object.entries(weights).map(([name, w]) => `${quoted(name)} = ${exact(w / (data.worth[name] || 1))}`);
    const listed = (name, all) => (all.length ? [`${name} = [${all.join(", ")}]`] : []);
    return ["[policy]", `weights = { ${worth.join(", ")} }`, ...tables.budget, ...tables.offers, ...listed("caps", tables.cap), ...listed("floors", tables.floor)].join("\n");
  };
  const show = (answer) => {
    box.classList.toggle("stuck", Boolean(answer.infeasible));
    if (answer.infeasible) {
      chosen.textContent = typeof answer.infeasible === "string" ? answer.infeasible : `These demands cannot hold together: ${answer.infeasible.join(", ")}. Loosen one of them.`;
      return;
    }
    box.answer = answer;
    chosen.textContent = sentence(answer);
    chosen.append(" ", node("small", "", basis(answer)));
    meters.forEach((one) => meter(one, answer.values[one.name]));
    mix(answer);
    fill(box.querySelector(".demands table"), demands(answer).length ? demands(answer) : [["none", "", "", ""]]);
    box.querySelector("pre").textContent = lines(question());
    const twin = box.querySelectorAll("details:not(.set, .lines) table")[0], all = [["all", ...shares(answer.counts).map(percent)]];
    const rows = Object.entries(data.labels).flatMap(([name, labels]) => labels.map((label, i) => [`${name}: ${label}`, ...shares(answer.groups[name][i]).map(percent)]));
    fill(twin, [...all, ...rows]);
  };

  // ---- asking: one question at a time, the last one always

  let busy = false, next = null, timer = 0, told = 0;
  const run = async (exact) => {
    next = next === null ? exact : exact || next;
    if (busy) return;
    busy = true;
    while (next !== null) {
      const now = next;
      next = null;
      try {
        show(await ask(question(), now));
      } catch (error) {
        chosen.textContent = `No answer: ${error.message}`;
      }
      await new Promise((done) => { requestAnimationFrame(done); });
    }
    busy = false;
    clearTimeout(told);
    told = setTimeout(() => { voice.textContent = chosen.textContent; }, PAUSE);
    box.dataset.ready = "true";
  };
  const moved = (exact) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(true), PAUSE);
    if (exact) clearTimeout(timer);
    run(exact);
    box.dispatchEvent(new CustomEvent("moved", { detail: question() }));
  };
  const back = () => {
    dials.forEach((dial) => {
      dial.touched = false;
      dial.input.value = String(dial.start ?? dial.input.min);
      if (dial.tick) dial.tick.checked = dial.start !== null;
      write(dial);
    });
    moved(true);
  };
  dials.forEach((dial) => {
    const { input, tick } = dial;
    input.addEventListener("input", () => {
      dial.touched = true;
      if (tick) tick.checked = true;
      write(dial);
      moved(false);
    });
    input.addEventListener("change", () => moved(true));
    tick?.addEventListener("change", () => { write(dial); moved(true); });
  });
  box.querySelector(".back").addEventListener("click", back);
  column?.addEventListener("change", () => { if (box.answer) mix(box.answer); });
  box.querySelectorAll(".dials, .meters, .outcome .choice, .lines").forEach((part) => { part.hidden = false; });
  addEventListener("beforeprint", () => { box.querySelector("details:not(.set)").open = true; });
  back();
  return { question };
};
document.querySelectorAll(".explorer[data-offline]").forEach((box) => {
  const ask = explorerDual(JSON.parse(box.querySelector("script").textContent));
  explorerView(box, (question) => ask(question));
});
