"use strict";
// What the marks of a drawing tell: to a pointer near them, and to a keyboard, where arrow keys walk from mark to mark and Escape leaves.
const hover = (() => {
  const REACH = 28, EDGE = 6; // pixels: from a pointer to the mark that answers, and from the words to the edge of the window
  const tip = document.createElement("div"), voice = document.createElement("p");
  tip.className = "tip";
  tip.hidden = true;
  voice.className = "voice"; // what is told, for who cannot see it
  voice.setAttribute("aria-live", "polite");
  document.body.append(tip, voice);

  // The words stand above their mark, or below it where there is no room, within the window.
  const settle = (box) => {
    const frame = box.getBoundingClientRect(), { px, py, r, box: bar } = box.at, far = (bar ? bar.height / 2 : r) + 10;
    const [x, y] = [frame.left + px, frame.top + py], above = y - far - tip.offsetHeight;
    const most = document.documentElement.clientWidth - tip.offsetWidth - EDGE;
    tip.style.left = `${Math.max(EDGE, Math.min(x - tip.offsetWidth / 2, most))}px`;
    tip.style.top = `${above > EDGE ? above : y + far}px`;
  };
  let shown = null; // the box whose mark is told
  const leave = (box) => {
    box.querySelector(".ring")?.remove();
    box.at = null;
    if (shown === box) [shown, tip.hidden] = [null, true];
  };
  const tell = (box, place) => {
    if (box.at === place) return;
    if (shown) leave(shown);
    [shown, box.at] = [box, place];
    const svg = box.querySelector("svg"), ring = { class: "ring", fill: "none", stroke: "var(--ink)", "stroke-width": 1.5 };
    if (place.box) drawing.add(svg, "rect", { ...place.box, rx: 2, ...ring });
    else drawing.add(svg, "circle", { cx: place.px, cy: place.py, r: Math.max(place.r * 1.3, 3) + 2.5, ...ring });
    tip.replaceChildren(...place.text.map((runs) => {
      const line = document.createElement("div");
      line.append(...runs.map((run) => {
        const part = document.createElement(run.bold ? "b" : "span");
        part.textContent = run.text;
        return part;
      }));
      return line;
    }));
    tip.hidden = false;
    tip.style.left = "0";
    settle(box);
  };
  const nearest = (box, event) => {
    const frame = box.getBoundingClientRect(), [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    const far = ({ box: bar, px, py, r }) => {
      if (!bar) return Math.max(Math.hypot(px - x, py - y) - r, 0);
      return x >= bar.x && x <= bar.x + bar.width && y >= bar.y && y <= bar.y + bar.height ? 3 : REACH; // a mark on a bar is nearer
    };
    return box.told.reduce(([least, best], place) => (far(place) < least ? [far(place), place] : [least, best]), [REACH, null])[1];
  };
  // Left and right walk from left to right, up and down from top to bottom: each passes every mark.
  const next = (box, key) => {
    const [first, second] = /Up|Down/.test(key) ? ["py", "px"] : ["px", "py"];
    const all = [...box.told].sort((a, b) => a[first] - b[first] || a[second] - b[second]), here = all.indexOf(box.at), last = all.length - 1;
    const step = /Left|Up/.test(key) ? (here < 0 ? last : here - 1) : here + 1;
    return all[Math.max(0, Math.min({ Home: 0, End: last }[key] ?? step, last))];
  };
  const listen = (box) => {
    box.tabIndex = 0;
    box.setAttribute("aria-keyshortcuts", "ArrowLeft ArrowRight ArrowUp ArrowDown Home End Escape");
    const point = (event) => {
      const place = nearest(box, event);
      if (place) tell(box, place);
      else leave(box);
    };
    box.addEventListener("pointermove", point);
    box.addEventListener("pointerdown", point);
    box.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") leave(box); });
    box.addEventListener("blur", () => leave(box));
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") box.blur();
      if (!/^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(event.key) || !box.told.length) return;
      event.preventDefault();
      box.scrollIntoView({ block: "nearest", behavior: "instant" });
      tell(box, next(box, event.key));
      voice.textContent = tip.innerText;
    });
  };
  addEventListener("scroll", () => { if (shown) settle(shown); }, { passive: true });
  return { listen, leave };
})();
