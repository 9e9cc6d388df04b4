// Every model goes on with the text, from one seed; what it copied is underlined. A quiz: which model wrote this?

import { abort, announce, app, el, put, status, stream, superseded } from "../app.js";

const PATH = "/api/generate", PAUSE = 400;  // milliseconds after the last key
const settings = { temperature: 1, top_p: 1, length: 50, seed: 1 };  // those that an exported page has answers for
let columns = [], grid, quizzing, quiz = null, written = null, waiting, score = { right: 0, asked: 0 };

function slider(name, label, how, shown = value => value.toFixed(1)) {
  const output = el("output", {}, shown(settings[name]));
  const input = el("input", { type: "range", ...how, value: settings[name], oninput: () => {
    settings[name] = Number(input.value);
    put(output, shown(settings[name]));
    soon(0);
  } });
  return el("label", {}, `${label} `, input, " ", output);
}

function mount(root) {
  const seed = el("input", { type: "number", min: 0, max: 4294967295, value: settings.seed, oninput: () => {
    if (seed.checkValidity() && seed.value !== "") {
      settings.seed = Number(seed.value);
      soon(0);
    }
  } });
  columns = app.models.map(model => {
    const text = el("p", { class: "text" }), note = el("span", { class: "note" });
    const node = el("li", { "--colour": model.colour }, el("b", {}, model.name),
      el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `what ${model.name} writes` }, text),
      el("small", {}, model.year ? `${model.year} · ` : null, note));
    return { model, text, note, node, written: "", done: false };
  });
  grid = el("ol", { class: "columns" }, columns.map(one => one.node));
  quizzing = el("div", { class: "quiz", hidden: true });
  root.append(
    el("form", { class: "controls", onsubmit: event => event.preventDefault() },
      slider("temperature", "Temperature", { min: 0, max: 2, step: 0.1 }),
      slider("top_p", "Top-p", { min: 0.1, max: 1, step: 0.1 }),
      slider("length", "Tokens", { min: 10, max: 250, step: 10 }, String),
      el("label", {}, "Seed ", seed),
      el("button", { type: "button", class: "button", onclick: write }, el("kbd", {}, "W"), " write again"),
      el("button", { type: "button", class: "button", onclick: turn }, el("kbd", {}, "Q"), " which model wrote this?")),
    grid, quizzing);
}

/** Writes when nothing has been asked for a while. */
function soon(pause = PAUSE) {
  clearTimeout(waiting);
  waiting = setTimeout(write, pause);
}

async function write() {
  clearTimeout(waiting);
  if (app.current?.key !== screen.key) return abort(PATH);
  written = app.text;
  status();
  for (const one of columns) {
    Object.assign(one, { written: "", done: false });
    put(one.text);
    put(one.note, one.model.error ?? "");
  }
  try {
    await stream(PATH, { prompt: app.text, ...settings }, line => {
      const one = columns.find(column => column.model.id === line.id);
      if (one) take(one, line);
      else if (line.error) status(line.error);
    });
    announce("All have written");
  } catch (error) {
    if (!superseded(error)) status(error.message);
  }
}

function take(one, line) {
  if (line.text !== undefined) {
    one.written += line.text;
    one.text.append(line.text);
  } else if (line.error) {
    put(one.note, line.error);
  } else if (line.done) {
    one.done = true;
    const characters = [...one.written], parts = [];
    let last = 0, copied = 0;
    for (const [start, end] of line.copied) {
      parts.push(characters.slice(last, start).join(""), el("mark", {}, characters.slice(start, end).join("")));
      copied += end - start;
      last = end;
    }
    put(one.text, ...parts, characters.slice(last).join(""));
    put(one.note, line.note || (copied ? `${Math.round(100 * copied / characters.length)} % copied` : "nothing copied"));
  }
}

/** Turns to the quiz, and back. */
function turn() {
  quizzing.hidden = !quizzing.hidden;
  grid.hidden = !quizzing.hidden;
  if (!quizzing.hidden) ask();
}

function shuffled(list) {
  const found = [...list];
  for (let n = found.length - 1; n > 0; n--) {
    const other = Math.floor(Math.random() * (n + 1));
    [found[n], found[other]] = [found[other], found[n]];
  }
  return found;
}

function ask() {
  const ready = columns.filter(one => one.done && one.written.trim());
  if (ready.length < 2) {
    quiz = null;
    return put(quizzing, el("p", {}, "Two models must have written first: press Q again, then W."));
  }
  const options = shuffled(ready).slice(0, 4);
  quiz = { options, right: options[Math.floor(Math.random() * options.length)], answered: false };
  put(quizzing,
    el("p", { class: "caption" }, `Which model wrote this after “${written}”? ${said()}`),
    el("blockquote", { tabindex: 0 }, quiz.right.written),
    el("ol", {}, options.map((one, n) => el("li", {}, one.button = el("button",
      { type: "button", class: "button", onclick: () => answer(n) }, el("kbd", {}, "ABCD"[n]), ` ${one.model.name}`)))),
    quiz.verdict = el("p", { role: "status" }));
}

const said = () => score.asked ? `${score.right} of ${score.asked} right so far.` : "Press A, B, C or D.";

function answer(n) {
  const chosen = quiz?.options[n];
  if (!chosen) return;
  if (quiz.answered) return;
  quiz.answered = true;
  const right = chosen === quiz.right;
  score.asked += 1;
  score.right += right;
  quiz.right.button.classList.add("right");
  if (!right) chosen.button.classList.add("wrong");
  put(quiz.verdict, `${right ? "Right" : "No"}: ${quiz.right.model.name}. ${said()} `,
    el("button", { type: "button", class: "button", onclick: ask }, el("kbd", {}, "N"), " next"));
}

function pressed(event, _, typing) {
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (key === "w") write();
  else if (key === "q") turn();
  else if (!quizzing.hidden && key === "n") ask();
  else if (!quizzing.hidden && "abcd".includes(key)) answer("abcd".indexOf(key));
  else return;
  event.preventDefault();
}

function update() {
  if (written !== app.text) soon(written === null ? 0 : PAUSE);
}

const screen = { key: "6", title: "Write", mount, update, pressed };
export default screen;
