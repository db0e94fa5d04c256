"""Which rules might an observation concern? A sorted index per market: O(log rules + hits)."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from domain.triggers import MarketObservation, MarketProbability, Outcome, Price, probability

# (threshold, rule id): the id breaks ties, so that equal thresholds keep one order.
Mark = tuple[Decimal, str]

_AFTER_EVERY_ID = "\U0010ffff"


@dataclass(slots=True)
class _Marks:
    above: list[Mark] = field(default_factory=list)
    below: list[Mark] = field(default_factory=list)

    def of(self, trigger: MarketProbability) -> list[Mark]:
        return self.above if trigger.when == "at_or_above" else self.below


@dataclass(slots=True)
class MarketIndex:
    """The rules of one market, sorted by threshold, apart for each way of reading the price."""

    _readings: dict[tuple[Outcome, Price], _Marks] = field(default_factory=dict)
    _triggers: dict[str, MarketProbability] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._triggers)

    def add(self, rule_id: str, trigger: MarketProbability) -> None:
        self.remove(rule_id)
        self._triggers[rule_id] = trigger
        marks = self._readings.setdefault((trigger.outcome, trigger.price), _Marks())
        insort(marks.of(trigger), (trigger.threshold, rule_id))

    def remove(self, rule_id: str) -> None:
        trigger = self._triggers.pop(rule_id, None)
        if trigger is None:
            return
        marks = self._readings[trigger.outcome, trigger.price].of(trigger)
        del marks[bisect_left(marks, (trigger.threshold, rule_id))]

    def true_for(self, seen: MarketObservation) -> Iterator[str]:
        """Ids of the rules whose bare condition holds; `triggers.read` then judges age, spread and status."""
        for value, marks in self._values(seen):
            for _, rule_id in marks.above[: bisect_right(marks.above, (value, _AFTER_EVERY_ID))]:
                yield rule_id
            for _, rule_id in marks.below[bisect_left(marks.below, (value, "")) :]:
                yield rule_id

    def false_for(self, seen: MarketObservation) -> Iterator[str]:
        """Ids of the rules whose bare condition does not hold."""
        for value, marks in self._values(seen):
            for _, rule_id in marks.above[bisect_right(marks.above, (value, _AFTER_EVERY_ID)) :]:
                yield rule_id
            for _, rule_id in marks.below[: bisect_left(marks.below, (value, ""))]:
                yield rule_id

    def _values(self, seen: MarketObservation) -> Iterator[tuple[Decimal, _Marks]]:
        for (outcome, price), marks in self._readings.items():
            value = probability(outcome, price, seen)
            if value is not None:
                yield value, marks
