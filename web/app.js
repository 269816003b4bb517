// Which view is shown, whether the server is there, and who asks.

import { ask, el, failure } from "./dom.js";
import { follow, keepToken } from "./api.js";
import * as overview from "./overview.js";
import * as limits from "./limits.js";
import * as key from "./key.js";
import * as tryIt from "./try.js";
import * as doctor from "./doctor.js";

const kViews = { "": overview, limits, key, try: tryIt, doctor };
const main = document.getElementById("main");
const state = document.getElementById("state");

// The newest samples, for a view that is opened later.
const kKept = 180;
const history = [];
let current = null;
let asking = false;

// An address that somebody typed may be no encoding of anything: then it is taken as it stands.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function show() {
  const [, name = "", ...rest] = location.hash.split("/");
  const view = kViews[name] ?? overview;
  current?.end?.();
  for (const link of document.querySelectorAll("nav a")) {
    const isThis = link.getAttribute("href") === `#/${name}`;
    if (isThis) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const argument = rest.length > 0 ? decoded(rest.join("/")) : null;
  const place = el("div");
  main.replaceChildren(place);
  const opened = { sample: null, end: null };
  current = opened;
  Object.assign(opened, view.open(place, {
    argument,
    history,
    // Runs `work`, and shows why it failed; asks for a token where that is the reason.
    attempt: async (work, into = place) => {
      let problem = null;
      let result = null;
      try {
        result = await work();
      } catch (error) {
        problem = error;
      }
      if (problem?.status === 401) askForToken();
      if (current !== opened) return result;
      // One note at a time: what was wrong before is wrong no more, or is said again.
      into.querySelector(":scope > .note[role=alert]")?.remove();
      if (problem !== null) into.prepend(failure(problem));
      return result;
    },
    isOpen: () => current === opened,
  }));
  document.title = `${view.title} – Flint`;
}

async function askForToken() {
  if (asking) return;
  asking = true;
  const input = el("input", { type: "password", name: "token", required: true, autocomplete: "off", "aria-label": "Token" });
  const given = await ask({
    title: "This server asks for a token",
    content: el("div", {},
      el("label", {}, "Token", input),
      el("p", { class: "quiet" }, "It is kept for this tab only. A token with the role check or metrics shows, one with the role admin also changes.")),
    confirm: "Go on",
    check: (form) => form.elements.token.value.trim(),
  });
  asking = false;
  if (given === null) return;
  keepToken(given);
  show();
  live();
}

function tell(name, text) {
  state.dataset.state = name;
  if (state.textContent !== text) state.textContent = text;
}

let following = false;
async function live() {
  if (following) return;
  following = true;
  await follow(
    (sample) => {
      history.push(sample);
      if (history.length > kKept) history.shift();
      current?.sample?.(sample);
    },
    (name, error) => {
      if (name === "live") tell("live", "live");
      else if (name === "gone") tell("gone", error?.message ?? "the server is gone, trying again");
      else if (error.status === 401) tell("gone", "a token is needed");
      else tell("gone", error.message);
      if (error?.status === 401) askForToken();
    });
  following = false;
}

tell("wait", "connecting");
window.addEventListener("hashchange", () => {
  show();
  main.focus();
});
show();
live();
