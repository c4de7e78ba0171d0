// Asks the gateway that serves this page, over the wire of OpenAI's Chat Completions.
//
//   for await (const piece of answer({model, messages, key, signal}))
//     piece is {text}, {reasoning}, {call: {index, name, arguments}}, {finish}, {model} or {usage}
//
// The loop ends without an error only if the answer is whole.  Every error is a Failure: `said` is what happened,
// `advice` what to do next, and `setting` the control of the page where it is done ("" if none).

export class Failure extends Error {
  constructor(said, advice, setting = "") {
    super(`${said} ${advice}`);
    Object.assign(this, { said, advice, setting });
  }
}

// Return the names of the models that the gateway has.
export async function models(key) {
  const response = await ask("v1/models", { headers: headers(key) });
  const body = await response.json().catch(() => null);
  const names = (Array.isArray(body?.data) ? body.data : []).map((model) => model?.id);
  return names.filter((name) => typeof name === "string" && name);
}

export async function* answer({ model, messages, key, signal }) {
  const response = await ask("v1/chat/completions", {
    method: "POST",
    headers: { ...headers(key), "content-type": "application/json" },
    body: JSON.stringify({ model, messages, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!/^text\/event-stream\b/i.test(response.headers.get("content-type") ?? "")) {
    throw new Failure("The gateway sent something other than a stream.", "Is this page served by a gateway? Retry.");
  }
  const decoder = new TextDecoder();
  const events = new Events();
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        throw signal?.aborted ? error : new Failure("The connection was lost in the middle of the answer.", KEPT);
      });
      for (const data of events.feed(done ? decoder.decode() : decoder.decode(value, { stream: true }))) {
        if (data === "[DONE]") return;
        yield* pieces(data);
      }
      if (done) throw new Failure("The answer was cut off before its end.", KEPT);
    }
  } finally {
    // Also when the caller leaves: the gateway is to notice at once.
    reader.cancel().catch(() => {});
  }
}

export const KEPT = "What came is kept above; retry to ask again.";

function headers(key) {
  return key ? { authorization: `Bearer ${key}` } : {};
}

async function ask(path, options) {
  let response;
  try {
    // Relative to the page, which may stand below a prefix.
    response = await fetch(new URL(path, document.baseURI), options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Failure("The gateway cannot be reached.", "Is it still running, and are you online? Then retry.");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw failure(response.status, errorOf(body) ?? {}, response.headers.get("retry-after"));
}

// Return the error in an object of the wire, null if there is none: {message, code, type}.
function errorOf(body) {
  const error = body?.error;
  if (error === undefined || error === null) return null;
  return typeof error === "object" ? error : { message: String(error) };
}

function failure(status, error, wait) {
  const said = typeof error.message === "string" && error.message ? error.message : `The gateway answered ${status}.`;
  const code = `${error.code ?? ""} ${error.type ?? ""}`;
  if (status === 401) return new Failure(said, "Enter your API key in the settings, then retry.", "key");
  if (status === 403) return new Failure(said, "This key may not do that: use another key or another model.", "key");
  if (status === 402 || /insufficient_quota|budget/.test(code)) {
    return new Failure(said, "The budget is spent: use another key, or ask who runs the gateway for more.", "key");
  }
  if (status === 404) return new Failure(said, "Choose another model, then retry.", "model");
  if (status === 413) return new Failure(said, "Send a shorter message, or fewer and smaller images.", "prompt");
  if (/context_length/.test(code)) return new Failure(said, "Begin a new chat, or edit an earlier message.", "new");
  if (status === 400 || status === 422) return new Failure(said, "Edit your message or choose another model.", "model");
  if (status === 429) {
    const seconds = Math.ceil(Number(wait));
    return new Failure(said, seconds > 0 ? `Wait ${seconds} seconds, then retry.` : "Wait a moment, then retry.");
  }
  return new Failure(said, "Retry in a moment, or choose another model.");
}

// Yield the pieces of one chunk; throw the error that it may be.
function* pieces(data) {
  let chunk;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new Failure("The gateway sent something that is no JSON.", KEPT);
  }
  const error = errorOf(chunk);
  if (error) {
    const { said } = failure(0, error);
    throw new Failure(error.message ? said : "The answer failed.", KEPT);
  }
  if (typeof chunk?.model === "string") yield { model: chunk.model };
  if (chunk?.usage) yield { usage: chunk.usage };
  const choice = chunk?.choices?.[0];
  const delta = choice?.delta ?? {};
  const reasoning = delta.reasoning_content ?? delta.reasoning;
  if (typeof reasoning === "string" && reasoning) yield { reasoning };
  if (typeof delta.content === "string" && delta.content) yield { text: delta.content };
  for (const call of Array.isArray(delta.tool_calls) ? delta.tool_calls : []) {
    yield { call: { index: call?.index ?? 0, name: call?.function?.name ?? "", arguments: call?.function?.arguments ?? "" } };
  }
  if (choice?.finish_reason) yield { finish: choice.finish_reason };
}

// Decodes server-sent events: `feed(text)` returns the data of each event that the text completes.
export class Events {
  #rest = "";
  #data = [];

  feed(text) {
    const found = [];
    // A CR at the end may be the first half of a CRLF.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length) found.push(this.#data.join("\n"));
        this.#data = [];
      } else if (line.startsWith("data:")) {
        this.#data.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
    return found;
  }
}
