// What a node looks like.

import { badge, el, fill, keyed, name, number, plural, states, symbol, word } from "./dom.js";

export const columns = ["Forwarding rules", "Target proxies", "URL maps", "Backend services", "Endpoint groups"];

export const noun = {
  forwardingRules: "forwarding rule",
  targetHttpProxies: "target HTTP proxy",
  targetHttpsProxies: "target HTTPS proxy",
  urlMaps: "URL map",
  backendServices: "backend service",
  networkEndpointGroups: "endpoint group",
};

export const makeCard = (node) => el("li", {}, el("button", { type: "button", class: "card", "data-node": node.id }));

// fillCard writes a node into its card.
export function fillCard(li, node) {
  const card = li.firstElementChild;
  card.classList.toggle("unreached", Boolean(node.unreached));
  fill(
    card,
    el("span", { class: "head" }, el("span", { class: "name" }, node.name), " ", el("span", { class: "scope" }, node.scope)),
    facts(node),
    (node.health ?? []).map((tally) => health(node, tally)),
    (node.notes ?? []).map((note) => el("span", { class: "note" }, note)),
  );
}

function facts(node) {
  const list = [node.showProject ? node.project : null, ...(node.facts ?? []), node.size ? plural(node.size, "endpoint", "endpoints") : null];
  const spans = list.filter(Boolean).flatMap((fact) => ["\u00a0· ", el("span", { class: "fact" }, fact)]).slice(1);
  return spans.length ? el("span", { class: "facts" }, spans) : null;
}

// health is a bar and the numbers it stands for; a group of several services has one for each.
function health(node, tally) {
  const present = states.filter((state) => tally.states[state]);
  const bar = el("span", { class: "bar", "aria-hidden": "true" }, present.map((state) => {
    const part = el("span", { class: state });
    part.style.flexGrow = tally.states[state];
    return part;
  }));
  const whose = node.kind === "networkEndpointGroups" && node.health.length > 1 ? el("span", { class: "whose" }, name(tally.service)) : null;
  return el("span", { class: "tally" }, whose, bar, el("span", { class: "counts" }, present.map((state) => counted(state, tally.states[state]))));
}

export const counted = (state, n) => badge(state, `${number(n)} ${word[state]}`);

export const makeBlock = () => el("li", {}, el("ul", { class: "block" }));

// fillBlock writes a group's endpoints beside it.
export function fillBlock(li, node) {
  const rows = (node.endpoints ?? []).map((endpoint) => ({ ...endpoint, id: `${node.id}#${endpoint.address}` }));
  if (node.moreEndpoints || node.open) rows.push({ id: `${node.id}#`, more: node.moreEndpoints ?? 0, open: node.open, group: node.id, name: node.name });
  keyed(li.firstElementChild, rows, (row) => row.id, makeRow, fillRow);
}

const makeRow = (row) => el("li", {}, el("button", { type: "button", class: row.group ? "more" : "endpoint" }));

function fillRow(li, row) {
  const button = li.firstElementChild;
  if (row.group) {
    button.dataset.open = row.group;
    button.setAttribute("aria-expanded", String(Boolean(row.open)));
    fill(button, moreText(row));
    return;
  }
  button.dataset.node = row.id;
  fill(
    button,
    symbol(row.state),
    el("span", { class: "address" }, row.address),
    el("span", { class: "instance", title: row.instance ?? "" }, row.detached ? `detached ${row.instance ?? ""}` : row.instance),
    verdicts(row),
  );
}

// verdicts is one word, or one for each backend service when they differ.
function verdicts(row) {
  const reports = row.reports ?? [];
  const forced = (any) => (any ? el("em", {}, " forced") : null);
  if (reports.every((r) => r.state === row.state)) {
    return [el("span", { class: `state ${row.state}` }, word[row.state], forced(reports.some((r) => r.forced)))];
  }
  return reports.map((r) => el("span", { class: "state wide" }, el("span", { class: "whose" }, name(r.service)), el("span", { class: r.state }, word[r.state], forced(r.forced))));
}

function moreText(row) {
  if (!row.open) return [`and ${number(row.more)} more`];
  if (row.more) return ["show fewer", el("span", { class: "hint" }, `${number(row.more)} more: find one by its address`)];
  return ["show fewer"];
}
