"use strict";
(() => {
  const root = document.documentElement;
  const boxes = [...document.querySelectorAll(".plot")];
  boxes.forEach((box) => {
    const script = box.querySelector("script");
    box.dataset.spec = script.textContent;
    script.remove();
    hover.listen(box);
  });
  const redraw = () => {
    boxes.forEach((box) => {
      hover.leave(box);
      drawing.draw(box);
    });
    document.querySelectorAll(".mark").forEach((mark) => { mark.style.color = drawing.colour(mark.dataset.colour); });
  };
  redraw();

  let width = root.clientWidth;
  let timer = 0;
  addEventListener("resize", () => {
    if (root.clientWidth === width) return;
    width = root.clientWidth;
    clearTimeout(timer);
    timer = setTimeout(redraw, 80);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
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

  const links = new Map([...document.querySelectorAll('nav a[href^="#"]')].map((a) => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver((entries) => {
    entries.filter((e) => e.isIntersecting).forEach((e) => {
      links.forEach((a) => a.removeAttribute("aria-current"));
      links.get(e.target.id)?.setAttribute("aria-current", "true");
    });
  }, { rootMargin: "-20% 0px -70% 0px" });
  document.querySelectorAll("main > section").forEach((section) => seen.observe(section));
  root.dataset.drawn = "true";
})();
