"""The register from a served federation: by an officer and from the coordinator's home, the same; and what was asked
is in it, without the analyst's own words and without any figure that was not published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cli.main import run
from engine.client.calls import Line
from engine.errors import Refused
from engine.governance.homes import set_coordinator
from engine.trusted import wire
from engine.trusted.messages import RegisterPart
from tests.coordinator import papers
from tests.record.conftest import Bench

WORDS = "the statement says this and nobody else"
ASKED = f"SELECT region, COUNT(*) AS \"{WORDS}\" FROM people WHERE region IN ('N', 'S') GROUP BY region"


def exported(bench: Bench, name: str, out: Path, *more: str) -> Path:
    set_coordinator(bench.home(name), bench.coordinator.address)
    assert run(["register", "export", "--home", str(bench.home(name).path), "--out", str(out), *more]) == 0
    return out


@pytest.fixture(scope="module")
def asked(bench: Bench) -> str:
    """A request answered after one was published, with a pause come and gone."""
    with bench.session() as session:
        release = session.query(ASKED, epsilon="1.25", purpose="To plan <clinics>").wait(30)
        for paused in (True, False):
            session.line.hand(papers.pause(bench.federation, "north", paused, reason="an <audit>"))
    return release.request_id


@pytest.fixture(scope="module")
def published(bench: Bench, asked: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    out = tmp_path_factory.mktemp("published")
    set_coordinator(bench.home("analyst"), bench.coordinator.address)
    command = ["release", "publish", asked, "--title", "Regions", "--out", str(out), "--yes"]
    assert run([*command, "--home", str(bench.home("analyst").path)]) == 0
    yield out


def test_an_officer_and_the_coordinator_make_the_same_register(bench: Bench, published: Path, tmp_path: Path) -> None:
    made = []
    for name in ("policy", "coordinator"):
        register = json.loads((exported(bench, name, tmp_path / name) / "register.json").read_text())
        made.append({key: value for key, value in register.items() if key != "made"})
    assert made[0] == made[1]
    assert made[0]["contradictions"] == []


def test_what_was_asked_is_in_it_and_what_was_said_and_found_is_not(
    bench: Bench, asked: str, published: Path, tmp_path: Path
) -> None:
    out = exported(bench, "policy", tmp_path / "register", "--published", str(published))
    register = json.loads((out / "register.json").read_text())
    (row,) = (row for row in register["requests"] if row["request"] == asked)
    assert (row["analyst"], row["purpose"], row["state"]) == ("analyst", "To plan <clinics>", "released")
    assert row["agreement_name"] == "first-agreement"
    assert row["datasets"] == ["people"]
    assert row["columns"] == ["people.region"]
    charged = {c["node"]: c["outcome"] for c in register["charges"] if c["request"] == asked}
    assert charged == dict.fromkeys(("east", "north", "west"), "replied")
    assert [(p["node"], p["paused"], p["reason"]) for p in register["pauses"]] == [
        ("north", True, "an <audit>"),
        ("north", False, "an <audit>"),
    ]
    (publication,) = (p for p in register["publications"] if p["request"] == asked)
    table = (out / publication["file"]).read_bytes()
    assert wire.digest(table).hex() == publication["table"]
    everything = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert not [path for path, body in everything.items() if WORDS.encode() in body and path.name != "release-1.csv"]
    counts = [b"700", b"7000"]  # the doubles add no noise, so the figures are known
    assert all(count in table for count in counts)
    for path, body in everything.items():
        if path.suffix == ".html":
            assert b">7,000<" not in body and b">7000<" not in body, path


def test_without_the_tables_there_is_no_figure(bench: Bench, asked: str, published: Path, tmp_path: Path) -> None:
    out = exported(bench, "policy", tmp_path / "register")
    register = json.loads((out / "register.json").read_text())
    assert {p["file"] for p in register["publications"]} == {""}
    assert not list(out.rglob("release-*.csv"))


def test_a_register_is_replaced_and_nothing_else_is(
    bench: Bench, asked: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = exported(bench, "policy", tmp_path / "register")
    (out / "stale.html").write_text("of an older register")
    exported(bench, "policy", out)
    assert not (out / "stale.html").exists()
    other = tmp_path / "mine"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    command = ["register", "export", "--home", str(bench.home("policy").path), "--out", str(other)]
    assert run(command) == 2
    assert "FILE_REGISTER_FOLDER" in capsys.readouterr().err
    assert (other / "letter.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["analyst", "guardian-north", "east"])
def test_only_those_who_see_all_can_make_one(
    bench: Bench, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = bench.home(name)
    assert run(["register", "export", "--home", str(home.path), "--out", str(tmp_path / "out")]) == 2
    assert "FILE_REGISTER_HOME" in capsys.readouterr().err
    if name != "east":
        line = Line(home)
        with pytest.raises(Refused, match="POLICY_CALLER"):
            list(line.register())
        line.close()


def test_nothing_of_the_analysts_words_is_handed_over(bench: Bench, asked: str) -> None:
    line = Line(bench.home("policy"))
    parts = list(line.register())
    line.close()
    assert asked in {q.status.request_digest.hex() for part in parts for q in part.requests}
    assert WORDS.encode() not in b"".join(wire.encode(part, RegisterPart) for part in parts)


def test_a_crate_of_one_request(bench: Bench, asked: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_coordinator(bench.home("policy"), bench.coordinator.address)
    command = ["register", "crate", asked[:10], "--home", str(bench.home("policy").path)]
    assert run(command) == 0
    printed = json.loads(capsys.readouterr().out)
    assert run([*command, "--out", str(tmp_path / "crate.json")]) == 0
    written = json.loads((tmp_path / "crate.json").read_text())
    assert [e["@id"] for e in written["@graph"]] == [e["@id"] for e in printed["@graph"]]
    (root,) = (e for e in written["@graph"] if e["@id"] == "./")
    assert root["identifier"] == asked
    assert run(["register", "crate", "ffffffffff", "--home", str(bench.home("policy").path)]) == 3
