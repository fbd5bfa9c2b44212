// Every page: copy buttons, and the strip charts of an asset page.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = "copied";
  } catch { button.textContent = "select and copy by hand"; }
});

const SPAN_S = 3600;
async function chart(place) {
  const answer = await fetch(place.dataset.history, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const { at, mean, unit, title } = await answer.json();
  if (at.length < 2) { place.textContent = "No history yet: it grows with every poll."; return; }
  const ink = getComputedStyle(document.body).getPropertyValue("--dim").trim();
  const axis = { stroke: ink, grid: { stroke: "#8884", width: 1 }, ticks: { show: false } };
  place.replaceChildren();
  new uPlot({
    width: place.clientWidth, height: 180, title, legend: { show: false },
    axes: [axis, { ...axis, size: 60 }],
    series: [{}, { label: `${title} (${unit})`, stroke: "#0072b2", width: 1.5, spanGaps: false }],
    scales: { x: { min: Math.min(at[0], Date.now() / 1000 - SPAN_S / 12), max: at[at.length - 1] } },
  }, [at, mean], place);
}
document.querySelectorAll(".chart[data-history]").forEach((place) => chart(place).catch(() => { place.textContent = "History is not available now."; }));
