// One place for colours, so that map, legend and tests agree. Unknown is never green.
export const UNKNOWN = 0xffff;
export const TOP = 65000;
export const WORDS = {
  health: ["#009e73", "#e69f00", "#d55e00"],
  state: ["#009e73", "#56708a", "#e69f00"],
  leak: ["#0072b2", "#d55e00"],
};
export const GREY = "#7c8794";
const RAMP = ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"];

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const pack = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

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
