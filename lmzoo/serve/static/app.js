// What every screen uses: nodes, colours, and questions to the server. Other people's text becomes text nodes only.

export const app = {
  models: [],       // of /api/models; those with an `error` cannot be read
  text: "",         // in the box
  reading: null,    // the answer of /api/read for it: {ms, models: [{id, bits, pieces, next, words}]}
  screens: [],
  current: null,
};

const page = Array.from(crypto.getRandomValues(new Uint8Array(8)), byte => byte.toString(16)).join("");
const asking = new Map();  // path → what aborts its latest question

/** An element: attributes (`class`, `aria-label`, `onclick` …), then children: nodes or text. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An element of SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) node.style.setProperty(name, value ?? "");
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter(child => child != null));
  return node;
}

/** Puts children into a node, instead of those that it has. */
export const put = (node, ...children) => node.replaceChildren(...children.flat().filter(child => child != null));

/** Writes a text into a node, unless it stands there. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The first `count` of a node's `parts`, made where there are fewer; it keeps them, so that little is drawn anew. */
export function kept(node, parts, count, make) {
  while (parts.length < count) parts.push(make(parts.length));
  while (node.childElementCount > count) node.lastChild.remove();
  for (let n = node.childElementCount; n < count; n++) node.append(parts[n].node);
  return parts.slice(0, count);
}

/** The answer to a question (POST JSON); the older one on the same path is given up. Throws an Error with one line. */
export async function post(path, body) {
  return (await sent(path, body)).json();
}

/** A question whose answer is a stream of lines: `each` is called with every one. */
export async function stream(path, body, each) {
  const reader = (await sent(path, body)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) each(JSON.parse(line));
  }
}

/** Gives up the latest question on this path. */
export function abort(path) {
  asking.get(path)?.abort();
}

async function sent(path, body) {
  abort(path);
  const control = new AbortController();
  asking.set(path, control);
  const response = await fetch(path, {
    method: "POST", body: JSON.stringify(body), signal: control.signal,
    headers: { "Content-Type": "application/json", "X-Page": page },
  });
  if (!response.ok) {
    const { error } = await response.json();
    throw Object.assign(new Error(error), { superseded: response.status === 409 });
  }
  return response;
}

/** Whether an error only says that a newer question took the place of this one. */
export const superseded = error => error.name === "AbortError" || error.superseded === true;

/** One line below the box: an error, or nothing. */
export function status(line = "") {
  document.getElementById("status").textContent = line;
}

/** Said by a screen reader. */
export function announce(line) {
  document.getElementById("spoken").textContent = line;
}

/** What the latest reading says of a model, or undefined. */
export const readingOf = model => app.reading?.models.find(one => one.id === model.id);

/** Bits per character of the text so far; null where they are infinitely many or there is no text. */
export function bitsPerCharacter(one) {
  const characters = [...app.text].length;
  return one && one.bits != null && characters ? one.bits / characters : null;
}

/** A space, a line end and a tab as signs that can be seen. */
export const visible = text => text.replace(/ /g, "␣").replace(/\n/g, "↵").replace(/\t/g, "→");

/** Whether the reader of the page wants nothing to move. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
