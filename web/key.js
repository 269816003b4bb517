// One key: what is in use now and over time, what happened to it, and how to give its quota back.

import { ask, el, facts, failure, keyText, table } from "./dom.js";
import { get, post } from "./api.js";
import { chart } from "./chart.js";
import { edit, remove } from "./limits.js";
import { limitText, number, time } from "./words.js";

export const title = "Key";

const kPlaces = 120;
const kHistory = 200;
const kSources = { set: "the API or a command", file: "the limits file" };
const path = (key) => encodeURIComponent(key);

function windowsOf(status) {
  const windows = status.windows ?? [{ ...status }];
  return windows.map((one) => ({
    name: limitText({ algorithm: status.algorithm, ...one, windows: undefined }),
    most: one.burst ?? one.rate,
    remaining: one.remaining ?? status.remaining,
  }));
}

function search(key) {
  const input = el("input", { name: "key", required: true, value: key ?? "", autocomplete: "off" });
  return el("form", { class: "bar", onsubmit: (event) => {
    event.preventDefault();
    location.hash = `#/key/${path(input.value)}`;
  } }, el("label", { class: "wide" }, "Key", input), el("button", { class: "main" }, "Show"));
}

function now(status) {
  return facts([
    ["Limit", limitText(status)],
    status.mode && ["Mode", status.mode],
    status.override && ["Overrides", "its pattern"],
    status.source && ["Set by", kSources[status.source] ?? status.source],
    status.keys !== undefined && ["Keys that live by it", number(status.keys)],
    status.remaining !== undefined && ["Remaining", number(status.remaining)],
    status.reset_at && ["Full again", time(status.reset_at)],
    ["Held by reservations", number(status.reserved ?? 0)],
    ["Allowed", `${number(status.total_allowed)} checks, ${number(status.total_allowed_cost)} units`],
    ["Denied", `${number(status.total_denied)} checks, ${number(status.total_denied_cost)} units`],
    status.would_deny > 0 && ["Would have denied", number(status.would_deny)],
    ["Last allowed", time(status.last_allowed_at)], ["Last denied", time(status.last_denied_at)], ["Last reset", time(status.last_reset_at)],
  ]);
}

function events(history) {
  return table("History", [{ name: "At" }, { name: "Event" }, { name: "Units", number: true }, { name: "Times", number: true }, { name: "Limit" }],
    history.reverse().map((one) => [time(one.at), one.kind, number(one.cost), number(one.count), one.kind === "configured" ? limitText(one) : ""]),
    "The log holds no event of this key.");
}

export function open(place, { argument, attempt, isOpen }) {
  place.append(el("h1", {}, argument === null ? "Key" : keyText(argument)), search(argument));
  if (argument === null) {
    place.append(el("p", { class: "quiet" }, "Its usage, history and counts; a reset gives its quota back."));
    return {};
  }
  const problem = el("div");
  const current = el("div");
  const graph = el("div");
  const past = el("div", {}, el("p", { class: "quiet" }, "…"));
  const actions = el("p", {});
  place.append(problem, el("div", { class: "columns" },
    el("section", { class: "card" }, el("h2", {}, "Now"), current, actions),
    el("section", { class: "card" }, el("h2", {}, "In use, while this page is open"), graph)),
  el("section", { class: "card" }, el("h2", {}, "History"), past));

  const seen = [];
  let busy = false;
  async function look() {
    if (busy) return;
    busy = true;
    try {
      const status = await get(`/v1/limits/${path(argument)}`);
      if (!isOpen()) return;
      problem.replaceChildren();
      current.replaceChildren(now(status));
      const windows = windowsOf(status);
      seen.push(windows.map((one) => Math.max(0, one.most - (one.remaining ?? one.most))));
      if (seen.length > kPlaces) seen.shift();
      graph.replaceChildren(argument.endsWith("*")
        ? el("p", { class: "quiet" }, "A pattern has no usage of its own: its keys have.")
        : chart(windows.map((one, i) => ({ name: one.name, values: seen.map((values) => values[i] ?? 0) })), kPlaces,
          `In use: ${windows.map((one, i) => `${seen.at(-1)[i]} of ${one.most}`).join(", ")}`, "2 minutes ago"));
      actions.replaceChildren(
        el("button", { type: "button", onclick: () => reset() }, "Reset"), " ",
        el("button", { type: "button", onclick: () => edit({ ...status, key: argument }, look) }, "Change"), " ",
        el("button", { type: "button", class: "danger", onclick: () => remove(status, () => { location.hash = "#/limits"; }) }, "Delete"));
    } catch (error) {
      if (isOpen()) problem.replaceChildren(failure(error));
    } finally {
      busy = false;
    }
  }

  async function loadHistory() {
    const history = await attempt(() => get(`/v1/history/${path(argument)}?limit=${kHistory}`), past);
    if (history !== null && isOpen()) past.replaceChildren(events(history));
  }

  async function reset() {
    const done = await ask({
      title: "Reset this key?",
      content: el("p", {}, "Everything in use is given back at once, and the reset is recorded: ", keyText(argument)),
      confirm: "Reset",
      check: () => post("/v1/reset", { key: argument }),
    });
    if (done === null || !isOpen()) return;
    look();
    loadHistory();
  }

  attempt(look, problem);
  loadHistory();
  const timer = setInterval(look, 1000);
  return { end: () => clearInterval(timer) };
}
