// How a code is written; the same rules as measures.py, so that map and table twin cannot differ.
export const UNKNOWN = 0xffff, ABSENT = 0xfffe, TOP = 65000;

const span = (s) => (s >= 120 ? `${(s / 60).toFixed(0)} min` : `${s.toFixed(0)} s`);

export function write(metric, scale, code) {
  if (code === UNKNOWN) return "unknown";
  if (code === ABSENT) return metric.absent;
  if (metric.words.length) return metric.words[code];
  return number(metric, scale.low + (code / TOP) * (scale.high - scale.low));
}

export function number(metric, value) {
  if (metric.unit === "W" && value >= 999.5) return `${(value / 1000).toFixed(2)} kW`;
  if (metric.unit === "s") return (value === metric.most ? "over " : "") + span(value);
  return `${value.toFixed(metric.unit === "W" ? 0 : 1)} ${metric.unit}`;
}

/** An end of a scale: no digits that say nothing. */
export function bound(metric, value) {
  if (metric.unit === "W" && value >= 1000) return `${+(value / 1000).toFixed(2)} kW`;
  return metric.unit === "s" ? span(value) : `${value} ${metric.unit}`;
}
