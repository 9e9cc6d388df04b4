// Loads the models and the screens that there are, and reads what is typed.

import { announce, app, el, post, put, status, superseded } from "./app.js";

const box = document.getElementById("text"), main = document.querySelector("main");
let readings = 0;

/** Shows a screen. */
function show(screen) {
  if (app.current) app.current.root.hidden = true;
  app.current = screen;
  screen.root.hidden = false;
  document.body.dataset.screen = screen.name;
  for (const one of app.screens) one.link.toggleAttribute("aria-current", one === screen);
  history.replaceState(null, "", `#${screen.name}`);
  screen.update(app);
  screen.shown?.(app);
}

/** Asks every model to read the text in the box. */
export async function read() {
  const text = app.text = box.value;
  try {
    app.reading = { ...await post("/api/read", { text, likeliest: true, characters: false }), text };
    status();
    app.current?.update(app);
    main.dataset.read = ++readings;  // a change also where the answer has none: benchmarks wait for it
  } catch (error) {
    if (!superseded(error)) status(error.message);
  }
}

/** Replaces the text in the box, as if it had been typed. */
app.type = text => {
  box.value = text;
  return read();
};

function pressed(event) {
  const typing = event.target === box || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  const taken = typing || app.current?.takes?.(event) === true;  // by the screen, digits and the slash too
  const key = event.altKey ? event.code.replace(/^(Digit|Numpad)/, "") : event.key;  // Alt may make it another character
  const screen = app.screens.find(one => one.key === key);
  if (screen && !event.ctrlKey && !event.metaKey && (event.altKey || !taken)) {
    event.preventDefault();
    show(screen);
    announce(screen.title);
  } else if (event.target === box ? ["Enter", "Escape"].includes(event.key) : taken && !typing && event.key === "Escape") {
    main.focus();
    announce("Keys 1 to 8 change the screen, slash returns to the text");
  } else if (event.key === "/" && !taken) {
    event.preventDefault();
    box.focus();
  } else {
    app.current?.pressed?.(event, app, typing);
  }
}

async function start() {
  const facts = await (await fetch("/api/models")).json();
  app.models = facts.models;
  box.maxLength = facts.most_characters;
  const found = await Promise.all(facts.screens.map(async name => ({
    name, ...(await import(`./screens/${name}.js`)).default,
  })));
  app.screens = found.sort((a, b) => a.key - b.key);
  for (const screen of app.screens) {
    screen.root = el("section", { class: screen.name, "aria-label": screen.title, hidden: true });
    screen.link = el("button", { type: "button", title: `key ${screen.key}`, onclick: () => show(screen) },
      el("kbd", {}, screen.key), ` ${screen.title}`);
    main.append(screen.root);
    screen.mount(screen.root, app);
  }
  put(document.querySelector("nav"), app.screens.map(screen => screen.link));
  box.addEventListener("input", read);
  document.addEventListener("keydown", pressed);
  show(app.screens.find(one => `#${one.name}` === location.hash) ?? app.screens[0]);
  box.value ||= facts.example;
  box.select();  // what is typed replaces it
  await read();
  document.body.dataset.ready = "";
}

export const started = start().catch(error => status(error.message));
