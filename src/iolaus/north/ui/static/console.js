// A host's console: what it says as it comes, keys to it once they are taken.
// Binary messages are the line's bytes, text messages are JSON about it.

const place = document.getElementById("console");
const told = document.getElementById("console-told");
const take = document.getElementById("console-take");
const give = document.getElementById("console-give");
const shared = place.dataset.shared === "1";
const AGAIN_MS = 2000;

// The terminal writes its own style sheets, which the page's policy forbids as elements: they are
// made as objects instead, which it allows.
function styleElement() {
  const element = document.createElement("span");
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  element.hidden = true;
  Object.defineProperty(element, "textContent", { set: (text) => sheet.replaceSync(text) });
  return element;
}

const paper = new Proxy(document, {
  get(target, name) {
    if (name === "createElement") {
      return (tag) => (tag === "style" ? styleElement() : target.createElement(tag));
    }
    const value = target[name];
    return typeof value === "function" ? value.bind(target) : value;
  },
});

const terminal = new Terminal({ documentOverride: paper, cols: 100, rows: 32, scrollback: 5000, disableStdin: true });
terminal.open(place);
const state = { socket: null, writes: false, bytes: 0, standing: null };
window.iolausConsole = { terminal, state };

function tell(text) {
  terminal.write(`\r\n[iolaus: ${text.replace(/[^\x20-\x7e]/g, " ")}]\r\n`);
}

function stand(said) {
  state.standing = said;
  const way = said.way && said.state === "open" ? ` by ${said.way}` : "";
  const why = said.message ? `: ${said.message}. ${said.next_step}` : "";
  const writer = said.writer ? `${said.writer} writes` : "nobody writes";
  told.textContent = `${said.state}${way}${why}; ${said.watchers.length} watch, ${writer}`;
  give.disabled = !state.writes;
}

function hear(event) {
  if (typeof event.data !== "string") {
    state.bytes += event.data.byteLength;
    terminal.write(new Uint8Array(event.data));
    return;
  }
  const said = JSON.parse(event.data);
  if (said.type === "standing") {
    stand(said);
  } else if (said.type === "mark" && said.mark !== "open") {
    tell(`${new Date(said.at * 1000).toISOString()} ${said.mark} ${said.text}`);
  } else if (said.type === "error") {
    if (["NotTaken", "SomebodyWrites", "ReadOnly", "RoleMayNot"].includes(said.code)) write(false);
    told.textContent = `${said.message}: ${said.next_step}`;
  }
}

function write(on) {
  state.writes = on;
  terminal.options.disableStdin = !on;
  give.disabled = !on;
  if (on) terminal.focus();
}

function wish(word) {
  if (state.socket && state.socket.readyState === WebSocket.OPEN) {
    state.socket.send(JSON.stringify({ do: word }));
  }
}

function open() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const path = shared ? "/shared/console/socket" : place.dataset.socket;
  const words = shared ? ["iolaus.console", location.hash.slice(1)] : [];
  const socket = new WebSocket(`${scheme}://${location.host}${path}`, words);
  socket.binaryType = "arraybuffer";
  socket.onmessage = hear;
  socket.onclose = (event) => {
    write(false);
    if (event.code === 4403) return;
    told.textContent = shared ? "The link has ended, or the server is gone." : "The server is gone; trying again.";
    if (!shared) setTimeout(again, AGAIN_MS);
  };
  state.socket = socket;
}

function again() {
  terminal.reset();
  open();
}

terminal.onData((text) => {
  if (state.writes) state.socket.send(new TextEncoder().encode(text));
});
take.onclick = () => { write(true); wish(state.standing && state.standing.writer ? "take over" : "take"); };
give.onclick = () => { wish("give"); write(false); };
if (shared) take.hidden = give.hidden = true;
give.disabled = true;
open();
