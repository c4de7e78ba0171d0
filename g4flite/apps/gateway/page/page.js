// The page: shows chats, sends messages, and shows their answers while they come.

import { Failure, KEPT, answer, models } from "./wire.js";
import { rendered } from "./markdown.js";
import { Kept, added, asked, choose, exported, imported, newChat, shown, siblings } from "./chats.js";

const $ = (id) => document.getElementById(id);
const kept = new Kept();
const chats = new Map();
// The answers that are coming, by the id of their chat: {message, controller}.
const running = new Map();
let chat = null;
let images = [];
let apiKey = "";
// The message of the user that is being edited; null if none is.
let editing = null;

const LARGEST_IMAGE = 10 * 2 ** 20;

// --- Small things

// Return an element with these properties and children; names with a hyphen are attributes.
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function icon(name) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  made.setAttribute("aria-hidden", "true");
  made.append(use);
  return made;
}

function button(name, label, onclick, properties = {}) {
  return element("button", { type: "button", className: "icon small", title: label, "aria-label": label, onclick, ...properties },
                 icon(name));
}

let noticeTimer = 0;

// Say something above the composer; an error stays until it is closed, or what it is about (`of`) goes well.
function notify(text, { lasting = true, of = "" } = {}) {
  clearTimeout(noticeTimer);
  $("notice").dataset.of = of;
  $("notice").replaceChildren(text, button("close", "Close this notice", () => ($("notice").hidden = true)));
  $("notice").hidden = false;
  if (!lasting) noticeTimer = setTimeout(() => ($("notice").hidden = true), 5000);
}

function stored(name) {
  try {
    return localStorage.getItem(`g4flite.${name}`) ?? "";
  } catch {
    return "";
  }
}

function store(name, value) {
  try {
    if (value) localStorage.setItem(`g4flite.${name}`, value);
    else localStorage.removeItem(`g4flite.${name}`);
  } catch {
    // The browser keeps nothing, and the page goes on without.
  }
}

async function save(changed) {
  try {
    await kept.put(changed);
  } catch (error) {
    notify(`This browser has no room for the chat (${error?.name ?? "unknown error"}). Export it, or delete old chats.`);
  }
}

// --- The list of chats

function titleOf(one) {
  return one.title || "New chat";
}

function showChats() {
  $("title").textContent = titleOf(chat);
  const wanted = $("search").value.trim().toLowerCase();
  const holds = (one) => [one.title, ...Object.values(one.messages).map((message) => message.text)]
    .some((text) => text.toLowerCase().includes(wanted));
  const found = [...chats.values()].filter((one) => one.leaf && (!wanted || holds(one))).sort((a, b) => b.made - a.made);
  $("chats").replaceChildren(...found.map((one) => element("li", {},
    element("button", { type: "button", className: "chat", textContent: titleOf(one), onclick: () => openChat(one),
                        "aria-current": one === chat ? "true" : "false" }),
    button("edit", `Rename ${titleOf(one)}`, () => rename(one)),
    button("bin", `Delete ${titleOf(one)}`, () => remove(one)),
  )));
  if (!found.length) {
    $("chats").append(element("li", { className: "note", textContent: wanted ? "No chat holds this." : "No chats yet." }));
  }
}

function openChat(one) {
  chat = one;
  editing = null;
  setImages([]);
  if (one.model && [...$("model").options].some((option) => option.value === one.model)) $("model").value = one.model;
  showSide(false);
  showChats();
  showLog();
  $("prompt").focus();
}

function startChat() {
  openChat(newChat($("model").value, chat?.system ?? ""));
}

function rename(one) {
  const title = prompt("The name of this chat:", one.title);
  if (!title?.trim()) return;
  one.title = title.trim();
  save(one);
  showChats();
}

async function remove(one) {
  if (!confirm(`Delete "${titleOf(one)}"? This cannot be undone.`)) return;
  running.get(one.id)?.controller.abort();
  chats.delete(one.id);
  await kept.remove(one.id);
  if (one === chat) startChat();
  else showChats();
}

function showSide(open) {
  document.body.classList.toggle("side", open);
  $("shade").hidden = !open;
  $("side-open").setAttribute("aria-expanded", String(open));
  if (open) $("side-close").focus();
}

// --- The messages

