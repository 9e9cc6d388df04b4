// What is inside a network: cells that colour the text, heads as matrix and arcs, layers, positions and words.

import { el, post, put, status, superseded, svg, visible } from "../app.js";

const VIEWS = { cells: "Cells", attention: "Heads", lens: "Layers", positions: "Positions", vectors: "Words" };
const ONE = { attention: "head", cells: "cell" };  // what is chosen, and has been measured
const GATES = 12, LAYERS = 8, ARCS = 14;           // tokens that a table or a picture has room for
const ROOM = 500;                                  // characters of a coloured text
const measured = new Map();                        // id of a model → what was found in it
let select, views, choice, verdict, body, view = null, chosen, at = null, asked = null;

const word = piece => visible(piece.replace(/^ (?=.)/, "")) || "∅";
const share = part => `${Math.round(100 * Math.min(1, Math.abs(part)))}%`;
const short = number => number.toFixed(2).replace(/^(-?)0/, "$1");
const model = app => app.models.find(one => one.id === select.value);
const table = (columns, rows) => el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table" }, el("table", { class: rows.length > 10 ? "heat dense" : "heat" },
  el("thead", {}, el("tr", {}, el("td"), columns.map(piece => el("th", { scope: "col" }, word(piece))))), el("tbody", {}, rows)));

// ── Cells ──

function cells(facts) {
  let room = ROOM, from = facts.pieces.length;
  while (from && room > 0) room -= Math.max(3, facts.pieces[--from].length + 1);
  const coloured = facts.pieces.map((piece, n) => n < from ? null : el("span", { class: facts.values[n] < 0 ? "low" : "high", "--share": share(facts.values[n]) },
    word(piece), el("small", {}, short(facts.values[n]))));
  const rows = Object.entries(facts.gates).map(([name, values]) => el("tr", {}, el("th", { scope: "row" }, `${name} gate`),
    values.slice(-GATES).map(value => el("td", { "--share": share(value) }, short(value)))));
  return [el("p", { class: "coloured" }, coloured), rows.length ? table(facts.pieces.slice(-GATES), rows) : null];
}

// ── Heads ──

function matrix(facts, row, choose) {
  const size = facts.weights.length;
  const squares = facts.weights.flatMap((weights, y) => weights.map((weight, x) =>
    weight >= 0.01 ? svg("rect", { x, y, width: 1, height: 1, "fill-opacity": weight, class: "weight" }) : null));
  const lines = facts.weights.map((_, y) => svg("rect", {
    x: 0, y, width: size, height: 1, class: y === row ? "row chosen" : "row", onclick: () => choose(y),
  }));
  return svg("svg", { viewBox: `0 0 ${size} ${size}`, class: "matrix", "aria-hidden": "true" }, squares, lines);
}

function arcs(facts, row) {
  const from = Math.max(0, Math.min(row - 9, facts.pieces.length - ARCS)), wide = 64;
  const middle = n => (n - from + 0.5) * wide;
  const lines = facts.weights[row].map((weight, n) => {
    if (weight < 0.03 || n < from || n === row) return null;
    const [a, b, y] = [middle(n), middle(row), 120 - Math.min(110, 20 + 12 * (row - n))];
    return svg("path", { d: `M ${a} 120 C ${a} ${y}, ${b} ${y}, ${b} 120`, class: "arc", "stroke-width": 1 + 7 * weight });
  });
  const names = facts.pieces.slice(from, from + ARCS).map((piece, n) => svg("text", {
    x: middle(from + n), y: 140, "text-anchor": "middle", class: from + n === row ? "chosen" : null,
  }, word(piece).slice(0, 8)));
  return svg("svg", { viewBox: `0 0 ${wide * ARCS} 148`, class: "arcs", "aria-hidden": "true" }, lines, names);
}

