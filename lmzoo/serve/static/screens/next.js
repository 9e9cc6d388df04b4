// What each model expects next: the likeliest words, or characters of a model that reads characters, as bars.

import { announce, el, kept, readingOf, visible, write } from "../app.js";

const SHOWN = 6, SPEAKERS = 4;
let cards = [], leader = 0, speaker = false;

function mount(root, app) {
  cards = app.models.map(model => {
    const list = el("ol", {}), node = el("article", { "--colour": model.colour },
      el("h2", {}, model.name, " ", el("small", {}, model.error ? "" : model.year)), list);
    return { model, list, node, rows: [], failed: el("li", { class: "failed" }) };
  });
  const toggle = el("button", { type: "button", class: "button", "aria-pressed": "false", onclick: () => {
    speaker = !speaker;
    toggle.setAttribute("aria-pressed", speaker);
    root.classList.toggle("speaker", speaker);
    update(app);
  } }, "Large letters (L)");
  root.toggle = () => toggle.click();
  root.append(
    el("p", { class: "caption" }, "What comes next, and how probable. The longest bar is full. ", el("kbd", {}, "Tab"),
      " accepts the word of the marked model, ↑ and ↓ mark another. ", toggle),
    el("div", { class: "cards" }, cards.map(card => card.node)));
}

/** The models that are shown: all, or a few that span the years. */
function chosen() {
  const able = cards.filter(card => !card.model.error);
  if (!speaker || able.length <= SPEAKERS) return able;
  return Array.from({ length: SPEAKERS }, (_, n) => able[Math.round(n * (able.length - 1) / (SPEAKERS - 1))]);
}

function update() {
  const shown = chosen();
  leader = Math.min(leader, shown.length - 1);
  const most = Math.max(0.1, ...shown.flatMap(card => guesses(readingOf(card.model)).map(([, p]) => p)));  // a full bar
  for (const card of cards) {
    card.node.hidden = !shown.includes(card);
    card.node.classList.toggle("marked", card === shown[leader]);
    const one = readingOf(card.model);
    if (!one?.error) fill(card, guesses(one), most);
    else write(card.failed, one.error), card.list.replaceChildren(card.failed);
  }
}

function fill(card, found, most) {
  if (card.failed.parentNode) card.failed.remove();
  kept(card.list, card.rows, found.length, row).forEach(({ node, guess, share }, n) => {
    const [text, p] = found[n];
    node.style.setProperty("--share", p / most);
    write(guess, visible(text.trim() && text.replace(/^ /, "") || text));
    write(share, `${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`);
  });
}

function row() {
  const guess = el("span", { class: "guess" }), share = el("span", { class: "p" });
  return { guess, share, node: el("li", {}, el("span", { class: "bar", "aria-hidden": "true" }), guess, share) };
}

/** [shown, probability, what it adds to the text] of the likeliest tokens; of characters, where a token is one. */
function guesses(one) {
  if (!one) return [];
  const words = one.words.filter(([text]) => text !== "<end>");
  return words.length ? words.slice(0, SHOWN) : one.next.slice(0, SHOWN).map(([text, p]) => [text || "end", p, text]);
}

function pressed(event, app, typing) {
  const shown = chosen();
  if (event.key === "Tab" && !event.shiftKey && event.target.id === "text" && app.text) {
    if (app.reading?.text !== app.text) return event.preventDefault();  // it is still being read
    const [first] = guesses(readingOf(shown[leader]?.model ?? {}));
    if (!first) return;  // Tab leaves the box, as everywhere
    event.preventDefault();
    app.type(app.text + first[2]);
    announce(`accepted ${first[0]}`);
  } else if (["ArrowDown", "ArrowUp"].includes(event.key)) {
    event.preventDefault();
    leader = (leader + (event.key === "ArrowDown" ? 1 : shown.length - 1)) % shown.length;
    update(app);
    announce(shown[leader].model.name);
  } else if (event.key.toLowerCase() === "l" && !typing) {
    app.current.root.toggle();
  }
}

export default { key: "2", title: "Next", mount, update, pressed };
