// The page of a running comparison: the server sends the whole page when something has changed, and
// this script replaces the sections that differ. A section that is the same is left alone.
"use strict";
(() => {
  const shown = new Map(); // the HTML of each section as the server sent it
  const main = document.querySelector("main");
  for (const section of main.querySelectorAll("section")) shown.set(section.id, section.outerHTML);

  // Screen readers speak what changes in an element that stays, and only that.
  const speaker = document.createElement("p");
  speaker.className = "unseen";
  speaker.setAttribute("role", "status");
  main.append(speaker);
  let spoken = document.querySelector("#live-news").innerHTML;

  function speak() {
    const news = document.querySelector("#live-news");
    if (news.innerHTML === spoken) return;
    spoken = news.innerHTML;
    speaker.replaceChildren(...[...news.childNodes].map((node) => node.cloneNode(true)));
  }

  const FOCUSABLE = "button, summary, [tabindex]";
  const pressed = (section) => [...section.querySelectorAll(".chart-scale")].map((one) => one.getAttribute("aria-pressed"));
  const opened = (section) => [...section.querySelectorAll("details")].map((one) => one.open);

  // What the reader has chosen in a section: scales, opened tables and the focus.
  function choices(section) {
    const focus = [...section.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
    return { pressed: pressed(section), opened: opened(section), focus };
  }

  function restore(section, chosen) {
    section.querySelectorAll(".chart-scale").forEach((button, index) => {
      const state = chosen.pressed[index];
      if (state && button.getAttribute("aria-pressed") !== state) button.click();
    });
    section.querySelectorAll("details").forEach((one, index) => (one.open = chosen.opened[index] ?? false));
    section.querySelectorAll(FOCUSABLE)[chosen.focus]?.focus({ preventScroll: true });
  }

  function translate(section) {
    const { lang } = document.documentElement.dataset;
    for (const element of section.querySelectorAll("[data-translated]")) {
      element.setAttribute(element.dataset.translated, element.dataset[lang]);
    }
  }

  function update(html) {
    const sent = new DOMParser().parseFromString(html, "text/html");
    for (const section of sent.querySelectorAll("main > section")) {
      if (shown.get(section.id) === section.outerHTML) continue;
      shown.set(section.id, section.outerHTML);
      const old = document.getElementById(section.id);
      const chosen = old ? choices(old) : null;
      const made = document.importNode(section, true);
      translate(made);
      if (old) old.replaceWith(made);
      else main.insertBefore(made, speaker);
      document.dispatchEvent(new Event("charts-replaced"));
      if (chosen) restore(made, chosen);
    }
    const contents = sent.querySelector("nav.contents ul");
    document.querySelector("nav.contents ul").replaceChildren(...contents.children);
    document.querySelector("h1").textContent = sent.querySelector("h1").textContent;
    document.title = sent.title;
    speak();
  }

  const ended = () => document.querySelector("#live-state").dataset.ended === "true";
  if (ended()) return;
  const stream = new EventSource("events");
  stream.addEventListener("page", (event) => {
    document.querySelector("#live-lost").hidden = true;
    update(JSON.parse(event.data));
    if (ended()) stream.close();
  });
  stream.addEventListener("error", () => {
    document.querySelector("#live-lost").hidden = false; // the browser tries again by itself
  });
})();
