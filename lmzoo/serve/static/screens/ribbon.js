// The text as every model read it, a line for each: what surprised it is dark. Beside it, the bits; or ranks, as in GLTR.

import { announce, bitsPerCharacter, el, kept, put, readingOf, visible, write } from "../app.js";

const DARKEST = 12;  // bits: as many and more have the darkest shade
const RANKS = [[10, "among the 10 likeliest"], [100, "among 100"], [1000, "among 1,000"], [Infinity, "less likely"]];
let rows = [], detail, legend, ranks = false, at = null;

function mount(root, app) {
  rows = app.models.filter(model => !model.error).map(model => {
    const line = el("div", { class: "line" }), bits = el("span", { class: "bits" });
    return { model, line, bits, pieces: [], failed: el("span", { class: "failed" }), node: el("div", { class: "row" },
      el("span", { class: "name", "--colour": model.colour, title: model.paper }, el("b", {}, model.year), " ", model.name), line, bits) };
  });
  detail = el("div", { class: "detail", role: "status" });
  legend = el("span", { class: "legend", "aria-hidden": "true" });
  const toggle = el("button", { type: "button", class: "button", "aria-pressed": "false", onclick: () => {
    ranks = !ranks;
    toggle.setAttribute("aria-pressed", ranks);
    explain();
    update(app);
  } }, "Ranks (R)");
  root.toggle = () => toggle.click();
  root.append(el("p", { class: "caption" }, "How surprised each model was at each token. ", legend, " ", toggle),
    el("div", { class: "rows" }, rows.map(row => row.node)), detail);
  explain();
}

function explain() {
  put(legend, ranks ? RANKS.map(([, name], n) => el("span", { class: `piece rank${n}` }, name))
    : [0, 3, 6, 9, 12].map(bits => el("span", { class: "piece", "--shade": bits / DARKEST, "data-dark": bits > 6 }, bits)), " ",
    ranks ? "" : "bits");
}

function update() {
  rows.forEach((row, n) => {
    const one = readingOf(row.model), value = bitsPerCharacter(one), pieces = one?.pieces ?? [];
    write(row.bits, one?.error ? "failed" : value == null ? "" : `${value.toFixed(2)} bits/char`);
    if (one?.error) return write(row.failed, one.error), row.line.replaceChildren(row.failed);
    if (row.failed.parentNode) row.failed.remove();
    kept(row.line, row.pieces, pieces.length, t => ({ node: el("button", {
      type: "button", tabindex: "-1", onmouseenter: () => look(n, t), onclick: () => look(n, t) }) }))
      .forEach((piece, t) => draw(piece, ...pieces[t]));
  });
  at ? look(Math.min(at[0], rows.length - 1), at[1], false) : put(detail, "← → ↑ ↓ or the mouse: bits, rank and what it expected there.");
}

/** Draws a token, unless it stands there so: a key changes the last ones only. */
function draw(piece, text, bits, rank) {
  const drawn = JSON.stringify([text, bits, rank, ranks]);
  if (piece.drawn === drawn) return;
  piece.drawn = drawn;
  const { node } = piece;
  node.style.setProperty("--shade", Math.min((bits ?? DARKEST) / DARKEST, 1));
  node.toggleAttribute("data-dark", !ranks && (bits ?? DARKEST) > DARKEST / 2);
  node.className = `piece ${ranks ? `rank${RANKS.findIndex(([most]) => rank <= most)}` : "shaded"}`;
  node.setAttribute("aria-label", `${visible(text)}: ${bits == null ? "infinitely many" : bits.toFixed(1)} bits, rank ${rank}`);
  write(node, visible(text) || "∅");
}

/** Shows what model n expected at token t. */
function look(n, t, aloud = true) {
  const row = rows[n], pieces = readingOf(row?.model ?? {})?.pieces ?? [];
  document.querySelectorAll(".ribbon .at").forEach(node => node.classList.remove("at"));
  if (!pieces.length) return put(detail, "Nothing is typed yet.");
  t = Math.max(0, Math.min(t, pieces.length - 1));
  at = [n, t];
  row.line.children[t]?.classList.add("at");
  row.line.children[t]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  const [text, bits, rank, likeliest = []] = pieces[t];
  put(detail, el("b", {}, row.model.name), ` gave ${visible(text)} `,
    el("b", {}, bits == null ? "no probability" : `${bits.toFixed(2)} bits`), `, rank ${rank.toLocaleString("en")}. `,
    likeliest.length ? "It expected " : "", likeliest.map(([word, p], i) =>
      [i ? ", " : "", el("b", {}, visible(word) || "the end"), ` ${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`]).flat());
  if (aloud) announce(detail.textContent);
}

function pressed(event, app, typing) {
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (moves[event.key]) {
    if (typing && /Left|Right/.test(event.key)) return;  // in the box they move the caret
    event.preventDefault();
    const [n, t] = at ?? [0, -1], [down, right] = moves[event.key];
    look(Math.max(0, Math.min(n + down, rows.length - 1)), t + right);
  } else if (event.key.toLowerCase() === "r" && !typing) {
    app.current.root.toggle();
  }
}

export default { key: "3", title: "Ribbon", mount, update, pressed };
