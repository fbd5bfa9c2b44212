// Every page: copy buttons, pieces that refresh in place, and a word when the server is away.
const banner = document.getElementById("live");

/** Say that nothing new arrives (or that it does again); the page then looks as old as it is. */
export function lost(away) {
  if (away === document.body.classList.contains("lost")) return;
  document.body.classList.toggle("lost", away);
  banner.textContent = away ? `No connection to the server since ${new Date().toISOString().slice(11, 19)} UTC. Everything shown is stale until it is back.` : "";
  banner.hidden = !away;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 2000);
  } catch { getSelection().selectAllChildren(source); button.textContent = "selected"; }
});

// A refresh must not take away what somebody is marking, and a page nobody sees asks for nothing.
document.body.addEventListener("htmx:beforeRequest", (event) => {
  const marked = getSelection(), piece = event.detail.elt;
  if (document.hidden || (!marked.isCollapsed && piece.contains(marked.anchorNode))) event.preventDefault();
});
// What was opened stays open when its piece refreshes.
let open = [];
document.body.addEventListener("htmx:beforeSwap", (event) => { open = [...event.detail.target.querySelectorAll("details[open][id]")].map((each) => each.id); });
document.body.addEventListener("htmx:afterSwap", () => { for (const id of open) { const each = document.getElementById(id); if (each) each.open = true; } });
const hasMap = document.getElementById("map") !== null;
for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.body.addEventListener(name, () => { if (!hasMap) lost(true); });
document.body.addEventListener("htmx:afterOnLoad", () => { if (!hasMap) lost(false); });
