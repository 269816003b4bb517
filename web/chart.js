// Lines over the last few minutes, as SVG. One function and no library: a page that is part of a server carries no more
// than it needs.

import { el } from "./dom.js";
import { number } from "./words.js";

const kWidth = 600;
const kHeight = 160;

function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...children);
  return element;
}

// The next of 1, 2, 5, 10, 20, ...
export function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

// `series`: [{name, values}], all with the same number of values; `places`: how many would fill the width. `label` says
// in words what is shown, for those who do not see it.
export function chart(series, places, label, ago) {
  const most = roundUp(Math.max(1, ...series.flatMap((one) => one.values)));
  const x = (i, count) => kWidth * (places - count + i) / (places - 1);
  const y = (value) => kHeight - (kHeight - 4) * value / most;
  const lines = series.map(({ values }, n) => svg("path", {
    class: `series-${n}`,
    d: values.map((value, i) => `${i === 0 ? "M" : "L"}${x(i, values.length).toFixed(1)} ${y(value).toFixed(1)}`).join(""),
  }));
  const rules = [0, .5, 1].map((share) => svg("line", {
    class: "rule", x1: 0, x2: kWidth, y1: y(share * most), y2: y(share * most),
  }));
  return el("figure", {},
    el("figcaption", {},
      series.map(({ name, values }, n) => el("span", { class: `legend series-${n}` },
        el("span", { class: "quiet" }, `${name} ${number(values.at(-1) ?? 0)}`))),
      el("span", {}, `top line ${number(most)}`), el("span", {}, `${ago} to now`)),
    svg("svg", { class: "chart", viewBox: `0 0 ${kWidth} ${kHeight}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
      ...rules, ...lines));
}