function showLog() {
  document.title = chat.title ? `${chat.title} - g4flite` : "g4flite";
  const messages = shown(chat);
  $("log").replaceChildren(...messages.map(messageElement));
  if (!messages.length) {
    $("log").append(element("div", { className: "empty" },
      element("h2", { textContent: "What would you like to know?" }),
      element("p", { textContent: "Chats stay in this browser. You can paste or drop images." })));
  }
  showSend();
  toEnd();
}

function messageElement(message) {
  const made = element("article", { className: `message ${message.role}`, tabIndex: -1,
                                    "aria-label": message.role === "user" ? "You" : "Answer" });
  made.dataset.id = message.id;
  if (message.role === "user") fillUser(made, message);
  else fillAnswer(made, message);
  return made;
}

function fillUser(made, message) {
  const bubble = element("div", { className: "bubble" });
  for (const url of message.images) bubble.append(element("img", { src: url, alt: "Image that you sent" }));
  if (message.text) bubble.append(element("div", { className: "plain", textContent: message.text }));
  made.replaceChildren(bubble, actions(message,
    button("copy", "Copy the message", (event) => copy(message.text, event.currentTarget)),
    button("edit", "Edit the message", () => edit(message))));
}

function fillAnswer(made, message) {
  const isRunning = message.state === "running";
  // Three places, so that what does not change stays: a reader may have selected it, or opened it.
  if (!made.firstChild) made.append(element("div"), element("div", { className: "text" }), element("div"));
  const [reasoning, text, rest] = made.children;
  if (message.reasoning) {
    if (!reasoning.firstChild) {
      reasoning.append(element("details", { className: "reasoning" }, element("summary"), element("div", { className: "plain" })));
    }
    reasoning.querySelector("summary").textContent = isRunning && !message.text ? "Reasoning …" : "Reasoning";
    reasoning.querySelector(".plain").textContent = message.reasoning;
  }
  update(text, withCopying(rendered(message.text)));
  const parts = message.calls.filter(Boolean).map(callElement);
  if (isRunning && !message.text && !message.reasoning && !parts.length) {
    parts.push(element("p", { className: "waiting", role: "img", "aria-label": "Waiting for the answer" },
                       element("span"), element("span"), element("span")));
  }
  if (message.state === "stopped") parts.push(note("You stopped this answer."));
  if (message.finish === "length") parts.push(note("The answer reached the limit of its length."));
  if (message.finish === "content_filter") parts.push(note("The service's content filter ended this answer."));
  if (message.state === "complete" && !message.text && !parts.length) parts.push(note("The answer is empty. You can ask again."));
  if (message.error) parts.push(errorElement(message));
  if (!isRunning) {
    parts.push(actions(message,
      button("copy", "Copy the answer", (event) => copy(message.text, event.currentTarget)),
      button("retry", "Ask again", () => retry(message)),
      element("span", { className: "figures", textContent: figures(message) })));
  }
  made.setAttribute("aria-busy", String(isRunning));
  rest.replaceChildren(...parts);
}

function note(text) {
  return element("p", { className: "note", textContent: text });
}

// Return the elements of an answer with a button on each block of code.
function withCopying(fragment) {
  for (const bar of fragment.querySelectorAll(".code-bar")) {
    bar.nextElementSibling.tabIndex = 0;
    bar.append(button("copy", "Copy the code", (event) => copy(bar.nextElementSibling.textContent, event.currentTarget)));
  }
  return fragment;
}

// Let an element have these children, and touch none of those that are the same already.
function update(parent, fragment) {
  const fresh = [...fragment.childNodes];
  let same = 0;
  while (same < fresh.length && parent.childNodes[same]?.isEqualNode(fresh[same])) same += 1;
  while (parent.childNodes.length > same) parent.lastChild.remove();
  parent.append(...fresh.slice(same));
}

function callElement(call) {
  let told = call.arguments;
  try {
    told = JSON.stringify(JSON.parse(told), null, 2);
  } catch {
    // The arguments are still coming, or no JSON: they are shown as they are.
  }
  return element("details", { className: "call", open: true },
    element("summary", {}, "Tool call: ", element("code", { textContent: call.name || "…" })),
    element("pre", { tabIndex: 0, textContent: told }),
    element("p", { className: "note", textContent: "The page runs no tools: a program that asks the gateway can." }));
}

