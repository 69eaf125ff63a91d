// What the page is made of: texts in its language, times, elements. Everything that came over the
// network is set as text, never as HTML.

let texts = {};
let lang = "zh";
let clockSkewMs = 0; // the server's clock minus ours

export const $ = (id) => document.getElementById(id);

export const language = () => lang;

export function setLanguage(wanted) {
  lang = wanted;
}

export function setTexts(found) {
  texts = found;
}

export function setServerTime(now) {
  clockSkewMs = Date.parse(now) - Date.now();
}

export function t(group, key) {
  const found = texts[lang] && texts[lang][group];
  return (found && found[key]) || key;
}

export function make(tag, { text, className, tone, children = [], data = {} } = {}) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  if (tone) element.dataset.tone = tone;
  for (const [name, value] of Object.entries(data)) element.dataset[name] = value;
  element.append(...children.filter(Boolean));
  return element;
}

export function icon(name) {
  const NS = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(NS, "use");
  use.setAttribute("href", `#i-${document.getElementById(`i-${name}`) ? name : "unknown"}`);
  svg.append(use);
  return svg;
}

export const chip = (name) => make("span", { className: "chip", children: [icon(name)] });
export const tag = (text, tone) => make("span", { className: "tag", text, tone });

export function ago(moment) {
  const seconds = Math.max(0, Math.round((Date.now() + clockSkewMs - Date.parse(moment)) / 1000));
  if (seconds < 5) return t("page", "just_now");
  if (seconds < 90) return `${seconds} ${t("page", "seconds_ago")}`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} ${t("page", "minutes_ago")}`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} ${t("page", "hours_ago")}`;
  return `${Math.round(seconds / 86400)} ${t("page", "days_ago")}`;
}
