"use strict";
// The views of a study's page. All of them show the same trials; a brush on an axis, the search and a click
// on a trial are seen in each. Texts come in as text nodes only, never as markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
const { rows, columns, value: VALUE, state: STATE, mode } = DATA;
const COUNT = rows.length;
const MOST_ROWS = 100; // of the table, until more are asked for
const brushes = new Map(); // column → [from, to], places on its axis from 0 to 1
const draws = [];
let shown = new Uint8Array(COUNT).fill(1);
let pinned = -1, hot = -1, query = "", sort = null, showAll = false, waiting = false;

const byId = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, text] of Object.entries(attributes)) element.setAttribute(name, text);
  element.append(...children);
  return element;
};
const figure = (v) => {
  if (v === null || v === undefined) return "";
  if (typeof v !== "number") return String(v);
  if (Number.isInteger(v)) return String(v);
  return Math.abs(v) >= 0.001 && Math.abs(v) < 1000 ? String(+v.toPrecision(5)) : v.toPrecision(4).replace(/\.?0+(?=e|$)/, "");
};

// --- scales -----------------------------------------------------------------------------------------------
const scales = [...columns]; // and those of views that have one of their own
const extents = columns.map((column, c) => {
  if (column.kind === "text") return null;
  let numbers = [];
  for (const row of rows) if (typeof row[c] === "number") numbers.push(row[c]);
  numbers.sort((a, b) => a - b);
  let low = numbers[0], high = numbers[numbers.length - 1];
  if (DATA.measures.includes(c) && numbers.length > 8) {
    // a few trials that went wrong must not press all others into a line: they are drawn at the edge
    const q1 = numbers[Math.floor(numbers.length / 4)], q3 = numbers[Math.floor((numbers.length * 3) / 4)], reach = 3 * (q3 - q1);
    if (reach > 0) { low = Math.max(low, q1 - reach); high = Math.min(high, q3 + reach); }
  }
  if (column.low !== undefined) { low = Math.min(low ?? column.low, column.low); high = Math.max(high ?? column.high, column.high); }
  return low === undefined ? [0, 1] : [low, high];
});
// Return where a value lies on a column's axis, from 0 to 1; null where it has no place.
function place(c, v) {
  const column = scales[c];
  if (v === null || v === undefined) return null;
  if (column.kind === "text") {
    const at = column.values.indexOf(String(v));
    return at < 0 ? null : (at + 0.5) / column.values.length;
  }
  if (typeof v !== "number") return null;
  let [low, high] = extents[c];
  if (low === high) return 0.5;
  if (column.kind === "log" && low > 0) { [low, high, v] = [Math.log(low), Math.log(high), Math.log(v)]; }
  return Math.min(1, Math.max(0, (v - low) / (high - low)));
}
function ticks(c, most = 5) {
  const column = scales[c];
  if (column.kind === "text") return column.values.map((v, k) => [(k + 0.5) / column.values.length, v]);
  if (column.listed && column.listed.length <= 2 * most) return column.listed.map((v) => [place(c, v), figure(v)]);
  const [low, high] = extents[c];
  if (low === high) return [[0.5, figure(low)]];
  const found = [];
  if (column.kind === "log" && low > 0) {
    const decades = Math.log10(high / low), factors = decades > 2.2 ? [1] : decades > 1 ? [1, 3] : [1, 2, 5];
    const apart = Math.max(1, Math.ceil(decades / most));
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e += apart) {
      for (const f of factors) { const v = f * 10 ** e; if (v >= low * 0.999 && v <= high * 1.001) found.push([place(c, v), figure(+v.toPrecision(2))]); }
    }
    if (found.length < 2) return [[0, figure(+low.toPrecision(2))], [1, figure(+high.toPrecision(2))]];
    return found;
  }
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((f) => f * power >= rough);
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) found.push([place(c, v), String(+v.toPrecision(6))]);
  return found;
}
const hex = (text) => [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16));
let stops = [];
function colour(i) {
  const at = place(VALUE, rows[i][VALUE]);
  if (at === null) return css("--dim");
  const x = (mode === "max" ? at : 1 - at) * (stops.length - 1), k = Math.min(stops.length - 2, Math.floor(x));
  return `rgb(${stops[k].map((v, j) => Math.round(v + (stops[k + 1][j] - v) * (x - k))).join(" ")})`;
}

