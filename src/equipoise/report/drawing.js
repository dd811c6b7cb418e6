"use strict";
// The drawings of the page: plotly's plain {"data", "layout"} as SVG, as far as our drawings use it.
//
//   drawing.draw(place)    draw the spec of an element, again whenever its width or the colours change; place.told: the marks that
//                          tell something, {px, py, r, box of a bar, text}
//   drawing.colour(text)   a colour of a spec as the page shows it
//   drawing.add(parent, name, attributes)   a node of SVG
//
// Text of users is text: labels hold "&lt;", <b> and <br>, which are read here; nothing is ever parsed as HTML.
const drawing = (() => {
  // What is served, as JSON.  "*": any value;  a list: these values only;  a name: the object that stands here under that name.
  // Whatever else a spec asks for is named on the console, and a test walks the specs of every report: nothing is left out in silence.
  const SERVES = {
    "names": "*",
    "data": {
      "type": ["scatter", "bar"], "mode": ["lines", "markers", "text", "lines+markers", "markers+text"], "x": "*", "y": "*",
      "marker": {"symbol": "symbol", "size": "*", "color": "*", "line": {"color": "*", "width": "*"}},
      "line": "line", "fill": ["tonexty"], "fillcolor": "*", "error_x": "error", "error_y": "error", "cliponaxis": [false],
      "orientation": ["h"], "width": "*", "insidetextanchor": ["middle"], "textangle": [0], "constraintext": ["none"],
      "text": "*", "textfont": {"size": "*", "color": "*"},
      "textposition": ["inside", "middle right", "bottom left", "bottom right"], "hovertext": "*", "hoverinfo": ["text", "skip"]
    },
    "layout": {
      "height": "*", "barmode": ["stack"], "showlegend": [false], "xaxis": "axis", "yaxis": "axis", "shapes": "shape",
      "annotations": "annotation"
    },
    "axis": {
      "title": {"text": "*", "standoff": [8], "font": {"size": [12]}}, "visible": [false], "range": "*", "rangemode": ["tozero"],
      "autorangeoptions": {"include": "*"}, "nticks": "*", "dtick": "*", "tickmode": ["array", "linear"], "tickvals": "*", "ticktext": "*",
      "tickformat": [".0%", ".1%"], "ticks": [""], "showticklabels": [false], "showgrid": [false], "zeroline": [false], "automargin": [true],
      "fixedrange": [true], "gridcolor": ["var(--faint)"], "linecolor": ["var(--faint)"]
    },
    "shape": {
      "type": ["line", "rect"], "x0": "*", "x1": "*", "y0": "*", "y1": "*", "xref": ["paper"], "yref": ["paper"], "layer": ["below"],
      "line": "line", "fillcolor": "*"
    },
    "annotation": {
      "text": "*", "x": [0], "xref": ["paper"], "xanchor": ["left"], "xshift": "*", "y": "*", "yanchor": ["middle"], "showarrow": [false],
      "bgcolor": "*", "font": {"size": "*", "color": "*"}
    },
    "line": {"color": "*", "width": "*", "dash": ["solid", "dot", "dash"]},
    "error": {
      "type": ["data"], "symmetric": [false], "array": "*", "arrayminus": "*", "color": "*", "thickness": "*", "width": [0]
    },
    "symbol": ["circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "hexagon", "star", "diamond-open"]
  };
  const unserved = (part, served, path) => {
    if (typeof served === "string") return served === "*" ? [] : unserved(part, SERVES[served], path);
    if (Array.isArray(served)) return served.includes(part) ? [] : [`${path}: ${JSON.stringify(part)}`];
    if (Array.isArray(part)) return part.flatMap((one) => unserved(one, served, path));
    return Object.entries(part).flatMap(([key, one]) => {
      const here = `${path}.${key}`;
      return key in served ? unserved(one, served[key], here) : [here];
    });
  };

  // ---- colours: var(--name) is the style sheet's; on a dark page dark colours of data are lightened, to keep their contrast

  const root = document.documentElement, night = matchMedia("(prefers-color-scheme: dark)");
  const DARK = 0.22, LIFT = 0.32;
  const colour = (text) => {
    if (!text || !night.matches || root.classList.contains("printing")) return text;
    const hex = /^#([0-9a-f]{6})$/i.exec(text), rgba = /^rgba\((\d+),(\d+),(\d+),([\d.]+)\)$/.exec(text);
    if (!hex && !rgba) return text;
    const parts = hex ? [0, 2, 4].map((i) => parseInt(hex[1].slice(i, i + 2), 16)) : rgba.slice(1, 4).map(Number);
    const [r, g, b] = parts.map((c) => (c / 255) ** 2.2);
    if (0.2126 * r + 0.7152 * g + 0.0722 * b >= DARK) return text;
    return `rgba(${parts.map((c) => Math.round(c + (255 - c) * LIFT)).join(",")},${hex ? 1 : rgba[4]})`;
  };

  // ---- SVG and text: a line of text is a list of runs {text, bold}

  const SIZE = 12, LINE = 15; // of letters and from line to line, pixels
  const add = (parent, name, attributes = {}) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => {
      node.setAttribute(key, typeof value === "number" ? Math.round(value * 100) / 100 : value);
    });
    parent.append(node);
    return node;
  };
  const SIGNS = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'", "&amp;": "&" };
  const rich = (text) => {
    let bold = false;
    const lines = [[]];
    String(text ?? "").split(/(<br>|<\/?b>)/).forEach((part) => {
      if (part === "<br>") lines.push([]);
      else if (part === "<b>" || part === "</b>") bold = part === "<b>";
      else if (part) lines.at(-1).push({ bold, text: part.replace(/&(lt|gt|quot|#x27|amp);/g, (sign) => SIGNS[sign]) });
    });
    return lines;
  };
  const FONT = getComputedStyle(root).getPropertyValue("--font"), pen = document.createElement("canvas").getContext("2d");
  const box = (x0, x1, y0, y1) => ({ x: Math.min(x0, x1), y: Math.min(y0, y1), width: Math.abs(x1 - x0), height: Math.abs(y1 - y0) });
  const widthOf = (runs, size = SIZE) => runs.reduce((sum, run) => {
    pen.font = `${run.bold ? 700 : 400} ${size}px ${FONT}`;
    return sum + pen.measureText(run.text).width;
  }, 0);
  // The first run is shortened, so that a value after a name stays.
  const cut = (runs, room, size = SIZE) => {
    if (widthOf(runs, size) <= room) return runs;
    const [first, ...rest] = runs, letters = [...first.text];
    const shorter = () => [{ ...first, text: `${letters.join("").trimEnd()}\u2026${rest.length ? "  " : ""}` }, ...rest];
    while (letters.length > 1 && widthOf(shorter(), size) > room) letters.pop();
    return shorter();
  };
  const wrapped = (text, room) => {
    const words = rich(text)[0].map((run) => run.text).join("").split(" "), lines = [""];
    words.forEach((word) => {
      const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
      if (lines.length < 2 && lines.at(-1) && widthOf([{ text: longer }]) > room) lines.push(word);
      else lines[lines.length - 1] = longer;
    });
    return lines[0] ? lines.map((line) => cut([{ text: line }], room)) : [];
  };
  const write = (parent, runs, x, y, { anchor = "start", size = SIZE, fill = "var(--muted)", name = "" } = {}) => {
    const text = add(parent, "text", { x, y: y + size * 0.35, "text-anchor": anchor, "font-size": size, fill, class: name });
    runs.forEach((run) => { add(text, "tspan", run.bold ? { "font-weight": 700 } : {}).textContent = run.text; });
    return text;
  };

  // ---- axes: numbers, dates, or names in the order in which they come

  const DAY = 864e5, MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);
  const isNumber = (value) => value !== "" && Number.isFinite(Number(value));
  const isDate = (value) => /^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value));
  const placesOf = (values) => {
    const all = values.filter(known);
    if (all.every(isNumber)) return { kind: "number", place: Number };
    if (all.every(isDate)) return { kind: "date", place: Date.parse };
    const names = [...new Set(all)];
    return { kind: "name", names, place: (value) => (typeof value === "number" ? value : names.indexOf(value)) };
  };
  // spots: [place, pixels of room it asks for].
  const endsOf = (axis, spots, length) => {
    if (axis.range) return axis.range.map(axis.place);
    const all = spots.filter(([at]) => Number.isFinite(at));
    const include = axis.autorangeoptions ? [axis.autorangeoptions.include] : [];
    const ends = [...all.map(([at]) => at), ...include, ...(axis.rangemode === "tozero" || !all.length ? [0] : [])];
    let low = Math.min(...ends), high = Math.max(...ends);
    const alone = axis.kind === "date" ? DAY : Math.abs(low) / 10 || 1;
    if (low === high) [low, high] = [low - alone, high + alone];
    const most = Math.max(0, ...all.map(([, room]) => room)), pixel = (high - low) / Math.max(length - 2 * most, 40);
    const least = Math.min(low, ...all.map(([at, room]) => at - room * pixel));
    const last = Math.max(high, ...all.map(([at, room]) => at + room * pixel));
    return axis.rangemode === "tozero" ? [low < 0 ? least : 0, high > 0 ? last : 0] : [least, last];
  };
  const FACTORS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
  const numbers = ({ low, high, dtick, tickformat }, most) => {
    const rough = (high - low) / most, unit = dtick ?? 10 ** Math.floor(Math.log10(rough));
    const step = unit * (FACTORS.find((factor) => factor * unit >= rough * (1 - 1e-9)) ?? 1000);
    const scale = tickformat ? 100 : 1, decimals = Math.max(0, -Math.floor(Math.log10(step * scale) + 1e-9));
    const size = Math.max(Math.abs(low), Math.abs(high)), strange = decimals > 8 || size >= 1e15;
    const large = size >= 1e6 && step >= 10 ** (3 * Math.floor(Math.log10(size) / 3) - 3);
    const words = new Intl.NumberFormat("en-US", {
      notation: strange ? "scientific" : large ? "compact" : "standard",
      minimumFractionDigits: large || strange ? 0 : decimals,
      maximumFractionDigits: large || strange ? 3 : decimals,
    });
    const ticks = [];
    for (let i = Math.ceil(low / step - 1e-9); i <= high / step + 1e-9; i += 1) {
      ticks.push({ at: i * step, text: words.format(i * step * scale || 0).replace("-", "\u2212") + (tickformat ? "%" : "") });
    }
    return ticks;
  };
  const dates = ({ low, high }, most) => {
    const ticks = [], days = [1, 2, 7, 14].find((n) => (high - low) / (n * DAY) <= most);
    if (days) { // weeks start on Mondays; day 4 of 1970 was one
      const start = days % 7 ? 0 : 4;
      for (let d = Math.ceil((low / DAY - start) / days - 1e-9) * days + start; d * DAY <= high; d += days) {
        ticks.push({ at: d * DAY, text: `${new Date(d * DAY).getUTCDate()} ${MONTHS[new Date(d * DAY).getUTCMonth()]}` });
      }
      return ticks;
    }
    const months = [1, 3, 6, 12, 24, 60, 120].find((n) => (high - low) / (n * 30.4 * DAY) <= most) ?? 600;
    const from = new Date(low), first = 12 * from.getUTCFullYear() + from.getUTCMonth();
    for (let m = Math.ceil(first / months) * months, at = low; at <= high; m += months) {
      at = Date.UTC(Math.floor(m / 12), m % 12);
      ticks.push({ at, text: m % 12 ? MONTHS[m % 12] : String(Math.floor(m / 12)) });
    }
    return ticks;
  };
  const listed = (axis, most) => {
    const texts = axis.ticktext ?? axis.names, places = axis.tickvals ? axis.tickvals.map(axis.place) : texts.map((_, i) => i);
    const every = axis.tickvals && axis.letter === "y" ? 1 : Math.ceil(places.length / most);
    return places.map((at, i) => ({ at, text: texts[i] })).filter((_, i) => i % every === 0);
  };
  const ticksOf = (axis, most) => {
    if (axis.visible === false) return [];
    const make = axis.tickvals || axis.kind === "name" ? listed : axis.kind === "date" ? dates : numbers;
    const [low, high] = [Math.min(...axis.ends), Math.max(...axis.ends)], near = (high - low) * 1e-6;
    return make({ ...axis, low, high }, most).filter((tick) => tick.at >= low - near && tick.at <= high + near);
  };
  // A title that the spec does without: the years of dates that are told without them.
  const titleOf = (axis) => {
    const years = axis.kind === "date" ? new Set(axis.ends.map((at) => new Date(at).getUTCFullYear())) : [];
    return axis.title?.text || [...years].join(" to ");
  };

  // ---- marks

  const ROUND = { "stroke-linecap": "round", "stroke-linejoin": "round" };
  const dashes = ({ dash, width }) => (!dash || dash === "solid" ? {}
    : { "stroke-dasharray": dash === "dot" ? "2 2.8" : `${3 * width + 3} ${2 * width + 2}`, "stroke-linecap": "butt" });
  const pick = (value, i) => (Array.isArray(value) ? value[i] : value);
  const FORMS = { // corners, turn in degrees, outer and inner radius in radii of the circle
    "square": [4, 45, 1.28], "diamond": [4, 0, 1.3], "triangle-up": [3, 0, 1.3], "triangle-down": [3, 180, 1.3],
    "pentagon": [5, 0, 1.12], "hexagon": [6, 0, 1.1], "star": [10, 0, 1.45, 0.62],
  };
  const symbol = (parent, name, x, y, r, attributes) => {
    const form = FORMS[name.replace("-open", "")];
    if (!form) return add(parent, "circle", { cx: x, cy: y, r, ...attributes });
    const [corners, turn, outer, inner = outer] = form;
    const points = Array.from({ length: corners }, (_, i) => {
      const angle = ((turn - 90 + (360 * i) / corners) * Math.PI) / 180, far = r * (i % 2 ? inner : outer);
      return `${(x + far * Math.cos(angle)).toFixed(2)} ${(y + far * Math.sin(angle)).toFixed(2)}`;
    });
    return add(parent, "path", { d: `M${points.join("L")}Z`, "stroke-linejoin": "round", ...attributes });
  };

  // What a trace draws, in the units of its axes; bars begin where those before them end.
  const marksOf = (trace, axes, stacks) => {
    const bar = trace.type === "bar", mode = bar ? "bars" : trace.mode;
    const has = (part) => mode.includes(part);
    const marks = trace.x.map((_, i) => {
      const [x, y] = [axes.x.place(trace.x[i] ?? NaN), axes.y.place(trace.y[i] ?? NaN)], from = (bar && stacks.get(y)) || 0;
      const reach = (error, at) => (error ? [at - error.arrayminus[i], at + error.array[i]] : [at, at]);
      const mark = { i, from, x: from + x, y, r: has("markers") ? (pick(trace.marker?.size, i) ?? 6) / 2 : 0 };
      if (bar && axes.stacked && Number.isFinite(x)) stacks.set(y, mark.x);
      return { ...mark, across: reach(trace.error_x, mark.x), along: reach(trace.error_y, y) };
    });
    return { trace, bar, has, marks, there: marks.filter((mark) => Number.isFinite(mark.x) && Number.isFinite(mark.y)) };
  };
  // Every place that an axis has to hold, with the room it asks for.  A line alone may touch the ends of its x axis.
  const spotsOf = (drawn, shapes, letter, length) => {
    const spots = drawn.flatMap(({ bar, has, there, trace }) => there.flatMap((mark) => {
      const some = 0.045 * length, half = trace.width / 2;
      if (bar) return letter === "x" ? [[mark.from, 0], [mark.x, some]] : [[mark.y - half, 0], [mark.y + half, 0]];
      const whisker = trace[`error_${letter}`] ? mark[letter === "x" ? "across" : "along"] : [];
      return [[mark[letter], has("lines") && !mark.r && letter === "x" ? 0 : some + mark.r], ...whisker.map((at) => [at, some])];
    }));
    const held = shapes.filter((shape) => shape[`${letter}ref`] !== "paper");
    return [...spots, ...held.flatMap((shape) => [[shape[`${letter}0`], 0], [shape[`${letter}1`], 0]])];
  };

  // ---- the frame: edges of the plane on which marks lie, from measured text

  const GAP = 8, NAMES = 0.36; // pixels; the most of the width that names of rows take
  const framed = (spec, drawn, axes, width) => {
    const { x, y } = axes, height = spec.layout.height;
    const shown = (axis) => axis.visible !== false && axis.showticklabels !== false;
    const edge = { top: 8, bottom: height - 4, left: GAP, right: width - GAP };
    const stretch = (axis, length) => { axis.ends = endsOf(axis, spotsOf(drawn, spec.layout.shapes, axis.letter, length), length); };
    y.lines = wrapped(y.title?.text, width - 2 * GAP);
    if (y.lines.length) edge.top += y.lines.length * LINE + 4;
    stretch(x, width - 60);
    x.lines = wrapped(titleOf(x), width - 2 * GAP);
    if (x.visible !== false) edge.bottom -= x.lines.length * LINE + (shown(x) ? LINE + 7 : 0);
    const high = edge.bottom - edge.top;
    stretch(y, high);
    y.ticks = ticksOf(y, Math.max(2, Math.min(y.nticks ?? 6, Math.floor(high / 26))));
    y.ticks.forEach((tick) => {
      const name = spec.names?.[tick.at];
      tick.runs = name === undefined ? rich(tick.text)[0] : cut([{ text: name }], Math.max(NAMES * width, 84));
    });
    if (shown(y)) edge.left = Math.max(GAP, ...y.ticks.map((tick) => 4 + widthOf(tick.runs) + GAP));
    x.at = (value) => edge.left + ((value - x.ends[0]) / (x.ends[1] - x.ends[0])) * (edge.right - edge.left);
    y.at = (value) => edge.bottom - ((value - y.ends[0]) / (y.ends[1] - y.ends[0])) * high;
    for (let again = 0; again < 2; again += 1) { // numbers at both ends stick out by half their width
      const long = edge.right - edge.left, wanted = x.dtick || x.tickvals ? 24 : x.nticks ?? 6;
      stretch(x, long);
      for (let most = Math.min(wanted, Math.max(2, Math.floor(long / 20))); most > 0; most -= 1) {
        x.ticks = ticksOf(x, most).map((tick) => {
          const runs = rich(tick.text)[0], half = widthOf(runs) / 2;
          return { ...tick, runs, from: x.at(tick.at) - half, to: x.at(tick.at) + half };
        });
        if (x.ticks.every((tick, i) => !i || tick.from > x.ticks[i - 1].to + GAP)) break;
      }
      if (shown(x) && x.ticks.length) {
        edge.left = Math.max(edge.left, edge.left + 2 - x.ticks[0].from);
        edge.right = Math.min(edge.right, edge.right - (x.ticks.at(-1).to - width + 2));
      }
    }
    return edge;
  };

  // ---- layers, from the ground up

  const sharp = (at) => Math.round(at) + 0.5;
  const ground = (svg, axes, edge, width) => {
    const { x, y } = axes, grid = add(svg, "g", { stroke: "var(--faint)", "stroke-width": 1 });
    if (x.showgrid !== false) x.ticks.forEach((tick) => add(grid, "path", { d: `M${sharp(x.at(tick.at))} ${edge.top}V${edge.bottom}` }));
    if (y.showgrid !== false) y.ticks.forEach((tick) => add(grid, "path", { d: `M${edge.left} ${sharp(y.at(tick.at))}H${edge.right}` }));
    if (x.visible !== false) add(grid, "path", { d: `M${edge.left} ${sharp(edge.bottom)}H${edge.right}` });
    if (x.showticklabels !== false) {
      x.ticks.forEach((tick) => write(svg, tick.runs, x.at(tick.at), edge.bottom + 13, { anchor: "middle", name: "xtick" }));
    }
    if (y.showticklabels !== false) {
      y.ticks.forEach((tick) => write(svg, tick.runs, edge.left - GAP, y.at(tick.at), { anchor: "end", name: "ytick" }));
    }
    const below = edge.bottom + (x.showticklabels === false ? 4 : LINE + 7);
    x.lines.forEach((runs, i) => {
      const half = widthOf(runs) / 2, middle = Math.min(Math.max((edge.left + edge.right) / 2, half + 2), width - half - 2);
      write(svg, runs, middle, below + (i + 0.5) * LINE, { anchor: "middle", name: "xtitle" });
    });
    y.lines.forEach((runs, i) => write(svg, runs, 2, 4 + (i + 0.5) * LINE, { name: "ytitle" }));
  };
  const shapes = (svg, layout, axes, edge) => layout.shapes.forEach((shape) => {
    const [x0, x1] = [shape.x0, shape.x1].map((v) => (shape.xref === "paper" ? edge.left + v * (edge.right - edge.left) : axes.x.at(v)));
    const [y0, y1] = [shape.y0, shape.y1].map((v) => (shape.yref === "paper" ? edge.bottom - v * (edge.bottom - edge.top) : axes.y.at(v)));
    const { width = 1, color } = shape.line, stroke = { stroke: width ? colour(color) : "none", "stroke-width": width };
    if (shape.type === "rect") {
      add(svg, "rect", { ...box(x0, x1, y0, y1), fill: colour(shape.fillcolor), ...stroke });
    } else {
      const d = x0 === x1 ? `M${sharp(x0)} ${y0}V${y1}` : y0 === y1 ? `M${x0} ${sharp(y0)}H${x1}` : `M${x0} ${y0}L${x1} ${y1}`;
      add(svg, "path", { d, ...stroke, "stroke-opacity": 0.75, ...ROUND, ...dashes(shape.line) });
    }
  });
  const point = (mark, axes) => `${axes.x.at(mark.x).toFixed(2)} ${axes.y.at(mark.y).toFixed(2)}`;
  // Marks in pieces, between the gaps that missing ones leave.
  const pieces = (marks) => marks.reduce((all, mark, k) => {
    if (!k || marks[k - 1].i !== mark.i - 1) all.push([]);
    all.at(-1).push(mark);
    return all;
  }, []);
  // A band to the trace before: forth along this line and back along that one.
  const band = (layer, one, before, axes) => {
    const there = new Set(before.there.map((mark) => mark.i));
    pieces(one.there.filter((mark) => there.has(mark.i))).forEach((piece) => {
      const back = piece.map((mark) => before.marks[mark.i]).reverse();
      const d = `M${[...piece, ...back].map((mark) => point(mark, axes)).join("L")}Z`;
      const look = { fill: colour(one.trace.fillcolor), stroke: piece.length > 1 ? "none" : colour(one.trace.fillcolor), "stroke-width": 3 };
      add(layer, "path", { d, ...look, class: "band" });
    });
  };
  const bars = (layer, one, axes) => one.there.map((mark) => {
    const { marker: { line = {}, color }, width } = one.trace, stroke = { stroke: line.color ?? "none", "stroke-width": line.width ?? 0 };
    const [x0, x1] = [axes.x.at(mark.from), axes.x.at(mark.x)], [y0, y1] = [-0.5, 0.5].map((half) => axes.y.at(mark.y + half * width));
    const bar = box(x0, x1, y0, y1);
    add(layer, "rect", { ...bar, rx: 2, fill: colour(pick(color, mark.i)), ...stroke, class: "bar" });
    return { ...mark, box: bar, px: (x0 + x1) / 2, py: (y0 + y1) / 2 };
  });
  const points = (layers, one, axes) => {
    const { trace, has } = one, { marker = {}, line = {} } = trace;
    if (has("lines") && line.width !== 0) {
      const path = (piece) => `M${piece.map((mark) => point(mark, axes)).join("L")}${piece.length > 1 ? "" : "h0"}`; // one alone is a dot
      const d = pieces(one.there).map(path).join("");
      const stroke = { stroke: colour(line.color), "stroke-width": line.width ?? 2 };
      if (d) add(layers.clipped, "path", { d, fill: "none", ...stroke, ...ROUND, ...dashes(line), class: "line" });
    }
    return one.there.map((mark) => {
      const [px, py] = [axes.x.at(mark.x), axes.y.at(mark.y)];
      const whisker = (error, [low, high], path) => {
        if (!error || low === high) return;
        add(layers.clipped, "path", { d: path(low, high), stroke: colour(error.color), "stroke-width": error.thickness, class: "error" });
      };
      whisker(trace.error_x, mark.across, (low, high) => `M${axes.x.at(low)} ${py}H${axes.x.at(high)}`);
      whisker(trace.error_y, mark.along, (low, high) => `M${px} ${axes.y.at(low)}V${axes.y.at(high)}`);
      const name = marker.symbol ?? "circle", fill = colour(pick(marker.color, mark.i) ?? line.color);
      const edges = marker.line ?? { color: fill, width: 0 }, full = { fill, stroke: colour(edges.color), "stroke-width": edges.width };
      const look = name.endsWith("-open") ? { fill: "none", stroke: fill, "stroke-width": 1.6 } : full;
      if (has("markers")) symbol(layers.marks, name, px, py, mark.r, { ...look, class: "point" });
      return { ...mark, px, py };
    });
  };

  // ---- names beside marks: moved to where nothing stands, or left out; the mark tells them when it is pointed at

  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const beside = ({ px, py, r }, position, wide) => {
    const [up, side] = position.split(" "), off = Math.max(r, 2) * 0.75 + 3;
    const left = side === "left" ? px - off - wide : side === "right" ? px + off : px - wide / 2;
    const top = up === "top" ? py - off - LINE : up === "bottom" ? py + off : py - LINE / 2;
    return { left, top, right: left + wide, bottom: top + LINE };
  };
  const label = (layer, one, places, taken, ink, edge, width) => {
    const { trace } = one, { size = SIZE, color } = trace.textfont ?? {};
    places.forEach((place) => {
      const told = rich(pick(trace.text, place.i))[0], fill = colour(color);
      if (!told.length) return;
      if (place.box) {
        const fits = widthOf(told, size) + 6 <= place.box.width;
        if (fits) write(layer, told, place.px, place.py, { anchor: "middle", size, fill, name: "inside" });
      } else if (trace.mode === "text") {
        write(layer, cut(told, width - place.px - 2, size), place.px, place.py, { size, fill, name: "label" });
      } else {
        const side = trace.textposition.split(" ")[1], wide = widthOf(told, size);
        const sides = [side, side === "left" ? "right" : "left"].flatMap((way) => [`bottom ${way}`, `top ${way}`, `middle ${way}`]);
        const spots = [...sides, "top center", "bottom center"].map((way) => beside(place, way, wide));
        const free = spots.filter((spot) => spot.left > edge.left && spot.right < width - 2
          && spot.top > edge.top && spot.bottom < edge.bottom && !taken.some((box) => box.of !== place && meet(box, spot)));
        const crossed = (spot) => ink.filter(([x, y]) => x > spot.left && x < spot.right && y > spot.top && y < spot.bottom).length;
        const best = free.reduce((a, b) => (a && crossed(a) <= crossed(b) ? a : b), null);
        if (!best || crossed(best) > 1) return;
        taken.push(best);
        write(layer, told, best.left, best.top + LINE / 2, { size, fill, name: "label" });
      }
    });
  };
  // Points along what is drawn, some pixels apart: what a name should not lie on.
  const inkOf = (drawn, axes) => drawn.flatMap(({ has, there }) => there.flatMap((mark, k) => {
    const at = (x, y) => [axes.x.at(x), axes.y.at(y)];
    const lines = [mark.across.map((x) => at(x, mark.y)), mark.along.map((y) => at(mark.x, y))];
    if (has("lines") && k) lines.push([at(there[k - 1].x, there[k - 1].y), at(mark.x, mark.y)]);
    return lines.flatMap(([a, b]) => {
      const steps = Math.ceil(Math.hypot(b[0] - a[0], b[1] - a[1]) / 5);
      return Array.from({ length: steps }, (_, s) => [a[0] + ((b[0] - a[0]) * s) / steps, a[1] + ((b[1] - a[1]) * s) / steps]);
    });
  }));

  // ---- a whole drawing

  let drawings = 0;
  const draw = (place) => {
    const spec = JSON.parse(place.dataset.spec), { data, layout } = spec, width = Math.max(Math.floor(place.clientWidth), 120);
    const strange = unserved(spec, SERVES, "spec");
    if (strange.length) console.error(`not drawn: ${strange.join("; ")}`);
    const axisOf = (letter) => {
      const axis = layout[`${letter}axis`];
      const values = [...data.flatMap((trace) => trace[letter]), ...(axis.tickvals ?? []), ...(axis.range ?? [])];
      return { ...axis, letter, ...placesOf(values) };
    };
    const axes = { x: axisOf("x"), y: axisOf("y"), stacked: layout.barmode === "stack" }, stacks = new Map();
    const drawn = data.map((trace) => marksOf(trace, axes, stacks));
    const edge = framed(spec, drawn, axes, width);

    place.querySelector("svg")?.remove();
    const size = { width, height: layout.height, viewBox: `0 0 ${width} ${layout.height}` };
    const svg = add(place, "svg", { class: "drawing", ...size, "aria-hidden": "true" });
    drawings += 1;
    const within = { "clip-path": `url(#plane-${drawings})` }, plane = box(edge.left, edge.right + 1, edge.top - 1, edge.bottom + 1);
    add(add(svg, "clipPath", { id: `plane-${drawings}` }), "rect", plane);
    ground(svg, axes, edge, width);
    shapes(add(svg, "g", within), layout, axes, edge);
    const places = drawn.map((one, k) => {
      const marks = add(svg, "g", { class: "trace" }), clipped = add(marks, "g", within);
      if (one.trace.fill) band(clipped, one, drawn[k - 1], axes);
      return one.bar ? bars(clipped, one, axes) : points({ marks, clipped }, one, axes);
    });
    (layout.annotations ?? []).forEach(({ text, xshift = 0, y, font, bgcolor }) => {
      const left = edge.left + xshift, middle = axes.y.at(y), runs = cut(rich(text)[0], edge.right - left - 2, font.size);
      add(svg, "rect", { x: left - 1, y: middle - 9, width: widthOf(runs, font.size) + 3, height: 18, fill: bgcolor });
      write(svg, runs, left, middle, { size: font.size, fill: font.color, name: "note" });
    });
    const around = (of) => ({ of, left: of.px - of.r - 8, right: of.px + of.r + 8, top: of.py - of.r - 7, bottom: of.py + of.r + 7 });
    const taken = places.flat().filter((mark) => mark.r).map(around);
    const ink = drawn.some((one) => one.trace.mode === "markers+text") ? inkOf(drawn, axes) : [];
    drawn.forEach((one, k) => { if (one.trace.text) label(svg, one, places[k], taken, ink, edge, width); });
    place.told = drawn.flatMap(({ trace }, k) => (trace.hoverinfo === "text" ? places[k] : [])
      .map((mark) => ({ ...mark, text: rich(pick(trace.hovertext, mark.i)) })).filter((mark) => mark.text[0].length));
  };
  return { draw, add, colour };
})();
