// The page: asks for the graph every two seconds, keeps what the person has chosen.

import { counted } from "./cards.js";
import { el, keyed, states } from "./dom.js";
import { draw, highlight, lay } from "./graph.js";
import { show } from "./panel.js";

const every = 2000; // milliseconds from an answer to the next question
const $ = (id) => document.getElementById(id);
const chosen = { project: "", match: "", node: null, open: new Set() };
let graph = { projects: [], nodes: [], edges: [], states: {} };
let answered = ""; // the last question and the text of its answer
let paused = false;
let timer = 0;
let asking = null; // an AbortController while a question is under way

// What is chosen stands in the address, for reloading and for passing on.
function readAddress() {
  const at = new URLSearchParams(location.hash.slice(1));
  chosen.project = at.get("project") ?? "";
  chosen.match = at.get("match") ?? "";
  chosen.node = at.get("node") || null;
  $("match").value = chosen.match;
}

function writeAddress() {
  const at = new URLSearchParams();
  for (const key of ["project", "match", "node"]) if (chosen[key]) at.set(key, chosen[key]);
  history.replaceState(null, "", at.size ? `#${at}` : location.pathname);
}

function question() {
  const q = new URLSearchParams({ project: chosen.project, match: chosen.match });
  for (const path of chosen.open) q.append("open", path);
  return `/_emu/graph?${q}`;
}

async function ask() {
  clearTimeout(timer);
  asking?.abort();
  const mine = (asking = new AbortController());
  const asked = question();
  let body = null;
  try {
    const answer = await fetch(asked, { signal: mine.signal });
    if (answer.ok) body = await answer.text();
  } catch {
    if (mine.signal.aborted) return; // a later question is under way
  }
  schedule();
  if (body === null) {
    tell("No answer", "lost");
    return;
  }
  tell(paused ? "Paused" : "Live", "");
  // Another question may have the same answer, and the page words them differently.
  if (asked + body !== answered) receive(body);
  answered = asked + body;
}

function schedule() {
  clearTimeout(timer);
  if (!paused && !document.hidden) timer = setTimeout(ask, every);
}

function tell(text, how) {
  if ($("status").textContent !== text) $("status").textContent = text;
  $("status").className = how;
}

function receive(body) {
  graph = JSON.parse(body);
  const several = new Set(graph.nodes.map((node) => node.project)).size > 1;
  for (const node of graph.nodes) node.showProject = several;
  projects();
  totals();
  const any = graph.nodes.length > 0;
  $("canvas").hidden = !any;
  $("empty").hidden = any;
  if (any) draw(graph);
  else empty();
  select(chosen.node);
}

function projects() {
  const names = [...new Set([...graph.projects, chosen.project].filter(Boolean))].sort();
  const options = [{ value: "", text: "all" }, ...names.map((text) => ({ value: text, text }))];
  keyed($("project"), options, (o) => o.value, () => el("option"), (e, o) => { e.value = o.value; e.textContent = o.text; });
  $("project").value = chosen.project;
}

function totals() {
  const present = states.filter((state) => graph.states[state]).map((state) => ({ state, n: graph.states[state] }));
  keyed($("states"), present, (p) => p.state, () => el("li"), (li, { state, n }) => li.replaceChildren(counted(state, n)));
}

// empty tells what to do.
function empty() {
  if (chosen.match) {
    $("empty").replaceChildren(el("h2", {}, "Nothing matches"), el("p", {}, "No name, address or instance contains ", el("b", {}, chosen.match), "."));
    return;
  }
  const where = chosen.project ? `No load balancers in ${chosen.project}` : "No load balancers yet";
  const lines = [
    `export CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE=${location.origin}/compute/v1/`,
    `export CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true CLOUDSDK_CORE_PROJECT=${chosen.project || "demo"}`,
    "",
    "gcloud compute network-endpoint-groups create web --zone=us-central1-a \\\n    --network-endpoint-type=non-gcp-private-ip-port",
    "gcloud compute network-endpoint-groups update web --zone=us-central1-a \\\n    --add-endpoint=ip=10.0.0.1,port=8080",
  ];
  $("empty").replaceChildren(
    el("h2", {}, where),
    el("p", {}, "Point gcloud here and create something; it appears on this page by itself."),
    el("pre", {}, lines.join("\n")),
    el("p", {}, "In Go: ", el("code", {}, `option.WithEndpoint("${location.origin}/compute/v1/")`)),
  );
}

function select(id) {
  chosen.node = id;
  highlight(graph, id);
  show(graph, id);
  writeAddress();
}

function choose(event) {
  const button = event.target.closest("button");
  if (button?.dataset.open) {
    const path = button.dataset.open;
    if (!chosen.open.delete(path)) chosen.open.add(path);
    ask();
  } else if (button?.dataset.node) {
    select(button.dataset.node === chosen.node ? null : button.dataset.node);
    reveal(event.currentTarget.id === "panel");
  } else if (button?.classList.contains("close")) {
    leave();
  } else if (!event.target.closest("aside")) {
    select(null);
  }
}

const card = (id) => $("canvas").querySelector(`[data-node="${CSS.escape(id)}"]`);

// reveal keeps what is selected in sight, beside the panel.
function reveal(focus) {
  const at = chosen.node && card(chosen.node);
  at?.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (focus) at?.focus({ preventScroll: true });
}

function leave() {
  const was = chosen.node;
  select(null);
  if (was) card(was)?.focus();
}

// Arrows go along edges and columns.
function walk(event) {
  const here = event.target.dataset?.node;
  const way = { ArrowLeft: ["to", "from"], ArrowRight: ["from", "to"] }[event.key];
  if (!here) return;
  let to = null;
  if (way) {
    const group = here.split("#")[0];
    if (here !== group) to = way[0] === "to" ? card(group) : null;
    else {
      const edge = graph.edges.find((e) => e[way[0]] === here);
      to = edge ? card(edge[way[1]]) : way[0] === "from" ? $("canvas").querySelector(`[data-node^="${CSS.escape(`${here}#`)}"]`) : null;
    }
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const column = [...event.target.closest("section").querySelectorAll("button")];
    to = column[column.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
  }
  if (!to) return;
  event.preventDefault();
  to.focus();
}

function keys(event) {
  if (event.key === "Escape" && chosen.node) leave();
  if (event.key === "/" && !event.target.closest("input, select")) {
    event.preventDefault();
    $("match").focus();
  }
}

let typing = 0;
$("match").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { chosen.match = $("match").value.trim(); writeAddress(); ask(); }, 150);
});
$("project").addEventListener("change", () => { chosen.project = $("project").value; chosen.open.clear(); select(null); ask(); });
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  if (paused) { tell("Paused", ""); clearTimeout(timer); } else ask();
});
$("graph").addEventListener("click", choose);
$("panel").addEventListener("click", choose);
$("canvas").addEventListener("keydown", walk);
document.addEventListener("keydown", keys);
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : paused || ask()));
new ResizeObserver(() => { if (graph.nodes.length) lay(graph); }).observe($("graph"));

readAddress();
ask();