function errorElement(message) {
  const { said, advice, setting } = message.error;
  const made = element("div", { className: "error" }, element("strong", { textContent: said }), element("p", { textContent: advice }),
    element("button", { type: "button", textContent: "Retry", onclick: () => retry(message) }));
  if (setting === "key") made.append(element("button", { type: "button", textContent: "Open the settings", onclick: () => openSettings("key") }));
  if (setting === "model") made.append(element("button", { type: "button", textContent: "Choose a model", onclick: () => $("model").focus() }));
  return made;
}

function actions(message, ...children) {
  const all = siblings(chat, message);
  const place = all.indexOf(message);
  const branches = all.length < 2 ? null : element("span", { className: "branches" },
    button("back", "Previous version", () => show(all[place - 1]), { disabled: place === 0 }),
    element("span", { textContent: `${place + 1} / ${all.length}` }),
    button("forth", "Next version", () => show(all[place + 1]), { disabled: place === all.length - 1 }));
  return element("div", { className: "actions" }, branches, ...children);
}

function show(message) {
  choose(chat, message);
  save(chat);
  showLog();
  document.querySelector(`[data-id="${CSS.escape(message.id)}"]`)?.focus();
}

function figures(message) {
  const tokens = message.usage?.completion_tokens;
  const seconds = message.ms / 1000;
  return [message.model, tokens ? `${tokens} tokens` : "", seconds ? `${seconds.toFixed(1)} s` : "",
          tokens && seconds ? `${Math.round(tokens / seconds)} tokens/s` : ""].filter(Boolean).join(" · ");
}

async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    notify("The browser does not let this page copy. Select the text, and copy it yourself.");
    return;
  }
  from.classList.add("done");
  $("live").textContent = "Copied.";
  setTimeout(() => from.classList.remove("done"), 1200);
}

function isAtEnd() {
  const box = $("scroll");
  return box.scrollHeight - box.scrollTop - box.clientHeight < 80;
}

function toEnd() {
  $("scroll").scrollTop = $("scroll").scrollHeight;
}

// --- Asking

function send() {
  const text = $("prompt").value.trim();
  if (running.has(chat.id) || (!text && !images.length)) return;
  if (!$("model").value) {
    notify("There is no model to ask. Check the API key in the settings, then reload the page.");
    return;
  }
  const parent = editing ? editing.parent : chat.leaf;
  const message = added(chat, parent, { role: "user", text, images });
  if (!chat.title) chat.title = text.replace(/\s+/g, " ").slice(0, 60) || "Images";
  chats.set(chat.id, chat);
  $("prompt").value = "";
  editing = null;
  setImages([]);
  ask(chat, message);
}

function retry(message) {
  if (running.has(chat.id)) return;
  ask(chat, chat.messages[message.parent]);
}

function edit(message) {
  editing = message;
  $("prompt").value = message.text;
  setImages(message.images);
  showSend();
  $("prompt").focus();
}

// Ask for an answer below this message of the user, and show it as it comes.
async function ask(one, question) {
  const model = $("model").value;
  one.model = model;
  const messages = asked(one, question);
  const message = added(one, question.id, { role: "assistant", text: "", reasoning: "", calls: [], model, usage: null, finish: "",
                                            state: "running", error: null, ms: 0 });
  const controller = new AbortController();
  running.set(one.id, { message, controller });
  save(one);
  showChats();
  if (one === chat) showLog();
  const began = performance.now();
  const draw = drawing(one, message);
  let saving = 0;
  try {
    for await (const piece of answer({ model, messages, key: apiKey, signal: controller.signal })) {
      take(message, piece);
      draw();
      // What has come survives a page that is closed.
      saving ||= setTimeout(() => ((saving = 0), save(one)), 2000);
    }
    message.state = "complete";
  } catch (error) {
    if (controller.signal.aborted) message.state = "stopped";
    else Object.assign(message, { state: "failed", error: told(error, message) });
  }
  clearTimeout(saving);
  message.ms = Math.round(performance.now() - began);
  running.delete(one.id);
  draw.end();
  if (chats.has(one.id)) save(one);
  if (one === chat) showSend();
}

