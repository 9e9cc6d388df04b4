// Why a token has its probability: each kind of model in its own way.

import { announce, el, post, put, status, superseded, visible } from "../app.js";

const ABLE = ["explain", "attention", "cells", "vectors"];
const SHOWN = 40, COLUMNS = 14;  // tokens to choose from, and of a table
const HEADS = 16;                // rows that the screen has room for
const THEN = 260;                // milliseconds between the tables that light up
const SHOW = { ngram, attention, gates, neighbours };
let select, tokens, body, place = null, asked = null;

const word = piece => visible(piece.replace(/^[␣ ](?=.)/, "").replace("<0x0A>", "\n")) || "∅";
const words = pieces => `“${pieces.map(word).join(" ")}”`;
const times = count => count == null ? "" : `${count.toLocaleString("en")} ×`;
const percent = p => `${p >= 0.0995 ? (100 * p).toFixed(0) : p >= 0.001 ? (100 * p).toFixed(1) : (100 * p).toPrecision(1)} %`;
const share = part => `${Math.round(100 * Math.min(1, Math.max(0, part)))}%`;
const short = number => number.toFixed(2).replace(/^(-?)0/, "$1");

/** Rows of numbers from 0 to 1 under the tokens; the same numbers colour the cells. */
function heat(columns, rows, bold = () => false) {
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table" }, el("table", { class: rows.length > 10 ? "heat dense" : "heat" },
    el("thead", {}, el("tr", {}, el("td"), columns.map(piece => el("th", { scope: "col" }, word(piece))))),
    el("tbody", {}, rows.map(([name, values]) => el("tr", {}, el("th", { scope: "row" }, name),
      values.map((value, n) => el("td", { "--share": share(value), class: bold(values, n) ? "most" : null }, short(value))))))));
}

/** A list of words or cells, each with a bar. */
const bars = items => el("ul", { class: "bars" },
  items.map(([text, part]) => el("li", { "--share": share(part) }, text)));

function level(term, token, n) {
  const row = (name, count) => el("tr", { class: name === token ? "asked" : null },
    el("th", { scope: "row" }, word(name)), el("td", {}, times(count)));
  const listed = term.followers.some(([name]) => name === token);
  const context = term.context.length ? words(term.context) : "any context";
  const shorter = `γ ${term.gamma.toPrecision(3)} · shorter`;
  const sum = term.backed_off ? `α ${term.alpha.toPrecision(3)}` : `α ${term.alpha.toPrecision(3)} + ${shorter}`;
  return el("section", { class: "card", "--delay": `${n * THEN}ms` },
    el("h2", {}, `${context} ${times(term.occurrences)}`),
    el("table", { "aria-label": `What followed ${context} in training` },
      el("tbody", {}, term.followers.map(pair => row(...pair)), term.seen && !listed ? row(token, term.count) : null)),
    el("p", {}, term.seen ? sum : `“${word(token)}” never followed it: ${shorter}`),
    el("p", {}, `p = ${percent(term.probability)}`));
}

function ngram(facts) {
  const unseen = facts.history.length - facts.context.length;
  const cards = Array.from({ length: unseen }, (_, n) => el("section", { class: "card unseen", "--delay": `${n * THEN}ms` },
    el("h2", {}, words(facts.history.slice(n))), el("p", {}, "was never followed by anything: back off")));
  const bits = facts.bits == null ? "impossible" : `${facts.bits.toFixed(2)} bits`;
  return [
    el("p", { class: "lead" }, `“${word(facts.token)}” after ${words(facts.history)}: ${percent(facts.probability)}, ${bits}`),
    el("div", { class: "cards" }, cards, facts.terms.map((term, n) => level(term, facts.token, unseen + n))),
    el("p", {}, `p = ${facts.sum}`),
    el("p", { class: "caption" }, facts.formula),
  ];
}

function attention(facts) {
  const last = values => values.slice(-COLUMNS);
  const sharpest = facts.heads.map(one => Math.max(...one.weights)).sort((a, b) => b - a)[HEADS - 1] ?? 0;
  const sharp = facts.heads.filter(one => Math.max(...one.weights) >= sharpest).slice(0, HEADS);
  const some = sharp.length < facts.heads.length ? `The ${sharp.length} of ${facts.heads.length} heads that look at one token most. ` : "";
  const rows = sharp.map(one => [`layer ${one.layer}, head ${one.head}`, last(one.weights)]);
  return [
    el("p", { class: "lead" }, `What each head looked at where “${word(facts.pieces[facts.place])}” was predicted`),
    heat(last(facts.before), rows, (values, n) => values[n] === Math.max(...values)),
    el("p", { class: "caption" }, some, "Shares of attention. Where a head looks is not yet why: screen 7 shows the heads that passed a test."),
  ];
}

