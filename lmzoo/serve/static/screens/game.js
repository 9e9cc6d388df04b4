// Shannon's game: guess a hidden text character by character, or bet on it, beside machines that do the same.

import { announce, el, post, put, status, svg, visible } from "../app.js";

const TOP = 6;  // bits per character, of both scales
const BETS = 5;  // characters that can be bet on
let game = null, mode = "guess", sessions = [], seed = Math.floor(Math.random() * 2 ** 31), busy = false;
let text, message, rows, chart, bets, save, screen;

function mount(root, app) {
  screen = root;
  root.tabIndex = -1;
  const choice = name => el("button", { type: "button", class: "button", "aria-pressed": String(name === mode), onclick: event => {
    mode = name;
    for (const one of event.target.parentNode.querySelectorAll("[aria-pressed]")) one.setAttribute("aria-pressed", one === event.target);
    start(app);
  } }, name === "guess" ? "Guess" : "Bet");
  text = el("p", { class: "hidden-text" });
  message = el("p", { role: "status" });
  rows = el("ol", { class: "intervals" });
  chart = svg("svg", { viewBox: "0 0 600 250", role: "img", "aria-label": "Bits per character against characters found" });
  bets = el("form", { class: "bets", onsubmit: event => { event.preventDefault(); bet(app); } },
    Array.from({ length: BETS }, (_, n) => el("span", {},
      el("input", { class: "of", maxlength: "1", "aria-label": `character ${n + 1}` }),
      el("input", { class: "percent", type: "number", min: "1", max: "95", "aria-label": `percent on character ${n + 1}` }), "%")),
    el("button", { class: "button" }, "Bet (Enter)"));
  save = el("button", { type: "button", class: "button", disabled: true, onclick: download }, "Save as JSON");
  root.append(
    el("p", { class: "caption" }, choice("guess"), choice("bet"),
      el("button", { type: "button", class: "button", onclick: () => start(app) }, "Another text"),
      el("button", { type: "button", class: "button", onclick: () => answer(app, {}) }, "Tell me (Enter)"), save),
    text, bets, message,
    el("div", { class: "both" }, el("figure", {}, chart, el("figcaption", {},
      "You are black: between the lines, or on the line if you bet. A machine's line is its true bits.")),
      el("div", {}, rows, el("p", { class: "caption" },
        "Bars: bounds from guesses (Shannon 1951), of you and of machines by the same rule; dots: true bits. In a short game ",
        "the upper bound is too low, as rare guesses are missing."))));
}

/** A new text, once the screen is looked at. */
async function start(app) {
  const begun = await asked("/api/game/new", { seed: seed++ % 2 ** 31, length: 60 });
  if (!begun) return;
  game = { ...begun, found: begun.opening, points: [], latest: null };
  bets.hidden = mode !== "bet";
  put(message, mode === "bet" ? "Divide your capital: what is left goes evenly to all other characters."
    : "Type the next character, until it is right. Capitals, spaces and full stops count. Escape, then 1 to 8, leaves.");
  draw(app);
  (mode === "bet" ? bets.querySelector("input") : screen).focus();
}

async function answer(app, how) {
  if (!game || game.done || busy) return;
  busy = true;
  const said = await asked("/api/game/guess", { id: game.id, ...how });
  busy = false;
  if (!said) return;
  if (!said.right) {
    put(message, `Not ${visible(how.char)}: ${said.guesses} wrong so far.`);
    return announce(message.textContent);
  }
  Object.assign(game, { found: said.found, done: said.done, latest: said });
  game.points.push(said);
  put(message, said.done ? "All found." : `Right: ${visible(said.char)}.`);
  announce(message.textContent);
  if (said.session) {
    sessions.push(said.session);
    save.disabled = false;
  }
  draw(app);
}

async function asked(path, body) {
  try {
    const answered = await post(path, body);
    status();
    return answered;
  } catch (error) {
    if (error.name !== "AbortError") status(error.message);
    return null;
  }
}

