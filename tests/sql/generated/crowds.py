"""Random small data for generated statements: few persons, rows of each kind, and values of every odd kind."""

from __future__ import annotations

import random

from slt import Script

COLUMNS = {
    "people": ("id", "region", "sex", "band", "age", "income", "rate", "born", "active", "smoker", "note"),
    "payments": ("nino", "kind", "amount", "weeks", "paid", "late"),
    "visits": ("who", "ward", "nights"),
}
NOTES = ("", "a", "A", "  x ", "é", "日本", "%", "it's", "42", "-3", "2020-02-29", "true", "N", "East")
TIRESOME = ("0.29", "1.13", "-4.35", "64.1", "1099.62", "2.28", "9.95")  # a hundred times the double is not whole
ODD_NUMBERS = ("nan", "inf", "-inf", "1e308", "-1e308", "5e-324", "-0.0", "", "many", "1e400")
DAYS = ("2020-01-01", "2020-02-29", "2019-12-30", "2019-12-31", "2020-02-28", "2020-03-01", "2020-01-05", "2020-01-06")


class Crowd:
    """Draws one table after another from one seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.persons = [f"p{i}" for i in range(self.draw.choice((1, 6, 14, 20)))]

    def script(self) -> Script:
        data = {
            name: "\n".join([",".join(columns), *rows]) + "\n"
            for (name, columns), rows in zip(
                COLUMNS.items(), (self.people(), self.payments(), self.visits()), strict=True
            )
        }
        return Script("rich", data, dict.fromkeys(data, "shuffled"))

    def people(self) -> list[str]:
        return [self._row(p, *self._resident()) for p in [*self._some(0.85), ""]]

    def _resident(self) -> tuple[str, ...]:
        return (
            self._one("N", "S", "East", "West", "n", ""),
            self._one("F", "M", "X", ""),
            self._one(*map(str, range(7)), ""),
            self._number(-5, 115),
            self._decimal(-60, 2100),
            self._one("1", "1.5", "2", "4.5", "8.5", "9", "0", "12", "", "nan"),
            self._day(),
            self._truth(),
            self._truth(),
            self._one(*NOTES),
        )

    def payments(self) -> list[str]:
        rows = []
        for person in [*self._some(0.8), ""]:
            most = self.draw.choice((1, 1, 2, 3))
            rows += [self._row(person, *self._payment()) for _ in range(most)]
        twice = self._row("many", *self._payment())
        return self._mixed(rows + [twice] * self.draw.choice((0, 5)))

    def _payment(self) -> tuple[str, ...]:
        return (
            self._one("child", "housing", "pension", ""),
            self._decimal(-60, 1100),
            self._number(-6, 60),
            self._one(*(d for d in DAYS if d >= "2020"), ""),
            self._truth(),
        )

    def visits(self) -> list[str]:
        rows = []
        for person in self._some(0.6):
            rows += [self._row(person, self._one("A", "B", "C", ""), self._number(-1, 33)) for _ in range(2)]
        return self._mixed(rows)

    def _some(self, share: float) -> list[str]:
        return [p for p in self.persons if self.draw.random() < share]

    def _mixed(self, rows: list[str]) -> list[str]:
        self.draw.shuffle(rows)
        return rows

    def _row(self, *cells: str) -> str:
        return ",".join(cells)

    def _one(self, *choices: str) -> str:
        return self.draw.choice(choices)

    def _number(self, low: int, high: int) -> str:
        return "" if self.draw.random() < 0.1 else str(self.draw.randint(low, high))

    def _decimal(self, low: int, high: int) -> str:
        if self.draw.random() < 0.4:
            return self.draw.choice((*ODD_NUMBERS, *TIRESOME))
        return str(self.draw.randint(low * 100, high * 100) / 100)

    def _day(self) -> str:
        return self._one(*DAYS, "")

    def _truth(self) -> str:
        return self._one("true", "false", "")
