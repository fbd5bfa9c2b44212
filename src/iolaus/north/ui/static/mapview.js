// Draws cells into one pixel buffer: no DOM per cell, so ten thousand cost about a millisecond.
import { GREY, HATCH, NOTHING, WORDS, hex, ramp } from "./palette.js";
import { ABSENT, TOP, UNKNOWN } from "./measures.js";

const RAMP = ramp(), UNKNOWN_COLOR = hex(GREY), HATCH_COLOR = hex(HATCH);
const ROW_GAP = 14, BLOCK_GAP = 20, LABEL = 16, NAME = 14, NAMED_W = 36, CHAR = 6.3;

/** Where each cell stands, in CSS pixels: rows of racks flow like words, cells as large as fit. */
export function place(halls, width, height) {
  const rows = halls.flatMap((hall) => hall.rows.map((row) => ({ title: title(hall.name, row.name), racks: row.racks })));
  const many = rows.reduce((n, r) => n + r.racks.reduce((m, k) => m + k.cells.length, 0), 0) > 1500;
  let best = null;
  for (let w = 88; w >= 8; w -= 2) {
    const gap = w < 16 ? 2 : 4, lines = flow(rows, w, gap, width);
    const chrome = lines.length * (LABEL + (w >= NAMED_W ? NAME : 0) + ROW_GAP);
    const depth = lines.reduce((n, line) => n + line.deepest, 0);
    const room = Math.floor((height - chrome) / Math.max(1, depth));
    const h = Math.max(many ? 4 : 7, Math.min(18, room));
    const fit = Math.min(1, height / (chrome + depth * h)); // what does not fit has to be scrolled for
    const score = (Math.min(w, 64) * Math.min(h, 14) * fit ** 3) / (1 + lines.length / 50); // broken rows read badly
    if (!best || score > best.score) best = { w, h, gap, lines, score };
  }
  return layOut(best, width);
}

const title = (hall, row) => [hall, row && `row ${row}`].filter(Boolean).join(", ") || "no place given";

function flow(rows, w, gap, width) {
  const lines = [], most = Math.max(1, Math.floor((width + gap) / (w + gap)));
  let x = Infinity;
  for (const row of rows) {
    for (let start = 0; start < row.racks.length; start += most) {
      const racks = row.racks.slice(start, start + most), text = start ? `${row.title} (continued)` : row.title;
      const wide = Math.max(racks.length * (w + gap) - gap, Math.min(width, text.length * CHAR));
      if (x + wide > width) { lines.push({ blocks: [], deepest: 1 }); x = 0; }
      const line = lines[lines.length - 1];
      line.blocks.push({ x, racks, text });
      line.deepest = Math.max(line.deepest, ...racks.map((rack) => rack.cells.length));
      x += wide + BLOCK_GAP;
    }
  }
  return lines;
}

function layOut({ w, h, gap, lines }, width) {
  const boxes = [], labels = [], named = w >= NAMED_W ? NAME : 0;
  let y = 0;
  for (const line of lines) {
    const floor = y + LABEL + line.deepest * h;
    for (const block of line.blocks) {
      const top = floor - Math.max(...block.racks.map((rack) => rack.cells.length)) * h;
      labels.push({ text: block.text, x: block.x, y: top - 5 });
      block.racks.forEach((rack, column) => {
        const x = block.x + column * (w + gap);
        if (named) labels.push({ text: rack.name || "no rack", x, y: floor + 11, w });
        rack.cells.forEach((cell, i) => { boxes[cell] = { x, y: floor - (rack.cells.length - i) * h, w, h: h - 1 }; });
      });
    }
    y = floor + named + ROW_GAP;
  }
  return { boxes, labels, width, height: Math.max(40, y - ROW_GAP + 2) };
}

/** As much of the end of a text as fits: names of racks differ at their end. */
function fitted(context, text, width) {
  if (!width || context.measureText(text).width <= width) return text;
  let from = 1;
  while (from < text.length - 1 && context.measureText(`\u2026${text.slice(from)}`).width > width) from++;
  return `\u2026${text.slice(from)}`;
}

export class MapView {
  constructor(canvas) { this.canvas = canvas; this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true }); this.last = null; }

  /** `colors`: background, ink, and whether the page is dark. */
  resize(placed, colors) {
    this.placed = placed;
    this.dpr = Math.min(2, window.devicePixelRatio || 1);
    const d = this.dpr, [W, H] = [Math.ceil(placed.width * d), Math.ceil(placed.height * d)], c = this.context;
    Object.assign(this.canvas, { width: W, height: H });
    this.canvas.style.width = `${W / d}px`;
    this.canvas.style.height = `${H / d}px`;
    c.fillStyle = colors.background; c.fillRect(0, 0, W, H);
    c.fillStyle = colors.ink; c.font = `${11 * d}px system-ui, "DejaVu Sans", sans-serif`;
    for (const label of placed.labels) c.fillText(fitted(c, label.text, label.w && label.w * d), label.x * d, label.y * d);
    this.absent = hex(colors.dark ? NOTHING.dark : NOTHING.light);
    this.image = c.getImageData(0, 0, W, H);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.edges = Int32Array.from(placed.boxes.flatMap((b) => [b.x, b.y, b.x + b.w, b.y + b.h].map((v) => Math.round(v * d))));
    this.last = null;
  }

  /** `values` is u16 a cell, `stale` one bit a cell. Only cells that changed are painted. */
  draw(metric, values, stale) {
    const words = WORDS[metric] && WORDS[metric].map(hex), all = !this.last || this.last.metric !== metric;
    let painted = 0, top = Infinity, bottom = 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i], old = (stale[i >> 3] >> (i & 7)) & 1;
      if (!all && this.last.values[i] === value && ((this.last.stale[i >> 3] >> (i & 7)) & 1) === old) continue;
      const color = value === UNKNOWN ? UNKNOWN_COLOR : value === ABSENT ? this.absent : words ? words[value] : RAMP[Math.round((value / TOP) * 255)];
      this.paint(i, color, old || value === UNKNOWN);
      top = Math.min(top, this.edges[4 * i + 1]); bottom = Math.max(bottom, this.edges[4 * i + 3]);
      painted++;
    }
    if (painted) this.context.putImageData(this.image, 0, 0, 0, top, this.image.width, bottom - top);
    this.last = { metric, values, stale };
    return painted;
  }

  paint(i, color, hatched) {
    const W = this.image.width, e = this.edges, x0 = e[4 * i], x1 = e[4 * i + 2], step = 4 * this.dpr, pixels = this.pixels;
    for (let y = e[4 * i + 1]; y < e[4 * i + 3]; y++) {
      pixels.fill(color, y * W + x0, y * W + x1);
      if (hatched) for (let x = x0 + ((x0 + y) % step); x < x1; x += step) pixels.fill(HATCH_COLOR, y * W + x, y * W + Math.min(x1, x + this.dpr));
    }
  }

  at(x, y) { return this.placed.boxes.findIndex((b) => x >= b.x && x < b.x + b.w && y >= b.y && y < b.y + b.h + 1); }
}
