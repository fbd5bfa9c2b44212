// Draws cells into one pixel buffer: no DOM per cell, so ten thousand cost about a millisecond.
import { GREY, TOP, UNKNOWN, WORDS, hex, ramp } from "./palette.js";

const RAMP = ramp(), UNKNOWN_COLOR = hex(GREY), HATCH = hex("#39424d");
const RACK_GAP = 4, ROW_GAP = 18, LABEL = 15, NAME = 13, NAMED_W = 40;

/** Where each cell stands, in CSS pixels: as large as the width and the height allow. */
export function place(halls, width, height) {
  const rows = halls.flatMap((hall) => hall.rows.map((row) => ({ hall: hall.name, ...row })));
  const deepest = Math.max(1, ...rows.flatMap((r) => r.racks.map((k) => k.cells.length)));
  const cells = rows.reduce((n, r) => n + r.racks.reduce((m, k) => m + k.cells.length, 0), 0);
  const least = cells <= 1500 ? 8 : 3; // a small hall may scroll; a large one must fit
  let best = null;
  for (let w = 96; w >= 8; w -= 2) {
    const perLine = Math.max(1, Math.floor((width + RACK_GAP) / (w + RACK_GAP)));
    const lines = rows.reduce((n, r) => n + Math.ceil(r.racks.length / perLine), 0);
    const h = Math.floor((height / Math.max(1, lines) - LABEL - ROW_GAP - (w >= NAMED_W ? NAME : 0)) / deepest);
    const fit = { w, h: Math.min(18, Math.max(least, h)), perLine };
    if (!best || Math.min(fit.h, 8) > Math.min(best.h, 8)) best = fit;
    if (best.h >= 8) break;
  }
  return layOut(rows, best, width);
}

function layOut(rows, { w, h, perLine }, width) {
  const boxes = [], labels = [], named = w >= NAMED_W ? NAME : 0;
  let y = 0;
  for (const row of rows) {
    for (let start = 0; start < row.racks.length; start += perLine) {
      const line = row.racks.slice(start, start + perLine);
      const tallest = Math.max(...line.map((rack) => rack.cells.length));
      labels.push({ text: [row.hall, row.name && `row ${row.name}`].filter(Boolean).join("  ") || "no place given", x: 0, y: y + 11 });
      line.forEach((rack, column) => {
        const x = column * (w + RACK_GAP);
        if (named) labels.push({ text: rack.name || "beside the racks", x, y: y + LABEL + tallest * h + 11, w });
        rack.cells.forEach((cell, i) => { boxes[cell] = { x, y: y + LABEL + (tallest - rack.cells.length + i) * h, w, h: h - (h > 4 ? 1 : 0), rack: rack.name }; });
      });
      y += LABEL + tallest * h + named + ROW_GAP;
    }
  }
  return { boxes, labels, width, height: y };
}

export class MapView {
  constructor(canvas) { this.canvas = canvas; this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true }); this.last = null; this.scriptMs = 0; }

  resize(placed, background, ink) {
    this.placed = placed;
    this.dpr = Math.min(2, window.devicePixelRatio || 1);
    const [W, H] = [Math.ceil(placed.width * this.dpr), Math.ceil(Math.max(40, placed.height) * this.dpr)];
    Object.assign(this.canvas, { width: W, height: H });
    this.canvas.style.width = `${placed.width}px`;
    this.canvas.style.height = `${H / this.dpr}px`;
    const c = this.context;
    c.fillStyle = background; c.fillRect(0, 0, W, H);
    c.fillStyle = ink; c.font = `${11 * this.dpr}px system-ui, sans-serif`;
    for (const label of placed.labels) c.fillText(label.text, label.x * this.dpr, label.y * this.dpr, label.w && label.w * this.dpr);
    this.image = c.getImageData(0, 0, W, H);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.last = null;
  }

  /** `values` is u16 a cell, `stale` one bit a cell. Only cells that changed are painted. */
  draw(metric, values, stale) {
    const began = performance.now();
    const words = WORDS[metric] && WORDS[metric].map(hex), boxes = this.placed.boxes;
    const all = !this.last || this.last.metric !== metric;
    let painted = 0;
    for (let i = 0; i < values.length; i++) {
      const old = (stale[i >> 3] >> (i & 7)) & 1;
      if (!all && this.last.values[i] === values[i] && ((this.last.stale[i >> 3] >> (i & 7)) & 1) === old) continue;
      this.paint(boxes[i], values[i] === UNKNOWN ? UNKNOWN_COLOR : words ? words[values[i]] : RAMP[Math.round((values[i] / TOP) * 255)], old || values[i] === UNKNOWN);
      painted++;
    }
    if (painted) this.context.putImageData(this.image, 0, 0);
    this.last = { metric, values, stale };
    this.scriptMs = performance.now() - began;
    return painted;
  }

  paint(box, color, hatched) {
    if (!box) return;
    const d = this.dpr, W = this.image.width, x0 = Math.round(box.x * d), x1 = Math.round((box.x + box.w) * d);
    for (let y = Math.round(box.y * d), end = Math.max(y + 1, Math.round((box.y + box.h) * d)); y < end; y++) {
      this.pixels.fill(color, y * W + x0, y * W + x1);
      if (hatched) for (let x = x0 + (y % 4); x < x1; x += 4) this.pixels[y * W + x] = HATCH;
    }
  }

  at(x, y) { return this.placed.boxes.findIndex((b) => b && x >= b.x && x < b.x + b.w && y >= b.y && y < b.y + b.h + 1); }
}
