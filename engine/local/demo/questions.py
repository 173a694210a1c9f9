"""What the demonstration asks, in the order it asks it; and what it leaves for guardians to decide (``WAITING``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """``sql`` = ``body`` + ``tail``; without the tail (HAVING, ORDER BY, LIMIT) it gives every row, for the exact
    figures to be looked up in. ``asks``: the question in words.
    """

    asks: str
    body: str
    tail: str = ""
    keys: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        return f"{self.body}\n{self.tail}" if self.tail else self.body


BY_COUNCIL = Question(
    asks="How many people live in each council's area, and how old are they on average?",
    body="SELECT council, COUNT(*) AS people, AVG(age) AS mean_age\nFROM residents\nGROUP BY council",
    tail="ORDER BY people DESC",
    keys=("council",),
)

WAITING = Question(
    asks="How does pay differ between those born in one decade and the next?",
    body=(
        "SELECT year(born) // 10 * 10 AS decade, AVG(LEAST(wages, 100000)) AS mean_pay\nFROM earnings\n"
        "JOIN registrations ON earnings.person_id = registrations.person_id\nGROUP BY decade"
    ),
    tail="ORDER BY decade",
    keys=("decade",),
)

QUESTIONS = (
    BY_COUNCIL,
    Question(
        asks="Which places in a household are held by more than a thousand people?",
        body="SELECT relationship, COUNT(*) AS people\nFROM residents\nGROUP BY relationship",
        tail="HAVING COUNT(*) > 1000\nORDER BY people DESC",
        keys=("relationship",),
    ),
    Question(
        asks="How do age groups divide by sex?",
        body=(
            "SELECT CASE WHEN age < 18 THEN 'under 18' WHEN age < 65 THEN '18 to 64' ELSE '65 and over' END\n"
            "  AS age_group, sex, COUNT(*) AS people\nFROM residents\nGROUP BY age_group, sex"
        ),
        tail="ORDER BY age_group, sex",
        keys=("age_group", "sex"),
    ),
    Question(
        asks="How many pay forms are there, of how many people, and what does a form say on average?",
        body="SELECT COUNT(*) AS forms, COUNT(DISTINCT person_id) AS people, AVG(wages) AS mean\nFROM earnings",
    ),
    Question(
        asks="What was paid, if 50,000 dollars of each form count at most? The smaller the bound, the less noise.",
        body="SELECT form, COUNT(*) AS forms, SUM(LEAST(wages, 50000)) AS paid\nFROM earnings\nGROUP BY form",
        tail="ORDER BY form",
        keys=("form",),
    ),
    Question(
        asks="In which three decades were most people born who hold a social security number?",
        body="SELECT year(born) // 10 * 10 AS decade, COUNT(*) AS people\nFROM registrations\nGROUP BY decade",
        tail="ORDER BY people DESC\nLIMIT 3",
        keys=("decade",),
    ),
    Question(
        asks="What do women and men earn? Pay is known to the tax office, sex to social security: a private join.",
        body=(
            "SELECT sex, COUNT(*) AS forms, AVG(LEAST(wages, 100000)) AS mean_pay\nFROM earnings\n"
            "JOIN registrations ON earnings.person_id = registrations.person_id\nGROUP BY sex"
        ),
        tail="ORDER BY sex",
        keys=("sex",),
    ),
    Question(
        asks="In which decades were those born who work for an employer, and those paid as contractors?",
        body=(
            "SELECT year(born) // 10 * 10 AS decade, form, COUNT(*) AS forms\nFROM earnings\n"
            "JOIN registrations ON earnings.person_id = registrations.person_id\nGROUP BY decade, form"
        ),
        tail="HAVING COUNT(*) > 100\nORDER BY decade, form",
        keys=("decade", "form"),
    ),
    Question(
        asks="Who earns most? Nobody learns that here:",
        body="SELECT person_id, wages FROM earnings",
        tail="ORDER BY wages DESC LIMIT 3",
    ),
    Question(
        asks="The first question again: the same answer, free of charge.",
        body=BY_COUNCIL.body,
        tail=BY_COUNCIL.tail,
        keys=BY_COUNCIL.keys,
    ),
)
