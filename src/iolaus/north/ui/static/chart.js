// The strip charts of an asset page: 24-hour UTC, units on the axis, and no scale that exaggerates.
const SPAN_S = 3600, LEAST_S = 300, AGAIN_MS = 10000, HEIGHT = 170;
const ink = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();
const round = (x) => (Math.abs(x) >= 100 ? x.toFixed(0) : x.toFixed(1).replace(/\.0$/, ""));

/** What is drawn: kilowatts where watts are many, and the unit as people write it. */
function readable({ at, mean, unit }) {
  const kilo = unit === "W" && Math.max(...mean) >= 1000;
  return { at, values: kilo ? mean.map((v) => v / 1000) : mean, unit: kilo ? "kW" : unit === "Cel" ? "\u00b0C" : unit };
}

/** Power stands on zero; a temperature shows at least five degrees, so that noise looks small. */
function range(unit) {
  if (unit !== "\u00b0C") return (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.15 : 1];
  return (_, low, high) => { const pad = Math.max(1, (5 - (high - low)) / 2); return [Math.floor(low - pad), Math.ceil(high + pad)]; };
}

function times(at) {
  const end = at[at.length - 1];
  return { min: Math.max(end - SPAN_S, Math.min(at[0], end - LEAST_S)), max: end };
}

function draw(place, data) {
  const { at, values, unit } = readable(data), title = place.closest("section").querySelector("h2").firstChild.data.trim();
  const axis = { stroke: ink("--dim"), grid: { stroke: "#8883", width: 1 }, ticks: { show: false }, font: '11px system-ui, "DejaVu Sans", sans-serif' };
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
  const [now, lowest, highest] = [values[values.length - 1], Math.min(...values), Math.max(...values)].map((v) => `${round(v)} ${unit}`);
  place.setAttribute("aria-label", `${title}, last hour: now ${now}, lowest ${lowest}, highest ${highest}`);
  place.replaceChildren();
  place.plot = new uPlot({
    width: place.clientWidth, height: HEIGHT, legend: { show: false }, cursor: { show: false }, padding: [8, 8, 0, 0],
    tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "UTC"),
    axes: [{ ...axis, size: 28, space: 60, values: (_, splits) => splits.map((s) => clock.format(s * 1000)) }, { ...axis, size: 68, space: 36, values: (_, splits) => splits.map((v) => `${round(v)} ${unit}`) }],
    series: [{}, { label: title, stroke: ink("--accent"), width: 1.5, spanGaps: false, points: { show: false } }],
    scales: { x: { range: () => Object.values(times(at)) }, y: { range: range(unit) } },
  }, [at, values], place);
}

async function chart(place) {
  const answer = await fetch(place.dataset.history, { headers: { Accept: "application/json" } });
  if (!answer.ok) { say(place, "It has no past here."); return; }
  const data = await answer.json();
  if (data.at.length < 2) { say(place, "No past yet: it grows with every poll."); return; }
  if (place.plot) place.plot.destroy();
  draw(place, data);
}

function say(place, text) {
  const p = document.createElement("p");
  p.className = "dim"; p.textContent = text;
  place.replaceChildren(p);
}

const all = () => document.querySelectorAll(".chart[data-history]").forEach((place) => chart(place).catch(() => { if (!place.plot) say(place, "The past is not available now."); }));
all();
setInterval(() => { if (!document.hidden) all(); }, AGAIN_MS);
addEventListener("resize", () => document.querySelectorAll(".chart").forEach((place) => place.plot && place.plot.setSize({ width: place.clientWidth, height: HEIGHT })));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
