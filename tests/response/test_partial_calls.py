"""Whether the arguments of a call break off.  `test_assembly_tool_calls.py` tests what is joined while they come."""

from g4flite._core.response.partial_calls import is_cut_off
from tests.rows import rows


@rows(("text", "cut_off"), [('{"x": ', True), ('{"x', True), ("{x", False), ("{}", False), ("[" * 10**5, False)])
def test_a_text_that_breaks_off_is_the_beginning_of_json(text: str, cut_off: bool) -> None:
    assert is_cut_off(text) is cut_off
