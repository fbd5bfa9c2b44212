// Draws cells into one pixel buffer: no DOM per cell, so ten thousand cost about a millisecond.
import { GREY, HATCH, NOTHING, WORDS, hex, ramp } from "./palette.js";
import { ABSENT, TOP, UNKNOWN } from "./measures.js";

const RAMP = ramp(), UNKNOWN_COLOR = hex(GREY), HATCH_COLOR = hex(HATCH);
const ROW_GAP = 14, BLOCK_GAP = 20, LABEL = 16, NAME = 14, NAMED_W = 36, CHAR = 6.3;
const UNITS = 42, MOST_UNITS = 60, READABLE_H = 5;

/**
 * Where each cell stands, in CSS pixels. Rows of racks flow like words, as large as fit. A hall that
 * has room shows its racks as they are, unit by unit; a large one shows a cell for each thing.
 */
export function place({ halls, units }, width, height) {
  const rows = (slots) => halls.flatMap((hall) => hall.rows.map((row) => ({ title: title(hall.name, row.name), racks: row.racks.map((rack) => slots(rack, units)) })));
  const real = fit(rows(elevated), width, height, READABLE_H);
  if (real.fits) return layOut(real, width);
  const cells = rows(stacked), many = units.length > 1500;
  return layOut(fit(cells, width, height, many ? 4 : 7), width);
}

const title = (hall, row) => [hall, row && `row ${row}`].filter(Boolean).join(", ") || "no place given";

/** A rack as it stands: each cell at its units, those of one unit side by side, the unplaced on top. */
function elevated({ name, cells }, units) {
  const known = cells.filter((c) => units[c][0] > 0 && units[c][0] + units[c][1] - 1 <= MOST_UNITS);
  const overlap = (a, b) => units[a][0] < units[b][0] + units[b][1] && units[b][0] < units[a][0] + units[a][1];
  const slots = known.map((cell) => {
    const beside = known.filter((other) => overlap(cell, other));
    return { cell, row: units[cell][0] - 1, rows: units[cell][1], column: beside.indexOf(cell), columns: beside.length };
  });
  const framed = known.length > 0;
  let top = framed ? Math.max(UNITS, ...slots.map((slot) => slot.row + slot.rows)) : 0;
  for (const cell of cells.filter((c) => !known.includes(c)).reverse()) slots.push({ cell, row: top++, rows: 1, column: 0, columns: 1 });
  return { name, slots, rows: top, framed, height: framed ? top - (cells.length - known.length) : 0 };
}

/** A rack as a list: one row for each cell, in its order. */
function stacked({ name, cells }) {
  const slots = cells.map((cell, i) => ({ cell, row: cells.length - 1 - i, rows: 1, column: 0, columns: 1 }));
  return { name, slots, rows: cells.length, framed: false };
}

function fit(rows, width, height, least) {
  let best = null;
  for (let w = 88; w >= 8; w -= 2) {
    const gap = w < 16 ? 2 : 4, lines = flow(rows, w, gap, width);
    const chrome = lines.length * (LABEL + (w >= NAMED_W ? NAME : 0) + ROW_GAP);
    const depth = lines.reduce((n, line) => n + line.deepest, 0);
    const h = Math.max(least, Math.min(18, Math.floor((height - chrome) / Math.max(1, depth))));
    const share = Math.min(1, height / (chrome + depth * h)); // what does not fit has to be scrolled for
    const score = (Math.min(w, 64) * Math.min(h, 14) * share ** 3) / (1 + lines.length / 50); // broken rows read badly
    if (!best || score > best.score) best = { w, h, gap, lines, score, fits: share === 1 };
  }
  return best;
}

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
      line.deepest = Math.max(line.deepest, ...racks.map((rack) => rack.rows));
      x += wide + BLOCK_GAP;
    }
  }
  return lines;
}

function layOut({ w, h, gap, lines }, width) {
  const boxes = [], labels = [], frames = [], named = w >= NAMED_W ? NAME : 0;
  let y = 0;
  for (const line of lines) {
    const floor = y + LABEL + line.deepest * h;
    for (const block of line.blocks) {
      labels.push({ text: block.text, x: block.x, y: floor - Math.max(...block.racks.map((rack) => rack.rows)) * h - 5 });
      block.racks.forEach((rack, column) => {
        const x = block.x + column * (w + gap);
        if (named) labels.push({ text: rack.name || "no rack", x, y: floor + 11, w });
        if (rack.framed) frames.push({ x, y: floor - rack.height * h, w, h: rack.height * h - 1 });
        for (const slot of rack.slots) {
          const wide = w / slot.columns, shared = slot.columns > 1 && wide > 4 ? 1 : 0;
          boxes[slot.cell] = { x: x + slot.column * wide, y: floor - (slot.row + slot.rows) * h, w: wide - shared, h: slot.rows * h - 1 };
        }
      });
    }
    y = floor + named + ROW_GAP;
  }
  return { boxes, labels, frames, width, height: Math.max(40, y - ROW_GAP + 2) };
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

  /** `colors`: background, an empty unit, ink, and whether the page is dark. */
  resize(placed, colors) {
    this.placed = placed;
    this.dpr = Math.min(2, window.devicePixelRatio || 1);
    const d = this.dpr, [W, H] = [Math.ceil(placed.width * d), Math.ceil(placed.height * d)], c = this.context;
    Object.assign(this.canvas, { width: W, height: H });
    this.canvas.style.width = `${W / d}px`;
    this.canvas.style.height = `${H / d}px`;
    c.fillStyle = colors.background; c.fillRect(0, 0, W, H);
    c.fillStyle = colors.empty;
    for (const f of placed.frames) c.fillRect(Math.round(f.x * d), Math.round(f.y * d), Math.round(f.w * d), Math.round(f.h * d));
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
