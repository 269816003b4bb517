// What the limiter does now.

import { el, facts, keyLink, table } from "./dom.js";
import { get } from "./api.js";
import { chart } from "./chart.js";
import { bytes, micros, number } from "./words.js";

export const title = "Overview";

const kTopEvery = 10;
const kPlaces = 120;

function tile(label, value, more, tone = "") {
  return el("div", { class: "card tile" },
    el("div", { class: "label" }, label), el("div", { class: `value ${tone}` }, value), el("div", { class: "more" }, more));
}

function tiles(sample) {
  const storage = sample.storage;
  return [
    tile("Allowed", `${number(sample.allowed_per_second)}/s`, `${number(sample.allowed)} since the start`),
    tile("Denied", `${number(sample.denied_per_second)}/s`, `${number(sample.denied)} since the start`,
      sample.denied_per_second > 0 ? "bad" : ""),
    tile("Would deny", `${number(sample.would_deny_per_second)}/s`, "by limits in mode shadow",
      sample.would_deny_per_second > 0 ? "warn" : ""),
    tile("A check took", micros(sample.checks.p50_us), `99 of 100 at most ${micros(sample.checks.p99_us)}`),
    tile("A sync took", micros(storage.sync.p50_us),
      storage.records_per_sync === null ? "none in this second" : `${number(storage.records_per_sync)} records each`),
    tile("Not yet on disk", number(storage.unsynced_records),
      storage.unsynced_records === 0 ? "everything is durable" : `the oldest for ${storage.oldest_unsynced_ms} ms`),
    tile("Memory", bytes(sample.memory_bytes), `${number(sample.keys)} limits and keys`),
    tile("On disk", bytes(storage.log_bytes + storage.snapshot_bytes), `log ${bytes(storage.log_bytes)}`),
  ];
}

function storageNote(storage) {
  if (!storage.accepts_changes) {
    return el("p", { class: "note bad", role: "alert" }, "Storage has failed: nothing is decided any more. See ",
      el("a", { href: "#/doctor" }, "the doctor"), ".");
  }
  if (storage.waits_for_room) {
    return el("p", { class: "note", role: "alert" }, "The disk has no room for the log: reads and denials are answered, all else is refused.");
  }
  return storage.degraded && el("p", { class: "note", role: "alert" }, "Something needs attention: see ", el("a", { href: "#/doctor" }, "the doctor"), ".");
}

const kWords = { exact: "limits of their keys", carried: "limits that came with checks", other: "further patterns" };

function rules(sample) {
  const busy = (rule) => rule.allowed_per_second + rule.denied_per_second + rule.would_deny_per_second;
  const rows = sample.rules.filter((rule) => rule.allowed + rule.denied + rule.would_deny > 0 || rule.keys > 0)
    .sort((a, b) => busy(b) - busy(a) || b.allowed - a.allowed)
    .map((rule) => [
      kWords[rule.rule] ?? keyLink(rule.rule), number(rule.allowed_per_second), number(rule.denied_per_second),
      number(rule.would_deny_per_second), rule.keys === null ? "" : number(rule.keys),
    ]);
  return table("Decisions by rule",
    [{ name: "Rule" }, { name: "Allowed/s", number: true }, { name: "Denied/s", number: true },
      { name: "Would deny/s", number: true }, { name: "Keys", number: true }],
    rows, "Nothing was decided yet. Set a limit, and check it.");
}

export function open(place, { history, attempt, isOpen }) {
  const note = el("div");
  const graph = el("div", { class: "card" });
  const grid = el("div", { class: "grid" });
  const byRule = el("div");
  const top = el("div", {}, el("p", { class: "quiet" }, "…"));
  const more = el("div");
  place.append(el("h1", {}, "Overview"), note, grid, graph, el("div", { class: "columns" },
    el("section", { class: "card" }, el("h2", {}, "By rule"), byRule),
    el("section", { class: "card" }, el("h2", {}, "Denied most"), top)),
  el("section", { class: "card" }, el("h2", {}, "Also"), more));

  async function loadTop() {
    const keys = await attempt(() => get("/v1/top?by=denied&limit=10"), top);
    if (keys === null || !isOpen()) return;
    top.replaceChildren(table("Keys that were denied most",
      [{ name: "Key" }, { name: "Denied", number: true }, { name: "Allowed", number: true }],
      keys.filter((key) => key.total_denied > 0).map((key) => [keyLink(key.key), number(key.total_denied), number(key.total_allowed)]),
      "No key was denied."));
  }

  let seen = 0;
  function sample(newest) {
    const shown = history.slice(-kPlaces);
    note.replaceChildren(...[storageNote(newest.storage)].filter(Boolean));
    grid.replaceChildren(...tiles(newest));
    graph.replaceChildren(chart(
      [["Allowed", "allowed_per_second"], ["Denied", "denied_per_second"], ["Would deny", "would_deny_per_second"]]
        .map(([name, member]) => ({ name, values: shown.map((one) => one[member]) })),
      kPlaces, `Decisions a second: ${newest.allowed_per_second} allowed, ${newest.denied_per_second} denied`, "2 minutes ago"));
    byRule.replaceChildren(rules(newest));
    more.replaceChildren(facts([
      ["Connections", number(newest.connections)], ["Reservations held", number(newest.reservations)],
      ["Keys of patterns and checks", number(newest.born_keys)], ["Syncs", `${number(newest.storage.syncs_per_second)}/s`],
      ["Slowest syncs", micros(newest.storage.sync.p99_us)], ["Compactions", number(newest.storage.compactions)],
      ["Snapshot", bytes(newest.storage.snapshot_bytes)],
    ]));
    if (seen++ % kTopEvery === 0) loadTop();
  }

  if (history.length > 0) sample(history.at(-1));
  else grid.append(el("p", { class: "quiet" }, "The first figures come within a second."));
  return { sample };
}