// --- what is shown ----------------------------------------------------------------------------------------
const texts = rows.map((row) => row.map(figure).join(" ").toLowerCase());
function passes(i) {
  for (const [c, [from, to]] of brushes) {
    const at = place(c, rows[i][c]);
    if (at === null || at < from - 1e-9 || at > to + 1e-9) return 0;
  }
  return !query || texts[i].includes(query) ? 1 : 0;
}
function update() {
  for (let i = 0; i < COUNT; i++) shown[i] = passes(i);
  const count = shown.reduce((a, b) => a + b, 0);
  byId("count").textContent = `${count} of ${COUNT} trials`;
  byId("reset").disabled = !brushes.size && !query;
  remember();
  redraw();
}
function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; stops = css("--scale").split(" ").map(hex); for (const draw of draws) draw(); });
}
function point(i, pin = false) {
  if (pin) pinned = pinned === i ? -1 : i; else if (hot === i) return; else hot = i;
  describe();
  redraw();
}
const marked = () => (hot >= 0 ? hot : pinned);
function describe() {
  const i = marked(), host = byId("detail");
  host.replaceChildren();
  if (i < 0) { host.append("Point at a trial to read it; click to keep it."); return; }
  columns.forEach((column, c) => { if (rows[i][c] !== null) host.append(make("span", {}, make("b", {}, column.title), ` ${figure(rows[i][c])}`)); });
  if (DATA.errors[i]) host.append(make("span", { class: "bad" }, DATA.errors[i]));
}

