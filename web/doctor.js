// Whether the data directory is sound.

import { el, facts, table } from "./dom.js";
import { get } from "./api.js";
import { bytes, number } from "./words.js";

export const title = "Doctor";

function report(told) {
  return el("div", {},
    el("p", { class: `note ${told.ok ? "good" : "bad"}` }, told.ok ? "The data directory is sound." : "The data directory is not sound."),
    told.findings.map((finding) => el("p", { class: `note ${finding.fatal ? "bad" : ""}` }, finding.message)),
    el("section", { class: "card" }, facts([
      ["Directory", told.data_dir], ["Limits", number(told.limits)], ["Log", bytes(told.aof_bytes)],
      ["Snapshot", told.snapshot_exists ? bytes(told.snapshot_bytes) : "none yet"],
      ["Durable", `${number(told.durable_seq)} of ${number(told.last_seq)} records`],
    ])),
    el("section", { class: "card" }, el("h2", {}, "Files"), table("Files",
      [{ name: "Name" }, { name: "Kind" }, { name: "Size", number: true }, { name: "Records", number: true }, { name: "First", number: true }, { name: "Last", number: true }],
      told.files.map((file) => [file.name, file.kind, bytes(file.bytes), number(file.records), number(file.first_seq), number(file.last_seq)]),
      "There are no files.")));
}

export function open(place, { attempt, isOpen }) {
  const result = el("div", { "aria-live": "polite" });
  const button = el("button", { class: "main", type: "button", onclick: () => examine() }, "Examine");
  async function examine() {
    button.disabled = true;
    result.replaceChildren(el("p", { class: "quiet" }, "Reading each file to its end…"));
    const told = await attempt(() => get("/v1/doctor"), result);
    button.disabled = false;
    if (!isOpen()) return;
    if (told !== null) result.replaceChildren(report(told));
    else result.querySelector(".quiet")?.remove();
  }
  place.append(el("h1", {}, "Doctor"), el("p", {}, "The doctor reads every file of the data directory and checks that nothing is damaged. The server goes on meanwhile. ", button), result);
  return {};
}
