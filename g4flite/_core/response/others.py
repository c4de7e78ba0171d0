"""Others: content of an answer that is no text: images, audio, citations and tools that the service runs itself.

    media_of("image", url="data:image/png;base64,iVBORw0KGgo=")      # Media("image/png", b"\\x89PNG\\r\\n\\x1a\\n")
    annotation_of("annotations", {"type": "url_citation", "url": "https://host.test"})      # Citation(url=...)

For the readers of the protocols.  What these functions read is not the answer's text, so no value of any shape is an
error: what is not understood becomes a `Native`.
"""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..events import Citation, Media, Native, Other, ServerToolCall
from ..media import sniffed, split_data_url
from ..numbers import dumps

URLSAFE: Final = str.maketrans("-_", "+/")


def media_of(kind: str, *, data: object = None, url: object = None, mime_type: object = None) -> Media | None:
    """Return media of a kind ("image", "audio") by their base64 text or their URL, which may be a data URL; else None.

    Without a `mime_type`, the first bytes tell it.
    """
    if isinstance(url, str) and (found := split_data_url(url)):
        (mime_type, data), url = found, None
    named = mime_type if isinstance(mime_type, str) else ""
    if isinstance(data, str) and data:
        try:
            # Base64 may be the form for URLs, and may lack its padding.
            raw = b64decode(data.translate(URLSAFE) + "=" * (-len(data) % 4), validate=True)
        except ValueError:
            return None
        return Media(named or sniffed(raw) or f"{kind}/*", raw)
    return Media(named or f"{kind}/*", None, url) if isinstance(url, str) and url else None


def image_of(name: str, image: object) -> Media | Native:
    """Return the image in `{"image_url": url}` or `{"image_url": {"url": url}}`."""
    place = image.get("image_url") if isinstance(image, dict) else None
    return media_of("image", url=place.get("url") if isinstance(place, dict) else place) or Native(name, image)


def citation_of(value: Mapping[str, Any], raw: Mapping[str, Any], **names: str) -> Citation:
    """Return the citation in an object; `names` are the object's words for fields of `Citation` that differ.

    What has not the right type counts as not told.
    """
    text, url, title = (
        found if isinstance(found := value.get(names.get(name, name)), str) and found else None
        for name in ("text", "url", "title")
    )
    start, end = (
        found if type(found := value.get(names.get(name, name))) is int and found >= 0 else None
        for name in ("start", "end")
    )
    return Citation(text, url, title, start, end, raw)


def annotation_of(name: str, note: object) -> Citation | Native:
    """Return an annotation of OpenAI's: flat in Responses, in an object `url_citation` in Chat Completions.

    Sources: types of openai-python 3.57.0; OpenRouter's annotations of files are no citations.
    """
    kind = note.get("type") if isinstance(note, dict) else None
    if not isinstance(note, dict) or kind == "file":
        return Native(name, note)
    inner = note.get(kind) if isinstance(kind, str) else None
    value = inner if isinstance(inner, dict) else note
    title = "title" if "title" in value else "filename"
    return citation_of(value, note, text="content", title=title, start="start_index", end="end_index")


def sources_of(sources: Mapping[str, Any]) -> Iterator[Other]:
    """Yield what a service says beside the chunks of Chat Completions: the sources, and what has no event.

    `citations` are URLs, which `search_results` name once more, with titles (docs.perplexity.ai, docs.x.ai).
    """
    named = set[str]()
    for key in sorted(sources, key=lambda key: key != "search_results"):
        value = sources[key]
        if key not in ("search_results", "citations") or not isinstance(value, list):
            yield Native(key, value)
            continue
        for one in value:
            source = {"url": one} if isinstance(one, str) else one
            url = source.get("url") if isinstance(source, dict) else None
            if not isinstance(url, str):
                yield Native(key, one)
            elif url not in named:
                named.add(url)
                yield citation_of(source, source, text="snippet", start="", end="")


def server_call(id_: object, name: object, arguments: object) -> ServerToolCall:
    """Return a call of a tool that the service runs itself; arguments that are no text become JSON text."""
    text = arguments if isinstance(arguments, str) else dumps(arguments or {})
    return ServerToolCall(word(id_), word(name), text or "{}")


def word(value: object) -> str:
    """Return an id or a name as a text, "" if there is none."""
    return "" if value is None else str(value)
