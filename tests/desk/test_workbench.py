"""The workbench: a statement checked, weighed, rehearsed, submitted, followed and kept, by the pages alone."""

from __future__ import annotations

import csv
import io
import json
import re
import time
import zipfile
from collections.abc import Mapping

import pytest
from pyarrow import parquet

from engine.client.receipts import verify_receipt
from engine.client.rehearse import Rehearsal
from engine.desk import rehearsals
from engine.errors import Unavailable
from engine.sql.finish import Answer
from engine.trusted.messages import RequestState
from engine.trusted.plan import Type
from engine.trusted.records import Loss
from tests.client.conftest import Bench
from tests.desk.conftest import Browser, desk_of, visible

SQL = "SELECT region, COUNT(*) AS n FROM people GROUP BY region"
FRESH = "0.9"  # an epsilon of its own: elsewhere the same plan is asked in other words
UNKNOWN = "0" * 64


@pytest.fixture
def analyst(desks: Mapping[str, Browser]) -> Browser:
    return desks["analyst"]


def ended(browser: Browser, place: str) -> str:
    """The page of a request once nothing more changes on it."""
    for _ in range(400):
        page = browser.get(place).text
        if 'data-live="on"' not in page:
            return str(page)
        time.sleep(0.05)
    raise AssertionError("it did not end")


def submitted(browser: Browser, sql: str = SQL, **fields: str) -> str:
    """The place of a request, handed in by the form."""
    answer = browser.post("/ask", {"sql": sql, "do": "submit", "epsilon": FRESH, **fields})
    assert answer.status_code == 303, visible(answer.text)
    return str(answer.headers["location"].removeprefix(browser.base).partition("?")[0])


# -- before anything is asked

REFUSED = [  # what is written, and the field that the summary links to
    ({"sql": "SELECT x FROM people"}, "sql", "SQL_"),
    ({"sql": ""}, "sql", "SQL_"),
    ({"sql": "SELECT * FROM people"}, "sql", "SQL_"),
    ({"epsilon": "0"}, "own_epsilon", "SQL_EPSILON_RANGE"),
    ({"epsilon": "much"}, "own_epsilon", "SQL_EPSILON_RANGE"),
    ({"epsilon": "1e999999999"}, "own_epsilon", "SQL_EPSILON_RANGE"),
    ({"valid_days": "0" * 20 + "1" * 9}, "valid_days", "FILE_DESK_FIELD"),
    ({"runs": "0" * 20 + "1" * 5_000}, "runs", "FILE_DESK_FIELD"),
    ({"own_epsilon": "-1"}, "own_epsilon", "SQL_EPSILON_RANGE"),
    ({"delta": "1"}, "delta", "SQL_DELTA_RANGE"),
    ({"delta": "much"}, "delta", "SQL_DELTA_RANGE"),
    ({"purpose": "long " * 401}, "purpose", "SQL_PURPOSE_LONG"),
    ({"n_min": "9"}, "n_min", "POLICY_N_MIN_HOSTS"),
    ({"n_min": "two"}, "n_min", "FILE_DESK_FIELD"),
    ({"runs": "0"}, "runs", "FILE_DESK_FIELD"),
    ({"valid_days": "9999"}, "valid_days", "FILE_DESK_FIELD"),
    ({"rows": "1e9"}, "rows", "FILE_DESK_FIELD"),
    ({"persons": "²"}, "persons", "FILE_DESK_FIELD"),
]


@pytest.mark.parametrize(("written", "field", "code"), REFUSED, ids=[f"{w}"[:60] for w, _, _ in REFUSED])
def test_what_cannot_be_asked_is_said_at_its_field(
    analyst: Browser, written: dict[str, str], field: str, code: str
) -> None:
    answer = analyst.post("/ask", {"sql": SQL, "do": "weigh", **written})
    assert answer.status_code in (400, 422)
    page = answer.text
    assert re.search(rf"<code>{code}\w*</code>", page)
    assert f'<a href="#{field}">' in page
    assert f'id="{field}"' in page
    assert "<title>Error: " in page


@pytest.mark.parametrize("do", ["submit", "rehearse"])
def test_nothing_is_sent_that_cannot_be_asked(analyst: Browser, do: str) -> None:
    before = analyst.get("/requests").text.count("<tr>")
    assert analyst.post("/ask", {"sql": "SELECT x FROM people", "do": do}).status_code == 422
    assert analyst.get("/requests").text.count("<tr>") == before