// --- canvases ---------------------------------------------------------------------------------------------
// Add a drawing that fills its host's width; `paint(g, w, h)` draws it, `nearest(x, y)` names the trial there.
function canvas(host, height, label, paint, nearest) {
  const node = make("canvas", { role: "img", "aria-label": label });
  host.append(node);
  const g = node.getContext("2d");
  let w = 0;
  const size = () => {
    const ratio = devicePixelRatio || 1;
    w = Math.max(180, host.clientWidth);
    node.width = w * ratio; node.height = height * ratio;
    node.style.width = `${w}px`; node.style.height = `${height}px`;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
  };
  size();
  new ResizeObserver(() => { if (host.clientWidth && Math.abs(host.clientWidth - w) > 1) { size(); redraw(); } }).observe(host);
  draws.push(() => { g.clearRect(0, 0, w, height); g.font = "12px system-ui, sans-serif"; g.globalAlpha = 1; g.setLineDash([]); paint(g, w, height); });
  if (nearest) {
    const at = (event) => { const box = node.getBoundingClientRect(); return nearest(event.clientX - box.left, event.clientY - box.top); };
    node.addEventListener("pointermove", (event) => point(at(event)));
    node.addEventListener("pointerleave", () => point(-1));
    node.addEventListener("click", (event) => { const i = at(event); if (i >= 0) point(i, true); });
  }
  return node;
}
function axes(g, w, h, m, xTicks, yTicks, xName, yName) {
  g.fillStyle = css("--quiet"); g.strokeStyle = css("--line"); g.lineWidth = 1;
  g.textAlign = "right"; g.textBaseline = "middle";
  for (const [at, text] of yTicks) { const y = h - m.b - at * (h - m.b - m.t); g.beginPath(); g.moveTo(m.l, y); g.lineTo(w - m.r, y); g.stroke(); g.fillText(text, m.l - 6, y); }
  g.textAlign = "center"; g.textBaseline = "top";
  let end = -Infinity;
  for (const [at, text] of xTicks) {
    const x = m.l + at * (w - m.l - m.r), half = g.measureText(text).width / 2;
    if (x - half < end + 6) continue;
    g.fillText(text, Math.min(x, w - half), h - m.b + 5); end = x + half;
  }
  g.fillStyle = css("--text");
  if (xName) g.fillText(cut(g, xName, w - m.l - m.r), (m.l + w - m.r) / 2, h - 14);
  if (yName) { g.textAlign = "left"; g.fillText(cut(g, yName, w - 4), 2, 0); }
}
function cut(g, text, width) {
  if (g.measureText(text).width <= width) return text;
  let length = text.length;
  while (length > 1 && g.measureText(`${text.slice(0, length)}…`).width > width) length--;
  return `${text.slice(0, length)}…`;
}
const isOpen = (i) => rows[i][STATE] !== "completed" && rows[i][STATE] !== "early stopped";
function dot(g, i, x, y, r = 3) {
  g.globalAlpha = shown[i] ? 0.9 : 0.12;
  g.beginPath(); g.arc(x, y, r, 0, 7);
  if (isOpen(i)) { g.strokeStyle = shown[i] ? colour(i) : css("--dim"); g.lineWidth = 1.2; g.stroke(); }
  else { g.fillStyle = shown[i] ? colour(i) : css("--dim"); g.fill(); }
}
function ring(g, x, y) { g.globalAlpha = 1; g.strokeStyle = css("--text"); g.lineWidth = 2; g.beginPath(); g.arc(x, y, 6, 0, 7); g.stroke(); }
// A scatter of one column over another. `extra(g, X, Y)` draws what belongs behind the points.
function scatter(host, cx, cy, height, label, extra) {
  const spots = new Array(COUNT);
  const paint = (g, w, h) => {
    const yTicks = ticks(cy, 4), widest = Math.max(...yTicks.map(([, text]) => g.measureText(text).width), 10);
    const m = { l: Math.min(widest + 10, w / 3), r: 10, t: 18, b: 36 };
    const X = (at) => m.l + at * (w - m.l - m.r), Y = (at) => h - m.b - at * (h - m.b - m.t);
    axes(g, w, h, m, ticks(cx, Math.max(2, Math.floor(w / 90))), yTicks, columns[cx].title, columns[cy].title);
    if (extra) extra(g, X, Y);
    const wide = columns[cx].kind === "text" ? Math.min(26, (w - m.l - m.r) / columns[cx].values.length / 2) : 0;
    for (const on of [0, 1]) for (let i = 0; i < COUNT; i++) {
      const a = place(cx, rows[i][cx]), b = place(cy, rows[i][cy]);
      spots[i] = a === null || b === null ? null : [X(a) + wide * (((i * 7919) % 97) / 97 - 0.5), Y(b)]; // words lie apart, the same way each time
      if (spots[i] && shown[i] === on) dot(g, i, ...spots[i]);
    }
    const i = marked();
    if (i >= 0 && spots[i]) ring(g, ...spots[i]);
  };
  return canvas(host, height, label, paint, (x, y) => nearestOf(spots, x, y));
}
function nearestOf(spots, x, y, reach = 14) {
  let best = -1, least = reach * reach;
  for (let i = 0; i < COUNT; i++) {
    if (!spots[i] || !shown[i]) continue;
    const d = (spots[i][0] - x) ** 2 + (spots[i][1] - y) ** 2;
    if (d < least) { least = d; best = i; }
  }
  return best;
}

