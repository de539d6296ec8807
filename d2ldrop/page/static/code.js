// The tabs of the code section: one choice switches all functions, survives a reload, and is in
// the address (?code=torch&with=paddle). Two frameworks side by side have their differences marked.
"use strict";
(() => {
  const section = document.querySelector(".code");
  if (!section) return;
  const functions = [...section.querySelectorAll(".code-function")].map(readFunction);
  if (!functions.length) return;
  const frameworks = functions[0].panels.map((panel) => panel.dataset);
  const select = section.querySelector("#code-with");
  const countTemplate = section.querySelector("#code-count");
  const KEYS = { code: "d2ldrop-code", with: "d2ldrop-code-with" };
  const choice = {
    code: firstKnown("code", section.dataset.chosen) || frameworks[0].backend,
    with: firstKnown("with", section.dataset.compared),
  };

  function readFunction(element) {
    return {
      element,
      tabs: element.querySelector(".code-tabs"),
      panels: [...element.querySelectorAll(".code-panel")],
      lines: new Map(
        [...element.querySelectorAll(".code-panel")].map((panel) => [
          panel.dataset.backend,
          [...panel.querySelectorAll(".line")],
        ]),
      ),
      differences: JSON.parse(element.dataset.differences),
    };
  }

  // The address counts first, then what the page was made for, then the last choice.
  function firstKnown(key, made) {
    const asked = new URLSearchParams(location.search).get(key);
    const known = (name) => name === "" || frameworks.some((each) => each.backend === name);
    return [asked, made || null, remembered(key)].find((name) => name !== null && known(name)) ?? "";
  }

  function remembered(key) {
    try {
      return localStorage.getItem(KEYS[key]);
    } catch {
      return null; // storage may be forbidden for files
    }
  }

  function remember() {
    try {
      for (const key of ["code", "with"]) localStorage.setItem(KEYS[key], choice[key]);
    } catch {
      // the address still has the choice
    }
    const url = new URL(location.href);
    for (const key of ["code", "with"]) url.searchParams.set(key, choice[key]);
    try {
      history.replaceState(history.state, "", url);
    } catch {
      // some browsers do not change the address of a file; the storage still has the choice
    }
  }

  function makeTabs({ element, tabs, panels }) {
    for (const panel of panels) {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.id = `${panel.id}-tab`;
      tab.textContent = panel.dataset.framework;
      tab.dataset.backend = panel.dataset.backend;
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", panel.id);
      tab.addEventListener("click", () => choose({ code: panel.dataset.backend }, tab));
      tabs.append(tab);
    }
    tabs.setAttribute("role", "tablist");
    tabs.addEventListener("keydown", moveByKey);
    tabs.hidden = panels.length < 2;
    element.classList.add("tabbed");
  }

  function moveByKey(event) {
    const tabs = [...event.currentTarget.children];
    const now = tabs.indexOf(event.target);
    const goal = {
      ArrowLeft: (now - 1 + tabs.length) % tabs.length,
      ArrowRight: (now + 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    }[event.key];
    if (goal === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    tabs[goal].focus({ preventScroll: true });
    choose({ code: tabs[goal].dataset.backend }, tabs[goal]);
  }

  // What the reader touched stays where it is, although the listings above it change their heights.
  function choose(change, touched) {
    const before = touched.getBoundingClientRect().top;
    Object.assign(choice, change);
    show();
    remember();
    const moved = touched.getBoundingClientRect().top - before;
    window.scrollBy({ top: moved, behavior: "instant" });
  }

  function show() {
    if (select) select.value = choice.with;
    section.classList.toggle("comparing", comparing());
    functions.forEach(showFunction);
  }

  function comparing() {
    return choice.with !== "" && choice.with !== choice.code;
  }

  function showFunction(one) {
    clearMarks(one.element);
    for (const tab of one.tabs.children) {
      const chosen = tab.dataset.backend === choice.code;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
    let found = false;
    for (const panel of one.panels) {
      const chosen = panel.dataset.backend === choice.code;
      const compared = panel.dataset.backend === choice.with;
      panel.hidden = !(chosen || compared);
      panel.style.order = chosen ? 0 : 1;
      panel.setAttribute("role", chosen && one.panels.length > 1 ? "tabpanel" : "group");
      panel.setAttribute("aria-labelledby", `${panel.id}-tab`);
      found ||= (chosen || compared) && !("missing" in panel.dataset);
    }
    one.element.hidden = "helper" in one.element.dataset && !found;
    if (comparing()) mark(one);
  }

  function clearMarks(element) {
    for (const filler of element.querySelectorAll(".filler")) filler.remove();
    for (const line of element.querySelectorAll(".differs")) line.classList.remove("differs");
    for (const count of element.querySelectorAll(".code-count")) count.replaceChildren();
  }

  // Mark the lines that differ; fill the shorter side, so that equal lines are beside each other.
  function mark({ panels, lines, differences }) {
    const swapped = differences[`${choice.with} ${choice.code}`];
    const blocks = swapped ?? differences[`${choice.code} ${choice.with}`];
    if (!blocks) return;
    const sides = [choice.code, choice.with];
    if (swapped) sides.reverse();
    const counts = [0, 0];
    for (const [i1, i2, j1, j2] of blocks) {
      const sizes = [i2 - i1, j2 - j1];
      [[i1, i2], [j1, j2]].forEach(([begin, end], side) => {
        const all = lines.get(sides[side]);
        for (const line of all.slice(begin, end)) line.classList.add("differs");
        fill(all, end, Math.max(...sizes) - sizes[side]);
        counts[side] += end - begin;
      });
    }
    sides.forEach((backend, side) => {
      const panel = panels.find((each) => each.dataset.backend === backend);
      showCount(panel, counts[side], lines.get(backend).length);
    });
  }

  function fill(lines, end, number) {
    for (let i = 0; i < number; i += 1) {
      const filler = document.createElement("span");
      filler.className = "filler";
      filler.setAttribute("aria-hidden", "true");
      if (end < lines.length) lines[end].before(filler);
      else lines.at(-1).parentElement.append(filler);
    }
  }

  function showCount(panel, differing, all) {
    const text = countTemplate.content.cloneNode(true);
    for (const span of text.querySelectorAll("span")) {
      span.textContent = span.textContent.replace("{differing}", differing).replace("{all}", all);
    }
    panel.querySelector(".code-count").append(text);
  }

  functions.forEach(makeTabs);
  if (select) {
    select.addEventListener("change", () => choose({ with: select.value }, select));
    for (const each of section.querySelectorAll(".code-help, .code-choice")) each.hidden = false;
  }
  const target = location.hash.startsWith("#code") && document.getElementById(location.hash.slice(1));
  show();
  if (target) target.scrollIntoView({ behavior: "instant" }); // the listings above it have become fewer
})();
