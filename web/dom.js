// Elements without markup: whatever a key contains, it is text.

// el("p", {class: "note", onclick: f}, "text", child, ...): null and false among the children are left out.
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (attribute.startsWith("on")) element.addEventListener(attribute.slice(2), value);
    else if (value === true) element.setAttribute(attribute, "");
    else element.setAttribute(attribute, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// What cannot be seen, or changes the direction of what stands around it, is written out.
export function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

export const keyText = (key) => el("bdi", { class: "key" }, visible(key));
export const keyLink = (key) => el("a", { href: `#/key/${encodeURIComponent(key)}` }, keyText(key));

export function table(caption, columns, rows, empty) {
  if (rows.length === 0) return el("p", { class: "quiet" }, empty);
  const cell = (name, column, ...content) => el(name, { class: column.number ? "number" : column.class }, ...content);
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {},
      el("thead", {}, el("tr", {}, columns.map((column) => {
        const head = cell("th", column, column.sort
          ? el("button", { type: "button", onclick: column.sort }, column.name) : column.name);
        head.scope = "col";
        if (column.sorted) head.setAttribute("aria-sort", column.sorted);
        return head;
      }))),
      el("tbody", {}, rows.map((row) => el("tr", {}, columns.map((column, i) => cell("td", column, row[i])))))));
}

export function facts(pairs) {
  return el("dl", {}, pairs.filter(Boolean).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

export function failure(error) {
  return el("p", { class: "note bad", role: "alert" }, error.message);
}

// A dialog that asks, and resolves to what `read` makes of its form, or to null if it was cancelled. `check`, if given,
// runs when the form is sent and may throw a Failure, which is shown.
export function ask({ title, content, confirm, danger = false, check = null }) {
  return new Promise((resolve) => {
    const problem = el("div");
    const send = el("button", { class: danger ? "danger" : "main" }, confirm);
    const form = el("form", { method: "dialog" },
      el("h2", {}, title), content, problem,
      el("div", { class: "buttons" },
        el("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), send));
    const dialog = el("dialog", { "aria-label": title }, form);
    let result = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      send.disabled = true;
      try {
        result = check === null ? true : await check(form);
        dialog.close();
      } catch (error) {
        problem.replaceChildren(failure(error));
      }
      send.disabled = false;
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
