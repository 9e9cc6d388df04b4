for (const reading of document.querySelectorAll(".reading")) {
  const readout = reading.querySelector(".readout"), byWords = reading.querySelector(".by-words");
  const kind = passage => byWords?.checked && passage.querySelector(".w") ? ".w" : "span:not(.w)";
  const units = passage => [...passage.querySelectorAll(kind(passage))];
  const add = (parent, tag, text) => { const made = document.createElement(tag); made.textContent = text; parent.append(made); return made; };
  let here = null, place = 0; // the piece that is shown, and a character of it: the same one in every model's passage
  const show = unit => {
    here?.classList.remove("here");
    (here = unit).classList.add("here");
    const [said, ...lines] = unit.title.split("\n");
    readout.replaceChildren();
    add(readout, "p", unit.closest(".panel").ariaLabel ?? "");
    add(readout, "p", said).className = "said";
    const list = lines.length ? add(readout, "ol", "") : null;
    for (const line of lines) {
      const item = add(list, "li", line), share = line.match(/^([\d.e-]+) %/);
      if (share) item.style.setProperty("--share", share[1] + "%");
      if (share && said.startsWith(line.slice(line.indexOf("\u201c")) + ":")) item.className = "right";
    }
  };
  const point = (passage, unit) => {
    if (!unit) return;
    place = 0;
    for (const other of units(passage)) {
      if (other === unit) break;
      place += other.textContent.length;
    }
    place += unit.textContent.search(/\S|$/);
    show(unit);
  };
  const again = () => {
    if (!here) return;
    let end = 0;
    const passage = [...reading.querySelectorAll(".passage")].find(other => other.offsetParent);
    const unit = units(passage).find(other => (end += other.textContent.length) > place);
    if (unit) show(unit);
  };
  reading.addEventListener("change", again);
  for (const passage of reading.querySelectorAll(".passage")) {
    for (const kindOf of ["pointerover", "click"]) passage.addEventListener(kindOf, event => point(passage, event.target.closest(`.passage ${kind(passage)}`)));
    passage.addEventListener("keydown", event => {
      const all = units(passage), now = all.indexOf(here);
      const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: all.length - 1 }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      point(passage, all[now < 0 && next < 0 ? 0 : next]);
    });
  }
}
