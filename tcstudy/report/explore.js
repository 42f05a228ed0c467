// Draws each explorer of a page from its data; where this does not run, its plain form stands. Text is set as text.
window.tcstudyExplore = (function () {
  const SVG = "http://www.w3.org/2000/svg";
  const inBook = "content_root" in document.documentElement.dataset;

  function fill(element, given, children) {
    for (const [name, value] of Object.entries(given)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== ""));
    return element;
  }
  const make = (tag, given = {}, ...children) => fill(document.createElement(tag), given, children);
  const draw = (tag, given = {}, ...children) => fill(document.createElementNS(SVG, tag), given, children);
  const percent = (share, digits = 1) => share === null ? "–" : `${(100 * share).toFixed(digits).replace("-", "−")}%`;
  const range = ([mean, low, high]) => mean === null ? "–" : low === null ? percent(mean)
    : `${percent(mean)} (${percent(low).slice(0, -1)} to ${percent(high).slice(0, -1)})`;
  const distinct = (values) => [...new Set(values)];
  const order = (one, other) => `${one}`.localeCompare(`${other}`, "en", { numeric: true });

  function toPage(page, text) {
    return make("a", { href: encodeURI(inBook ? `${page}.html` : `${page}.md`) }, (text || page).replaceAll("_", " "));
  }

  function choice(name, values, act, every = "all") {
    const options = [...(every ? [["", every]] : []), ...values.map((value) => [`${value}`, `${value}`])];
    const select = make("select", { onchange: act }, ...options.map(([value, text]) => make("option", { value }, text)));
    return { select, label: make("label", {}, `${name} `, select), get value() { return select.value; } };
  }

  // A note beside what is pointed at or has the focus; Escape puts it away.
  function pointed(drawn) {
    const tip = make("div", { class: "tip", role: "tooltip", hidden: true });
    drawn.append(tip);
    drawn.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
    const hide = () => { tip.hidden = true; };
    return (element, lines) => {
      const show = () => {
        tip.replaceChildren(...lines().map((line) => make("div", {}, line)));
        tip.hidden = false;
        const [of, all] = [element.getBoundingClientRect(), drawn.getBoundingClientRect()];
        tip.style.top = `${of.bottom - all.top + 4}px`;
        tip.style.left = `${Math.max(0, Math.min(of.left - all.left, all.width - tip.offsetWidth))}px`;
      };
      for (const event of ["mouseenter", "focusin"]) element.addEventListener(event, show);
      for (const event of ["mouseleave", "focusout"]) element.addEventListener(event, hide);
    };
  }

  function claims(drawn, data) {
    const count = make("span", { role: "status" });
    const list = make("ul", { class: "claims" });
    const tip = pointed(drawn);
    const view = choice("show", Object.keys(data), show, null);
    const verdict = choice("verdict", distinct(Object.values(data).flat().map((row) => row.verdict)), show);
    const boxes = ["here", "paper", "others"].map((name) =>
      [name, make("input", { type: "checkbox", checked: true, onchange: show })]);
    const place = (x) => Math.asinh(x / 0.05);

    function show() {
      const shown = new Set(boxes.filter(([, box]) => box.checked).map(([name]) => name));
      const every = data[view.value];
      const rows = every.filter((row) => !verdict.value || row.verdict === verdict.value);
      const values = every.flatMap((row) => [...row.here, row.paper, row.smallest, ...row.others.map(([mean]) => mean)]);
      const ends = [-0.1, 0.1, ...values.filter((value) => value !== null)].map(place);
      const [low, high] = [Math.min(...ends) - 0.2, Math.max(...ends) + 0.2];
      const left = (x) => `${100 * (place(x) - low) / (high - low)}%`;
      const between = (from, to) => `left:${from};width:calc(${to} - ${from})`;

      function strip(row) {
        const marks = [make("span", { class: "zero", style: `left:${left(0)}` })];
        if (row.smallest !== null) {
          marks.push(make("span", { class: "side", style: row.gain ? between(left(row.smallest), "100%") : between("0%", left(row.smallest)) }));
        }
        const mark = (of, sign, x) => make("span", { class: "sign", "data-of": of, style: `left:${left(x)}` }, sign);
        if (shown.has("others")) marks.push(...row.others.map(([mean, solid]) => mark("others", solid ? "▲" : "△", mean)));
        if (shown.has("here") && row.here[0] !== null) {
          const [mean, from, to] = row.here;
          if (from !== null) marks.push(make("span", { class: "bar", "data-of": row.verdict, style: between(left(from), left(to)) }));
          marks.push(mark(row.verdict, row.verdict === "does not hold" ? "■" : row.verdict === "holds" ? "●" : "○", mean));
        }
        if (shown.has("paper") && row.paper !== null) marks.push(mark("paper", "◆", row.paper));
        return make("div", { class: "strip", "aria-hidden": "true" }, ...marks);
      }

      const told = (row) => [
        row.claim, `Comparison: ${row.comparison || "none"}`, `Paper: ${percent(row.paper)}`,
        `Others: ${row.others.map(([mean]) => percent(mean)).join(", ") || "–"}`,
        `Here: ${range(row.here)}${row.runs ? `, ${row.runs} runs of each variant` : ""}`,
        `Verdict: ${row.verdict}: ${row.reason}`, row.scale ? `At the size of ${row.scale}` : "",
      ].filter(Boolean);

      function line(row) {
        const name = make("button", { type: "button", "aria-expanded": "false", onclick: open }, row.label);
        const item = make("li", { class: "claim" }, make("div", {}, name), strip(row));
        function open() {
          const inner = item.querySelector(".inner");
          name.setAttribute("aria-expanded", `${!inner}`);
          if (inner) inner.remove();
          else item.append(make("div", { class: "inner" }, ...told(row).map((text) => make("div", {}, text)),
            make("div", {}, "The page that decides it: ", toPage(row.page))));
        }
        tip(item, () => item.querySelector(".inner") ? [row.label] : told(row));
        return item;
      }

      const ticks = [-1, -0.3, -0.1, 0, 0.1, 0.3, 1].filter((x) => place(x) > low && place(x) < high);
      const axis = make("li", { class: "claim", "aria-hidden": "true" }, make("div", {}, "share of errors saved"),
        make("div", { class: "strip" }, ...ticks.map((x) =>
          make("span", { class: "tick", style: `left:${left(x)}` }, percent(x, 0)))));
      list.replaceChildren(...rows.map(line), axis);
      count.textContent = `${rows.length} of ${every.length}`;
    }

    drawn.append(
      make("div", { class: "controls" }, view.label, verdict.label,
        ...boxes.map(([name, box]) => make("label", {}, box, ` ${name}`)), count),
      list,
      make("p", {}, make("small", {}, "● holds, ■ does not hold, ○ not decided or not tested here, each with its 95% interval; " +
        "◆ the paper; ▲ others with seeds, △ others' single runs. Right of zero errors are saved, left of it there are more. " +
        "Shaded is the side of the claim. Point at a row to read it, press its name to keep it open.")));
    show();
  }

  // A line over updates, with its ends written on both axes.
  function line(title, points, format, best) {
    const [wide, high] = [300, 110];
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    const [last, least, most] = [Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const x = (step) => 40 + (wide - 50) * step / last;
    const y = (value) => high - 20 - (high - 40) * (value - least) / (most - least || 1);
    return draw("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img",
      "aria-label": `${title}: from ${format(ys[0])} to ${format(ys.at(-1))} over ${last} updates` },
      draw("text", { x: 40, y: 12 }, title),
      draw("line", { x1: 40, x2: wide - 10, y1: high - 20, y2: high - 20 }),
      draw("text", { x: 36, y: y(most) + 4, "text-anchor": "end" }, format(most)),
      most > least ? draw("text", { x: 36, y: y(least) + 4, "text-anchor": "end" }, format(least)) : null,
      draw("text", { x: wide - 10, y: high - 5, "text-anchor": "end" }, `update ${last}`),
      draw("polyline", { points: points.map(([step, value]) => `${x(step)},${y(value)}`).join(" ") }),
      ...(best === undefined ? [] : points.map(([step, value], place) =>
        draw("circle", { cx: x(step), cy: y(value), r: 3, class: place + 1 === best ? "best" : null }))));
  }

  function confusion(counts, classes) {
    const name = (place) => classes[place] ?? `class ${place}`;
    const sum = (row) => row.reduce((one, other) => one + other, 0);
    const whole = counts.length <= 6;
    const head = ["true class", ...(whole ? counts.map((_, place) => `taken for ${name(place)}`) : ["documents", "most often taken for"]), "error"];
    const rows = counts.map((row, truth) => {
      const total = sum(row);
      const others = row.map((number, place) => [number, place]).filter(([number, place]) => number && place !== truth);
      const [number, place] = others.sort(([one], [other]) => other - one)[0] || [0, 0];
      const cells = whole ? row.map((of, column) => make("td", { class: column === truth ? "number right" : "number" }, `${of}`))
        : [make("td", { class: "number" }, `${total}`), make("td", {}, number ? `${name(place)} (${number})` : "–")];
      return make("tr", {}, make("th", { scope: "row" }, name(truth)), ...cells,
        make("td", { class: "number" }, total ? percent(1 - row[truth] / total) : "–"));
    });
    return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "predictions" },
      make("table", {}, make("caption", {}, "Predictions for the test documents"),
        make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, ...rows)));
  }

  function runs(drawn, data, plain) {
    const table = plain.querySelector("table");
    const head = [...table.tHead.rows[0].cells];
    const rows = [...table.tBodies[0].rows].map((row, place) =>
      ({ row, place, cells: [...row.cells].map((cell) => cell.textContent) }));
    const AT_ONCE = 20;
    let [most, sorted, sign] = [AT_ONCE, -1, 1];
    const again = () => { most = AT_ONCE; show(); };
    const column = (name) => head.findIndex((cell) => cell.textContent.trim() === name);
    const places = Object.fromEntries(["data set", "page", "variant", "rate", "seed", "error"].map((name) => [name, column(name)]));
    const chosen = ["data set", "page", "rate", "seed"].map((name) =>
      [places[name], choice(name, distinct(rows.map(({ cells }) => cells[places[name]])).sort(order), again)]);
    const variant = make("input", { type: "text", oninput: again });
    const error = make("input", { type: "number", min: 0, max: 100, step: "any", oninput: again });
    const field = choice("field", Object.keys(data.fields), () => { values(); again(); }, "none");
    const value = choice("its value", [], again);
    const count = make("span", { role: "status" });
    const more = make("button", { type: "button", class: "more", onclick: () => { most += AT_ONCE; show(); } }, "Show more runs");

    function values() {
      const known = data.fields[field.value]?.values ?? [];
      value.select.replaceChildren(make("option", { value: "" }, "all"), ...[...known].sort(order).map((text) => make("option", { value: text }, text)));
      value.select.disabled = !known.length;
    }
    const of = (name, place) => data.fields[name].values[data.fields[name].of[place]];

    function found() {
      const words = variant.value.toLowerCase();
      return rows.filter(({ cells, place }) =>
        chosen.every(([at, { value }]) => !value || cells[at] === value)
        && (!words || cells[places.variant].toLowerCase().includes(words))
        && (!error.value || parseFloat(cells[places.error]) <= Number(error.value))
        && (!field.value || !value.value || of(field.value, place) === value.value));
    }

    function compare(one, other) {
      if (sorted < 0) return one.place - other.place;
      const [a, b] = [one, other].map(({ cells }) => cells[sorted]);
      const [x, y] = [Number.parseFloat(a), Number.parseFloat(b)];
      if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1; // no number: last, either way
      return sign * (Number.isNaN(x) ? order(a, b) : x - y) || one.place - other.place;
    }

    function detail(place) {
      const [stretch, last, losses, epochs, best, counts] = data.runs[place];
      const id = data.id[place];
      const root = document.documentElement.dataset.content_root;
      const steps = losses.map((loss, at) => [Math.min((at + 1) * stretch, last), loss]);
      const classes = data.classes[data.dataset[place]] ?? [];
      return make("td", { colspan: head.length },
        make("div", { class: "curves" },
          steps.length ? line("training loss", steps, (y) => `${Number(y.toPrecision(2))}`) : null,
          epochs.length ? line("validation error, the best epoch in another colour", epochs, (y) => percent(y), best ?? 0) : null),
        make("dl", { class: "fields" },
          make("dt", {}, "stands on"), make("dd", {}, ...data.on[place].flatMap(([page, name], at) => [at ? "; " : "", toPage(page), ` as ${name}`])),
          make("dt", {}, "record"), make("dd", {}, inBook ? make("a", { href: `${root}_static/records/${id}.json`, download: true }, `${id}.json`) : `${id}.json`),
          ...Object.keys(data.fields).filter((name) => of(name, place) !== "–").flatMap((name) => [make("dt", {}, name), make("dd", {}, of(name, place))])),
        counts ? confusion(counts, classes) : make("p", {}, "The run diverged: it predicted nothing."));
    }

    function open({ row, place }, button) {
      const next = row.nextElementSibling;
      const there = next?.classList.contains("inner");
      button.setAttribute("aria-expanded", `${!there}`);
      if (there) next.remove();
      else row.after(make("tr", { class: "inner" }, detail(place)));
    }

    function show() {
      const left = found().sort(compare);
      for (const { row } of rows) row.querySelector("button").setAttribute("aria-expanded", "false");
      table.tBodies[0].replaceChildren(...left.slice(0, most).map(({ row }) => row));
      count.textContent = `${left.length} of ${rows.length} runs, ${Math.min(most, left.length)} shown`;
      more.hidden = left.length <= most;
    }

    head.forEach((cell, at) => {
      const text = cell.textContent;
      cell.setAttribute("scope", "col");
      cell.replaceChildren(make("button", { type: "button", onclick: () => {
        [sign, sorted] = [sorted === at ? -sign : 1, at];
        head.forEach((other) => other.removeAttribute("aria-sort"));
        cell.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        again();
      } }, text));
    });
    for (const row of rows) {
      const cell = row.row.cells[0];
      const button = make("button", { type: "button", "aria-expanded": "false" }, `▸ ${cell.textContent}`);
      cell.replaceChildren(button);
      row.row.addEventListener("click", (event) => { if (!event.target.closest("a")) open(row, button); });
      [...row.row.cells].slice(2, -1).forEach((other) => other.classList.add("number"));
    }
    values();
    drawn.append(
      make("div", { class: "controls" }, ...chosen.map(([, { label }]) => label), make("label", {}, "variant has ", variant),
        make("label", {}, "error at most ", error, " %"), field.label, value.label, count),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "runs" }, table), more);
    show();
    const wanted = data.id.indexOf(location.hash.slice(1));
    if (wanted >= 0) {
      rows.unshift(...rows.splice(wanted, 1));
      table.tBodies[0].prepend(rows[0].row);
      open(rows[0], rows[0].row.querySelector("button"));
      rows[0].row.scrollIntoView({ block: "center" });
    }
  }

  const duration = (seconds) => seconds < 90 ? `${Number(seconds.toPrecision(2))} s`
    : seconds < 5400 ? `${Number((seconds / 60).toPrecision(2))} min` : `${Number((seconds / 3600).toPrecision(2))} h`;

  function costs(drawn, { points }) {
    const dataset = choice("data set", distinct(points.map((point) => point.dataset)), () => { numbers(); show(); }, null);
    const labels = choice("labels", [], show, null);
    const budget = make("input", { type: "range", min: 0, max: 100, value: 100, oninput: show, "aria-label": "budget for one task" });
    const told = make("output", {});
    const answer = make("p", { role: "status" });
    const plot = make("div", { class: "plot" });
    const table = make("table", {});
    const tip = pointed(drawn);

    function numbers() {
      const known = distinct(points.filter((point) => point.dataset === dataset.value).map((point) => point.labels));
      labels.select.replaceChildren(...known.map((number) => make("option", { value: number }, `${number}`)));
      labels.select.value = `${Math.max(...known)}`;
    }

    function show() {
      const here = points.filter((point) => point.dataset === dataset.value && `${point.labels}` === labels.value);
      const all = here.map((point) => Math.max(point.seconds, 0.1)); // what took no time has a place on the axis, too
      const [least, most] = [Math.min(...all) / 1.5, Math.max(...all) * 1.5];
      const limit = least * (most / least) ** (budget.value / 100);
      const top = Math.max(...here.flatMap((point) => [...point.error, ...point.seeds]).filter((value) => value !== null)) * 1.05;
      const x = (seconds) => 100 * Math.log(Math.max(seconds, least) / least) / Math.log(most / least);
      const y = (error) => 100 * (1 - error / top);
      const at = (seconds, error) => `left:${x(seconds)}%;top:${y(error)}%`;
      const dear = (point) => point.seconds > limit ? " dear" : "";
      const text = (point) => `${point.method}: ${range(point.error)} of test documents wrong, ${duration(point.seconds)}, ${point.seeds.length} runs`;
      told.textContent = duration(limit);
      const unbeaten = here.filter((point) => point.unbeaten).sort((one, other) => one.seconds - other.seconds);
      const path = unbeaten.map((point, place) => `${place ? `H${x(point.seconds)}V` : `M${x(point.seconds)} `}${y(point.error[0])}`).join("");
      const ticks = [1, 3, 10, 30, 60, 180, 600, 1800, 3600, 10800, 36000, 360000].filter((seconds) => seconds >= least && seconds <= most);
      const step = top > 0.4 ? 0.2 : top > 0.15 ? 0.1 : 0.05;
      const levels = [...Array(Math.floor(top / step + 1e-9) + 1).keys()].map((number) => number * step);
      plot.replaceChildren(
        draw("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" },
          draw("line", { x1: x(limit), x2: x(limit), y1: 0, y2: 100 }), draw("path", { d: path })),
        ...ticks.map((seconds) => make("span", { class: "x", style: `left:${x(seconds)}%` }, duration(seconds))),
        ...levels.map((error) => make("span", { class: "y", style: `top:${y(error)}%` }, percent(error, 0))),
        make("span", { class: "name" }, "time for one task, making the encoder included; test error"),
        ...here.flatMap((point) => point.seeds.filter((error) => error !== null).map((error) =>
          make("span", { class: `seed${dear(point)}`, style: at(point.seconds, error) }))),
        ...here.map((point) => {
          const button = make("button", { type: "button", class: (point.unbeaten ? "unbeaten" : "") + dear(point),
            style: at(point.seconds, point.error[0]), "aria-label": text(point) });
          tip(button, () => [text(point)]);
          return button;
        }));
      const within = here.filter((point) => point.seconds <= limit).sort((one, other) => one.error[0] - other.error[0]);
      answer.textContent = within.length ? `Lowest error within ${duration(limit)}: ${text(within[0])}.` : `Nothing was measured within ${duration(limit)}.`;
      table.replaceChildren(
        make("caption", {}, `${within.length} of ${here.length} methods within the budget, lowest error first`),
        make("thead", {}, make("tr", {}, ...["method", "test error", "time", "runs", "page"].map((name) => make("th", { scope: "col" }, name)))),
        make("tbody", {}, ...within.map((point) => make("tr", {}, make("td", {}, point.method), make("td", {}, range(point.error)),
          make("td", {}, duration(point.seconds)), make("td", {}, `${point.seeds.length}`), make("td", {}, toPage(point.page))))));
    }

    drawn.append(
      make("div", { class: "controls" }, dataset.label, labels.label, make("label", {}, "budget ", budget, " ", told)), answer, plot,
      make("p", {}, make("small", {}, "Large dots are means, small ones seeds; blue are methods that no cheaper one beats, joined by a line. What is beyond the budget is pale.")),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "methods" }, table));
    numbers();
    show();
  }

  function windows(drawn, { pieces, lengths, seen, start, licence }) {
    const slider = make("input", { type: "range", min: 0, max: lengths.length - 1, value: lengths.indexOf(start), oninput: show });
    const method = choice("method", Object.keys(seen), show, null);
    const told = make("output", { role: "status" });
    const text = make("div", { class: "text" });

    function show() {
      const fractions = seen[method.value][slider.value];
      const spans = fractions.flatMap((parts, place) => parts.map(([from, to]) => [from, to, place])).sort(([one], [other]) => one - other);
      const between = (from, to) => pieces.slice(from, to).join("");
      let [end, shown, parts] = [0, 0, []];
      for (const [from, to, place] of spans) {
        parts.push(between(end, from), make("mark", { class: place % 2 ? "even" : null }, between(from, to)));
        [end, shown] = [to, shown + to - from];
      }
      text.replaceChildren(...[...parts, between(end)].filter((part) => part !== ""));
      const windows = fractions.length > 1 ? `, in ${fractions.length} windows one after the other` : "";
      told.textContent = `${lengths[slider.value]} wordpieces, two of them special: the model sees ${shown} of ${pieces.length}${windows}`;
    }

    drawn.append(
      make("div", { class: "controls" }, make("label", {}, "window ", slider), method.label, told), text,
      make("p", {}, make("small", {}, `Marked is what the model sees. Licence of the text: ${licence}.`)));
    show();
  }

  const KINDS = { claims, runs, costs, windows };
  function explore() {
    for (const element of document.querySelectorAll(".explorer:not(.live)")) {
      const data = JSON.parse(element.querySelector("script[type='application/json']").textContent);
      const drawn = make("div", { class: "drawn" });
      element.append(drawn);
      element.classList.add("live");
      KINDS[element.dataset.kind](drawn, data, element.querySelector(".plain"));
    }
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", explore);
  else explore();
  return () => { if (document.readyState !== "loading") explore(); };
})();
