"use strict";
(() => {
  const root = document.documentElement;
  const NARROW = 520;

  // Colours of the form var(--name) come from the style sheet, so that drawings follow light and dark.
  // On a dark page, dark colours of data are lightened, so that lines and marks keep their contrast.
  const night = matchMedia("(prefers-color-scheme: dark)");
  const DARK = 0.22, LIFT = 0.32;
  const lifted = (v) => {
    const hex = /^#([0-9a-f]{6})$/i.exec(v), rgba = /^rgba\((\d+),(\d+),(\d+),([\d.]+)\)$/.exec(v);
    if (!hex && !rgba) return v;
    const parts = hex ? [0, 2, 4].map((i) => parseInt(hex[1].slice(i, i + 2), 16)) : rgba.slice(1, 4).map(Number);
    const [r, g, b] = parts.map((c) => (c / 255) ** 2.2);
    if (0.2126 * r + 0.7152 * g + 0.0722 * b >= DARK) return v;
    return `rgba(${parts.map((c) => Math.round(c + (255 - c) * LIFT)).join(",")},${hex ? 1 : rgba[4]})`;
  };
  const colour = (v) => {
    if (typeof v !== "string") return v;
    if (v.startsWith("var(")) return getComputedStyle(root).getPropertyValue(v.slice(4, -1)).trim();
    return night.matches && !root.classList.contains("printing") ? lifted(v) : v;
  };
  const filled = (json) => JSON.parse(json, (key, v) => (/color$/i.test(key) ? colour(v) : v));

  // A name cut to so many letters, with what plotly would read as HTML made harmless.
  const shown = (name, letters) => {
    const cut = name.length > letters ? `${name.slice(0, letters - 1).trimEnd()}\u2026` : name;
    return cut.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  };

  const draw = (box) => {
    const style = getComputedStyle(root);
    const spec = filled(box.dataset.spec);
    const width = Math.floor(box.clientWidth);
    const small = width < NARROW;
    const letters = Math.min(30, Math.max(12, Math.floor(width * 0.36 / 6)));
    if (spec.names) spec.layout.yaxis.ticktext = spec.names.map((name) => shown(name, letters));
    if (small) spec.data.filter((trace) => trace.meta === "named").forEach((trace) => { trace.mode = "markers"; });
    const layout = {
      ...spec.layout,
      width,
      autosize: false,
      margin: { l: small ? 8 : 12, r: small ? 14 : 22, t: 10, b: 8 },
      font: { family: style.getPropertyValue("--font"), size: 12, color: style.getPropertyValue("--muted").trim() },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      dragmode: false,
      hovermode: "closest",
      hoverlabel: { align: "left", font: { size: 12 } },
    };
    Plotly.react(box, spec.data, layout, { displayModeBar: false, responsive: false, scrollZoom: false });
  };

  const boxes = [...document.querySelectorAll(".plot")];
  boxes.forEach((box) => {
    const script = box.querySelector("script");
    box.dataset.spec = script.textContent;
    script.remove();
    draw(box);
  });
  const tint = () => document.querySelectorAll(".mark").forEach((mark) => { mark.style.color = colour(mark.dataset.colour); });
  const redraw = () => { boxes.forEach(draw); tint(); };
  tint();

  let width = root.clientWidth;
  let timer = 0;
  addEventListener("resize", () => {
    if (root.clientWidth === width) return;
    width = root.clientWidth;
    clearTimeout(timer);
    timer = setTimeout(redraw, 80);
  });
  night.addEventListener("change", redraw);
  addEventListener("beforeprint", () => { root.classList.add("printing"); redraw(); });
  addEventListener("afterprint", () => { root.classList.remove("printing"); redraw(); });

  // A table as a file of comma-separated values: numbers as programs read them, text that would be a formula as text.
  const cell = (text) => {
    const plain = text.trim().replaceAll("\u2212", "-").replaceAll("\u00a0", " ");
    if (/^[+-]?[\d,]*\.?\d+$/.test(plain)) return plain.replace(/[+,]/g, "");
    const safe = /^[=+\-@\t\r]/.test(plain) && !/^[+-][\d.]/.test(plain) ? `'${plain}` : plain;
    return `"${safe.replaceAll('"', '""')}"`;
  };
  document.querySelectorAll(".scroll").forEach((box) => {
    const table = box.querySelector("table");
    if (!table) return;
    const save = document.createElement("button");
    save.type = "button";
    save.className = "save";
    save.textContent = "Save as CSV";
    save.addEventListener("click", () => {
      const lines = [...table.rows].map((row) => [...row.cells].map((one) => cell(one.textContent)).join(","));
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([`\ufeff${lines.join("\r\n")}\r\n`], { type: "text/csv" }));
      const name = table.caption.textContent.trim().toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60);
      link.download = `${name.replace(/^-+|-+$/g, "") || "table"}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    box.after(save);
  });

  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver((entries) => {
    entries.filter((e) => e.isIntersecting).forEach((e) => {
      links.forEach((a) => a.removeAttribute("aria-current"));
      links.get(e.target.id)?.setAttribute("aria-current", "true");
    });
  }, { rootMargin: "-20% 0px -70% 0px" });
  document.querySelectorAll("main > section").forEach((section) => seen.observe(section));
  root.dataset.drawn = "true";
})();
