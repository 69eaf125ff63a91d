// What stands on the page: today's figures, the gates, the live entries.

import { $, ago, chip, icon, make, t, tag } from "./elements.js";

export const MAX_ROWS = 120;
const HIDDEN_KINDS = new Set(["health", "clock", "config"]);
const TONES = {
  granted: "go",
  denied: "stop",
  see_staff: "staff",
  screened_only: "info",
  abandoned: "gone",
};
const RELEASE_TONES = { cleared: "go", isolated: "staff", override: "staff" };
const LOUD_PASSAGES = new Set(["forced", "held_open"]);

let gates = { now: null, gates: [] };
let report = null;
let entries = []; // newest first

export function setFigures(newGates, newReport) {
  gates = newGates;
  report = newReport;
  showReport();
  showGates();
}

export function setEntries(found) {
  entries = [];
  $("entries").replaceChildren();
  for (const entry of found) take(entry, false);
  showEntries();
}

export function showAll() {
  showReport();
  showGates();
  showEntries();
}

// --- today's figures -----------------------------------------------------------------------------

function showReport() {
  if (!report) return;
  $("day").textContent = report.day;
  $("day").dateTime = report.day;
  const badge = $("completeness");
  badge.dataset.is = report.completeness;
  badge.replaceChildren(
    icon(report.completeness),
    make("span", { text: t("completeness", report.completeness) }),
  );
  const { visits, outcomes } = report.total;
  const all = Object.values(visits).reduce((sum, n) => sum + n, 0);
  const ways = ["in", "out", "unknown"]
    .filter((way) => way !== "unknown" || visits[way])
    .map((way) =>
      make("span", {
        children: [icon(way), make("span", { text: `${t("direction", way)} ${visits[way] || 0}` })],
      }),
    );
  const tiles = [
    make("li", {
      className: "tile",
      children: [
        make("p", { className: "what", text: t("page", "all_visits") }),
        make("p", { className: "number", text: String(all) }),
        make("p", { className: "ways", children: ways }),
      ],
    }),
  ];
  for (const [outcome, tone] of Object.entries(TONES)) {
    const what = make("p", {
      className: "what",
      tone,
      children: [chip(outcome), make("span", { text: t("outcome", outcome) })],
    });
    const number = make("p", { className: "number", text: String(outcomes[outcome] || 0) });
    tiles.push(make("li", { className: "tile", children: [what, number] }));
  }
  $("tiles").replaceChildren(...tiles);
}

// --- gates ---------------------------------------------------------------------------------------

function laneOf(gate) {
  return report && report.lanes.find((l) => l.site === gate.site && l.gate === gate.gate);
}

function placeOf(entry) {
  // With one site only, its name on every line says nothing.
  const isOneSite = new Set(gates.gates.map((gate) => gate.site)).size <= 1;
  return isOneSite ? entry.gate : `${entry.site} / ${entry.gate}`;
}

function showGates() {
  $("gates").replaceChildren(...gates.gates.map(gateCard));
  $("attention").replaceChildren(...gates.gates.map(attention).filter(Boolean));
}

function attention(gate) {
  const broken = Object.entries(gate.devices).filter(([, state]) => state !== "ok");
  const lines = [
    !gate.online && `${t("gates", "offline")} (${t("gates", "last_seen")}: ${ago(gate.last_seen)})`,
    ...broken.map(([name, state]) => `${name}: ${t("device", state)}`),
    ...complaints(gate, laneOf(gate)),
  ].filter(Boolean);
  if (!lines.length) return null;
  return make("li", {
    tone: gate.online ? undefined : "stop",
    children: [
      icon(gate.online ? "alarm" : "offline"),
      make("span", { children: [make("b", { text: placeOf(gate) }), lines.join(" · ")] }),
    ],
  });
}

function gateCard(gate) {
  const lane = laneOf(gate);
  const is = gate.online ? "online" : "offline";
  const title = make("h3", { text: gate.gate });
  title.append(make("small", { text: gate.site }));
  return make("li", {
    className: "card",
    tone: gate.online ? undefined : "stop",
    children: [
      make("header", {
        children: [
          title,
          make("span", {
            className: "state",
            data: { is },
            children: [icon(is), make("span", { text: t("gates", is) })],
          }),
        ],
      }),
      lane && laneCounts(lane.counts),
      facts(gate),
      devices(gate.devices),
      warnings(gate, lane),
    ],
  });
}

