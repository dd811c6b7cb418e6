"use strict";
// The dual on the page: prices >= 0 that make g(prices) = prices . bounds + mean_u max(0, max_a score_ua) least, by cutting planes through
// the centres of ellipsoids (Shor 1977), with one price by halving its interval.  The mean is over the units that the page holds.
//
//   explorerDual(data)            a function that answers {weights: {metric: w}, bounds: {demand: bound, or null to leave it out}}
//                                 with what Python's explorer answers: {counts, groups, values, demands, value, bound, gap} or {infeasible}
const explorerDual = (data) => {
  const n = data.units, k = data.candidates.length, j = data.scored.length, m = data.metrics.length;
  const NONE = -32768, FIRST_BOX = 4, WIDEST = 1e7, TOLERANCE = 1e-6, LONGEST = 900, TINY = 1e-300, EXCESS = 1e-9;
  const unpacked = (name, width) => {
    const packed = data.arrays[name];
    if (!packed) return null;
    const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
    const whole = new DataView(bytes.buffer), values = new Float64Array(bytes.length / 2);
    for (let i = 0; i < values.length; i += 1) {
      const x = whole.getInt16(2 * i, true);
      values[i] = x === NONE ? NaN : x * packed.scale[i % width];
    }
    return values;
  };
  const weighed = unpacked("weighed", m), counted = unpacked("counted", m) ?? weighed, cost = unpacked("cost", 1);
  const worth = unpacked("worth", 1), gains = unpacked("gains", j), weight = unpacked("weight", 1), cluster = unpacked("cluster", 1);
  const columns = Object.keys(data.labels), by = unpacked("by", columns.length), codes = unpacked("codes", data.columns.length);

  // What a row counts of every unit and candidate, (n, k), and its bound per unit; made when first asked.
  const made = new Map();
  const counts = (row) => {
    if (!made.has(row.name)) {
      const usage = new Float64Array(n * k), column = data.columns.indexOf(row.column);
      for (let u = 0, i = 0; u < n; u += 1) {
        const by_label = row.sign * (column < 0 ? 1 : row.factors[codes[u * data.columns.length + column]]);
        for (let a = 0; a < k; a += 1, i += 1) {
          const quantity = row.quantity === "cost" ? cost[i] : row.quantity === "offers" ? 1 : counted[i * m + row.quantity];
          usage[i] = row.arm < 0 || row.arm === a ? by_label * quantity : 0;
          if (worth && Number.isNaN(worth[i])) usage[i] = 0;
        }
      }
      made.set(row.name, usage);
    }
    return made.get(row.name);
  };
  // The worth of every candidate; of one that is closed nothing that anybody would choose.
  const worths = (weights) => {
    const value = new Float64Array(n * k), w = data.metrics.map((name) => weights[name] ?? 0);
    const net = data.money === null ? data.cost_weight : Number(data.money.some((name) => weights[name])); // what a unit of cost takes
    for (let i = 0; i < n * k; i += 1) {
      let total = (worth ? worth[i] : 0) - net * cost[i];
      for (let q = 0; q < m; q += 1) total += w[q] * weighed[i * m + q];
      value[i] = Number.isNaN(total) ? -Infinity : total;
    }
    return value;
  };
  const lighter = (load, one, other) => load[one] < load[other] || (load[one] === load[other] && cost[one] < cost[other]);
  // g, its subgradient bound - usage, and, where asked, the choices: of equals the one that uses least, in parts of the bounds, then the cheaper.
  const evaluate = (value, usages, bounds, prices, choice, load) => {
    const rows = usages.length, used = new Float64Array(rows), active = prices.map((p, r) => r).filter((r) => prices[r] > 0);
    let total = 0;
    for (let u = 0, i = 0; u < n; u += 1) {
      let best = 0, arm = -1;
      for (let a = 0; a < k; a += 1, i += 1) {
        let score = value[i];
        for (let q = 0; q < active.length; q += 1) score -= prices[active[q]] * usages[active[q]][i];
        if (score > best || (choice && arm >= 0 && score === best && lighter(load, i, u * k + arm))) { best = score; arm = a; }
      }
      total += best;
      if (arm >= 0) for (let r = 0; r < rows; r += 1) used[r] += usages[r][u * k + arm];
      if (choice) choice[u] = arm;
    }
    const mean = used.map((x) => x / n);
    return { height: total / n + prices.reduce((sum, p, r) => sum + p * bounds[r], 0), used: mean, slope: mean.map((x, r) => bounds[r] - x) };
  };

  // ---- the minimum over a box of scaled prices

  const halve = (at, box, best, below) => {
    let [low, high] = [0, box];
    for (let i = 0; i < 60 && high - low > 1e-10 * box && best.height >= below; i += 1) {
      const y = i ? (low + high) / 2 : 0, one = at([y]);
      if (one.height < best.height) Object.assign(best, one, { y: [y] });
      if (!i && one.slope[0] >= 0) return;
      if (one.slope[0] < 0) low = y; else high = y;
    }
  };
  const cut = (center, shape, slope, depth) => {
    const size = center.length, through = slope.map((_, i) => slope.reduce((sum, s, q) => sum + shape[i][q] * s, 0));
    const long = Math.sqrt(slope.reduce((sum, s, i) => sum + s * through[i], 0));
    if (!(long > TINY)) return 0;
    const deep = Math.min(depth / long, 1 - 1e-9), step = (1 + size * deep) / (size + 1);
    const grow = (size * size * (1 - deep * deep)) / (size * size - 1), flat = (2 * (1 + size * deep)) / ((size + 1) * (1 + deep));
    for (let i = 0; i < size; i += 1) center[i] -= (step * through[i]) / long;
    const kept = through.map((x) => x / long);
    for (let i = 0; i < size; i += 1) for (let q = 0; q < size; q += 1) shape[i][q] = grow * (shape[i][q] - flat * kept[i] * kept[q]);
    return long;
  };
  const shrink = (at, box, best, below) => {
    const size = best.size, center = new Array(size).fill(box / 2), radius = (size * box * box) / 4;
    const shape = center.map((_, i) => center.map((_x, q) => (i === q ? radius : 0)));
    for (let i = 0; i < LONGEST && best.height >= below; i += 1) {
      const outside = center.findIndex((y) => y < 0);
      if (outside >= 0) {
        if (!cut(center, shape, center.map((_, q) => (q === outside ? -1 : 0)), -center[outside])) return;
      } else {
        const one = at(center), y = [...center];
        if (one.height < best.height) Object.assign(best, one, { y });
        const long = cut(center, shape, one.scaled, one.height - best.height);
        if (one.height - long > best.height - TOLERANCE * Math.abs(best.height)) return;
      }
    }
  };
  // The price of a row is y * worth without demands / the size of what it counts; where the best point lies at the end of the box, it grows.
  const priced = (value, usages, bounds, below) => {
    const size = usages.length, zero = evaluate(value, usages, bounds, new Array(size).fill(0)), best = { ...zero, size, y: new Array(size).fill(0) };
    const whole = zero.height > 0 ? zero.height : 1;
    const unit = usages.map((usage) => whole / (usage.reduce((sum, x) => sum + Math.abs(x), 0) / (n * k) || 1));
    const at = (y) => {
      const one = evaluate(value, usages, bounds, y.map((x, r) => x * unit[r]));
      return { ...one, scaled: Array.from(one.slope, (s, r) => s * unit[r]) };
    };
    for (let box = FIRST_BOX; size && box < WIDEST; box *= 25) {
      if (size === 1) halve(at, box, best, below); else shrink(at, box, best, below);
      if (best.height < below || Math.max(...best.y) < 0.95 * box) break;
    }
    return { ...best, prices: best.y.map((y, r) => y * unit[r]) };
  };
  // Rows that the prices of the others keep have none: they are looked at only once they are exceeded.
  const minimum = (value, usages, bounds, below) => {
    const some = new Set();
    for (;;) {
      const here = [...some].sort((a, b) => a - b), one = priced(value, here.map((r) => usages[r]), here.map((r) => bounds[r]), below);
      const spread = (parts) => usages.map((_, r) => (some.has(r) ? parts[here.indexOf(r)] : 0));
      const prices = spread(one.prices), all = evaluate(value, usages, bounds, prices);
      const over = usages.map((_, r) => r).filter((r) => !some.has(r) && all.used[r] > bounds[r] + EXCESS * Math.abs(bounds[r]));
      if (!over.length || one.height < below) return { ...all, height: one.height, y: spread(one.y), prices };
      over.forEach((r) => some.add(r));
    }
  };

  // ---- the answer

  const means = (choice) => Object.fromEntries(data.scored.map((name, q) => {
    let whole = 0, mean = 0;
    for (let u = 0; u < n; u += 1) {
      const w = weight ? weight[u] : 1;
      whole += w;
      if (choice[u] >= 0) mean += w * gains[(u * k + choice[u]) * j + q];
    }
    mean /= whole;
    const rest = new Map();
    for (let u = 0; u < n; u += 1) {
      const x = choice[u] >= 0 ? gains[(u * k + choice[u]) * j + q] : 0, c = cluster ? cluster[u] : u;
      rest.set(c, (rest.get(c) ?? 0) + (weight ? weight[u] : 1) * (x - mean));
    }
    let squares = 0;
    rest.forEach((x) => { squares += x * x; });
    return [name, [mean, Math.sqrt((squares * rest.size) / Math.max(rest.size - 1, 1)) / whole]];
  }));
  const tally = (choice) => {
    const all = new Array(1 + k).fill(0), groups = Object.fromEntries(columns.map((name) => [name, data.labels[name].map(() => new Array(1 + k).fill(0))]));
    choice.forEach((arm, u) => {
      all[1 + arm] += 1;
      columns.forEach((name, c) => { groups[name][by[u * columns.length + c]][1 + arm] += 1; });
    });
    return { counts: all, groups };
  };
  const ask = ({ weights, bounds }) => {
    const rows = data.rows.filter((row) => bounds[row.name] !== null), value = worths(weights), usages = rows.map(counts);
    const asked = rows.map((row) => row.turned * (bounds[row.name] ?? row.turned * row.bound)), totals = rows.map((row, r) => asked[r] * row.heads);
    let least = 0;
    for (let u = 0; u < n; u += 1) {
      let worst = 0;
      for (let a = 0; a < k; a += 1) if (value[u * k + a] > -Infinity) worst = Math.min(worst, value[u * k + a]);
      least += worst / n;
    }
    const below = least - 1e-9 * Math.abs(least) - TINY, found = minimum(value, usages, totals, below), { prices, height } = found;
    if (height < below) {
      const most = Math.max(...found.y);
      return { infeasible: rows.filter((_, r) => found.y[r] > 1e-3 * most).map((row) => row.name) };
    }
    const choice = new Int16Array(n), load = new Float64Array(n * k);
    usages.forEach((usage, r) => usage.forEach((x, i) => { load[i] += x / (Math.abs(asked[r]) || 1); }));
    const { used } = evaluate(value, usages, totals, prices, choice, load);
    const missed = prices.reduce((sum, p, r) => sum + p * Math.abs(totals[r] - used[r]), 0);
    const paid = prices.reduce((sum, p, r) => sum + p * (used[r] - totals[r]), 0);
    const error = (r) => {
      const spread = usages[r].reduce((sum, _, i) => sum + (choice[Math.floor(i / k)] === i % k ? usages[r][i] ** 2 : 0), 0) / n - used[r] ** 2;
      return Math.sqrt((Math.max(spread, 0) / n) * (1 - n / data.of)) / rows[r].heads;
    };
    const demands = rows.map((row, r) => ({
      name: row.name, kind: row.kind, unit: row.unit, rule: row.turned < 0 ? "at least" : "at most", bound: row.turned * asked[r],
      used: (row.turned * used[r]) / row.heads, used_error: error(r), price: prices[r],
      binding: prices[r] * Math.max(Math.abs(totals[r]), Math.abs(used[r])) > 1e-6 * Math.abs(height),
    }));
    const gap = missed / Math.max(Math.abs(height), TINY);
    return { units: n, of: data.of, value: height + paid, bound: height, gap, ...tally(choice), values: means(choice), demands };
  };
  return ask;
};
