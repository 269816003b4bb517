// What would happen: a check that takes nothing, and a rule held against what a key did.

import { el, facts } from "./dom.js";
import { get, post } from "./api.js";
import { duration, number, time } from "./words.js";

export const title = "Try";

const kEvents = 10000;
const kPeriods = { second: 1000, minute: 60000, hour: 3600000, day: 86400000 };

// A token bucket over the events of a history: how many of the units that were asked for it would have let pass.
export function replay(events, rate, perMs, burst) {
  let tokens = burst;
  let last = null;
  const counts = { asked: 0, allowed: 0, wasAllowed: 0 };
  for (const event of events) {
    if (!["allowed", "charged", "denied"].includes(event.kind)) continue;
    const at = Date.parse(event.at);
    if (last !== null) tokens = Math.min(burst, tokens + (at - last) * rate / perMs);
    last = at;
    const times = Math.max(1, event.count);
    const cost = event.cost / times;
    for (let n = 0; n < times; ++n) {
      ++counts.asked;
      if (event.kind !== "denied") ++counts.wasAllowed;
      if (tokens >= cost) {
        tokens -= cost;
        ++counts.allowed;
      }
    }
  }
  return counts;
}

function decision(told) {
  return el("div", {},
    el("p", { class: `note ${told.allowed ? "good" : "bad"}` }, told.allowed ? "It would be allowed." : "It would be denied."),
    facts([
      ["Cost", number(told.cost)], ["Limit", number(told.limit)], ["Left after it", number(told.remaining)],
      !told.allowed && ["Try again in", duration(told.retry_after_ms)],
      ["Full again", `${time(told.reset_at)}, in ${duration(told.reset_after_ms)}`],
      told.would_deny !== undefined && ["The shadow would deny", told.would_deny ? "yes" : "no"],
    ]));
}

const field = (label, attributes) => el("label", { class: attributes.type === "number" ? null : "wide" }, label, el("input", { autocomplete: "off", ...attributes }));

export function open(place, { attempt, isOpen }) {
  const told = el("div", { "aria-live": "polite" });
  const compared = el("div", { "aria-live": "polite" });

  async function dryRun(event) {
    event.preventDefault();
    const { key, cost, limit } = event.target.elements;
    told.replaceChildren();
    const body = { key: key.value, cost: Number(cost.value), dry_run: true };
    if (limit.value) body.limit = limit.value;
    const answer = await attempt(() => post("/v1/check", body), told);
    if (answer !== null && isOpen()) told.replaceChildren(decision(answer));
  }

  async function compare(event) {
    event.preventDefault();
    const { key, rate, per, burst } = event.target.elements;
    compared.replaceChildren();
    const events = await attempt(() => get(`/v1/history/${encodeURIComponent(key.value)}?limit=${kEvents}`), compared);
    if (events === null || !isOpen()) return;
    const most = burst.value ? Number(burst.value) : Number(rate.value);
    const counts = replay(events, Number(rate.value), kPeriods[per.value], most);
    compared.replaceChildren(counts.asked === 0
      ? el("p", { class: "quiet" }, "The log holds no check of this key.")
      : facts([
        ["Checks in the log", number(counts.asked)], ["Were allowed", number(counts.wasAllowed)],
        ["Would be allowed", `about ${number(counts.allowed)} (${Math.round(100 * counts.allowed / counts.asked)} of 100)`],
      ]));
  }

  place.append(el("h1", {}, "Try"), el("div", { class: "columns" },
    el("section", { class: "card" }, el("h2", {}, "A check that takes nothing"),
      el("form", { class: "bar", onsubmit: dryRun },
        field("Key", { name: "key", required: true }), field("Cost", { name: "cost", type: "number", min: 1, value: 1, required: true }),
        field("Limit to carry, if any", { name: "limit", placeholder: "100/m" }), el("button", { class: "main" }, "Check")), told),
    el("section", { class: "card" }, el("h2", {}, "A rule against what a key did"),
      el("form", { class: "bar", onsubmit: compare },
        field("Key", { name: "key", required: true }), field("Units", { name: "rate", type: "number", min: 1, value: 100, required: true }),
        el("label", {}, "per", el("select", { name: "per" }, Object.keys(kPeriods).map((name) => el("option", { selected: name === "minute" }, name)))),
        field("Burst, if other", { name: "burst", type: "number", min: 1 }), el("button", { class: "main" }, "Compare")),
      compared, el("p", { class: "quiet" }, "As a token bucket, and approximate: the log keeps denials summed up, not one by one."))));
  return {};
}