function laneCounts(counts) {
  const bar = make("div", { className: "bar" });
  const words = make("p", { className: "counts" });
  for (const way of ["in", "out"]) {
    words.append(
      make("span", {
        children: [`${t("direction", way)} `, make("b", { text: String(counts.visits[way] || 0) })],
      }),
    );
  }
  for (const [outcome, tone] of Object.entries(TONES)) {
    const n = counts.outcomes[outcome] || 0;
    if (!n) continue;
    const part = make("i", { tone });
    part.style.flexGrow = String(n);
    bar.append(part);
    words.append(
      make("span", { children: [`${t("outcome", outcome)} `, make("b", { text: String(n) })] }),
    );
  }
  return make("div", { children: [bar, words] });
}

function facts(gate) {
  const list = make("dl", { className: "facts" });
  const fact = (name, value) =>
    list.append(make("div", { children: [make("dt", { text: name }), make("dd", { text: value })] }));
  if (gate.mode) fact(t("page", "mode"), t("mode", gate.mode));
  if (gate.threshold_c !== null) fact(t("page", "threshold"), `${gate.threshold_c.toFixed(1)} °C`);
  if (gate.backlog !== null) fact(t("page", "at_gate"), String(gate.backlog));
  fact(t("gates", "last_seen"), ago(gate.last_seen));
  if (gate.last_record) fact(t("gates", "last_record"), ago(gate.last_record));
  return list;
}

function devices(found) {
  const names = Object.keys(found);
  if (!names.length) return null;
  const broken = names.filter((name) => found[name] !== "ok");
  const list = make("p", { className: "devices" });
  if (!broken.length) list.append(tag(`✓ ${t("page", "devices_ok")} (${names.length})`, "go"));
  for (const name of broken) list.append(tag(`! ${name}: ${t("device", found[name])}`, "stop"));
  return list;
}

function complaints(gate, lane) {
  const lines = [];
  if (gate.drill) lines.push(t("page", "drill"));
  if (lane && lane.counts.to_measure) {
    lines.push(`${t("report", "to_measure")}: ${lane.counts.to_measure}`);
  }
  for (const gap of (lane && lane.gaps) || []) {
    if (gap.reason === "nothing_since" && !gate.online) continue; // "offline" says it already
    lines.push(t("gap", gap.reason) + (gap.records === null ? "" : ` (${gap.records})`));
  }
  const problems = Object.entries(gate.problems).map(([name, n]) => `${t("problem", name)} ${n}`);
  if (problems.length) lines.push(`${t("page", "problems")}: ${problems.join(" · ")}`);
  return lines;
}

function warnings(gate, lane) {
  const lines = complaints(gate, lane);
  if (!lines.length) return null;
  return make("ul", {
    className: "warnings",
    children: lines.map((line) =>
      make("li", { children: [icon("incomplete"), make("span", { text: line })] }),
    ),
  });
}

// --- live entries --------------------------------------------------------------------------------

function describe(entry) {
  switch (entry.kind) {
    case "visit":
      return { name: entry.outcome, tone: TONES[entry.outcome], says: t("outcome", entry.outcome) };
    case "release":
      return {
        name: "release",
        tone: RELEASE_TONES[entry.result],
        says: `${t("kind", "release")}: ${t("release", entry.result)}`,
      };
    case "passage": {
      const tone = LOUD_PASSAGES.has(entry.result) ? "stop" : "gone";
      return { name: "passage", tone, says: t("passage", entry.result) };
    }
    case "alarm":
      return { name: "alarm", tone: "staff", says: t("alarm", entry.alarm) };
    case "mode":
      return { name: "mode", tone: "gone", says: `${t("kind", "mode")}: ${t("mode", entry.mode)}` };
    case "unreadable":
      return { name: "unreadable", tone: "stop", says: t("kind", "unreadable") };
    default:
      return { name: entry.kind, tone: "gone", says: t("kind", entry.kind) };
  }
}

