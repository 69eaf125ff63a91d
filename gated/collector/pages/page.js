// The live page: its connection to the collector, its language and theme.

import { $, language, setLanguage, setServerTime, setTexts, t } from "./elements.js";
import { MAX_ROWS, setEntries, setFigures, showAll, take } from "./view.js";

const REFRESH_MS = 5000;
const SETTLE_MS = 600; // figures follow a burst of entries once, not each of them
const query = new URLSearchParams(location.search);
let source = null;
let timer = null;

// --- the connection ------------------------------------------------------------------------------

async function get(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

function showLink(isOn) {
  $("link").dataset.state = isOn ? "on" : "off";
  $("link-text").textContent = t("page", isOn ? "connected" : "disconnected");
}

async function refresh() {
  clearTimeout(timer);
  timer = setTimeout(refresh, REFRESH_MS);
  try {
    const [gates, report] = await Promise.all([get("/api/gates"), get("/api/report")]);
    setServerTime(gates.now);
    setFigures(gates, report);
  } catch {
    // the next refresh tries again, and the live line above says that the connection is lost
  }
}

function refreshSoon() {
  clearTimeout(timer);
  timer = setTimeout(refresh, SETTLE_MS);
}

async function load() {
  const found = await get(`/api/entries?limit=${MAX_ROWS}`);
  setEntries(found.entries);
  const last = found.entries.length ? found.entries[found.entries.length - 1].id : 0;
  if (source) source.close();
  source = new EventSource(`/events?after=${last}`); // resumes by Last-Event-ID on its own
  source.addEventListener("open", () => showLink(true));
  source.addEventListener("error", () => {
    showLink(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(start, REFRESH_MS);
  });
  source.addEventListener("entry", (event) => {
    take(JSON.parse(event.data), true);
    refreshSoon();
  });
  source.addEventListener("reset", () => load().catch(() => showLink(false)));
}

function start() {
  refresh()
    .then(load)
    .catch(() => {
      showLink(false);
      setTimeout(start, REFRESH_MS);
    });
}

// --- language and theme --------------------------------------------------------------------------

function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // a browser that allows no storage still shows the page
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // see recall
  }
}

function translate() {
  document.documentElement.lang = language() === "zh" ? "zh-Hans" : "en";
  for (const element of document.querySelectorAll("[data-t]")) {
    element.textContent = t(...element.dataset.t.split("."));
  }
  for (const element of document.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(...element.dataset.tLabel.split(".")));
    element.title = element.getAttribute("aria-label");
  }
  document.title = t("page", "title");
  showLink($("link").dataset.state === "on");
  showAll();
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

$("language").addEventListener("click", () => {
  setLanguage(language() === "zh" ? "en" : "zh");
  remember("lang", language());
  translate();
});

$("theme").addEventListener("click", () => {
  const isDark =
    (document.documentElement.dataset.theme ||
      (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  setTheme(isDark ? "light" : "dark");
  remember("theme", document.documentElement.dataset.theme);
});

setTheme(query.get("theme") || recall("theme"));
const lang =
  query.get("lang") || recall("lang") || (navigator.language.startsWith("zh") ? "zh" : "en");
setLanguage(["zh", "en"].includes(lang) ? lang : "zh");
get("/texts.json")
  .then((found) => {
    setTexts(found);
    translate();
    start();
  })
  .catch(() => setTimeout(() => location.reload(), REFRESH_MS));
