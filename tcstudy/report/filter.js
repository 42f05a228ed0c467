// Puts a choice for some columns above the table that stands before this script; the first begins with its first value.
(function (script) {
  const before = (table) => table.compareDocumentPosition(script) & Node.DOCUMENT_POSITION_FOLLOWING;
  const table = [...document.querySelectorAll("table")].filter(before).at(-1);
  if (!table) return;
  const rows = [...table.tBodies[0].rows];
  const text = (row, place) => row.cells[place].textContent.trim();
  const chosen = new Map();
  const bar = document.createElement("p");
  const count = document.createElement("span");
  count.setAttribute("role", "status");
  function show() {
    let left = 0;
    for (const row of rows) {
      row.hidden = [...chosen].some(([place, value]) => value && text(row, place) !== value);
      left += !row.hidden;
    }
    count.textContent = `${left} of ${rows.length} rows`;
  }
  for (const place of script.dataset.columns.split(",").map(Number)) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.add(new Option("all", ""));
    const values = [...new Set(rows.map((row) => text(row, place)))];
    values.sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
    for (const value of values) select.add(new Option(value, value));
    if (!chosen.size) select.value = values[0];
    chosen.set(place, select.value);
    select.addEventListener("change", () => { chosen.set(place, select.value); show(); });
    select.style.maxWidth = "16em";
    label.style.marginRight = "1em";
    label.append(`${table.tHead.rows[0].cells[place].textContent.trim()} `, select);
    bar.append(label);
  }
  bar.append(count);
  let outer = table;
  while (outer.parentElement.querySelectorAll("table").length === 1 && outer.parentElement.matches("div")
         && /scroll|table/.test(outer.parentElement.className)) outer = outer.parentElement;
  outer.before(bar);
  show();
})(document.currentScript);