function heads(facts) {
  const last = facts.pieces.length - 1, row = Math.min(at ?? last, last);
  const choose = n => { at = Math.min(last, Math.max(0, n)); put(body, heads(facts)); };
  const most = facts.weights[row].map((weight, n) => [weight, n]).sort((a, b) => b[0] - a[0]).slice(0, 4);
  return el("div", { class: "beside" }, matrix(facts, row, choose), el("div", {},
    arcs(facts, row),
    el("p", {}, el("button", { type: "button", class: "button", onclick: () => choose(row - 1) }, "← token"), " ",
      el("button", { type: "button", class: "button", onclick: () => choose(row + 1) }, "token →")),
    el("p", {}, `Behind “${word(facts.pieces[row])}” it attends to`),
    el("ol", {}, most.map(([weight, n]) => el("li", {}, `“${word(facts.pieces[n])}” ${weight.toFixed(2)}`)))));
}

// ── Layers, positions ──

function lens(facts) {
  const rows = facts.layers.map(one => el("tr", {}, el("th", { scope: "row" }, one.layer), one.guesses.slice(-LAYERS).map(([[piece, p]]) =>
    el("td", { "--share": share(p) }, word(piece), " ", el("small", {}, short(p)))))).reverse();
  return [el("p", { class: "caption" }, "What each layer would say comes next if it were the last: the logit lens, read upwards."),
    table(facts.pieces.slice(-LAYERS), rows)];
}

function plane(points, labels, line) {
  const most = Math.max(...points.flat().map(Math.abs), 1e-9), written = [];
  const places = points.map(([x, y]) => [320 + 270 * x / most, 180 - 165 * y / most]);
  const free = (x, y, wide) => written.every(([a, b, w]) => Math.abs(y - b) > 13 || x > a + w || a > x + wide);
  const marks = places.map(([x, y], n) => {
    const wide = 8 * labels[n].length, shown = wide && free(x, y, wide);
    if (shown) written.push([x, y, wide]);
    return [svg("circle", { cx: x, cy: y, r: shown ? 3 : 2, class: "point" }), shown ? svg("text", { x: x + 5, y: y + 4 }, labels[n]) : null];
  });
  return svg("svg", { viewBox: "0 0 660 360", class: "plane", "aria-hidden": "true" },
    line ? svg("polyline", { points: places.map(place => place.join(",")).join(" "), class: "way" }) : null, marks.flat());
}

const ofVariance = facts => `${Math.round(100 * (facts.variance[0] + facts.variance[1]))} % of their variance`;

function positions(facts) {
  return [plane(facts.points, facts.points.map((_, n) => n % 16 ? "" : String(n)), true),
    el("p", { class: "caption" }, `The learned vectors of ${facts.points.length} positions in the plane that shows most (PCA, ${ofVariance(facts)}).`)];
}

// ── Words ──

async function askWords(question, list) {
  try {
    const facts = await post("/api/words", { model: select.value, ...question });
    if (facts.error) return put(list, el("li", {}, facts.error));
    const scored = facts.answers ?? facts.neighbours[0].neighbours;
    put(list, scored.map(([name, score]) => el("li", { "--share": share(Math.max(0, score)) }, `${name} ${score.toFixed(2)}`)));
  } catch (error) {
    if (!superseded(error)) status(error.message);
  }
}

function words(facts) {
  const box = (name, value) => el("input", { size: 8, maxlength: 100, "aria-label": name, value, autocapitalize: "off", spellcheck: "false" });
  const near = box("word", facts.words[0]), [a, b, c] = [box("a", "cats"), box("b", "cat"), box("c", "dog")];
  const list = el("ol", { class: "bars", "aria-live": "polite" });
  const form = (ask, ...parts) => el("form", { onsubmit: event => { event.preventDefault(); askWords(ask(), list); } }, parts);
  askWords({ words: [near.value] }, list);
  return el("div", { class: "beside" },
    el("div", {}, plane(facts.points, facts.words, false),
      el("p", { class: "caption" }, `Frequent words in the plane that shows most (PCA, ${ofVariance(facts)}).`),
      el("p", { class: "hidden" }, `On the map: ${facts.words.join(", ")}`)),
    el("div", {},
      form(() => ({ words: [near.value] }), near, " ", el("button", { class: "button" }, "Nearest")),
      form(() => ({ a: a.value, b: b.value, c: c.value }), a, " − ", b, " + ", c, " ", el("button", { class: "button" }, "is")),
      list));
}

// ── The screen ──

