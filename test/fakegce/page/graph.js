// Where nodes and edges go.

import { columns, fillBlock, fillCard, makeBlock, makeCard } from "./cards.js";
import { el, keyed, number, shape } from "./dom.js";

const gap = 10; // between two cards of a column, in pixels
const anchor = 17; // where an edge meets a card, from its top

const canvas = document.getElementById("canvas");
const edges = document.getElementById("edges");
const lists = [...columns, "Endpoints"].map(column);

function column(title) {
  const list = el("ol");
  const count = el("span", { class: "count" });
  const more = el("p", { class: "beyond", hidden: true });
  canvas.append(el("section", { "aria-label": title }, el("h2", {}, title, " ", count), list, more));
  return { list, count, more };
}

// draw brings the page up to a graph.
export function draw(graph) {
  const groups = graph.nodes.filter((node) => node.column === columns.length - 1);
  columns.forEach((_, i) => {
    const nodes = graph.nodes.filter((node) => node.column === i);
    keyed(lists[i].list, nodes, (node) => node.id, makeCard, fillCard);
    const more = graph.more?.[i] ?? 0;
    lists[i].count.textContent = number(nodes.length + more);
    lists[i].more.hidden = !more;
    lists[i].more.textContent = `and ${number(more)} more: narrow them down by name`;
  });
  const blocks = groups.filter((node) => node.endpoints?.length);
  keyed(lists[columns.length].list, blocks, (node) => node.id, makeBlock, fillBlock);
  lists[columns.length].count.textContent = number(Object.values(graph.states).reduce((sum, n) => sum + n, 0));
  lay(graph);
}

// lay puts each node beside the first that it leads to, and connects them.
export function lay(graph) {
  const items = new Map(); // of the graph's nodes, by id
  for (const { list } of lists.slice(0, -1)) for (const li of list.children) items.set(li.dataset.key, { li, height: li.offsetHeight });
  const blocks = new Map([...lists.at(-1).list.children].map((li) => [li.dataset.key, { li, height: li.offsetHeight }]));
  const tops = place(graph, items, blocks);
  for (const { list } of lists) stack(list, tops, list === lists.at(-1).list ? blocks : items);
  connect(graph, tops, blocks);
}

// place decides the top of each node: groups below each other, and before them each node
// no higher than what it leads to first.
function place(graph, items, blocks) {
  const tops = new Map();
  const first = new Map();
  let next = 0;
  for (let i = columns.length - 1; i >= 0; i--) {
    next = 0;
    for (const node of graph.nodes.filter((n) => n.column === i)) {
      const top = Math.max(next, first.get(node.id) ?? 0);
      tops.set(node.id, top);
      next = top + Math.max(items.get(node.id).height, blocks.get(node.id)?.height ?? 0) + gap;
    }
    for (const { from, to } of graph.edges) {
      if (tops.has(to)) first.set(from, Math.min(first.get(from) ?? Infinity, tops.get(to)));
    }
  }
  return tops;
}

function stack(list, tops, items) {
  let end = 0;
  for (const li of list.children) {
    const top = tops.get(li.dataset.key);
    li.style.marginTop = `${top - end}px`;
    end = top + items.get(li.dataset.key).height;
  }
}

function connect(graph, tops, blocks) {
  const sections = lists.map(({ list }) => ({ left: list.offsetLeft, right: list.offsetLeft + list.offsetWidth, top: list.offsetTop }));
  const columnOf = new Map(graph.nodes.map((node) => [node.id, node.column]));
  const lines = graph.edges.map(({ from, to }) => line(`${from}>${to}`, from, to, sections[columnOf.get(from)], sections[columnOf.get(to)], tops.get(from), tops.get(to)));
  for (const id of blocks.keys()) lines.push(line(`${id}>#`, id, id, sections.at(-2), sections.at(-1), tops.get(id), tops.get(id)));
  keyed(edges, lines, (l) => l.key, makeLine, (path, l) => path.setAttribute("d", l.d));
  // The overlay must not make the canvas larger than its columns do.
  edges.setAttribute("width", 0);
  edges.setAttribute("height", 0);
  edges.setAttribute("width", canvas.scrollWidth);
  edges.setAttribute("height", canvas.scrollHeight);
}

const makeLine = (l) => shape("path", { "data-from": l.from, "data-to": l.to });

function line(key, from, to, a, b, fromTop, toTop) {
  const x1 = a.right, y1 = a.top + fromTop + anchor, x2 = b.left, y2 = b.top + toTop + anchor;
  const bend = Math.min((x2 - x1) / 2, 60);
  return { key, from, to, d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` };
}

// related is a node, all that leads to it and all that it leads to.
export function related(graph, id) {
  const all = new Set([id]);
  for (const [here, there] of [["from", "to"], ["to", "from"]]) {
    const way = new Set([id]);
    for (const at of way) for (const edge of graph.edges) if (edge[here] === at) way.add(edge[there]);
    way.forEach((at) => all.add(at));
  }
  return all;
}

// highlight dims everything but what belongs to the selected node; none is null.
export function highlight(graph, selected) {
  const group = selected?.split("#")[0];
  const lit = selected ? related(graph, group) : new Set();
  canvas.classList.toggle("selecting", lit.size > 0);
  for (const button of canvas.querySelectorAll("[data-node]")) {
    const id = button.dataset.node;
    const endpoint = selected?.includes("#") && id.startsWith(`${group}#`);
    button.classList.toggle("lit", endpoint ? id === selected : lit.has(id.split("#")[0]));
    button.setAttribute("aria-pressed", String(id === selected));
  }
  for (const path of edges.children) path.classList.toggle("lit", lit.has(path.dataset.from) && lit.has(path.dataset.to));
}
