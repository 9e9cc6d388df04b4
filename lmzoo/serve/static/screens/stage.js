// A dot per model in the order of its year; its height is bits per character of what is typed.

import { bitsPerCharacter, el, readingOf, svg, write } from "../app.js";

const TOP = 8;  // bits per character: a byte's
let columns = [], line;

function mount(root, app) {
  line = svg("polyline", { fill: "none", "vector-effect": "non-scaling-stroke" });
  columns = app.models.map(model => {
    const dot = el("span", { class: "dot", "--colour": model.colour }), bits = el("output", { class: "bits" });
    const plot = el("div", { class: "plot" }, dot, bits);
    return {
      model, dot, bits, plot,
      node: el("li", { class: model.error ? "failed" : null, title: model.error ?? model.paper },
        plot, el("b", {}, model.error ? "–" : String(model.year)),
        el("span", { class: "name" }, model.name), model.error ? el("small", {}, model.error) : null),
    };
  });
  root.append(
    el("p", { class: "caption" }, "Bits per character of this text: fewer are better. The line is the best so far."),
    el("div", { class: "field" },
      svg("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" }, line),
      el("ol", { "--columns": columns.length }, columns.map(one => one.node))));
}

function update(app) {
  let best = Infinity;
  const points = [];
  columns.forEach(({ model, dot, bits, node }, n) => {
    const one = readingOf(model), value = bitsPerCharacter(one);
    const height = value == null ? 1 : Math.min(value / TOP, 1);
    node.style.setProperty("--height", height);
    dot.hidden = value == null;
    write(bits, value != null ? value.toFixed(2) : one?.error ?? model.error ? "failed" : app.text ? "∞" : "");
    if (one?.error) node.title = one.error;
    if (value != null) {
      best = Math.min(best, height);
      points.push(`${(n + 0.5) / columns.length},${1 - best}`);
    }
  });
  line.setAttribute("points", points.join(" "));
}

export default { key: "1", title: "Stage", mount, update };