function tags(entry) {
  const found = [];
  if (entry.attempt >= 2) found.push(tag(t("page", "second")));
  if (entry.would_have && entry.would_have !== entry.outcome) {
    found.push(tag(`${t("report", "would_have_been_refused")}`, "staff"));
  }
  if (entry.follow_up === "to_measure") found.push(tag(t("report", "to_measure"), "staff"));
  if (entry.drill) found.push(tag(t("page", "drill"), "staff"));
  if (entry.late) found.push(tag(t("page", "late")));
  if (entry.time_quality === "unknown") found.push(tag(t("page", "time_unknown"), "staff"));
  if (entry.passage) {
    const tone = LOUD_PASSAGES.has(entry.passage) ? "stop" : undefined;
    found.push(tag(t("passage", entry.passage), tone));
  }
  if (entry.release) found.push(tag(t("release", entry.release), RELEASE_TONES[entry.release]));
  return found;
}

function row(entry) {
  const { name, tone, says } = describe(entry);
  const first = make("p", {
    className: "first",
    children: [make("span", { className: "outcome", text: says }), ...tags(entry)],
  });
  if (entry.kind === "visit" && entry.reason) {
    first.insertBefore(make("span", { text: t("reason", entry.reason) }), first.children[1] || null);
  }
  const second = make("p", { className: "second" });
  if (entry.direction) {
    second.append(
      make("span", {
        children: [icon(entry.direction), make("span", { text: t("direction", entry.direction) })],
      }),
    );
  }
  if (entry.holder_category) second.append(make("span", { text: t("category", entry.holder_category) }));
  if (entry.holder_group) second.append(make("span", { text: entry.holder_group }));
  if (entry.device) second.append(make("span", { text: entry.device }));
  second.append(make("span", { text: placeOf(entry) }));
  const time = make("time", { text: timeOf(entry) });
  time.dateTime = entry.at || entry.received_at;
  return make("li", {
    className: "entry",
    tone: tone || "gone",
    data: { id: String(entry.id) },
    children: [
      chip(name),
      make("div", { className: "says", children: [first, second] }),
      temperature(entry),
      time,
    ],
  });
}

function temperature(entry) {
  const box = make("p", { className: "temperature" });
  if (entry.kind !== "visit") return box;
  if (entry.body_c === null) {
    box.append(make("small", { text: t("page", "not_measured") }));
    return box;
  }
  if (entry.threshold_c !== null && entry.body_c >= entry.threshold_c) box.dataset.high = "";
  // Rounded down: 37.29 must not look as if it had reached 37.3.
  const shown = (Math.floor(entry.body_c * 10 + 1e-6) / 10).toFixed(1);
  box.append(make("b", { text: shown }), make("small", { text: " °C" }));
  return box;
}

function timeOf(entry) {
  if (!entry.at) return "—";
  const [day, rest] = entry.at.split("T"); // the gate's own local time, as it stands in the record
  const clock = (rest || "").slice(0, 8);
  return report && day !== report.day ? `${day.slice(5)} ${clock.slice(0, 5)}` : clock;
}

export function take(entry, isLive) {
  if (HIDDEN_KINDS.has(entry.kind)) return;
  const visit = entry.visit_id && entries.find((e) => e.kind === "visit" && e.visit_id === entry.visit_id);
  if (visit && (entry.kind === "passage" || entry.kind === "release")) {
    visit[entry.kind] = entry.result; // what became of a visit stands in its own row
    const old = $("entries").querySelector(`[data-id="${visit.id}"]`);
    if (old) old.replaceWith(row(visit));
    return;
  }
  entries.unshift(entry);
  entries.length = Math.min(entries.length, MAX_ROWS);
  const element = row(entry);
  if (isLive) element.dataset.new = "";
  const list = $("entries");
  list.prepend(element);
  while (list.children.length > MAX_ROWS) list.lastElementChild.remove();
  $("empty").hidden = true;
}

function showEntries() {
  $("entries").replaceChildren(...entries.map(row));
  $("empty").hidden = entries.length > 0;
}
