// Asks the server that this page came from. The token stays in this tab: sessionStorage ends with it.

const kToken = "flint.token";
const kPauses = [1000, 2000, 5000];

export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function keepToken(token) {
  sessionStorage.setItem(kToken, token);
}

function fields() {
  const token = sessionStorage.getItem(kToken);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function failureOf(answer) {
  let told = {};
  try {
    told = await answer.json();
  } catch {
    // Whoever answered, it was not Flint: a proxy, perhaps.
  }
  return new Failure(answer.status, told.error ?? `The server answered ${answer.status}.`);
}

export async function request(method, path, body = undefined) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      cache: "no-store",
      headers: body === undefined ? fields() : { ...fields(), "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Failure(0, "The server does not answer. Is it running?");
  }
  if (!answer.ok) throw await failureOf(answer);
  return answer.json();
}

export const get = (path) => request("GET", path);
export const post = (path, body) => request("POST", path, body);

// The samples of one stream. Ends when the server ends it.
async function* samples() {
  const answer = await fetch("/v1/events", { cache: "no-store", headers: fields() });
  if (!answer.ok) throw await failureOf(answer);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      if (event.startsWith("data: ")) yield JSON.parse(event.slice("data: ".length));
    }
  }
}

// Calls onSample(sample) for ever, and onState("live" | "gone" | "refused", Failure or null) when that changes.
export async function follow(onSample, onState) {
  for (let failed = 0; ; ++failed) {
    try {
      for await (const sample of samples()) {
        if (failed >= 0) onState("live", null);
        failed = -1;
        onSample(sample);
      }
      onState("gone", null);
    } catch (error) {
      const refused = error instanceof Failure && error.status > 0 && error.status < 500;
      onState(refused ? "refused" : "gone", error instanceof Failure ? error : null);
      if (refused) return;
    }
    await new Promise((resolve) => setTimeout(resolve, kPauses[Math.min(Math.max(failed, 0), kPauses.length - 1)]));
  }
}
