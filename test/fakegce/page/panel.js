// What is known of the selected node.

import { counted, noun } from "./cards.js";
import { badge, el, fill, name, states, word } from "./dom.js";

const panel = document.getElementById("panel");
let shown = ""; // what the panel is filled with

// show fills the panel for a node of the graph, or for an endpoint ("GROUP#ADDRESS"); null closes it.
export function show(graph, id) {
  panel.hidden = !id;
  if (!id) {
    shown = "";
    fill(panel);
    return;
  }
  const [path, address] = id.split("#");
  const node = graph.nodes.find((n) => n.id === path);
  const endpoint = node?.endpoints?.find((e) => e.address === address);
  const links = { from: graph.edges.filter((e) => e.to === path).map((e) => e.from), to: graph.edges.filter((e) => e.from === path).map((e) => e.to) };
  const state = JSON.stringify([id, node, links]);
  if (state === shown) return;
  shown = state;
  const scroll = panel.scrollTop;
  if (!node) write("resource", name(path), path, el("p", { class: "note" }, "It is not shown any more: deleted, or left out by project or filter."));
  else if (address !== undefined) write("endpoint", address, path, ...endpointBody(node, endpoint, address));
  else write(noun[node.kind], node.name, path, ...resourceBody(node, links));
  panel.scrollTop = scroll;
}

function write(kind, title, path, ...body) {
  fill(
    panel,
    el("div", { class: "title" }, el("p", { class: "kind" }, kind), el("button", { type: "button", class: "close", "aria-label": "Close", "aria-keyshortcuts": "Escape" }, "✕")),
    el("h2", {}, title),
    el("p", { class: "path" }, path),
    body,
  );
}

function endpointBody(node, endpoint, address) {
  const group = el("section", {}, el("h3", {}, "Member of"), el("ul", { class: "links" }, link(node.id)));
  if (!endpoint) return [el("p", { class: "note" }, "It is not among the endpoints shown."), group];
  const reports = (endpoint.reports ?? []).map((r) => [
    name(r.service),
    [badge(r.state, word[r.state]), r.forced ? el("em", {}, "forced") : null],
    r.check ? `by ${name(r.check)}` : "",
  ]);
  return [
    el("section", {}, el("h3", {}, "Health by backend service"), reports.length ? table(reports) : badge("UNREPORTED", "no backend service reports of it")),
    endpoint.detached ? el("p", { class: "note" }, "Detached: it serves what is left of its connections.") : null,
    group,
    el("section", {}, el("h3", {}, "Endpoint"), json({ address, instance: endpoint.instance, annotations: endpoint.annotations })),
  ];
}

function resourceBody(node, links) {
  const document = el("section", {}, el("h3", {}, "As the API has it"), el("pre", { class: "json" }, "…"));
  load(node.id, document.lastElementChild);
  return [
    ...(node.notes ?? []).map((note) => el("p", { class: "note" }, note)),
    node.health ? el("section", {}, el("h3", {}, "Health"), table(node.health.map(tallied))) : null,
    list("Led to by", links.from),
    list("Leads to", links.to),
    document,
  ];
}

const tallied = (tally) => [name(tally.service), states.filter((s) => tally.states[s]).map((s) => counted(s, tally.states[s]))];

const list = (title, ids) => (ids.length ? el("section", {}, el("h3", {}, title), el("ul", { class: "links" }, ids.map(link))) : null);

function link(id) {
  const [scope, kind, called] = id.split("/").slice(-3);
  const what = scope === "global" ? noun[kind] : `${noun[kind]} · ${scope}`;
  return el("li", {}, el("button", { type: "button", class: "link", "data-node": id }, el("span", {}, called), " ", el("span", { class: "scope" }, what)));
}

const table = (rows) => el("table", {}, el("tbody", {}, rows.map(([head, ...cells]) => el("tr", {}, el("th", { scope: "row" }, head), cells.map((cell) => el("td", {}, cell))))));

const json = (value) => el("pre", { class: "json" }, JSON.stringify(value, null, 2));

// load asks the API itself, so that what is read here is what clients read.
async function load(path, into) {
  try {
    const answer = await fetch(`/compute/v1/${path}`);
    into.textContent = JSON.stringify(await answer.json(), null, 2);
  } catch (err) {
    into.textContent = `no answer: ${err.message}`;
  }
}
