// All limits and patterns, a page at a time: shown, changed, deleted.

import { ask, el, facts, keyLink, keyText, table } from "./dom.js";
import { get, post, request } from "./api.js";
import { limitText, number } from "./words.js";

export const title = "Limits";

const kPage = 100;
const kModes = ["enforce", "shadow", "block"];

const capacity = (status) => (status.windows ? Math.min(...status.windows.map((one) => one.burst ?? one.rate)) : status.burst ?? status.rate);

function fullness(status) {
  if (status.key.endsWith("*") || status.remaining === undefined) return "";
  const most = capacity(status);
  const used = Math.max(0, most - status.remaining);
  return el("span", {},
    el("meter", { min: 0, max: most, value: Math.min(used, most), high: most * .9, "aria-label": `${used} of ${most} in use` }),
    el("span", { class: "quiet" }, ` ${number(used)}`));
}

// What would change, by the server's own word.
async function difference(entry) {
  const told = await post("/v1/apply", { limits: [entry], dry_run: true });
  const change = told.changes[0];
  const text = (limit) => limitText(limit) + (limit.mode && limit.mode !== "enforce" ? `, ${limit.mode}` : "") +
    (limit.override ? ", overrides limits that come with checks" : "");
  if (change === undefined) return null;
  return el("div", { class: "difference" },
    change.before && el("del", {}, text(change.before)), change.after && el("ins", {}, text(change.after)));
}

// Asks for a limit, shows what would change, and sets it once that was seen.
export function edit(status, saved) {
  const isNew = status === null;
  const shown = el("div", { "aria-live": "polite" });
  const key = el("input", { name: "key", required: true, value: isNew ? null : status.key, readonly: !isNew, autocomplete: "off" });
  const limit = el("input", { name: "limit", required: true, value: isNew ? "100/m" : limitText(status), autocomplete: "off" });
  const mode = el("select", { name: "mode" }, kModes.map((name) => el("option", { selected: !isNew && status.mode === name }, name)));
  let seen = null;
  return ask({
    title: isNew ? "A new limit" : "Change a limit",
    content: el("div", {},
      el("label", { class: "wide" }, "Key, or a pattern such as ip:*", key),
      el("label", { class: "wide" }, "Limit, such as 100/m or 10/s burst 20, 1000/h", limit),
      el("label", {}, "Mode", mode), shown),
    confirm: "Show the change, then save",
    check: async (form) => {
      const entry = { key: form.elements.key.value, limit: form.elements.limit.value, mode: form.elements.mode.value };
      if (!isNew && status.override) entry.override = true;
      const text = JSON.stringify(entry);
      if (seen !== text) {
        const change = await difference(entry);
        seen = text;
        shown.replaceChildren(change ?? el("p", { class: "quiet" }, "This changes nothing."));
        throw Object.assign(new Error(change ? "Nothing is saved yet: press the button again to save this." : "There is nothing to save."), {});
      }
      await post("/v1/limits", entry);
      saved();
      return true;
    },
  });
}

export function remove(status, deleted) {
  return ask({
    title: "Delete this limit?",
    content: el("div", {}, el("p", {}, keyText(status.key)),
      facts([["Limit", limitText(status)], ["Allowed", number(status.total_allowed)], ["Denied", number(status.total_denied)]]),
      el("p", {}, "Its usage and its counts go with it. Checks of the key fail, unless a pattern holds for it or they carry a limit.")),
    confirm: "Delete",
    danger: true,
    check: async () => {
      await request("DELETE", `/v1/limits/${encodeURIComponent(status.key)}`);
      deleted();
      return true;
    },
  });
}

export function open(place, { argument, attempt, isOpen }) {
  let after = "";
  let rows = [];
  let more = false;
  let order = { by: 0, down: false };
  const prefix = el("input", { name: "prefix", value: argument ?? "", autocomplete: "off" });
  const keys = el("input", { type: "checkbox", name: "keys" });
  const list = el("div", { class: "card" }, el("p", { class: "quiet" }, "…"));
  const pager = el("p", {});
  place.append(el("h1", {}, "Limits and patterns"),
    el("form", { class: "bar", onsubmit: (event) => { event.preventDefault(); load(""); } },
      el("label", { class: "wide" }, "Key begins with", prefix),
      el("label", { class: "check" }, keys, "also keys without a limit of their own"),
      el("button", {}, "Show"),
      el("button", { type: "button", class: "main", onclick: () => edit(null, () => load("")) }, "New limit")),
    list, pager);

  const kColumns = [
    ["Key", (one) => one.key], ["Limit", limitText], ["Mode", (one) => one.mode ?? ""], ["In use", (one) => capacity(one) - (one.remaining ?? 0)],
    ["Allowed", (one) => one.total_allowed], ["Denied", (one) => one.total_denied], ["Would deny", (one) => one.would_deny],
  ];

  function draw() {
    const value = kColumns[order.by][1];
    const compare = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0);
    const sorted = [...rows].sort((a, b) => (order.down ? compare(b, a) : compare(a, b)));
    const columns = kColumns.map(([name], i) => ({
      name, number: i > 3, class: i === 3 ? "use" : null,
      sorted: order.by === i ? (order.down ? "descending" : "ascending") : null,
      sort: () => { order = { by: i, down: order.by === i && !order.down }; draw(); },
    }));
    list.replaceChildren(table("Limits", [...columns, { name: "", class: "actions" }],
      sorted.map((one) => [
        keyLink(one.key), limitText(one), one.mode === "enforce" ? "" : one.mode ?? "", fullness(one),
        number(one.total_allowed), number(one.total_denied), number(one.would_deny),
        one.source === "file" ? el("span", { class: "quiet" }, "from the limits file") : el("span", {},
          el("button", { type: "button", onclick: () => edit(one, () => load(after)), "aria-label": `Change ${one.key}` }, "Change"), " ",
          el("button", { type: "button", class: "danger", onclick: () => remove(one, () => load(after)), "aria-label": `Delete ${one.key}` }, "Delete")),
      ]), prefix.value ? "No key begins so." : "There is no limit yet."));
    pager.replaceChildren(
      el("button", { type: "button", disabled: after === "", onclick: () => load("") }, "First page"), " ",
      el("button", { type: "button", disabled: !more, onclick: () => load(rows.at(-1).key) }, "Next page"),
      el("span", { class: "quiet" }, ` ${number(rows.length)} shown${more ? ", more follow" : ""}; sorting is within a page`));
  }

  async function load(from) {
    const query = new URLSearchParams({ limit: kPage + 1 });
    if (prefix.value) query.set("prefix", prefix.value);
    if (from) query.set("after", from);
    if (keys.checked) query.set("keys", "true");
    const found = await attempt(() => get(`/v1/limits?${query}`));
    if (found === null || !isOpen()) return;
    more = found.length > kPage;
    rows = found.slice(0, kPage);
    after = from;
    draw();
  }

  load("");
  return {};
}
