// Elements from values. Text is only ever set as text.

const svg = "http://www.w3.org/2000/svg";

// el makes an element; props are properties, but class and names with a dash are attributes.
export function el(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "class" || name.includes("-")) e.setAttribute(name, value);
    else e[name] = value;
  }
  return fill(e, ...children);
}

// fill replaces what is in an element; null is nothing.
export function fill(e, ...children) {
  e.replaceChildren(...children.flat().filter((c) => c !== null && c !== undefined && c !== ""));
  return e;
}

export function shape(tag, attributes, ...children) {
  const e = document.createElementNS(svg, tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

// keyed makes the children of a list those of items, keeping the elements of items that stay:
// focus and scroll stay with them. fill is called when what it would show has changed.
export function keyed(parent, items, key, make, fill) {
  const old = new Map([...parent.children].map((e) => [e.dataset.key, e]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const k = key(item);
    let e = old.get(k);
    if (!e) {
      e = make(item);
      e.dataset.key = k;
    }
    old.delete(k);
    if (e === at) at = at.nextElementSibling;
    else parent.insertBefore(e, at);
    const shown = JSON.stringify(item);
    if (e.shown !== shown) {
      e.shown = shown;
      fill(e, item);
    }
  }
  for (const e of old.values()) e.remove();
}

export const number = (n) => n.toLocaleString("en");

export const plural = (n, one, many) => `${number(n)} ${n === 1 ? one : many}`;

export const states = ["UNHEALTHY", "DRAINING", "UNKNOWN", "UNREPORTED", "HEALTHY"];

export const word = { UNHEALTHY: "unhealthy", DRAINING: "draining", UNKNOWN: "unknown", UNREPORTED: "not reported", HEALTHY: "healthy" };

// symbol is the shape of a state, for eyes; the word beside it is for everyone.
export const symbol = (state) => shape("svg", { class: `symbol ${state}`, viewBox: "0 0 16 16", "aria-hidden": "true" }, shape("use", { href: `#${state}` }));

export const badge = (state, text = word[state]) => el("span", { class: `badge ${state}` }, symbol(state), el("span", {}, text));

// name is the last part of a path.
export const name = (path) => path.slice(path.lastIndexOf("/") + 1);
