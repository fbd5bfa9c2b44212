// The hall page: one WebSocket, binary frames, a metric picker, keyboard and pointer selection.
import { GREY, TOP, UNKNOWN, WORDS, ramp } from "./palette.js";
import { MapView, place } from "./mapview.js";

const $ = (id) => document.getElementById(id);
const state = { layout: null, scale: null, metric: new URLSearchParams(location.search).get("metric") || "health", chosen: -1, frames: 0 };
const view = new MapView($("cells")), over = $("over");
window.iolausHall = { state, view }; // for the tests and for bug reports

let socket, retryMs = 500;
function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ui/ws/hall?metric=${state.metric}`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => (typeof data === "string" ? told(JSON.parse(data)) : frame(data));
  socket.onopen = () => { retryMs = 500; live(true); };
  socket.onclose = () => { live(false); setTimeout(connect, retryMs); retryMs = Math.min(retryMs * 2, 15000); };
}

function live(on) { $("live").hidden = on; if (!on && state.values) { state.stale.fill(255); redraw(); } }

function told(message) {
  if (message.type === "layout") { state.layout = message; resize(); picker(); }
  if (message.type === "scale") { state.scale = message; legend(); }
}

function frame(buffer) {
  const n = state.layout ? state.layout.names.length : 0;
  if (!n || buffer.byteLength < 2 * n) return;
  state.values = new Uint16Array(buffer, 0, n);
  state.stale = new Uint8Array(buffer.slice(2 * n));
  state.frames++;
  redraw(); worst(); chosen();
}

function redraw() { if (state.values && state.scale) requestAnimationFrame(() => view.draw(state.scale.metric, state.values, state.stale)); }

function resize() {
  if (!state.layout) return;
  const style = getComputedStyle(document.body), box = $("map").getBoundingClientRect();
  view.resize(place(state.layout.halls, Math.max(300, $("map").clientWidth), Math.max(300, innerHeight - box.top - 90)), style.getPropertyValue("--panel").trim(), style.getPropertyValue("--dim").trim());
  Object.assign(over, { width: view.canvas.width, height: view.canvas.height });
  over.style.width = view.canvas.style.width; over.style.height = view.canvas.style.height;
  redraw(); mark();
}

function picker() {
  $("metrics").replaceChildren(...state.layout.metrics.map((m, i) => {
    const b = document.createElement("button");
    b.type = "button"; b.textContent = m.title; b.setAttribute("aria-pressed", m.name === state.metric); b.title = `key ${i + 1}`;
    b.onclick = () => choose(m.name);
    return b;
  }));
  $("empty").hidden = state.layout.names.length > 0;
}

function choose(metric) {
  state.metric = metric;
  history.replaceState(null, "", `?metric=${metric}`);
  $("table-link").href = `/ui/table?metric=${metric}`;
  if (socket.readyState === WebSocket.OPEN) socket.send(metric);
  picker();
}

const spec = () => state.layout.metrics.find((m) => m.name === state.scale.metric);
function text(i) {
  if (i < 0 || !state.values) return "";
  const v = state.values[i], m = spec();
  if (v === UNKNOWN) return "unknown";
  if (m.words.length) return m.words[v];
  const x = state.scale.low + (v / TOP) * (state.scale.high - state.scale.low);
  return m.unit === "W" && x >= 1000 ? `${(x / 1000).toFixed(2)} kW` : `${x.toFixed(x < 100 ? 1 : 0)} ${m.unit}`;
}
const isStale = (i) => (state.stale[i >> 3] >> (i & 7)) & 1;

function legend() {
  const m = spec(), items = [];
  const swatch = (draw, label, wide) => {
    const span = document.createElement("span"), c = document.createElement("canvas");
    Object.assign(c, { width: wide || 14, height: 14 }); draw(c.getContext("2d"), c.width);
    span.append(c, label); items.push(span);
  };
  if (m.words.length) m.words.forEach((w, i) => swatch((c) => { c.fillStyle = WORDS[m.name][i]; c.fillRect(0, 0, 14, 14); }, w));
  else swatch((c, w) => { const t = ramp(); for (let x = 0; x < w; x++) { const p = t[Math.round((x / (w - 1)) * 255)]; c.fillStyle = `rgb(${p & 255} ${(p >> 8) & 255} ${(p >> 16) & 255})`; c.fillRect(x, 0, 1, 14); } }, `${state.scale.low} to ${state.scale.high} ${m.unit}`, 160);
  swatch((c) => { c.fillStyle = GREY; c.fillRect(0, 0, 14, 14); c.fillStyle = "#39424d"; for (let y = 0; y < 14; y++) for (let x = y % 4; x < 14; x += 4) c.fillRect(x, y, 1, 1); }, "unknown (hatched: stale)");
  $("legend").replaceChildren(...items);
}

function worst() {
  const m = spec(), order = [];
  state.values.forEach((v, i) => { if (v !== UNKNOWN && (!m.words.length || v > 0)) order.push(i); });
  order.sort((a, b) => state.values[b] - state.values[a] || a - b);
  const unknown = state.values.reduce((n, v) => n + (v === UNKNOWN), 0);
  $("worst-title").textContent = m.words.length ? `Not ${m.words[0]}` : `Highest ${m.title.toLowerCase()}`;
  $("worst").replaceChildren(...order.slice(0, 10).map((i) => {
    const li = document.createElement("li"), a = document.createElement("a");
    a.href = page(i); a.textContent = state.layout.names[i];
    li.append(a, ` ${text(i)}${isStale(i) ? " ?" : ""}`);
    return li;
  }));
  $("counts").textContent = `${state.values.length} on the map, ${unknown} unknown`;
}

const page = (i) => `/ui/assets/${encodeURIComponent(state.layout.names[i])}`;
function chosen() {
  const i = state.chosen;
  if (i < 0 || !state.layout.names[i]) return;
  $("chosen").href = page(i);
  $("chosen").textContent = state.layout.names[i];
  $("chosen-text").textContent = `${state.layout.kinds[i]}, ${spec().title.toLowerCase()}: ${text(i)}${isStale(i) ? " (stale)" : ""}`;
}

function mark() {
  const c = over.getContext("2d"), b = view.placed && view.placed.boxes[state.chosen], d = view.dpr;
  c.clearRect(0, 0, over.width, over.height);
  if (!b) return;
  c.strokeStyle = "#ffffff"; c.lineWidth = 3 * d; c.strokeRect(b.x * d, b.y * d, b.w * d, b.h * d);
  c.strokeStyle = "#000000"; c.lineWidth = d; c.strokeRect((b.x - 1.5) * d, (b.y - 1.5) * d, (b.w + 3) * d, (b.h + 3) * d);
}
function select(i) { if (i >= 0 && state.layout && i < state.layout.names.length) { state.chosen = i; mark(); chosen(); } }

function step(dx, dy) {
  const boxes = view.placed.boxes, from = boxes[state.chosen];
  if (!from) return select(0);
  let best = -1, least = Infinity;
  boxes.forEach((b, i) => {
    const ax = (b.x - from.x) * dx + (b.y - from.y) * dy, off = Math.abs((b.x - from.x) * dy) + Math.abs((b.y - from.y) * dx);
    if (i !== state.chosen && ax > 0 && ax + 8 * off < least) { least = ax + 8 * off; best = i; }
  });
  if (best >= 0) select(best);
}

over.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (moves[event.key]) { step(...moves[event.key]); event.preventDefault(); }
  else if (event.key === "Enter" && state.chosen >= 0) location.href = page(state.chosen);
  else if (/^[1-9]$/.test(event.key) && state.layout.metrics[event.key - 1]) choose(state.layout.metrics[event.key - 1].name);
  else if (event.key === "t") location.href = $("table-link").href;
});
const spot = (event) => { const r = over.getBoundingClientRect(); return view.at(event.clientX - r.left, event.clientY - r.top); };
over.addEventListener("pointermove", (event) => { if (view.placed) select(spot(event)); });
over.addEventListener("click", (event) => { const i = spot(event); if (i >= 0) location.href = page(i); });
addEventListener("resize", resize);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", resize);
connect();
