// The hall page: one WebSocket, binary frames, a metric picker, keyboard and pointer selection.
import { GREY, HATCH, NOTHING, WORDS, ramp } from "./palette.js";
import { ABSENT, TOP, UNKNOWN, bound, write } from "./measures.js";
import { MapView, place } from "./mapview.js";
import { lost } from "./page.js";

const $ = (id) => document.getElementById(id), SILENT_MS = 12000, WORST = 10;
const dark = matchMedia("(prefers-color-scheme: dark)");
const state = { layout: null, scale: null, values: null, stale: null, chosen: -1, name: "", frames: 0, online: false, spent: [], metric: new URLSearchParams(location.search).get("metric") || "health" };
const view = new MapView($("cells")), over = $("over");
window.iolausHall = { state, view, text }; // for the tests and for bug reports

let socket, retryMs = 500, heardMs = 0, queued = false, takenMs = 0;
function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ui/ws/hall?metric=${encodeURIComponent(state.metric)}`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => { heardMs = Date.now(); typeof data === "string" ? told(JSON.parse(data)) : frame(data); };
  socket.onopen = () => { retryMs = 500; heardMs = Date.now(); };
  socket.onclose = () => { offline(); setTimeout(connect, retryMs); retryMs = Math.min(retryMs * 2, 15000); };
}
setInterval(() => { if (socket.readyState === WebSocket.OPEN && Date.now() - heardMs > SILENT_MS) { offline(); socket.close(); } }, 2000);

/** Cut off: what was good is no longer known, everything else is stale. */
function offline() {
  if (state.online || !state.values) lost(true);
  state.online = false;
  if (!state.values) return;
  if (WORDS[state.scale.metric]) state.values = state.values.map((v) => (v === 0 ? UNKNOWN : v));
  state.stale = new Uint8Array(state.stale.length).fill(255);
  redraw();
}

function told(message) {
  if (message.type === "layout") { state.layout = message; state.values = null; state.chosen = message.names.indexOf(state.name); picker(); resize(); }
  if (message.type === "scale") { state.scale = message; legend(); }
}

function frame(buffer) {
  const began = performance.now(), n = state.layout ? state.layout.names.length : 0;
  if (buffer.byteLength < 2 * n) return;
  state.values = new Uint16Array(buffer, 0, n);
  state.stale = new Uint8Array(buffer, 2 * n);
  if (!state.online) { state.online = true; lost(false); }
  takenMs = performance.now() - began;
  redraw();
}

function redraw() { if (!queued && state.values && state.scale) { queued = true; requestAnimationFrame(paint); } }

function paint() {
  queued = false;
  if (!state.values || !state.scale) return;
  const began = performance.now();
  view.draw(state.scale.metric, state.values, state.stale);
  const drawn = performance.now();
  worst(); chosen();
  state.spent.push({ taken: takenMs, draw: drawn - began, all: takenMs + performance.now() - began });
  if (state.spent.length > 600) state.spent.shift();
  state.frames++;
}

function resize() {
  if (!state.layout) return;
  const style = getComputedStyle(document.body), top = $("map").getBoundingClientRect().top + scrollY;
  const placed = place(state.layout, Math.max(280, $("map").clientWidth), Math.max(320, innerHeight - top - 40));
  view.resize(placed, { background: style.getPropertyValue("--panel").trim(), empty: style.getPropertyValue("--empty").trim(), ink: style.getPropertyValue("--dim").trim(), dark: dark.matches });
  Object.assign(over, { width: view.canvas.width, height: view.canvas.height });
  over.style.width = view.canvas.style.width; over.style.height = view.canvas.style.height;
  if (state.scale) legend();
  redraw(); mark();
}

function picker() {
  $("empty").hidden = state.layout.names.length > 0;
  if (!$("metrics").children.length) $("metrics").append(...state.layout.metrics.map((m, i) => {
    const b = document.createElement("button");
    Object.assign(b, { type: "button", textContent: m.title, title: i < 10 ? `key ${(i + 1) % 10} on the map` : "", onclick: () => choose(m.name) });
    b.dataset.metric = m.name;
    return b;
  }));
  for (const b of $("metrics").children) b.setAttribute("aria-pressed", b.dataset.metric === state.metric);
  $("table-link").href = `/ui/table?sort=${encodeURIComponent(state.metric)}`;
}

function choose(metric) {
  state.metric = metric;
  history.replaceState(null, "", `?metric=${encodeURIComponent(metric)}`);
  if (socket.readyState === WebSocket.OPEN) socket.send(metric);
  picker();
}

const spec = () => state.layout.metrics.find((m) => m.name === state.scale.metric);
function text(i) { return i < 0 || !state.values ? "" : write(spec(), state.scale, state.values[i]); }
const isStale = (i) => (state.stale[i >> 3] >> (i & 7)) & 1;

function legend() {
  const m = spec(), items = [];
  const swatch = (draw, before, after, wide) => {
    const span = document.createElement("span"), c = document.createElement("canvas");
    Object.assign(c, { width: wide || 14, height: 14 }); draw(c.getContext("2d"), c.width);
    span.append(before, c, after); items.push(span);
  };
  const flat = (color) => (c) => { c.fillStyle = color; c.fillRect(0, 0, 14, 14); };
  const hatch = (color) => (c) => { flat(color)(c); c.fillStyle = HATCH; for (let y = 0; y < 14; y++) for (let x = y % 4; x < 14; x += 4) c.fillRect(x, y, 1, 1); };
  if (m.words.length) m.words.forEach((w, i) => swatch(flat(WORDS[m.name][i]), "", w));
  else swatch((c, w) => { const t = ramp(); for (let x = 0; x < w; x++) { const p = t[Math.round((x / (w - 1)) * 255)]; c.fillStyle = `rgb(${p & 255} ${(p >> 8) & 255} ${(p >> 16) & 255})`; c.fillRect(x, 0, 1, 14); } }, bound(m, state.scale.low), (m.most === state.scale.high ? "over " : "") + bound(m, state.scale.high), 140);
  swatch(hatch(GREY), "", "unknown");
  if (!m.words.length) swatch(hatch("#1fa187"), "", "stale");
  swatch(flat(dark.matches ? NOTHING.dark : NOTHING.light), "", m.absent);
  $("legend").replaceChildren(...items);
}

/** The cells with the highest values, found in one pass. */
function highest(most, least) {
  const values = state.values, top = [];
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (v >= ABSENT || v < least || (top.length === most && v <= values[top[most - 1]])) continue;
    let at = top.length;
    while (at > 0 && values[top[at - 1]] < v) at--;
    top.splice(at, 0, i);
    if (top.length > most) top.pop();
  }
  return top;
}

function worst() {
  const m = spec(), list = $("worst"), order = highest(WORST, m.words.length ? 1 : 0), n = state.values.length;
  let unknown = 0, absent = 0, bad = 0;
  for (const v of state.values) { unknown += v === UNKNOWN; absent += v === ABSENT; bad += v > 0 && v < ABSENT; }
  $("worst-title").textContent = m.words.length ? (order.length ? `Not ${m.words[0]}` : `Nothing but ${m.words[0]}${unknown ? " and unknown" : ""}`) : `Highest ${m.title.toLowerCase()}`;
  while (list.children.length > order.length) list.lastChild.remove();
  while (list.children.length < order.length) { const li = document.createElement("li"); li.append(document.createElement("a"), ""); list.append(li); }
  order.forEach((i, at) => {
    const [link, value] = list.children[at].childNodes, said = ` ${text(i)}${isStale(i) ? " (stale)" : ""}`;
    if (link.textContent !== state.layout.names[i]) { link.href = page(i); link.textContent = state.layout.names[i]; }
    if (value.data !== said) value.data = said;
  });
  const more = m.words.length && bad > order.length ? `${bad} in all; ` : "";
  $("counts").textContent = `${more}${n} on the map, ${unknown} unknown${absent ? `, ${absent} ${m.absent}` : ""}`;
}

const page = (i) => `/ui/assets/${encodeURIComponent(state.layout.names[i])}`;
function chosen() {
  const i = state.chosen;
  if (i < 0 || !state.values || !state.scale) return;
  let link = $("chosen").querySelector("a");
  if (!link) { link = document.createElement("a"); $("chosen").replaceChildren(link); }
  if (link.textContent !== state.layout.names[i]) { link.href = page(i); link.textContent = state.layout.names[i]; }
  const said = `${state.layout.kinds[i]}; ${spec().title.toLowerCase()}: ${text(i)}${isStale(i) ? " (stale)" : ""}`;
  if ($("chosen-text").textContent !== said) $("chosen-text").textContent = said;
}

function mark() {
  const c = over.getContext("2d"), b = view.placed && view.placed.boxes[state.chosen], d = view.dpr;
  c.clearRect(0, 0, over.width, over.height);
  if (!b) return;
  c.strokeStyle = "#ffffff"; c.lineWidth = 4 * d; c.strokeRect((b.x - 1) * d, (b.y - 1) * d, (b.w + 2) * d, (b.h + 2) * d);
  c.strokeStyle = "#000000"; c.lineWidth = 2 * d; c.strokeRect((b.x - 1) * d, (b.y - 1) * d, (b.w + 2) * d, (b.h + 2) * d);
}

function select(i) {
  if (!state.layout || i < 0 || i >= state.layout.names.length || i === state.chosen) return;
  state.chosen = i; state.name = state.layout.names[i];
  mark(); chosen();
}

function step(dx, dy) {
  const boxes = view.placed.boxes, from = boxes[state.chosen];
  if (!from) return select(0);
  let best = -1, least = Infinity;
  boxes.forEach((b, i) => {
    const ax = (b.x - from.x) * dx + (b.y - from.y) * dy, off = Math.abs((b.x - from.x) * dy) + Math.abs((b.y - from.y) * dx);
    if (i !== state.chosen && ax > 0 && ax + 8 * off < least) { least = ax + 8 * off; best = i; }
  });
  if (best >= 0) { select(best); follow(boxes[best]); }
}

/** Keep the chosen cell in the window. */
function follow(box) {
  const y = over.getBoundingClientRect().top + box.y;
  if (y < 40) scrollBy(0, y - 80);
  else if (y > innerHeight - 40) scrollBy(0, y - innerHeight + 80);
}

over.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (!state.layout || event.ctrlKey || event.metaKey || event.altKey) return;
  if (moves[event.key]) { step(...moves[event.key]); event.preventDefault(); }
  else if (event.key === "Enter" && state.chosen >= 0) location.href = page(state.chosen);
  else if (/^[0-9]$/.test(event.key) && state.layout.metrics[(+event.key + 9) % 10]) choose(state.layout.metrics[(+event.key + 9) % 10].name);
  else if (event.key === "t") location.href = $("table-link").href;
});
const spot = (event) => { const r = over.getBoundingClientRect(); return view.at(event.clientX - r.left, event.clientY - r.top); };
over.addEventListener("pointermove", (event) => { if (view.placed) select(spot(event)); });
over.addEventListener("click", (event) => { const i = view.placed ? spot(event) : -1; if (i >= 0) location.href = page(i); });
let settling;
addEventListener("resize", () => { clearTimeout(settling); settling = setTimeout(resize, 100); });
dark.addEventListener("change", resize);
connect();
