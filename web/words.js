// Numbers, times and limits as people read them.

const kUnits = [[86400000, "d"], [3600000, "h"], [60000, "m"], [1000, "s"]];
const kWhole = new Intl.NumberFormat("en");

export const number = (value) => kWhole.format(value);

export function bytes(value) {
  if (value === null) return "–";
  let unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

export function micros(value) {
  if (value === null) return "–";
  if (value < 1000) return `${value} µs`;
  return value < 1000000 ? `${(value / 1000).toFixed(value < 10000 ? 1 : 0)} ms` : `${(value / 1000000).toFixed(1)} s`;
}

export function duration(ms) {
  if (ms === null) return "never";
  if (ms < 1000) return `${ms} ms`;
  const [size, unit] = kUnits.find(([size]) => ms >= size);
  return `${number(Math.ceil(ms / size))} ${unit}`;
}

export function time(text) {
  return text === null ? "–" : new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

function period(ms) {
  const [size, unit] = kUnits.find(([size]) => ms % size === 0) ?? [1, "ms"];
  return ms === size ? unit : `${ms / size}${unit}`;
}

function windowText(window) {
  if (window.align) {
    return `${window.rate} per calendar ${window.align}${window.timezone ? ` in ${window.timezone}` : ""}`;
  }
  const burst = window.algorithm === "token_bucket" && window.burst !== undefined && window.burst !== window.rate
    ? ` burst ${window.burst}` : "";
  const algorithm = window.algorithm && window.algorithm !== "token_bucket" ? ` ${window.algorithm}` : "";
  return `${window.rate}/${period(window.per_millis)}${burst}${algorithm}`;
}

// A status or an event as the rate string that sets the same limit.
export function limitText(status) {
  const windows = status.windows ?? [status];
  return windows.map((window) => windowText({ algorithm: status.algorithm, ...window })).join(", ");
}