def test_a_statement_is_explained_and_forecast(analyst: Browser) -> None:
    page = visible(analyst.post("/ask", {"sql": SQL, "do": "weigh"}).text)
    assert "Group key 1: region, 2 values" in page
    assert "Asks east, north, west ; at least 3 must answer" in page
    assert "Sign and submit" in page


def test_a_larger_epsilon_is_less_wrong(analyst: Browser) -> None:
    page = analyst.post("/ask", {"sql": SQL, "own_epsilon": "0.7", "do": "weigh"}).text
    ladder = re.findall(r'value="([\d.]+)"( checked)?>.*?<td class="number">± ([\d,.]+)', page, re.DOTALL)
    assert [epsilon for epsilon, _, _ in ladder] == ["0.1", "0.25", "0.5", "0.7", "1", "2", "4"]
    assert [epsilon for epsilon, chosen, _ in ladder if chosen] == ["0.7"]
    errors = [float(error.replace(",", "")) for _, _, error in ladder]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 5 * errors[-1]


def test_one_that_the_agreement_cannot_bear_says_so_beforehand(analyst: Browser) -> None:
    page = analyst.post("/ask", {"sql": SQL, "own_epsilon": "40", "do": "weigh"}).text
    row = re.search(r'value="40" checked.*?</tr>', page, re.DOTALL)
    assert row is not None
    assert "would be refused" in row.group()


def test_a_statement_is_checked_while_it_is_written(analyst: Browser) -> None:
    good = analyst.post("/check", {"sql": SQL}).json()
    assert (good["verdict"], good["columns"]) == ("accept", ["region", "n"])
    bad = analyst.post("/check", {"sql": "SELECT region,\n  x FROM people"}).json()
    assert bad["verdict"] == "refuse"
    assert bad["hint"]
    assert set(bad) == {"verdict", "code", "message", "hint", "at"}


def test_examples_can_be_asked_as_they_are(analyst: Browser) -> None:
    page = analyst.get("/ask?about=people").text
    written = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert written is not None
    assert analyst.post("/check", {"sql": written.group(1)}).json()["verdict"] == "accept"
    assert "SELECT" not in analyst.get("/ask?about=nothing").text.partition("</textarea>")[0].rpartition(">")[2]


# -- asked, followed, kept


def test_a_request_is_followed_to_its_answer(analyst: Browser) -> None:
    place = submitted(analyst, purpose="To plan schools")
    page = ended(analyst, place)
    assert "Figures with their 95 % intervals" in page
    assert '<svg class="chart"' in page
    assert "To plan schools" in page
    rows = re.findall(r'<th scope="row">(N|S)</th>\s*<td class="number">([\d,]+)</td>', page)
    assert dict(rows) == {"N": "7", "S": "70"}  # the doubles add no noise
    assert place in analyst.get("/requests").text


def test_the_same_question_in_other_words_is_shown_by_those(analyst: Browser) -> None:
    """Names, HAVING and LIMIT are no part of the plan: the answer is the same, what is shown of it is not."""
    ended(analyst, submitted(analyst))
    other = "SELECT region AS part, COUNT(*) AS many FROM people GROUP BY region HAVING COUNT(*) > 20"
    answer = analyst.post("/ask", {"sql": other, "do": "submit", "epsilon": FRESH})
    page = analyst.follow(answer).text
    assert "free of charge" in page
    assert re.findall(r'<th scope="row">(N|S)</th>', page) == ["S"]
    table = re.search(r'href="([^"]*/files/csv[^"]*)"', page)
    assert table is not None
    place = table.group(1).removeprefix(analyst.base).replace("&amp;", "&")
    assert analyst.get(place).text.splitlines()[0].startswith("part,many,")


def test_an_answer_of_tiny_figures_is_shown_and_drawn(analyst: Browser) -> None:
    sql = "SELECT region, COUNT(*) / 9000000000000000.0 AS n FROM people GROUP BY region"
    page = ended(analyst, submitted(analyst, sql, epsilon="0.771"))
    assert "Figures with their 95 % intervals" in page
    assert "<svg" in page


def test_an_agreement_can_be_chosen_where_another_was_refused(analyst: Browser) -> None:
    page = analyst.post("/ask", {"sql": SQL, "do": "submit", "agreement": "none"}).text
    assert '<a href="#agreement">' in page
    assert 'id="agreement"' in page
    assert '<input type="radio" name="agreement"' in page


