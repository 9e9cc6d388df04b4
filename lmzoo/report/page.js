"use strict";
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