// Return an error as a message keeps it; `message` is the answer that has failed, if there was one.
function told(error, message = null) {
  if (error instanceof Failure) {
    const isEmpty = message && !message.text && !message.reasoning && !message.calls.length;
    const advice = isEmpty && error.advice === KEPT ? "Nothing of it came; retry to ask again." : error.advice;
    return { said: error.said, advice, setting: error.setting };
  }
  return { said: `The page failed: ${error?.message ?? error}.`, advice: "Retry, or reload the page.", setting: "" };
}

function take(message, piece) {
  message.text += piece.text ?? "";
  message.reasoning += piece.reasoning ?? "";
  message.model = piece.model ?? message.model;
  message.usage = piece.usage ?? message.usage;
  message.finish = piece.finish ?? message.finish;
  if (piece.call) {
    const call = (message.calls[piece.call.index] ??= { name: "", arguments: "" });
    call.name += piece.call.name;
    call.arguments += piece.call.arguments;
  }
}

// Return a function that draws an answer soon, and at most so often that drawing takes a quarter of the time.
function drawing(one, message) {
  let timer = 0;
  let spent = 0;
  let announced = 0;
  const now = () => {
    timer = 0;
    const made = one === chat ? document.querySelector(`[data-id="${CSS.escape(message.id)}"]`) : null;
    if (!made) return;
    const began = performance.now();
    const follow = isAtEnd();
    fillAnswer(made, message);
    if (follow) toEnd();
    announced = announce(message, announced);
    spent = performance.now() - began;
  };
  const soon = () => {
    timer ||= setTimeout(now, Math.max(40, spent * 3));
  };
  soon.end = () => {
    clearTimeout(timer);
    now();
  };
  return soon;
}

// Tell screen readers of the sentences that are whole; return how much of the text has been told.
function announce(message, from) {
  const rest = message.text.slice(from);
  const end = message.state === "running" ? Math.max(rest.lastIndexOf(". "), rest.lastIndexOf("\n")) + 1 : rest.length;
  const failed = message.error ? ` ${message.error.said} ${message.error.advice}` : "";
  if (end || failed) $("live").textContent = rest.slice(0, end) + failed;
  return from + end;
}

function showSend() {
  const isRunning = running.has(chat.id);
  const label = isRunning ? "Stop" : editing ? "Send the edited message" : "Send";
  $("send").replaceChildren(icon(isRunning ? "stop" : "send"));
  $("send").setAttribute("aria-label", label);
  $("send").title = label;
  $("composer").classList.toggle("editing", editing !== null);
  $("prompt").placeholder = editing ? "Edit your message; Esc leaves it as it was" : "Ask anything";
}

function stop() {
  running.get(chat.id)?.controller.abort();
}

// --- Images

function setImages(urls) {
  images = urls;
  $("images").hidden = !urls.length;
  $("images").replaceChildren(...urls.map((url, place) => element("li", {}, element("img", { src: url, alt: `Image ${place + 1}` }),
    button("close", `Remove image ${place + 1}`, () => setImages(images.filter((_, other) => other !== place))))));
}

async function addImages(files) {
  for (const file of files) {
    if (!/^image\/(png|jpeg|webp|gif)$/.test(file.type)) {
      notify(`${file.name || "This file"} is no image that models read. Use PNG, JPEG, WebP or GIF.`);
    } else if (file.size > LARGEST_IMAGE) {
      notify(`${file.name || "This image"} is larger than 10 MB. Make it smaller first.`);
    } else {
      const url = await new Promise((resolve, reject) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result);
        reader.onerror = () => reject(reader.error);
        reader.readAsDataURL(file);
      });
      setImages([...images, url]);
    }
  }
}

// --- Settings, models, export and import

function openSettings(field) {
  $("system").value = chat.system;
  $("key").value = apiKey;
  $("remember").checked = stored("key") !== "";
  for (const radio of document.querySelectorAll("[name=theme]")) radio.checked = radio.value === stored("theme");
  $("settings").showModal();
  if (field) $(field).focus();
}

function closeSettings() {
  chat.system = $("system").value.trim();
  if (chats.has(chat.id)) save(chat);
  const before = apiKey;
  apiKey = $("key").value.trim();
  store("key", $("remember").checked ? apiKey : "");
  if (apiKey !== before) loadModels();
}

function setTheme(theme) {
  store("theme", theme);
  document.documentElement.dataset.theme = theme;
}

