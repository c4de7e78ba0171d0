// A chat is a tree of messages, so that editing one or retrying makes a branch, and loses nothing:
//
//   {id, title, made, model, system, leaf, messages: {[id]: message}}
//   message: {id, parent, role, text, images, made}, and of an answer also
//            {state: "running" | "complete" | "stopped" | "failed", reasoning, calls, model, usage, finish, ms, error}
//
// `leaf` is the last message that is shown; its parents, up to the first message, are the conversation.

export const FORMAT = "g4flite-chats";
const IMAGE = /^data:image\/(?:png|jpeg|webp|gif);base64,[\w+/=]+$/;

export function newChat(model, system) {
  return { id: crypto.randomUUID?.() ?? randomId(), title: "", made: Date.now(), model, system, leaf: null, messages: {} };
}

// randomUUID exists on https and on loopback alone.
function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Add a message below another one (null: as a first message), and show it.
export function added(chat, parent, message) {
  const whole = { id: randomId(), parent, made: Date.now(), images: [], ...message };
  chat.messages[whole.id] = whole;
  chat.leaf = whole.id;
  return whole;
}

// Return the messages that are shown, the first one first.
export function shown(chat) {
  const found = [];
  for (let id = chat.leaf; id; id = chat.messages[id].parent) found.unshift(chat.messages[id]);
  return found;
}

// Return the messages that stand in the place of this one, itself included, the oldest first.
export function siblings(chat, message) {
  return Object.values(chat.messages).filter((other) => other.parent === message.parent);
}

// Show the branch that this message stands on, down to its newest message.
export function choose(chat, message) {
  let id = message.id;
  for (;;) {
    const below = Object.values(chat.messages).filter((other) => other.parent === id);
    if (!below.length) break;
    id = below.reduce((newest, other) => (other.made >= newest.made ? other : newest)).id;
  }
  chat.leaf = id;
}

// Return the messages of the wire that ask for the answer below `message`.
export function asked(chat, message) {
  const path = [];
  for (let one = message; one; one = chat.messages[one.parent]) path.unshift(one);
  const told = path.filter((one) => one.text || one.images.length).map((one) => ({
    role: one.role,
    content: one.images.length
      ? [...(one.text ? [{ type: "text", text: one.text }] : []),
         ...one.images.map((url) => ({ type: "image_url", image_url: { url } }))]
      : one.text,
  }));
  return chat.system ? [{ role: "system", content: chat.system }, ...told] : told;
}

export function exported(chats) {
  return JSON.stringify({ format: FORMAT, version: 1, chats }, null, 1);
}

// Return the chats of an exported file.  Throws an Error whose message says what is wrong with it.
export function imported(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error("This file is no JSON. Choose a file that Export has made.");
  }
  if (file?.format !== FORMAT || !Array.isArray(file.chats)) {
    throw new Error("This file holds no chats. Choose a file that Export has made.");
  }
  if (file.version !== 1) throw new Error("This file comes from a newer version of the page. Update the gateway.");
  return file.chats.map(checkedChat);
}

const text = (value) => (typeof value === "string" ? value : "");
const number = (value) => (Number.isFinite(value) ? value : 0);

function checkedChat(chat) {
  const messages = Object.create(null);
  for (const one of Object.values(chat?.messages ?? {})) {
    if (!text(one?.id) || !["user", "assistant"].includes(one.role)) throw new Error("A chat of this file is damaged.");
    messages[one.id] = checkedMessage(one);
  }
  const whole = { id: text(chat?.id), title: text(chat?.title), made: number(chat?.made), model: text(chat?.model),
                  system: text(chat?.system), leaf: text(chat?.leaf) || null, messages: { ...messages } };
  // Every message leads to a first one: no circle, no parent that is missing.
  for (const one of Object.values(messages)) {
    const seen = new Set();
    for (let id = one.id; id; id = messages[id].parent) {
      if (seen.has(id) || !messages[id]) throw new Error("A chat of this file is damaged.");
      seen.add(id);
      if (messages[id].parent && !messages[messages[id].parent]) throw new Error("A chat of this file is damaged.");
    }
  }
  if (!whole.id || (whole.leaf && !messages[whole.leaf])) throw new Error("A chat of this file is damaged.");
  return whole;
}

function checkedMessage(one) {
  const images = (Array.isArray(one.images) ? one.images : []).filter((url) => IMAGE.test(text(url)));
  const kept = { id: one.id, parent: text(one.parent) || null, role: one.role, text: text(one.text), images, made: number(one.made) };
  if (one.role === "user") return kept;
  const calls = (Array.isArray(one.calls) ? one.calls : []).map((call) => ({ name: text(call?.name), arguments: text(call?.arguments) }));
  const error = one.error ? { said: text(one.error.said), advice: text(one.error.advice), setting: "" } : null;
  return { ...kept, calls, error, state: ["complete", "stopped"].includes(one.state) ? one.state : "failed",
           reasoning: text(one.reasoning), model: text(one.model), finish: text(one.finish), ms: number(one.ms),
           usage: one.usage ? { completion_tokens: number(one.usage.completion_tokens) } : null };
}

// The chats in the browser's IndexedDB, which has room for images.  Without it, chats last as long as the page.
export class Kept {
  #database = null;

  async open() {
    this.#database = await new Promise((resolve) => {
      try {
        const request = indexedDB.open("g4flite", 1);
        request.onupgradeneeded = () => request.result.createObjectStore("chats", { keyPath: "id" });
        request.onsuccess = () => resolve(request.result);
        request.onerror = request.onblocked = () => resolve(null);
      } catch {
        resolve(null);
      }
    });
    return this.#database !== null;
  }

  all() {
    return this.#done("readonly", (chats) => chats.getAll());
  }

  put(chat) {
    return this.#done("readwrite", (chats) => chats.put(chat));
  }

  remove(id) {
    return this.#done("readwrite", (chats) => chats.delete(id));
  }

  // Return what the request results in, once it is on the disk; rejects if there is no room.
  #done(mode, ask) {
    if (!this.#database) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction("chats", mode);
      const request = ask(transaction.objectStore("chats"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  }
}
