// Elements without markup: whatever a camera, a bridge or an event is called reaches the page as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

// el makes an element from "tag.class.class", its attributes, listeners (on...) and children, which are nodes or text.
export function el(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") node.toggleAttribute(name, value);
    else if (value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

// text sets an element's text, and touches nothing where it is the same: a screen reader is told of changes alone.
export function text(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

// attr does the same for an attribute; undefined removes it.
export function attr(node, name, value) {
  if (value === undefined || value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// icon is one of the symbols that index.html holds.
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", "#i-" + name);
  svg.append(use);
  return svg;
}

// Spark is a small line over the last values.
export class Spark {
  constructor(label, width = 72, height = 18) {
    [this.width, this.height] = [width, height];
    this.node = document.createElementNS(SVG, "svg");
    this.node.setAttribute("class", "spark");
    this.node.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.node.setAttribute("preserveAspectRatio", "none");
    this.node.setAttribute("role", "img");
    this.label = label;
    this.area = this.node.appendChild(document.createElementNS(SVG, "path"));
    this.line = this.node.appendChild(document.createElementNS(SVG, "path"));
    this.area.setAttribute("class", "area");
    this.line.setAttribute("class", "line");
  }

  // draw shows values, the oldest first; null where there was none.
  draw(values, unit = "") {
    const known = values.filter((v) => v !== null);
    const line = path(values, this.width, this.height);
    this.line.setAttribute("d", line.stroke);
    this.area.setAttribute("d", line.fill);
    const last = known.at(-1);
    const said = last === undefined ? "no figures yet"
      : `now ${round(last)}${unit}, least ${round(Math.min(...known))}, most ${round(Math.max(...known))}`;
    attr(this.node, "aria-label", `${this.label}: ${said}`);
  }
}

const round = (v) => String(Math.round(v * 10) / 10);

const LEAST = 24; // values of a line's width, so that the first ones do not look like a trend

// path is the outline of values in a box. The scale begins at zero, so that a small wobble looks small.
export function path(values, width, height) {
  const top = Math.max(1e-9, ...values.filter((v) => v !== null)) * 1.15;
  values = [...Array(Math.max(0, LEAST - values.length)).fill(null), ...values];
  const step = width / (values.length - 1);
  let stroke = "", fill = "", run = [];
  const end = () => {
    if (run.length > 1) {
      stroke += "M" + run.map((p) => p.join(" ")).join("L");
      fill += `M${run[0][0]} ${height}L` + run.map((p) => p.join(" ")).join("L") + `L${run.at(-1)[0]} ${height}Z`;
    }
    run = [];
  };
  values.forEach((v, i) => {
    if (v === null) return end();
    run.push([+(i * step).toFixed(1), +(height - 1 - (v / top) * (height - 2)).toFixed(1)]);
  });
  end();
  return { stroke, fill };
}