async function loadModels() {
  try {
    const names = await models(apiKey);
    const wanted = $("model").value || chat.model || stored("model");
    $("model").replaceChildren(...names.map((name) => element("option", { value: name, textContent: name })));
    if (names.includes(wanted)) $("model").value = wanted;
    if (!names.length) notify("The gateway has no models. Name one in gateway.toml, or start it with -m.", { of: "models" });
    else if ($("notice").dataset.of === "models") $("notice").hidden = true;
  } catch (error) {
    const { said, advice, setting } = told(error);
    notify(`${said} ${advice}`, { of: "models" });
    if (setting === "key" && !$("settings").open) openSettings("key");
  }
}

function exportChats() {
  const url = URL.createObjectURL(new Blob([exported([...chats.values()])], { type: "application/json" }));
  const day = new Date().toISOString().slice(0, 10);
  element("a", { href: url, download: `chats-${day}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

async function importChats(file) {
  let found;
  try {
    found = imported(await file.text());
  } catch (error) {
    notify(error.message);
    return;
  }
  for (const one of found) {
    // A chat that is here already is replaced, unless its answer is coming.
    if (running.has(one.id)) continue;
    chats.set(one.id, one);
    await save(one);
    if (chat.id === one.id) openChat(one);
  }
  showChats();
  notify(`${found.length} ${found.length === 1 ? "chat was" : "chats were"} imported.`, { lasting: false });
}

// --- Beginning

function listen() {
  $("composer").addEventListener("submit", (event) => event.preventDefault());
  $("send").addEventListener("click", () => (running.has(chat.id) ? stop() : send()));
  $("prompt").addEventListener("keydown", (event) => {
    // On a phone, Enter is the only way to a new line; and an input method uses Enter for itself.
    const isPhone = matchMedia("(pointer: coarse)").matches;
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || isPhone) return;
    event.preventDefault();
    send();
  });
  document.addEventListener("keydown", (event) => {
    if (event.altKey && event.code === "KeyN") {
      event.preventDefault();
      startChat();
    } else if (event.key === "Escape" && !$("settings").open) {
      if (document.body.classList.contains("side")) showSide(false);
      else if (editing) openChat(chat), ($("prompt").value = "");
      else stop();
    }
  });
  $("new").addEventListener("click", startChat);
  $("search").addEventListener("input", showChats);
  $("side-open").addEventListener("click", () => showSide(true));
  $("side-close").addEventListener("click", () => (showSide(false), $("side-open").focus()));
  $("shade").addEventListener("click", () => showSide(false));
  $("model").addEventListener("change", () => store("model", $("model").value));
  $("settings-open").addEventListener("click", () => openSettings("system"));
  $("settings-close").addEventListener("click", () => $("settings").close());
  $("settings").addEventListener("close", closeSettings);
  for (const radio of document.querySelectorAll("[name=theme]")) {
    radio.addEventListener("change", () => setTheme(radio.value));
  }
  $("export").addEventListener("click", exportChats);
  $("import").addEventListener("click", () => $("import-file").click());
  $("import-file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (file) await importChats(file);
    event.target.value = "";
  });
  $("attach").addEventListener("click", () => $("attach-file").click());
  $("attach-file").addEventListener("change", async (event) => {
    await addImages([...event.target.files]);
    event.target.value = "";
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    addImages(files);
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    addImages([...(event.dataTransfer?.files ?? [])]);
  });
}

async function begin() {
  setTheme(stored("theme"));
  apiKey = stored("key");
  chat = newChat("", "");
  listen();
  showChats();
  showLog();
  if (!(await kept.open())) notify("This browser keeps no chats: export what you want to keep.");
  for (const one of await kept.all()) {
    for (const message of Object.values(one.messages)) {
      if (message.state !== "running") continue;
      const error = { said: "The page was closed while this answer came.", advice: "What came is kept; retry to ask again.", setting: "" };
      Object.assign(message, { state: "failed", error });
    }
    chats.set(one.id, one);
  }
  showChats();
  const newest = [...chats.values()].filter((one) => one.leaf).sort((a, b) => b.made - a.made)[0];
  // Nobody has begun to write meanwhile.
  if (newest && !$("prompt").value && !chat.leaf) openChat(newest);
  await loadModels();
  if (chat.model && [...$("model").options].some((option) => option.value === chat.model)) $("model").value = chat.model;
  document.body.dataset.ready = "true";
  $("prompt").focus();
}

begin();
