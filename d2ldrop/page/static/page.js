// The language of the page: it follows the switch, survives a reload, and can be given as ?lang=zh.
"use strict";
(() => {
  const KEY = "d2ldrop-language";
  const switches = document.querySelectorAll('input[name="language"]');

  const remembered = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage may be forbidden for files
    }
  };

  const remember = (language) => {
    try {
      localStorage.setItem(KEY, language);
    } catch {
      return; // the choice then lasts until the reload
    }
  };

  const show = (language) => {
    document.documentElement.lang = language;
    document.documentElement.dataset.lang = language;
    for (const one of switches) one.checked = one.value === language;
    for (const element of document.querySelectorAll("[data-translated]")) {
      element.setAttribute(element.dataset.translated, element.dataset[language]);
    }
  };

  for (const one of switches) {
    one.addEventListener("change", () => {
      show(one.value);
      remember(one.value);
    });
  }
  const asked = new URLSearchParams(location.search).get("lang") ?? remembered();
  show(asked === "zh" ? "zh" : "en");
})();
