// Charts: switch lines in all charts at once, change a scale, and show the values at the pointer.
// Whoever replaces charts in the page then dispatches the event "charts-replaced" on the document.
"use strict";
(() => {
  const hidden = new Set(); // keys of the legends
  const GAP = 8; // pixels between the line and the values
  let plots = [];

  const inLanguage = (text) => text[document.documentElement.lang.startsWith("zh") ? 1 : 0];
  const isHidden = (line) => line.keys.some((key) => hidden.has(key));
  const digits = (value) => {
    if (value === null) return "NaN"; // JSON has no NaN
    return Math.abs(value) < 1e6 ? String(Number(value.toPrecision(4))) : value.toExponential(3);
  };

  function element(tag, parent, name) {
    const made = document.createElement(tag);
    if (name) made.className = name;
    parent.append(made);
    return made;
  }

  // What is shown at one x: the visible lines that have a value there.
  function valuesAt(plot, index) {
    return plot.data.lines
      .filter((line) => index < line.values.length && !isHidden(line))
      .map((line) => ({ line, text: digits(line.values[index]) }));
  }

  function sampleOf(plot, line) {
    const chart = plot.place.closest(".chart");
    const buttons = [...chart.querySelectorAll(".chart-legend button")];
    const button = buttons.find((one) => one.dataset.key === line.keys[0]);
    return button.querySelector("svg").cloneNode(true);
  }

  function show(plot, index) {
    const { data, place, tip, cursor } = plot;
    plot.index = index;
    const [left, right, top, bottom] = data.box;
    const at = left + ((right - left) * data.at[index]) / 100;
    cursor.style.cssText = `left:${at}%;top:${top}%;height:${bottom - top}%`;
    tip.replaceChildren();
    const x = `${inLanguage(data.x_title)} ${data.labels[index]}`;
    element("p", tip).textContent = x;
    const rows = element("div", tip);
    const values = valuesAt(plot, index);
    for (const { line, text } of values) {
      rows.append(sampleOf(plot, line));
      element("span", rows).textContent = line.title;
      element("b", rows).textContent = text;
    }
    tip.hidden = cursor.hidden = false;
    const [pointer, room] = [(place.clientWidth * at) / 100, place.clientWidth - tip.offsetWidth];
    const beside = pointer + GAP <= room ? pointer + GAP : pointer - GAP - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(beside, room))}px`;
    place.setAttribute("aria-valuenow", index);
    const spoken = values.map(({ line, text }) => `${line.title} ${text}`);
    place.setAttribute("aria-valuetext", [x, ...spoken].join(", "));
  }

  function hide(plot) {
    plot.tip.hidden = plot.cursor.hidden = true;
  }

  function nearest(plot, event) {
    const box = plot.place.getBoundingClientRect();
    const [left, right] = plot.data.box;
    const inPicture = (100 * (event.clientX - box.left)) / box.width;
    const at = (100 * (inPicture - left)) / (right - left);
    let best = 0;
    plot.data.at.forEach((x, index) => {
      if (Math.abs(x - at) < Math.abs(plot.data.at[best] - at)) best = index;
    });
    return best;
  }

  function onKey(plot, event) {
    const last = plot.data.at.length - 1;
    const page = Math.max(1, Math.round(last / 10));
    const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: page, PageDown: -page, Home: -last, End: last };
    if (event.key === "Escape") hide(plot);
    if (!(event.key in moves)) return;
    event.preventDefault();
    show(plot, Math.min(last, Math.max(0, plot.index + moves[event.key])));
  }

  // A plot is a slider over its x values: screen readers then speak the values at each.
  function addPlot(panel) {
    const data = JSON.parse(panel.querySelector(".chart-data").textContent);
    const place = panel.querySelector(".chart-plot");
    const plot = { data, place, index: 0 };
    plots.push(plot);
    if (!data.at) return; // bars show their values anyway
    plot.cursor = element("div", place, "chart-cursor");
    plot.tip = element("div", place, "chart-tip");
    hide(plot);
    const attributes = { tabindex: 0, role: "slider", "aria-valuemin": 0, "aria-valuemax": data.at.length - 1, "aria-valuenow": 0 };
    for (const [name, value] of Object.entries(attributes)) place.setAttribute(name, value);
    place.setAttribute("aria-labelledby", `${place.id}-title`);
    place.setAttribute("aria-valuetext", data.labels[0] ?? "");
    place.addEventListener("pointermove", (event) => show(plot, nearest(plot, event)));
    place.addEventListener("pointerdown", (event) => show(plot, nearest(plot, event)));
    place.addEventListener("pointerleave", () => hide(plot));
    place.addEventListener("focus", () => place.matches(":focus-visible") && show(plot, plot.index));
    place.addEventListener("blur", () => hide(plot));
    place.addEventListener("keydown", (event) => onKey(plot, event));
  }

  function toggleLines(key) {
    if (!hidden.delete(key)) hidden.add(key);
    showHidden();
  }

  function showHidden() {
    for (const button of document.querySelectorAll(".chart-legend button")) {
      button.setAttribute("aria-pressed", String(!hidden.has(button.dataset.key)));
    }
    for (const { data, place } of plots) {
      for (const line of data.lines) {
        for (const drawn of place.querySelectorAll(`[data-line="${line.line}"]`)) {
          drawn.classList.toggle("line-hidden", isHidden(line));
        }
      }
    }
  }

  function toggleScale(button) {
    const log = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(log));
    for (const picture of button.closest(".chart-panel").querySelectorAll(".chart-picture")) {
      picture.hidden = (picture.dataset.scale === "log") !== log;
    }
  }

  function addSwitch(button) {
    button.disabled = false;
    const scale = button.classList.contains("chart-scale");
    button.addEventListener("click", () => (scale ? toggleScale(button) : toggleLines(button.dataset.key)));
  }

  function start() {
    plots = plots.filter(({ place }) => place.isConnected);
    const known = new Set(plots.map(({ place }) => place));
    for (const panel of document.querySelectorAll(".chart-panel")) {
      if (!known.has(panel.querySelector(".chart-plot"))) addPlot(panel);
    }
    // Without JavaScript the switches are disabled, so those that are disabled are new.
    document.querySelectorAll(".chart-legend button:disabled, .chart-scale:disabled").forEach(addSwitch);
    showHidden();
  }

  document.addEventListener("charts-replaced", start);
  start();
})();
