"use strict";
// Sliders of weights: of the settings that were tried, the nearest to them is shown.
document.querySelectorAll(".chooser").forEach((box) => {
  const { settings, start } = JSON.parse(box.querySelector("script").textContent);
  const dials = [...box.querySelectorAll(".dial")].map((dial) => ({ input: dial.querySelector("input"), output: dial.querySelector("output") }));
  const group = box.querySelector("select");
  const meters = [...box.querySelectorAll(".meters li")];

  const asked = () => {
    const raw = dials.map(({ input }) => Number(input.value));
    const sum = raw.reduce((a, b) => a + b, 0);
    return raw.map((x) => (sum ? x / sum : 1 / raw.length));
  };
  const nearest = (weights) => {
    const far = (setting) => setting.weights.reduce((sum, w, m) => sum + (w - weights[m]) ** 2, 0);
    return settings.filter((s) => s.group === Number(group.value)).reduce((best, s) => (far(s) < far(best) - 1e-12 ? s : best));
  };
  const put = (mark, left, right) => {
    mark.style.display = left === null ? "none" : "";
    mark.style.left = `${left}%`;
    if (right !== undefined) mark.style.right = `${100 - right}%`;
  };
  const show = () => {
    const weights = asked();
    dials.forEach(({ input, output }, m) => {
      output.textContent = `${Math.round(100 * weights[m])}%`;
      input.setAttribute("aria-valuetext", output.textContent);
    });
    const setting = nearest(weights);
    box.querySelector(".chosen").textContent = setting.words;
    meters.forEach((meter, m) => {
      const [value, span, [at, low, high]] = setting.cells[m];
      meter.querySelector(".value b").textContent = value;
      meter.querySelector(".span").textContent = span;
      put(meter.querySelector(".here"), at);
      put(meter.querySelector(".band"), low, high);
    });
  };
  const back = () => {
    group.value = String(settings[start].group);
    dials.forEach(({ input }, m) => { input.value = String(Math.round(100 * settings[start].weights[m])); });
    show();
  };
  box.querySelector(".dials").hidden = false;
  dials.forEach(({ input }) => input.addEventListener("input", show));
  group.addEventListener("change", show);
  box.querySelector("button").addEventListener("click", back);
  addEventListener("beforeprint", () => { box.querySelector("details").open = true; });
  back();
});