function bet(app) {
  const shares = {};
  for (const one of bets.querySelectorAll("span")) {
    const [of, percent] = one.querySelectorAll("input");
    if (of.value && percent.value) shares[of.value] = (shares[of.value] ?? 0) + percent.value / 100;
  }
  answer(app, { bets: shares }).then(() => bets.querySelector("input").focus());
}

function draw(app) {
  put(text, el("span", { class: "found" }, visible(game.opening)), visible(game.found.slice(game.opening.length)),
    el("span", { class: "awaited" }, game.done ? "" : "?"), el("small", {}, ` ${game.found.length} of ${game.length}`));
  const said = game.latest;
  const lines = !said ? [] : [{ name: "you", colour: "var(--ink)", ...said.you }, ...said.machines.map(one => {
    const model = app.models.find(other => other.id === one.id);
    return { ...one, name: `${model.year} ${model.name}`, colour: model.colour };
  })];
  put(rows, lines.map(one => el("li", { "--colour": one.colour, title: one.name }, el("span", { class: "name" }, one.name),
    el("span", { class: "scale", "--low": (one.lower ?? 0) / TOP, "--high": Math.min((one.upper ?? 0) / TOP, 1),
      "--bits": Math.min((one.bits ?? 0) / TOP, 1) },
    one.upper == null ? null : el("span", { class: "bounds" }), one.bits == null ? null : el("span", { class: "true" })),
    el("span", { class: "figures" }, [one.upper == null ? "" : `${one.lower.toFixed(2)} to ${one.upper.toFixed(2)}`,
      one.bits == null ? "" : `${one.bits.toFixed(2)} bits`].filter(Boolean).join(", ")))));
  const wide = Math.max(10, game.length - game.opening.length);
  const place = (n, bits) => `${(40 + 550 * (n + 1) / wide).toFixed(1)},${(225 - 215 * Math.min(bits, TOP) / TOP).toFixed(1)}`;
  const line = (values, attributes) => svg("polyline", { fill: "none", points:
    values.map((bits, n) => (bits == null ? null : place(n, bits))).filter(Boolean).join(" "), ...attributes });
  const of = pick => game.points.map(pick);
  put(chart,
    [0, 2, 4, 6].map(bits => [svg("line", { x1: 40, x2: 590, y1: 225 - 215 * bits / TOP, y2: 225 - 215 * bits / TOP, class: "grid" }),
      svg("text", { x: 32, y: 230 - 215 * bits / TOP, "text-anchor": "end" }, bits)]).flat(),
    svg("text", { x: 590, y: 246, "text-anchor": "end" }, "characters found"),
    app.models.filter(model => !model.error).map(model =>
      line(of(point => point.machines.find(one => one.id === model.id)?.bits), { stroke: model.colour, class: "machine" })),
    mode === "bet" ? line(of(point => point.you.bits), { class: "you" })
      : [line(of(point => point.you.lower), { class: "you" }), line(of(point => point.you.upper), { class: "you" })]);
}

/** Saves the finished games as a file that `lmzoo compare --people` reads. */
function download() {
  const file = new Blob([JSON.stringify({ format: "lmzoo people", version: 1, sessions }, null, 1)], { type: "application/json" });
  const link = el("a", { href: URL.createObjectURL(file), download: "people.json" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function shown(app) {
  screen.focus();
  if (!game) start(app);
}

/** Whether keys are guesses, the digits too: while the game has the focus. Escape gives it back. */
const takes = event => event.target === screen && mode === "guess" && game !== null && !game.done;

function pressed(event, app, typing) {
  if (typing || mode === "bet" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.tagName === "BUTTON" && [" ", "Enter"].includes(event.key)) return;  // it presses the button
  if (event.key !== "Enter" && event.key.length !== 1) return;
  event.preventDefault();
  answer(app, event.key === "Enter" ? {} : { char: event.key });
}

export default { key: "5", title: "Game", mount, update() {}, shown, takes, pressed };
