// What stands in for the server in a page that was exported: its frozen answers, and a character model that is live.

import { characterModel } from "./ngram.js";

const LIVE = "live";  // the id of that model
const NEEDS = "This question was not frozen when the page was exported: on a computer, lmzoo serve answers it.";
const ALL_NEED = "This screen asks the models themselves, which are not in an exported page: on a computer, lmzoo serve has it.";

/** A `fetch` that answers from {facts, prompts, answers: [[path, body, answer]…], live, streams, unanswered}. */
export function answering(page) {
  const known = new Map(page.answers.map(([path, body, answer]) => [question(path, body), answer]));
  const model = page.live && characterModel(page.live);
  return async (path, { body, signal } = {}) => {
    signal?.throwIfAborted();
    if (path.endsWith("/api/models")) return new Response(JSON.stringify(page.facts));
    const asked = JSON.parse(body), answer = known.get(question(path, asked));
    if (answer !== undefined)
      return new Response(page.streams.includes(path)
        ? answer.map(line => `${JSON.stringify(line)}\n`).join("") : JSON.stringify(answer));
    if (path === "/api/read") return new Response(JSON.stringify(read(page.facts.models, model, asked.text)));
    return new Response(JSON.stringify({ error: NEEDS }), { status: 400 });
  };
}

/** The same for the same question, in whatever order its fields stand. */
function question(path, body) {
  return JSON.stringify([path, Object.keys(body).sort().map(key => [key, body[key]])]);
}

function read(models, model, text) {
  return { ms: 0, models: models.map(({ id }) =>
    id === LIVE ? { id, ...model.read(text) } : { id, error: "it has read the sentences of the list only" }) };
}

/** Puts a list of the frozen sentences beside the box, and a sentence on the screens of which nothing is frozen. */
export function offer(page, app) {
  const list = document.createElement("select"), note = document.createElement("p");
  list.setAttribute("aria-label", "Sentences that all models have read");
  list.id = "prompts";
  list.append(new Option("Sentences …", ""), ...page.prompts.map(prompt => new Option(prompt, prompt)));
  list.addEventListener("change", () => list.value && app.type(list.value));
  note.id = "frozen";
  note.textContent = `All models have read the ${page.prompts.length} sentences of the list; ${page.live
    ? "a 5-gram of characters reads, live, whatever else you type" : "anything else needs lmzoo serve"}.`;
  for (const screen of app.screens.filter(one => page.unanswered.includes(one.name))) {
    screen.root.replaceChildren(Object.assign(document.createElement("p"), { textContent: ALL_NEED }));
    Object.assign(screen, { update() {}, shown: undefined, pressed: undefined });
  }
  document.querySelector("#text").after(list);
  document.querySelector("header").append(note);
  app.type(page.prompts[0]);
}