function gates(facts) {
  const last = values => values.slice(0, facts.place + 1).slice(-COLUMNS);
  const rows = Object.entries(facts.gates).map(([name, values]) => [`${name} gate`, last(values)]);
  const changed = facts.changed.map(({ cell, before, after }) =>
    [`cell ${cell}: ${before.toFixed(2)} → ${after.toFixed(2)}`, Math.abs(after - before) / 2]);
  return [
    el("p", { class: "lead" }, `What ${facts.units} cells did before “${word(facts.pieces[facts.place])}”`),
    rows.length ? heat(last(facts.read), rows) : el("p", {}, "It has no gates: all that it holds is written anew with every token."),
    el("h2", {}, `What “${word(facts.read[facts.place])}” changed most`), bars(changed),
    el("p", { class: "caption" }, "Gates are means over all cells, from 0 (shut) to 1 (open); a cell holds something from −1 to 1."),
  ];
}

function neighbours(facts) {
  const reach = facts.reach == null ? "all that came before" : `the ${facts.reach} tokens before`;
  const cards = facts.context.map(one => el("section", { class: "card" }, el("h2", {}, one.word),
    bars(one.neighbours.map(([name, cosine]) => [`${name} ${cosine.toFixed(2)}`, cosine]))));
  return [
    el("p", { class: "lead" }, `What stands before “${word(facts.pieces[facts.place])}”, and which words have vectors like these`),
    cards.length ? el("div", { class: "cards" }, cards) : el("p", {}, "None of the words before has a vector."),
    el("p", { class: "caption" }, `It sees ${reach}. What it learned of one word serves all that lie near it.`),
  ];
}

function mount(root, app) {
  const able = app.models.filter(model => model.can?.some(one => ABLE.includes(one)));
  select = el("select", { "aria-label": "Model", onchange: () => { place = null; ask(app); } },
    able.map(model => el("option", { value: model.id }, `${model.year} ${model.name}`)));
  select.value = (able.findLast(model => model.can.includes("explain")) ?? able.at(-1))?.id ?? "";  // the longest n-gram
  tokens = el("div", { class: "tokens", role: "group", "aria-label": "Which token is explained" });
  body = el("div", { class: "shown" });
  root.append(el("p", { class: "controls" }, select), tokens, body);
}

function update(app) {
  if (app.text === asked) return;
  place = null;
  ask(app);
}

async function ask(app, focus = false) {
  asked = app.text;
  if (!select.value) return put(body, el("p", {}, "None of these models can be explained."));
  try {
    const facts = await post("/api/explain", { text: app.text, model: select.value, place });
    if (facts.kind === "none") {
      put(tokens);
      return put(body, el("p", {}, "This model has nothing inside that could be shown: it looks at no word."));
    }
    show(app, facts, focus);
  } catch (error) {
    if (!superseded(error)) status(error.message);
  }
}

function show(app, facts, focus) {
  const from = Math.max(0, facts.pieces.length - SHOWN);
  const choose = n => { place = n; ask(app, true); };
  put(tokens, facts.pieces.slice(from).map((piece, n) => {
    const pressed = from + n === facts.place;
    return el("button", { type: "button", "aria-pressed": String(pressed), tabindex: pressed ? 0 : -1, onclick: () => choose(from + n) }, word(piece));
  }));
  if (facts.place == null) return put(body, el("p", {}, "Type a few words: the last one is explained."));
  put(body, SHOW[facts.kind](facts));
  if (focus) {
    tokens.querySelector("[aria-pressed=true]")?.focus();
    announce(body.querySelector(".lead").textContent);
  }
}

/** Arrows choose the token before or behind. */
function pressed(event, _app, typing) {
  const step = { ArrowLeft: "previousElementSibling", ArrowRight: "nextElementSibling" }[event.key];
  const target = !typing && step && tokens.querySelector("[aria-pressed=true]")?.[step];
  if (!target) return;
  event.preventDefault();
  target.click();
}

export default { key: "4", title: "Why", mount, update, pressed };
