"""Media in messages: bytes, paths and types become data URLs, and a wrong part is refused before any socket."""

import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

import g4flite
from g4flite._core.media import filename_of, sniffed
from g4flite._core.messages import normalise
from tests.rows import rows

PNG, PDF, WAV = b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n", b"RIFF\x24\x00\x00\x00WAVEfmt "
URL = "https://host.test/a.pdf?signature=s3cret"


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def part(kind: str, given: Any) -> dict[str, Any]:
    return {"type": kind, kind: given}


def taken(kind: str, given: Any) -> Any:
    """Return what stays of a part with this value."""
    (message,) = normalise([{"role": "user", "content": [part(kind, given)]}])
    assert normalise([message]) == (message,)
    return message["content"][0][kind]


class Place:
    """A path that is no `pathlib.Path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> bytes:
        return os.fsencode(self.path)


@rows(("data", "media_type"), [
    (PNG, "image/png"), (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"GIF89a", "image/gif"), (PDF, "application/pdf"),
    (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"), (WAV, "audio/wav"), (b"RIFF\0\0\0\0AVI ", ""), (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"), (b"ID3\x04", "audio/mpeg"), (b"\xff\xfb\x90", "audio/mpeg"), (b"RIFF", ""), (b"hello", ""),
])  # fmt: skip
def test_the_first_bytes_tell_the_media_type(data: bytes, media_type: str) -> None:
    assert sniffed(data) == media_type


@rows("form", [bytes, bytearray, memoryview])
def test_bytes_become_data(form: Any) -> None:
    assert taken("image_url", form(PNG)) == {"url": f"data:image/png;base64,{b64(PNG)}"}
    assert taken("image_url", {"url": form(PNG), "detail": "low"})["detail"] == "low"
    assert taken("file", {"file_data": form(PDF)}) == {"file_data": f"data:application/pdf;base64,{b64(PDF)}"}
    assert taken("input_audio", {"data": form(WAV)}) == {"data": b64(WAV), "format": "wav"}
    assert taken("input_audio", {"data": form(b"\1\0"), "format": "pcm16"}) == {"data": "AQA=", "format": "pcm16"}


@pytest.mark.parametrize("form", [Path, Place])
def test_a_file_is_read_from_its_path(tmp_path: Path, form: Any) -> None:
    for name, data in {"a.png": PNG, "b.pdf": PDF, "c.mp3": b"ID3", "d.csv": b"a,b", "e.m4a": b"?"}.items():
        (tmp_path / name).write_bytes(data)
    assert taken("image_url", form(tmp_path / "a.png")) == {"url": f"data:image/png;base64,{b64(PNG)}"}
    assert taken("file", {"file_data": form(tmp_path / "b.pdf")}) == {
        "file_data": f"data:application/pdf;base64,{b64(PDF)}", "filename": "b.pdf"}  # fmt: skip
    assert taken("file", {"file_data": form(tmp_path / "b.pdf"), "filename": "x.pdf"})["filename"] == "x.pdf"
    assert taken("file", {"file_data": form(tmp_path / "d.csv")})["file_data"] == "data:text/csv;base64,YSxi"
    assert taken("input_audio", {"data": form(tmp_path / "c.mp3")}) == {"data": "SUQz", "format": "mp3"}
    assert taken("input_audio", {"data": form(tmp_path / "e.m4a")})["format"] == "m4a"


def test_what_is_whole_already_stays_as_it_is() -> None:
    whole: list[tuple[str, Any]] = [
        ("image_url", {"file_id": "file-1", "detail": "low"}), ("file", {"file_id": "file-1"}),
        ("file", {"file_url": URL, "filename": "a.pdf"}), ("input_audio", {"data": "AQA=", "format": "wav"}),
        ("file", {"file_data": "data:application/pdf;base64,QUI="}),
    ]  # fmt: skip
    for kind, given in whole:
        assert taken(kind, given) == given


def test_a_file_without_a_name_gets_one_after_its_type() -> None:
    named = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUI="}
    assert filename_of(part("file", named)) == "a.pdf"
    assert filename_of(part("file", {**named, "filename": ""})) == "file.pdf"
    assert filename_of(part("file", {"file_url": URL})) == "a.pdf"
    assert filename_of(part("file", {"file_url": "https://host.test"})) == "file"


NOT_WEB = "a file whose file_url is not https"


@rows(("kind", "given", "complaint"), [
    ("image_url", b"", "an image without data"),
    ("image_url", {"url": b"hello"}, "an image whose type neither its bytes nor its name tell; pass a data: URL"),
    ("image_url", {"url": PDF}, "an image whose bytes are no image"),
    ("image_url", Path("nowhere", "s3cret.png"), "an image whose path cannot be read: No such file or directory"),
    ("image_url", Path("\0"), "an image whose path cannot be read: it is no path"),
    ("image_url", {"url": URL, "file_id": "f"}, "an image with a url and a file_id; give one of them"),
    ("image_url", {"file_id": 3}, "no file_id of the type str"),
    ("file", None, 'a file of the type NoneType; it must be {"file_data"}'),
    ("file", {}, "a file with no data; give one of"),
    ("file", {"filename": "x"}, "a file with no data; give one of"),
    ("file", {"file_url": URL, "file_id": "f"}, "a file with file_url and file_id; give one of"),
    ("file", {"file_data": b""}, "a file without data"),
    ("file", {"file_data": b"hello", "filename": "x"}, "a file whose type neither its bytes nor its name tell"),
    ("file", {"file_data": Path()}, "a file whose path cannot be read: Is a directory"),
    ("file", {"file_data": "/etc/s3cret"}, "a file whose file_data are not bytes, a path or data:application/pdf"),
    ("file", {"file_data": "data:application/pdf;base64,Q*I="}, "a file whose data are not base64"),
    ("file", {"file_data": "data:application/pdf;base64,"}, "a file without data"),
    ("file", {"file_data": 3}, "no file_data of the type str"),
    ("file", {"file_url": "ftp://s3cret"}, NOT_WEB), ("file", {"file_url": "https://[s3cret"}, NOT_WEB),
    ("file", {"file_url": PDF}, "no file_url of the type str"),
    ("file", {"file_id": "f", "filename": 3}, "no filename of the type str"),
    ("file", {"file_id": "f", "size": 3}, "'size', which cannot be sent; it takes file_data, file_url, file_id, file"),
    ("input_audio", None, 'an input_audio of the type NoneType; it must be {"data", "format"}'),
    ("input_audio", {"data": b"", "format": "wav"}, "audio without data"),
    ("input_audio", {"data": b"hello"}, 'audio of an unknown format; give one, like "format": "wav"'),
    ("input_audio", {"data": PNG}, "audio of an unknown format"),
    ("input_audio", {"data": "AQA="}, "audio of an unknown format"),
    ("input_audio", {"data": "AQA=", "format": "a/b"}, "audio of an unknown format"),
    ("input_audio", {"data": "s3cret!", "format": "wav"}, "audio whose data are not base64"),
    ("input_audio", {"data": 3}, "no data of the type str"),
])  # fmt: skip
def test_the_error_names_the_part_and_never_its_content(kind: str, given: Any, complaint: str) -> None:
    content = [{"type": "text", "text": "Look."}, part(kind, given)]
    with pytest.raises(g4flite.MessagesError) as caught:
        g4flite.stream("openai", [{"role": "user", "content": content}], model="m", api_key="k")
    assert f"message 1, part 2 has {complaint}" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@rows("role", ["system", "assistant", "tool"])
def test_the_user_alone_shows_files_and_audio(role: str) -> None:
    for kind in ("file", "input_audio"):
        with pytest.raises(g4flite.MessagesError, match=f"message 1, part 1 is of the type '{kind}'; only"):
            normalise([{"role": role, "content": [part(kind, {})]}])