def test_columns_named_like_the_ends_of_intervals_are_told_apart(analyst: Browser) -> None:
    """Each file names the same columns, and the analyst's own names stay."""
    sql = 'SELECT region, COUNT(*) AS n, COUNT(*) + 1 AS "n, low 95 %" FROM people GROUP BY region'
    place = submitted(analyst, sql, epsilon="0.772")
    ended(analyst, place)
    first = analyst.get(f"{place}/files/csv").text.splitlines()[0]
    ends = ["n, low 95 %'", "n, high 95 %"], ["n, low 95 %, low 95 %", "n, low 95 %, high 95 %"]
    names = ["region", "n", *ends[0], "n, low 95 %", *ends[1]]
    assert next(csv.reader([first])) == names
    assert parquet.read_table(io.BytesIO(analyst.get(f"{place}/files/parquet").content)).column_names == names


def test_the_same_question_is_answered_again_free_of_charge(analyst: Browser) -> None:
    first = submitted(analyst)
    ended(analyst, first)
    answer = analyst.post("/ask", {"sql": SQL, "do": "submit", "epsilon": FRESH})
    assert "free of charge" in analyst.follow(answer).text
    assert submitted(analyst) == first


def test_a_notice_is_shown_once(analyst: Browser) -> None:
    answer = analyst.post("/ask", {"sql": SQL, "do": "submit", "epsilon": FRESH})
    assert 'id="banner-title"' in analyst.follow(answer).text
    assert 'id="banner-title"' not in analyst.follow(answer).text


@pytest.fixture
def release(analyst: Browser) -> str:
    place = submitted(analyst)
    ended(analyst, place)
    return place


def test_files_hold_the_answer(analyst: Browser, release: str, bench: Bench) -> None:
    table = analyst.get(f"{release}/files/csv").text
    assert table.splitlines()[0] == 'region,n,"n, low 95 %","n, high 95 %"'
    assert [line.split(",")[:2] for line in table.splitlines()[1:]] == [["N", "7"], ["S", "70"]]
    described = json.loads(analyst.get(f"{release}/files/csvw").text)
    assert described["url"] == f"release-{release.split('/')[2][:12]}.csv"
    assert len(described["tableSchema"]["columns"]) == 4
    columns = parquet.read_table(io.BytesIO(analyst.get(f"{release}/files/parquet").content))
    assert columns.column_names == ["region", "n", "n, low 95 %", "n, high 95 %"]
    assert columns["n"].to_pylist() == [7, 70]
    receipt = analyst.get(f"{release}/files/receipt").content
    found = verify_receipt(receipt, bench.home("analyst").roots())
    assert found.request.analyst == "analyst"


def test_the_crate_says_who_why_and_how(analyst: Browser, release: str) -> None:
    answer = analyst.get(f"{release}/files/crate")
    assert answer.headers["content-disposition"].endswith('.zip"')
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    names = archive.namelist()
    assert "ro-crate-metadata.json" in names
    graph = {entity["@id"]: entity for entity in json.loads(archive.read("ro-crate-metadata.json"))["@graph"]}
    assert graph["#query"]["agent"] == {"@id": "#person-analyst"}
    assert graph["#query"]["actionStatus"].endswith("CompletedActionStatus")
    assert graph["#check"]["actionStatus"].endswith("CompletedActionStatus")
    nodes = [entity["@id"] for entity in graph.values() if str(entity["@id"]).startswith("#disclosure-")]
    assert len(nodes) == 3
    assert {name.rpartition(".")[2] for name in names} == {"json", "html", "csv", "receipt"}


@pytest.mark.parametrize(
    "place",
    [
        "/requests/../../../etc/passwd",
        "/requests/%2e%2e%2f%2e%2e%2fetc%2fpasswd/files/csv",
        f"/requests/{UNKNOWN}/files/csv",
        "/requests/00/files/csv",
        "/requests//files/csv",
        "/requests/revoked/files/receipt",
        "/requests/repeats",
        f"/requests/{UNKNOWN}/files/..%2fasked.json",
        f"/requests/{UNKNOWN}/files/asked.json",
        "/register/../keys/sign.key",
        "/register/%2e%2e%2fkeys%2fsign.key",
        "/register//etc/passwd",
        "/catalogue/..%2f..%2fkeys%2fsign.key",
        "/rehearsals/..%2f..%2fkeys",
    ],
)
def test_no_path_leads_to_another_file(analyst: Browser, place: str) -> None:
    answer = analyst.get(place)
    assert answer.status_code in (404, 422)
    assert "content-disposition" not in answer.headers
    assert "root:" not in answer.text


