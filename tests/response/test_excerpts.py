"""What of a service's words a message may show."""

from g4flite._core.response.excerpts import displayable_id, excerpt, request_id
from tests.rows import rows


@rows(
    ("headers", "name"),
    [
        ({"x-request-id": "a", "request-id": "b"}, "a"),
        ({"request-id": "b", "x-generation-id": "c"}, "b"),
        ({"x-generation-id": "c"}, "c"),
        ({"apim-request-id": "d", "x-ms-request-id": "e"}, "d"),
        ({"x-ms-request-id": "e"}, "e"),
        ({"x-request-id": "", "request-id": "b"}, "b"),
        ({"x-request-id": "a" * 445, "request-id": "b"}, "a" * 445),
        ({"x-request-id": "a" * 4097, "request-id": "a\tb"}, None),
        ({"cf-ray": "f"}, None),
        ({}, None),
    ],
)
def test_the_request_id_comes_from_the_first_of_the_known_headers(headers: dict[str, str], name: str | None) -> None:
    assert request_id(headers) == name


def test_an_excerpt_of_200_and_a_request_id_of_4096_characters_are_kept_whole() -> None:
    assert excerpt("x" * 200) == repr("x" * 200)
    assert excerpt("x" * 201) == repr("x" * 200 + "...")
    assert displayable_id("x" * 4096) == "x" * 4096
    assert displayable_id("x" * 4097) is None


def test_the_first_value_of_a_repeated_header_is_the_request_id() -> None:
    assert request_id({"x-request-id": "first, second"}) == "first"
