"""Media: the bytes, paths and types of images, files and audio in messages; `messages.py` checks the parts.

    data_url(Path("report.pdf"))        # ("data:application/pdf;base64,JVBE...", "report.pdf")
    media_kind(part)                    # "file.data", in the words of `Takes.media`
    embedded(part)                      # ("application/pdf", "JVBE...")

A path is an `os.PathLike`, like `pathlib.Path`, and never a plain string: a text that a stranger wrote opens no file.
The functions that check raise `MediaProblem`.
"""

import os
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

# A data URL (RFC 2397) in base64, up to the data.
DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[^;,]*)*;base64,", re.ASCII | re.IGNORECASE)
# How the bytes of a media type begin.
MAGIC = {
    "image/png": (b"\x89PNG",), "image/jpeg": (b"\xff\xd8\xff",), "image/gif": (b"GIF8",),
    "application/pdf": (b"%PDF-",), "audio/flac": (b"fLaC",), "audio/ogg": (b"OggS",),
    "audio/mpeg": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
}  # fmt: skip
# The media types of RIFF files, by the word behind their length.
RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
# The formats of audio whose names differ from the subtype of their media type.
FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "x-flac": "flac", "mp4": "m4a"}
# What becomes a data URL.
RAW: Final = (os.PathLike, bytes, bytearray, memoryview)
FILE_KEYS: Final = ("file_data", "file_url", "file_id")
# The kinds of media, in the words of `Takes.media`: what they are called, and what to do if a service does not take it.
KINDS = {
    "image.data": ("an image", "ask a provider that takes images, like openai"),
    "image.url": ("an image at a web URL", "pass the image's bytes, its path or a data: URL"),
    "image.id": ("an image by its file_id", "pass the image's bytes, its path or a data: URL"),
    "file.data": ("a file", "send its text, or ask a provider that takes files, like openai, anthropic or gemini"),
    "file.url": ("a file at a web URL", "download it, and pass its bytes or its path"),
    "file.gs": ("a file in Google's Cloud Storage", "download it, and pass its bytes or its path"),
    "file.id": ("a file by its file_id", "pass its bytes or its path"),
    "audio.data": ("audio", "send its text, or ask a provider that takes audio, like openai or gemini"),
}


class MediaProblem(Exception):  # noqa: N818 - caught in `messages.py`, which says where the part stands
    """Media cannot be sent; the message is the end of a sentence, and quotes neither the data nor a URL."""


def media_kind(part: Mapping[str, Any]) -> str:
    """Return the kind of a checked part, in the words of `Takes.media`; "" if the part is text."""
    kind = part["type"]
    if kind == "image_url":
        image = part["image_url"]
        return "image.id" if "file_id" in image else "image.data" if split_data_url(image["url"]) else "image.url"
    if kind == "file":
        if part["file"].get("file_url", "").startswith("gs://"):
            return "file.gs"
        return next(f"file.{key.rpartition('_')[2]}" for key in FILE_KEYS if key in part["file"])
    return "audio.data" if kind == "input_audio" else ""


def embedded(part: Mapping[str, Any]) -> tuple[str, str]:
    """Return the media type and the base64 text of a checked part that holds its data, two empty texts of any other."""
    if part["type"] == "input_audio":
        audio = part["input_audio"]
        return f"audio/{audio['format']}", audio["data"]
    url = part["image_url"].get("url", "") if part["type"] == "image_url" else part.get("file", {}).get("file_data", "")
    return split_data_url(url) or ("", "")


def split_data_url(url: str) -> tuple[str, str] | None:
    """Return the media type (in lower case) and the base64 text of a data URL, or None for a web URL."""
    found = DATA_URL.match(url)
    return (found[1].lower(), url[found.end() :]) if found else None


def sniffed(data: bytes) -> str:
    """Return the media type of data by their first bytes, "" if it cannot be told."""
    if data.startswith(b"RIFF"):
        return RIFF.get(data[8:12], "")
    return next((media_type for media_type, begins in MAGIC.items() if data.startswith(begins)), "")


def data_url(given: Any, name: str = "") -> tuple[str, str]:
    """Return bytes, or the file at a path, as a data URL, and the file's name, which may tell the type: `name` if any.

    Raises `MediaProblem` if a file cannot be read, is empty or of an unknown type.
    """
    data, found = content_of(given)
    name = name or found
    return f"data:{media_type_of(data, name)};base64,{b64encode(data).decode()}", name


def audio_of(given: Any) -> tuple[str, str]:
    """Return the base64 text and the format of audio in bytes or at a path; "" for a format that cannot be told."""
    data, name = content_of(given)
    try:
        kind, _, subtype = media_type_of(data, name).partition("/")
    except MediaProblem:
        kind = subtype = ""
    return b64encode(data).decode(), FORMATS.get(subtype, subtype) if kind == "audio" else ""


def content_of(given: Any) -> tuple[bytes, str]:
    """Return the bytes, and the name of the file that they are read from, "" if there is none."""
    # Rarely needed.
    from pathlib import Path  # noqa: PLC0415

    path = Path(os.fsdecode(given)) if isinstance(given, os.PathLike) else None
    try:
        data = bytes(given) if path is None else path.read_bytes()
    # A path may hold a null byte.
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no path"
        raise MediaProblem(f"whose path cannot be read: {why}") from None
    if not data:
        raise MediaProblem("without data")
    return data, "" if path is None else path.name


def media_type_of(data: bytes, name: str) -> str:
    """Return the media type of a file by its first bytes, or else by its name."""
    # Rarely needed: the module reads the machine's tables.
    from mimetypes import guess_type  # noqa: PLC0415

    media_type = sniffed(data) or guess_type(name)[0]
    if not media_type:
        raise MediaProblem("whose type neither its bytes nor its name tell; pass a data: URL, which names the type")
    return media_type


def check_base64(text: str) -> None:
    """Raise `MediaProblem` unless the text is base64 of one byte or more."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        raise MediaProblem("whose data are not base64") from None
    if not data:
        raise MediaProblem("without data")


def filename_of(part: Mapping[str, Any]) -> str:
    """Return the name of a file part, or the last part of its URL, or one after its media type.

    For a protocol that requires a name.
    """
    from mimetypes import guess_extension  # noqa: PLC0415 - as above

    name: str = part["file"].get("filename") or _name_in(part["file"].get("file_url", ""))
    return name or f"file{guess_extension(embedded(part)[0]) or ''}"


def guessed_type(file: Mapping[str, Any]) -> str:
    """Return the media type of a file at a URL by its name, "" if the name does not tell."""
    from mimetypes import guess_type  # noqa: PLC0415 - as above

    return guess_type(file.get("filename") or _name_in(file["file_url"]))[0] or ""


def _name_in(url: str) -> str:
    """Return the file's name at the end of a URL, "" if it has none."""
    return unquote(urlsplit(url).path.rpartition("/")[2])
