"use strict";
// Sorting, filtering and choosing; the state of a page is in its address, so that it can be shared.

const state = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");

function remember(name, value) {
  if (value) state.set(name, value); else state.delete(name);
  history.replaceState(null, "", state.size ? `#${state}` : location.pathname + location.search);
}

function key(cell) {
  const text = cell.textContent.trim();
  const number = parseFloat(text);
  return Number.isNaN(number) ? text.toLowerCase() : number;
}

function compare(a, b) {
  if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
  return typeof a === "number" ? -1 : 1; // numbers first, words and dashes after them
}

function sort(table, column, direction) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
  rows.sort((a, b) => direction * compare(a[0], b[0]));
  body.append(...rows.map((pair) => pair[1]));
  [...table.tHead.rows[0].cells].forEach((cell, i) => {
    if (i === column) cell.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    else cell.removeAttribute("aria-sort");
  });
}

function makeSortable(table, number) {
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    if (cell.classList.contains("plain")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = cell.textContent;
    cell.replaceChildren(button);
    button.addEventListener("click", () => {
      const direction = cell.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      sort(table, column, direction);
      remember(`sort${number}`, `${column},${direction}`);
    });
  });
  const [column, direction] = (state.get(`sort${number}`) || "").split(",").map(Number);
  if (direction && column < table.tHead.rows[0].cells.length) sort(table, column, direction);
}

function filter() {
  const text = document.getElementById("filter-text");
  if (!text) return;
  const family = document.getElementById("filter-family");
  const rows = document.querySelectorAll("#ranking-table tbody tr, table.filtered tbody tr");
  function apply() {
    let shown = 0;
    for (const row of rows) {
      const name = row.querySelector("th").textContent.toLowerCase();
      const fits = name.includes(text.value.toLowerCase()) &&
        (!family || !family.value || row.dataset.family === family.value);
      row.hidden = !fits;
      shown += fits;
    }
    document.getElementById("filter-count").textContent = `${shown} of ${rows.length} rows`;
    remember("text", text.value);
    if (family) remember("kind", family.value);
  }
  text.value = state.get("text") || "";
  if (family) family.value = state.get("kind") || "";
  for (const input of [text, family]) if (input) input.addEventListener("input", apply);
  apply();
}

function choose() {
  const table = document.getElementById("choices");
  if (!table) return;
  const inputs = ["stream", "scenario", "replay", "state"].map((name) => document.getElementById(`choose-${name}`));
  const [stream, scenario, replay, bytes] = inputs;
  function fits(row) {
    return (!stream.value || row.dataset.stream === stream.value) &&
      (!scenario.value || row.dataset.scenario === scenario.value) &&
      (replay.value === "yes" || row.dataset.family !== "stores samples") &&
      (!bytes.value || (row.dataset.state !== "" && Number(row.dataset.state) <= Number(bytes.value)));
  }
  function apply() {
    const best = new Map(); // board to the band of its best row; rows come best first
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const board = row.dataset.board;
      let isShown = fits(row);
      if (isShown && best.has(board)) {
        isShown = [...row.dataset.band].some((letter) => best.get(board).includes(letter));
      } else if (isShown) best.set(board, row.dataset.band);
      row.hidden = !isShown;
      shown += isShown;
    }
    document.getElementById("choices-none").hidden = shown > 0;
    for (const input of inputs) remember(input.id, input.selectedIndex ? input.value : "");
  }
  for (const input of inputs) {
    const given = state.get(input.id);
    if (given && [...input.options].some((option) => option.value === given)) input.value = given;
    input.addEventListener("input", apply);
  }
  apply();
}

function copies() {
  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", async () => {
      const text = button.parentElement.querySelector("code").textContent;
      const before = button.textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Select the text below and copy it";
        getSelection().selectAllChildren(button.parentElement.querySelector("code"));
      }
      setTimeout(() => { button.textContent = before; }, 2000);
    });
  }
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
filter();
choose();
copies();
