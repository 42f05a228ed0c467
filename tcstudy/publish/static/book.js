// Opens the fold that a link leads to, and shows the runs of a table's cell when it is pointed at, focused or touched.
(function () {
  function open() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    const after = (target.closest("p") || target).nextElementSibling;
    const fold = target.closest(".dropdown, details") || (after && after.matches(".dropdown, details") ? after : null);
    if (!fold) return;
    if (fold.matches("details")) fold.open = true;
    else if (fold.classList.contains("toggle-hidden")) fold.querySelector(".toggle-button").click();
    target.scrollIntoView();
  }
  const details = (wanted) => document.querySelectorAll("details.answer-details").forEach((fold) => { fold.open = wanted; });
  document.addEventListener("DOMContentLoaded", () => {
    const figure = document.querySelector(".bd-article figure");
    if (figure && figure.getBoundingClientRect().top > 0.85 * innerHeight) details(false); // the figure is in the first screen
  });
  window.addEventListener("beforeprint", () => details(true));
  window.addEventListener("hashchange", open);
  window.addEventListener("load", open); // after the theme has closed its folds
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) open(); // which changes no hash
  });

  const popup = document.createElement("div");
  popup.id = "cell-runs-popup";
  popup.setAttribute("role", "tooltip");
  popup.hidden = true;
  let shown = null;
  let touched = false;
  function hide() {
    if (shown) shown.removeAttribute("aria-describedby");
    shown = null;
    popup.hidden = true;
  }
  function show(cell) {
    hide();
    popup.replaceChildren(...cell.dataset.runs.split("; ").map((line) => {
      const row = document.createElement("div");
      row.textContent = line;
      return row;
    }));
    popup.hidden = false;
    const place = cell.getBoundingClientRect();
    const left = Math.min(place.left, document.documentElement.clientWidth - popup.offsetWidth - 8);
    const below = place.bottom + popup.offsetHeight < innerHeight || place.top < popup.offsetHeight;
    popup.style.left = `${Math.max(8, left) + scrollX}px`;
    popup.style.top = `${(below ? place.bottom : place.top - popup.offsetHeight) + scrollY}px`;
    cell.setAttribute("aria-describedby", popup.id);
    shown = cell;
  }
  const cellOf = (event) => event.target instanceof Element && event.target.closest("a.cell-runs");
  document.addEventListener("DOMContentLoaded", () => document.body.append(popup));
  document.addEventListener("pointerdown", (event) => { touched = event.pointerType === "touch"; });
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch" || popup.contains(event.target)) return;
    const cell = cellOf(event);
    if (cell) show(cell);
    else if (shown !== document.activeElement) hide();
  });
  document.addEventListener("focusin", (event) => {
    if (touched) return; // the click decides
    const cell = cellOf(event);
    if (cell) show(cell);
    else hide();
  });
  document.addEventListener("click", (event) => {
    const cell = cellOf(event);
    if (!cell) hide();
    else if (touched && cell !== shown) { // a first touch shows, a second one follows the link
      event.preventDefault();
      show(cell);
    }
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
})();