// --- parallel coordinates ---------------------------------------------------------------------------------
function parallel(host) {
  const use = [...DATA.params, ...DATA.measures.filter((c) => columns[c].axis)];
  const height = 320, m = { l: 44, r: 60, t: 34, b: 16 };
  const inner = make("div", { class: "axes" });
  inner.style.minWidth = `${Math.max(1, use.length) * 92}px`;
  host.append(inner);
  let xs = [];
  const Y = (at) => height - m.b - at * (height - m.t - m.b);
  const at = (y) => Math.min(1, Math.max(0, (height - m.b - y) / (height - m.t - m.b)));
  const node = canvas(inner, height, `Each trial as a line over ${use.map((c) => columns[c].title).join(", ")}`, (g, w) => {
    xs = use.map((_, k) => (use.length === 1 ? w / 2 : m.l + (k * (w - m.l - m.r)) / (use.length - 1)));
    const line = (i) => {
      g.beginPath(); let before = false;
      use.forEach((c, k) => { const p = place(c, rows[i][c]); if (p === null) { before = false; return; } before ? g.lineTo(xs[k], Y(p)) : g.moveTo(xs[k], Y(p)); before = true; });
      g.stroke();
    };
    const strong = Math.max(0.12, Math.min(0.75, 40 / Math.sqrt(COUNT) / 4));
    for (const on of [0, 1]) for (let i = 0; i < COUNT; i++) {
      if (shown[i] !== on) continue;
      g.strokeStyle = on ? colour(i) : css("--dim"); g.globalAlpha = on ? strong : 0.05; g.lineWidth = on ? 1.3 : 1;
      line(i);
    }
    if (marked() >= 0) { g.globalAlpha = 1; g.strokeStyle = css("--text"); g.lineWidth = 2.5; line(marked()); }
    g.globalAlpha = 1;
    use.forEach((c, k) => {
      g.strokeStyle = css("--quiet"); g.lineWidth = 1; g.beginPath(); g.moveTo(xs[k], Y(0)); g.lineTo(xs[k], Y(1)); g.stroke();
      g.fillStyle = css("--text"); g.textAlign = "center"; g.textBaseline = "top"; g.font = "600 12px system-ui, sans-serif";
      g.fillText(cut(g, columns[c].title, 88), xs[k], 2);
      g.font = "11px system-ui, sans-serif"; g.textAlign = "left"; g.textBaseline = "middle";
      for (const [p, text] of ticks(c, 5)) {
        const short = cut(g, text, 50), width = g.measureText(short).width;
        g.fillStyle = css("--page"); g.globalAlpha = 0.7; g.fillRect(xs[k] + 4, Y(p) - 7, width + 4, 14); g.globalAlpha = 1;
        g.fillStyle = css("--text"); g.fillText(short, xs[k] + 6, Y(p));
      }
      if (brushes.has(c)) {
        const [from, to] = brushes.get(c);
        g.fillStyle = css("--accent"); g.globalAlpha = 0.3; g.fillRect(xs[k] - 9, Y(to), 18, Math.max(2, Y(from) - Y(to))); g.globalAlpha = 1;
        g.strokeStyle = css("--accent"); g.strokeRect(xs[k] - 9, Y(to), 18, Math.max(2, Y(from) - Y(to)));
      }
    });
    use.forEach((c, k) => { handles[k].style.left = `${xs[k] - 14}px`; });
  });
  // An axis can be brushed by the pointer, and by keys: it is a slider for whoever cannot see it.
  const handles = use.map((c) => {
    const handle = make("div", { class: "axis", tabindex: "0", role: "slider", "aria-orientation": "vertical", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": `${columns[c].title}: arrow keys move a filter, with Shift they widen it, Escape removes it`, "data-column": columns[c].name });
    handle.style.top = `${m.t - 8}px`; handle.style.height = `${height - m.t - m.b + 16}px`;
    inner.append(handle);
    let began = null;
    const inside = (event) => at(event.clientY - node.getBoundingClientRect().top);
    handle.addEventListener("pointerdown", (event) => { began = inside(event); handle.setPointerCapture(event.pointerId); event.preventDefault(); handle.focus(); });
    handle.addEventListener("pointermove", (event) => { if (began !== null) set(c, Math.min(began, inside(event)), Math.max(began, inside(event))); });
    handle.addEventListener("pointerup", (event) => { if (began !== null && Math.abs(inside(event) - began) < 0.01) set(c, null); began = null; });
    handle.addEventListener("keydown", (event) => {
      const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (event.key === "Escape") set(c, null);
      if (!up) return;
      event.preventDefault();
      const [from, to] = brushes.get(c) ?? [up > 0 ? -0.05 : 0.8, up > 0 ? 0.2 : 1.05];
      if (event.shiftKey) set(c, from, Math.min(1, Math.max(from + 0.02, to + 0.05 * up)));
      else if (from + 0.05 * up >= -0.001 && to + 0.05 * up <= 1.001) set(c, from + 0.05 * up, to + 0.05 * up);
    });
    return handle;
  });
  function set(c, from, to) {
    if (from === null) brushes.delete(c); else brushes.set(c, [from, to]);
    mirror(); update();
  }
  function mirror() {
    use.forEach((c, k) => {
      const brush = brushes.get(c);
      handles[k].setAttribute("aria-valuenow", brush ? Math.round(brush[1] * 100) : 100);
      handles[k].setAttribute("aria-valuetext", brush ? `from ${Math.round(brush[0] * 100)} to ${Math.round(brush[1] * 100)} per cent of the axis` : "all trials");
    });
  }
  mirror();
}

// --- the other views --------------------------------------------------------------------------------------
function history(host) {
  scatter(host, DATA.number, VALUE, 240, `${columns[VALUE].title} of each trial in order, with the best so far`, (g, X, Y) => {
    let best = null, begun = false;
    g.strokeStyle = css("--accent"); g.lineWidth = 1.5; g.globalAlpha = 1; g.beginPath();
    for (let i = 0; i < COUNT; i++) {
      const v = rows[i][VALUE];
      if (v === null || isOpen(i)) continue;
      const x = X(place(DATA.number, rows[i][DATA.number]));
      if (best !== null && begun) g.lineTo(x, Y(place(VALUE, best)));
      if (best === null || (mode === "max" ? v > best : v < best)) { best = v; begun ? g.lineTo(x, Y(place(VALUE, best))) : g.moveTo(x, Y(place(VALUE, best))); begun = true; }
    }
    g.stroke();
  });
}
function curves(host) {
  const longest = Math.max(...DATA.curves.map((curve) => (curve ? curve[curve.length - 1][0] : 0)), 1);
  const seen = DATA.curves.flatMap((curve) => (curve ? curve.map(([, v]) => v) : [])).sort((a, b) => a - b);
  // most of what lies between the first epochs and the best; the few points beyond are drawn at the edge
  const at = (share) => seen[Math.round(share * (seen.length - 1))];
  const own = columns.length;
  scales[own] = { kind: "num" };
  extents[own] = mode === "max" ? [at(0.08), at(1)] : [at(0), at(0.92)];
  let spots = [];
  canvas(host, 280, `${columns[VALUE].title} after each epoch of each trial`, (g, w, h) => {
    const yTicks = ticks(own, 5), m = { l: Math.max(...yTicks.map(([, text]) => g.measureText(text).width), 10) + 10, r: 10, t: 18, b: 36 };
    const X = (e) => m.l + (e / longest) * (w - m.l - m.r), Y = (p) => h - m.b - p * (h - m.b - m.t);
    const step = Math.max(1, Math.ceil(longest / Math.max(2, w / 90)));
    const xTicks = []; for (let e = 0; e <= longest; e += step) xTicks.push([e / longest, String(e)]);
    axes(g, w, h, m, xTicks, yTicks, "epoch", columns[VALUE].title);
    spots = new Array(COUNT);
    const line = (i) => { g.beginPath(); let before = false; for (const [e, v] of DATA.curves[i]) { const p = place(own, v); if (p === null) continue; before ? g.lineTo(X(e), Y(p)) : g.moveTo(X(e), Y(p)); before = true; spots[i] = [X(e), Y(p)]; } g.stroke(); if (spots[i] && isOpen(i)) { g.beginPath(); g.arc(...spots[i], 2, 0, 7); g.stroke(); } };
    for (const on of [0, 1]) for (let i = 0; i < COUNT; i++) {
      if (!DATA.curves[i] || shown[i] !== on) continue;
      g.strokeStyle = on ? colour(i) : css("--dim"); g.globalAlpha = on ? Math.max(0.15, Math.min(0.7, 8 / Math.sqrt(COUNT))) : 0.05; g.lineWidth = 1;
      line(i);
    }
    const i = marked();
    if (i >= 0 && DATA.curves[i]) { g.globalAlpha = 1; g.strokeStyle = css("--text"); g.lineWidth = 2.5; line(i); }
  }, (x, y) => nearestOf(spots, x, y, 20));
}
function timeline(host) {
  const times = DATA.times, slots = Math.max(...times.map((t) => t[1] + 1));
  const end = Math.max(...times.map((t) => t[3]), 1), row = Math.max(6, Math.min(22, 220 / slots));
  const unit = end > 7200 ? [3600, "h"] : end > 180 ? [60, "min"] : [1, "s"];
  const m = { l: 10, r: 10, t: 4, b: 36 };
  const X = (t, w) => m.l + (t / end) * (w - m.l - m.r);
  canvas(host, slots * row + m.t + m.b, "When each trial ran, and beside which others", (g, w, h) => {
    const most = end / unit[0], rough = most / Math.max(2, w / 100), power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((f) => f * power >= rough), xTicks = [];
    for (let t = 0; t <= most; t += step) xTicks.push([t / most, String(+t.toPrecision(6))]);
    axes(g, w, h, m, xTicks, [], `time (${unit[1]})`, "");
    times.forEach(([i, slot, from, to]) => {
      const x = X(from, w);
      g.globalAlpha = shown[i] ? (isOpen(i) ? 0.55 : 1) : 0.15; g.fillStyle = DATA.errors[i] ? css("--bad") : colour(i);
      g.fillRect(x, m.t + slot * row, Math.max(1, X(to, w) - x - 0.5), row - 1.5);
      if (i === marked()) { g.globalAlpha = 1; g.strokeStyle = css("--text"); g.lineWidth = 2; g.strokeRect(x, m.t + slot * row, Math.max(2, X(to, w) - x), row - 1.5); }
    });
  }, (x, y) => {
    const slot = Math.floor((y - m.t) / row), t = ((x - m.l) / (host.clientWidth - m.l - m.r)) * end;
    const hit = times.find((each) => shown[each[0]] && each[1] === slot && each[2] <= t && t <= each[3]);
    return hit ? hit[0] : -1;
  });
}
function pareto(host) {
  const [a, b] = DATA.measures, front = DATA.best.filter((i) => rows[i][a] !== null && rows[i][b] !== null).sort((i, j) => rows[i][a] - rows[j][a]);
  scatter(host, a, b, 300, `${columns[b].title} over ${columns[a].title}, with the Pareto front of ${front.length} trials`, (g, X, Y) => {
    g.strokeStyle = css("--accent"); g.lineWidth = 1.5; g.beginPath();
    front.forEach((i, k) => { const x = X(place(a, rows[i][a])), y = Y(place(b, rows[i][b])); k ? g.lineTo(x, y) : g.moveTo(x, y); });
    g.stroke();
  });
}

// --- the table --------------------------------------------------------------------------------------------
function table() {
  const node = byId("trials"), body = node.tBodies[0], best = new Set(DATA.best), more = byId("more");
  const buttons = [...node.tHead.rows[0].cells].map((cell, c) => {
    const button = make("button", { type: "button" }, cell.textContent);
    cell.replaceChildren(button);
    button.addEventListener("click", () => { sort = sort && sort[0] === c ? [c, -sort[1]] : [c, columns[c].kind === "text" ? 1 : -1]; remember(); redraw(); });
    return cell;
  });
  more.addEventListener("click", () => { showAll = true; redraw(); });
  const lines = new Map();
  const line = (i) => {
    if (lines.has(i)) return lines.get(i);
    const row = make("tr", { tabindex: "0" });
    columns.forEach((column, c) => row.append(make("td", column.kind === "text" ? {} : { class: "n" }, (column.name === "seconds" && rows[i][c] !== null ? rows[i][c].toFixed(1) : figure(rows[i][c])) + (c === VALUE && DATA.spread[i] ? ` ± ${DATA.spread[i]}` : ""))));
    row.addEventListener("pointerenter", () => point(i));
    row.addEventListener("pointerleave", () => point(-1));
    row.addEventListener("click", () => point(i, true));
    row.addEventListener("keydown", (event) => { if (event.key === "Enter") point(i, true); });
    lines.set(i, row);
    return row;
  };
  let before = "";
  draws.push(() => {
    buttons.forEach((cell, c) => { if (sort && sort[0] === c) cell.setAttribute("aria-sort", sort[1] > 0 ? "ascending" : "descending"); else cell.removeAttribute("aria-sort"); });
    let order = [...DATA.order].filter((i) => shown[i]);
    if (sort) {
      const [c, sign] = sort;
      order.sort((i, j) => { const a = rows[i][c], b = rows[j][c]; if (a === null || b === null) return (a === null) - (b === null); return sign * (a < b ? -1 : a > b ? 1 : 0); });
    }
    more.hidden = showAll || order.length <= MOST_ROWS;
    more.textContent = `Show all ${order.length}`;
    if (!showAll) order = order.slice(0, MOST_ROWS);
    if (order.join() !== before) { before = order.join(); body.replaceChildren(...order.map(line)); }
    for (const i of order) lines.get(i).className = `${best.has(i) ? "best" : ""} ${i === marked() ? "hot" : ""}`;
  });
}

// --- what outlasts a reload: a page of a running study loads itself again -----------------------------------
function remember() {
  try { sessionStorage.setItem(DATA.key, JSON.stringify({ brushes: [...brushes].map(([c, b]) => [columns[c].name, b]), query, sort: sort && [columns[sort[0]].name, sort[1]], y: scrollY })); } catch { /* a browser may keep nothing for files */ }
}
function recall() {
  let kept = null;
  try { kept = JSON.parse(sessionStorage.getItem(DATA.key)); } catch { /* as above */ }
  if (!kept) return;
  const at = (name) => columns.findIndex((column) => column.name === name);
  for (const [name, brush] of kept.brushes) if (at(name) >= 0) brushes.set(at(name), brush);
  query = kept.query; byId("find").value = query;
  if (kept.sort && at(kept.sort[0]) >= 0) sort = [at(kept.sort[0]), kept.sort[1]];
  requestAnimationFrame(() => scrollTo(0, kept.y));
}

document.documentElement.classList.add("js");
const view = (id, build) => { const host = byId(id); if (host) build(host); };
recall();
if (COUNT) {
  view("parallel", parallel);
  view("history", history);
  view("front", pareto);
  view("slices", (host) => { for (const c of DATA.params) { const cell = make("div"); host.append(cell); scatter(cell, c, VALUE, 190, `${columns[VALUE].title} over ${columns[c].title}`); } });
  view("pair", (host) => scatter(host, DATA.pair[0], DATA.pair[1], 280, `${columns[DATA.pair[1]].title} over ${columns[DATA.pair[0]].title}, coloured by ${columns[VALUE].title}`));
  view("curves", curves);
  view("timeline", timeline);
  table();
}
byId("find").addEventListener("input", (event) => { query = event.target.value.trim().toLowerCase(); update(); });
byId("reset").addEventListener("click", () => { brushes.clear(); query = ""; byId("find").value = ""; update(); });
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const code = button.parentNode.querySelector("code");
    try { await navigator.clipboard.writeText(code.textContent); button.textContent = "copied"; }
    catch { getSelection().selectAllChildren(code); button.textContent = "press Ctrl-C"; } // a page from a file may not reach the clipboard
    setTimeout(() => { button.textContent = "copy"; }, 2000);
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
const paint = () => { stops = css("--scale").split(" ").map(hex); for (const draw of draws) draw(); };
addEventListener("beforeprint", () => { document.documentElement.classList.add("paper"); paint(); });
addEventListener("afterprint", () => { document.documentElement.classList.remove("paper"); paint(); });
addEventListener("scroll", () => remember(), { passive: true });
if (DATA.live) {
  let touched = 0;
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
  setInterval(() => { if (Date.now() - touched > 3000 && !document.hidden) location.reload(); }, DATA.live * 1000); // not under a hand
}
describe();
update();