@pytest.mark.parametrize("kind", ["..%2f..%2f..%2fkeys%2fsign.key", "asked.json", "receipt%00", "CSV", ""])
def test_nor_does_a_kind_of_file(analyst: Browser, release: str, kind: str) -> None:
    answer = analyst.get(f"{release}/files/{kind}")
    assert answer.status_code == 404
    assert analyst.desk.home.signing_key().public.hex() not in answer.text


def test_two_answers_are_compared(analyst: Browser, release: str) -> None:
    other = submitted(analyst, own_epsilon="0.5")
    ended(analyst, other)
    ids = [place.split("/")[2] for place in (release, other)]
    page = visible(analyst.get(f"/compare?first={ids[0]}&second={ids[1]}").text)
    assert "0 of 2 differences are beyond what noise alone would explain" in page
    same = analyst.get(f"/compare?first={ids[0]}&second={ids[0]}")
    assert same.status_code == 422
    assert "POLICY_RELEASES_DIFFER" in same.text
    assert analyst.get(f"/compare?first={ids[0]}&second=zz").status_code == 422


def test_a_request_that_waits_can_be_taken_back(analyst: Browser, bench: Bench) -> None:
    bench.members["west"].faults.add("silent")  # its round stands still
    try:
        place = submitted(analyst, own_epsilon="0.3")
        page = analyst.get(place).text
        assert 'data-live="on"' in page
        assert f'href="{analyst.base}{place}?refresh=5"' in page
        assert '<meta http-equiv="refresh" content="5">' in analyst.get(f"{place}?refresh=5").text
        assert "taken back" in analyst.follow(analyst.post(f"{place}/withdraw", {"reason": "a slip"})).text
        assert "POLICY_REQUEST_WITHDRAWN" in ended(analyst, place)
    finally:
        bench.members["west"].faults.clear()


def test_an_answer_is_shared_with_an_analyst_of_the_agreement(analyst: Browser, release: str, bench: Bench) -> None:
    assert "<option>other</option>" in analyst.get(release).text
    assert "Shared with other" in analyst.follow(analyst.post(f"{release}/share", {"reader": "other"})).text
    assert analyst.post(f"{release}/share", {"reader": "nobody"}).status_code == 422
    reader = desk_of(bench.home("other"))
    opened = reader.get(f"/requests/open?id={release.rpartition('/')[2]}")
    page = reader.follow(opened).text
    assert "shared with you by <strong>analyst</strong>" in page
    assert re.findall(r'<td class="number">([\d,]+)</td>', page) == ["7", "70"]
    assert reader.get(f"{release}/files/csv").status_code == 200
    assert reader.get("/requests/open?id=zz").status_code == 422
    reader.desk.close()


OPEN = "SELECT clinic, COUNT(*) AS n FROM people GROUP BY clinic ORDER BY n DESC"


@pytest.fixture
def clinics(bench: Bench) -> None:
    """Keys that the nodes name; an answer over them takes two phases, with the analyst's choice in between."""
    for name, found in {"east": {"a": 5}, "north": {"c": 5}, "west": {"a": 1}}.items():
        bench.members[name].clinics = found


def keys_shown(page: str) -> list[tuple[str, str]]:
    return re.findall(r'<th scope="row">(\w)</th>\s*<td class="number">(\d+)</td>', page)


@pytest.mark.usefixtures("clinics")
def test_a_request_with_an_open_key_that_was_signed_here_goes_on_by_itself(analyst: Browser) -> None:
    place = submitted(analyst, OPEN, epsilon="0.83")
    session = analyst.desk.session()
    for status in session.line.watch(bytes.fromhex(place.rpartition("/")[2]), 30):  # nobody looks at any page
        last = status
    assert last.state is RequestState.RELEASED
    assert keys_shown(analyst.get(place).text) == [("a", "6"), ("c", "5")]