function mount(root, app) {
  const able = app.models.filter(one => one.can?.some(can => can in VIEWS));
  select = el("select", { "aria-label": "Model", onchange: () => choose(app) },
    able.map(one => el("option", { value: one.id }, `${one.year} ${one.name}`)));
  select.value = able.at(-1)?.id ?? "";  // the latest model
  views = el("span", { role: "group", "aria-label": "What is shown" });
  choice = el("span");
  verdict = el("p", { class: "verdict", role: "status" });
  body = el("div", { class: "shown" });
  root.append(el("p", { class: "controls" }, select, views, choice), verdict, body);
}

function update(app) {
  if (app.text === asked) return;
  asked = app.text;
  if (!select.value) put(body, el("p", {}, "None of these models has anything inside that could be shown."));
  else if (view === null) choose(app);
  else if (!["vectors", "positions"].includes(view)) show(app);
}

/** Another model: what is to be seen, and what was measured of it. */
async function choose(app) {
  const can = model(app).can.filter(one => one in VIEWS);
  view = can.includes(view) ? view : can[0];
  chosen = { layer: 1, number: 1 };
  put(views, can.map(one => el("button", {
    type: "button", class: "button", "aria-pressed": String(one === view), onclick: event => {
      if (view === one) return;
      view = one;
      for (const button of views.children) button.setAttribute("aria-pressed", String(button === event.target));
      open(app);
    },
  }, VIEWS[one])));
  const id = select.value;
  try {
    if (!measured.has(id)) measured.set(id, (await post("/api/measured", { model: id })).measured);
    if (id === select.value) open(app);
  } catch (error) {
    if (!superseded(error)) status(error.message);
  }
}

/** The best head or cell that passed its test. */
function open(app) {
  const passed = view in ONE ? found().filter(one => one.passed) : [];
  const stepper = (name, field) => el("label", {}, ` ${name} `, el("input", {
    type: "number", min: 1, max: 9999, value: chosen[field], onchange: event => {
      chosen[field] = Math.max(1, Math.trunc(Number(event.target.value) || 1));
      show(app);
    },
  }));
  if (passed.length) chosen = { layer: passed[0].layer, number: passed[0].number };
  const others = passed.length < 2 ? [] : passed.map(one => el("button", {
    type: "button", class: "button", title: one.about, onclick: () => { chosen = { layer: one.layer, number: one.number }; show(app); },
  }, `${ONE[view]} ${one.layer}.${one.number}`));
  put(choice, view in ONE ? [others, stepper("layer", "layer"), stepper(ONE[view], "number")] : []);
  show(app);
}

/** What was measured of the heads, or of the cells; of this model perhaps not yet. */
const found = () => (measured.get(select.value) ?? []).filter(one => (one.what === "cell") === (view === "cells"));

function said() {
  if (!(view in ONE) || !measured.has(select.value)) return "";
  const all = found(), here = all.find(one => one.passed && one.layer === chosen.layer && one.number === chosen.number);
  if (here) return `Layer ${here.layer}, ${ONE[view]} ${here.number}: ${here.about}.`;
  if (all.some(one => one.passed)) return `Nothing was found in layer ${chosen.layer}, ${ONE[view]} ${chosen.number}.`;
  const best = all.toSorted((a, b) => Math.abs(b.value) - Math.abs(a.value))[0];
  return `This model has none: no ${ONE[view]} passed a test.${best ? ` The best, for ${best.what}: ${best.about}.` : ""}`;
}

async function show(app) {
  const wanted = view;
  verdict.textContent = said();
  try {
    if (wanted === "vectors") {
      const facts = await post("/api/words", { model: select.value });
      if (wanted === view) put(body, facts.error ? el("p", {}, facts.error) : words(facts));
      return;
    }
    const facts = await post("/api/inside", { model: select.value, what: wanted, text: app.text, ...chosen });
    if (wanted === view) put(body, facts.error ? el("p", {}, facts.error) : { cells, attention: heads, lens, positions }[wanted](facts));
  } catch (error) {
    if (!superseded(error)) status(error.message);
  }
}

export default { key: "7", title: "Inside", mount, update };
