// One place for colours, so that map, legend and tests agree. Unknown is never green.
export const WORDS = {
  health: ["#009e73", "#f0b400", "#c8361b"],
  state: ["#009e73", "#3d5a80", "#f0b400"],
  leak: ["#56a8dd", "#c8361b"],
  drift: ["#009e73", "#a06be0", "#2b5f9e", "#f0b400", "#c8361b"],
};
export const GREY = "#a9afb6";
export const HATCH = "#39424d";
export const NOTHING = { light: "#dfe4ea", dark: "#2a3643" }; // measures no such thing, or has no baseline
const RAMP = ["#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"];

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const pack = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

/** A colour as a little-endian RGBA word. */
export function hex(color) { return pack(rgb(color)); }

/** A colour for each of 256 steps of a number, as little-endian RGBA words. */
export function ramp() {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const x = (i / 255) * (RAMP.length - 1), k = Math.min(RAMP.length - 2, Math.floor(x));
    const [a, b] = [rgb(RAMP[k]), rgb(RAMP[k + 1])];
    table[i] = pack(a.map((v, c) => Math.round(v + (b[c] - v) * (x - k))));
  }
  return table;
}
