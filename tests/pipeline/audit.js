// What is wrong with an open report, as a list of sentences; empty when all is well.
(() => {
  const wrong = [];
  const say = (bad, what) => { if (bad) wrong.push(what); };
  const page = document.documentElement;
  say(page.dataset.drawn !== "true", "the script did not come to its end");
  say(page.scrollWidth > page.clientWidth, `the page is ${page.scrollWidth} px wide in a window of ${page.clientWidth}`);
  say(document.querySelectorAll("h1").length !== 1, "there is not one h1");
  const sections = document.querySelectorAll("main > section").length;
  say(sections !== (document.querySelector("#strata") ? 9 : 8), `there are ${sections} sections`);
  document.querySelectorAll("nav a").forEach((a) => say(!document.querySelector(a.hash), `${a.hash} leads nowhere`));

  document.querySelectorAll(".plot").forEach((box) => {
    const name = (box.getAttribute("aria-label") || "").slice(0, 60);
    say(!name, "a plot has no aria-label");
    const svg = box.querySelector("svg.main-svg");
    if (!svg) { wrong.push(`${name}: not drawn`); return; }
    const frame = svg.getBoundingClientRect(), outer = box.getBoundingClientRect();
    say(frame.width < 100 || frame.height < 40, `${name}: ${frame.width} x ${frame.height} px`);
    say(frame.right > outer.right + 1 || frame.right > page.clientWidth, `${name}: sticks out`);
    const traces = [...box.querySelectorAll(".cartesianlayer .trace")];
    say(!traces.length, `${name}: no trace`);
    say(traces.length !== box.data.length, `${name}: ${traces.length} of ${box.data.length} traces drawn`);
    say(!traces.some((t) => { const b = t.getBoundingClientRect(); return b.width + b.height > 4; }), `${name}: nothing to see`);
    box.querySelectorAll("svg text").forEach((text) => {
      const b = text.getBoundingClientRect();
      const out = b.width && (b.left < frame.left - 2 || b.right > frame.right + 2 || b.top < frame.top - 2 || b.bottom > frame.bottom + 2);
      say(out, `${name}: '${text.textContent}' is cut off`);
    });
    const ticks = [...box.querySelectorAll(".xtick text")].map((t) => t.getBoundingClientRect());
    const title = box.querySelector(".xtitle")?.getBoundingClientRect();
    say(title && ticks.some((t) => t.bottom > title.top + 3 && t.top < title.bottom - 3 && t.right > title.left && t.left < title.right),
      `${name}: the title of the x axis lies on its numbers`);
    say(ticks.some((t, i) => i && t.left < ticks[i - 1].right - 1 && t.right > ticks[i - 1].left + 1), `${name}: numbers of the x axis overlap`);
    const titles = ["x", "y"].map((axis) => box.layout[`${axis}axis`].title?.text).filter(Boolean);
    say(!titles.length, `${name}: no axis has a title`);
  });

  document.querySelectorAll("figure").forEach((figure) => {
    const title = figure.querySelector("h3").textContent;
    say(!title.trim(), "a figure has no title");
    say(!figure.querySelector(".reading")?.textContent.trim(), `${title}: nothing says how to read it`);
    say(!figure.querySelector("details table tbody tr"), `${title}: no table twin`);
  });
  document.querySelectorAll("table").forEach((table) => {
    const box = table.parentElement.getBoundingClientRect();
    say(!table.parentElement.matches(".scroll"), "a table does not scroll in a box of its own");
    say(box.right > page.clientWidth + 1, "a table's box sticks out");
  });

  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const small = new Set();
  while (walk.nextNode()) {
    const parent = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || parent.closest("script, style, noscript")) continue;
    if (parseFloat(getComputedStyle(parent).fontSize) < 11) small.add(walk.currentNode.data.trim().slice(0, 30));
  }
  say(small.size, `smaller than 11 px: ${[...small].slice(0, 5).join(" | ")}`);
  return wrong;
})();