@pytest.mark.usefixtures("clinics")
def test_looking_at_a_request_with_an_open_key_sends_nothing(
    analyst: Browser, monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    """One that was handed in elsewhere goes on when its analyst says so."""
    session, sent = analyst.desk.session(), list[object]()
    honest = session.line.choose
    monkeypatch.setattr(session.line, "choose", lambda chosen: (sent.append(chosen), honest(chosen))[1])
    request = session.query(OPEN, epsilon="0.84").submit()
    for status in session.line.watch(bytes.fromhex(request), 30):
        if status.state is RequestState.WAITING:
            break
    place = f"/requests/{request}"
    other = release.rpartition("/")[2]
    seen = [f"/requests/open?id={request}", place, f"{place}?run=1", f"{place}/files/csv"]
    for looked in (*seen, f"/compare?first={request}&second={other}", "/requests"):
        analyst.get(looked)
    assert sent == []
    assert (session.archive.keys(bytes.fromhex(request)), "Go on" in analyst.get(place).text) == (None, True)
    assert "The keys are chosen" in analyst.follow(analyst.post(f"{place}/choose")).text
    assert keys_shown(ended(analyst, place)) == [("a", "6"), ("c", "5")]
    assert len(sent) == 1


def test_a_standing_request_shows_each_run(analyst: Browser, bench: Bench) -> None:
    place = submitted(analyst, epsilon="0.31", runs="2", valid_days="9")
    for _ in range(400):
        if "Run 1 of 2" in (page := analyst.get(place).text):
            break
        time.sleep(0.05)
    assert 'data-live="on"' in page  # the second waits for new snapshots
    assert "Figures with their 95 % intervals" in page
    assert analyst.get(f"{place}?run=1").status_code == 200
    assert analyst.get(f"{place}/files/csv?run=1").status_code == 200


# -- rehearsals


def rehearsal(values: tuple[int, ...] = (7, 70)) -> Rehearsal:
    rows = tuple((key, value) for key, value in zip(("N", "S"), values, strict=True))
    intervals = tuple({"n": (value - 9.0, value + 9.0)} for value in values)
    answer = Answer(("region", "n"), (Type.TEXT, Type.INTEGER), rows, intervals, ({"n": 4.5},) * 2, ())
    exact = ({"region": "N", "n": 8}, {"region": "S", "n": 69})
    loss = Loss(20_000_000, 0)
    return Rehearsal(answer, exact, ("east",), 2_000, {"east": 1_800}, 1, 0, loss, ("Dummy.", "A note."))  # type: ignore[arg-type]


def test_a_rehearsal_runs_beside_the_pages(analyst: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The double stands in for the child processes; what they do is tested where they are."""
    gate = [True]

    def rehearse(_: object, **given: object) -> Rehearsal:
        given["progress"]("starting north")  # type: ignore[operator]
        while gate:
            time.sleep(0.01)
        return rehearsal()

    monkeypatch.setattr("engine.client.query.Query.rehearse", rehearse)
    monkeypatch.setattr(rehearsals, "require_nodes", lambda: None)
    answer = analyst.post("/ask", {"sql": SQL, "do": "rehearse"})
    place = answer.headers["location"].removeprefix(analyst.base)
    for _ in range(200):
        if "starting north" in (page := analyst.get(place).text):
            break
        time.sleep(0.01)
    assert "starting north" in page
    again = analyst.post("/ask", {"sql": SQL, "do": "rehearse"})
    assert "POLICY_REHEARSAL_RUNS" in again.text
    gate.clear()
    page = ended(analyst, place)
    assert "The figures mean nothing" in page
    assert page.count('class="exact"') == 2
    assert analyst.get("/rehearsals/none").status_code == 404


def test_a_rehearsal_that_fails_says_why(analyst: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def rehearse(_: object, **given: object) -> Rehearsal:
        raise Unavailable("NODE_NOT_STARTED", name="north", why="it took too long")

    monkeypatch.setattr("engine.client.query.Query.rehearse", rehearse)
    monkeypatch.setattr(rehearsals, "require_nodes", lambda: None)
    answer = analyst.post("/ask", {"sql": SQL, "do": "rehearse"})
    page = ended(analyst, answer.headers["location"].removeprefix(analyst.base))
    assert "NODE_NOT_STARTED" in page


# -- without the coordinator


def test_while_the_coordinator_is_away_the_rest_still_works(analyst: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("NODE_UNREACHABLE")

    monkeypatch.setattr("engine.client.calls.Line.describe", away)
    monkeypatch.setattr("engine.client.calls.Line.await_ready", away)
    page = analyst.post("/ask", {"sql": SQL, "do": "weigh"})
    assert page.status_code == 200
    assert "submitting has to wait" in page.text
    assert '<button name="do" value="submit" disabled>' in page.text
    assert "cannot be reached" in analyst.get("/").text
    assert analyst.get("/spent").status_code == 200
    listed = analyst.get("/requests")
    assert (listed.status_code, "NODE_UNREACHABLE" in listed.text) == (503, True)
    assert analyst.post("/ask", {"sql": SQL, "do": "submit", "epsilon": FRESH}).status_code == 503
