"""Tables in one test: each row runs, and each that failed is named."""

import inspect

import pytest

from tests.conftest import Driver
from tests.rows import DRIVERS, rows, share


def test_each_row_runs_with_the_fixtures_and_each_that_failed_is_named() -> None:
    ran = []

    @rows(("a", "b"), [(1, "x"), (2, "y"), (3, "z")])
    def test(a: int, fixture: str, b: str) -> None:
        """Its own words."""
        ran.append((a, fixture, b))
        if a == 1:
            raise ValueError("first")
        if a == 2:
            with pytest.raises(ValueError):
                pass

    assert (test.__name__, test.__doc__, list(inspect.signature(test).parameters)) == (
        "test", "Its own words.", ["fixture"]
    )  # fmt: skip
    with pytest.raises(pytest.fail.Exception) as caught:
        test(fixture="f")
    assert ran == [(1, "f", "x"), (2, "f", "y"), (3, "f", "z")]
    told = str(caught.value)
    assert told.startswith("2 of 3 rows failed:\n\nrow a=1, b='x':\nTraceback")
    assert "ValueError: first" in told
    assert "row a=2, b='y':\nTraceback" in told
    assert "DID NOT RAISE" in told
    assert "row a=3" not in told


def test_tables_are_multiplied_and_a_fault_is_named_by_the_values_of_all() -> None:
    ran = []

    @rows("a", [1, 2])
    @rows("b", "xy")
    def test(a: int, b: str) -> None:
        ran.append((a, b))
        assert (a, b) != (2, "x")

    with pytest.raises(pytest.fail.Exception) as caught:
        test()
    assert ran == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    assert str(caught.value).startswith("1 of 2 rows failed:\n\nrow a=2:\n1 of 2 rows failed:\n\nrow b='x':\nTraceback")


def test_rows_that_all_pass_are_a_test_that_passes_and_a_skip_is_a_skip() -> None:
    rows("a", [1])(lambda a: None)()
    with pytest.raises(pytest.skip.Exception, match="no IPv6"):
        rows("a", [1])(lambda a: pytest.skip("no IPv6"))()


def test_a_wrong_table_is_refused_where_it_is_written() -> None:
    with pytest.raises(AssertionError, match="without rows"):
        rows("a", [])
    with pytest.raises(AssertionError, match="each row has to be"):
        rows(("a", "b"), [(1,)])
    with pytest.raises(AssertionError, match="does not take all of"):
        rows("b", [1])(lambda a: None)


def test_drivers_share_a_table_out_and_run_every_row_if_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVERY_ROW", raising=False)
    ran = []

    @rows("a", range(5), shared=True)
    def test(a: int, driver: Driver) -> None:
        ran.append((a, driver.name))

    drivers = [Driver(name) for name in DRIVERS]
    for driver in drivers:
        test(driver=driver)
    assert sorted(ran) == [(0, "sync"), (1, "asyncio"), (2, "trio"), (3, "sync"), (4, "asyncio")]
    assert [share("ab", driver) for driver in drivers] == [["a"], ["b"], []]
    assert [share("ab", driver, turn=4) for driver in drivers] == [["b"], [], ["a"]]
    monkeypatch.setenv("EVERY_ROW", "1")
    assert [share("ab", driver) for driver in drivers] == [["a", "b"]] * 3
