// The text as a file of each model's, compressed and decoded again before it gets its tick, beside zip and xz.

import { app, el, put, status, stream, superseded } from "../app.js";

const PATH = "/api/compress", PAUSE = 400;  // milliseconds after the last key
const STANDARD = { zip: "zip (1989)", xz: "xz (2009)" };
let list, caption, waiting, raced = null, found = [];

function mount(root) {
  caption = el("p", { class: "caption" });
  list = el("ol");
  root.append(caption, list);
}

async function race() {
  if (app.current?.key !== screen.key) return;
  raced = app.text;
  found = [];
  status();
  draw();
  if (!app.text) return;
  try {
    await stream(PATH, { text: app.text }, line => {
      if (line.id) found.push(line);
      else status(line.error);
      draw();
    });
  } catch (error) {
    if (!superseded(error)) status(error.message);
  }
}

const bytes = count => `${count.toLocaleString("en")} byte${count === 1 ? "" : "s"}`;

function draw() {
  const size = new TextEncoder().encode(raced).length, done = found.filter(one => !one.error);
  const failed = found.filter(one => one.error), reasons = failed.map(one => one.error);
  const common = reasons.find((one, n) => reasons.indexOf(one) < n);  // said once: what is missing here, say
  put(caption, raced ? `The text has ${bytes(size)}. Dark: the compressed text; light: the file's header. ✓: decoded, and the same.`
    : "Type a text: every model compresses it.");
  if (common) caption.append(` ${reasons.filter(one => one === common).length} models cannot: ${common}`);
  const longest = Math.max(size, ...done.map(one => one.payload + one.header), 1);
  const rows = [...done].sort((a, b) => a.payload - b.payload || a.bits - b.bits);
  put(list, raced ? row("the text itself", null, size, 0, bytes(size), longest) : null, rows.map(one => {
    const model = app.models.find(other => other.id === one.id);
    const exact = one.bits == null ? "" : ` (${one.bits.toFixed(0)} bits)`;
    return row(model ? model.name : STANDARD[one.id] ?? one.id, model?.colour, one.payload, one.header,
      `${bytes(one.payload)}${exact} + ${one.header} ${one.same ? "✓" : "✗ not the same"}`, longest);
  }), failed.filter(one => one.error !== common).map(one =>
    row(app.models.find(other => other.id === one.id)?.name ?? one.id, null, 0, 0, one.error, longest)));
}

function row(name, colour, payload, header, said, longest) {
  return el("li", {}, el("span", { class: "name" }, name), el("span", { class: "track", "aria-hidden": "true" },
    el("span", { class: "bytes", "--share": payload / longest, "--colour": colour ?? null }),
    el("span", { class: "bytes head", "--share": header / longest })), el("span", { class: "said" }, said));
}

function update() {
  if (raced === app.text) return;
  clearTimeout(waiting);
  waiting = setTimeout(race, raced === null ? 0 : PAUSE);
}

const screen = { key: "8", title: "Race", mount, update };
export default screen;
