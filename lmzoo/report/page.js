"use strict";
// A link into a folded part opens it, and paper shows everything.
const unfold = (hash = location.hash) => {
  const target = hash && document.getElementById(hash.slice(1));
  if (!target) return;
  for (let outer = target.querySelector(":scope > details") ?? target.closest("details"); outer; outer = outer.parentElement.closest("details")) outer.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", () => unfold());
addEventListener("click", event => {
  const link = event.target.closest("a[href^='#']");
  if (link) unfold(link.getAttribute("href")); // a second time, too
});
unfold();
const folded = () => document.querySelectorAll("details:not([open])");
let opened = [];
addEventListener("beforeprint", () => { for (const one of opened = [...folded()]) one.open = true; });
addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      const value = row => row.cells[column].dataset.value ?? "";
      const compare = (a, b) => column ? a - b : a.localeCompare(b);
      const rows = [...table.tBodies[0].rows];
      const blank = rows.filter(row => value(row) === "");
      const full = rows.filter(row => value(row) !== "").sort((a, b) => compare(value(a), value(b)));
      table.tBodies[0].append(...(down ? full.reverse() : full), ...blank);
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
    });
  });
}
