// Makes elements of an answer's Markdown.  What the model writes is never trusted:
//
//   1. HTML in the text is shown as text;
//   2. DOMPurify lets through these tags and attributes alone;
//   3. the page's Content-Security-Policy and Trusted Types forbid what would still get past.

const TAGS = "a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr li ol p pre span strong sub sup table tbody td th thead tr ul";
const RULES = {
  ALLOWED_TAGS: TAGS.split(" "),
  ALLOWED_ATTR: ["align", "class", "href", "start", "title"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};
// A block of this many characters is shown without colours: they would take longer than the answer.
const LONG = 50_000;

const escaped = (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

const reader = new marked.Marked({
  gfm: true,
  renderer: {
    html({ text }) {
      return escaped(text);
    },
    // An image would tell its host that somebody reads this, and what the address says: it is a link.
    image({ href, text }) {
      return `<a href="${escaped(href)}">${escaped(text || href)}</a>`;
    },
    checkbox({ checked }) {
      return checked ? "☑ " : "☐ ";
    },
    code({ text, lang }) {
      const language = (lang ?? "").match(/^[\w+#.-]*/)[0];
      const known = language && text.length < LONG && hljs.getLanguage(language);
      const coloured = known ? hljs.highlight(text, { language, ignoreIllegals: true }).value : escaped(text);
      return `<div class="code"><div class="code-bar"><span>${escaped(language || "text")}</span></div>`
        + `<pre><code class="hljs">${coloured}</code></pre></div>`;
    },
    table(token) {
      // The table scrolls, and not the page.
      return `<div class="table">${marked.Renderer.prototype.table.call(this, token)}</div>`;
    },
  },
});

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
});

// Return a DocumentFragment of some HTML, without anything that could run, load or deceive.
export function sanitised(html) {
  return DOMPurify.sanitize(html, RULES);
}

// Return a DocumentFragment of a text in Markdown.
export function rendered(text) {
  return sanitised(reader.parse(text));
}
