"""The pre-trained encoder against its strongest rival: the difference and whether it is told."""

from __future__ import annotations

from dataclasses import dataclass

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Comparison:
    """A paired test of one row against another.

    Args:
        metric: on which they are compared.
        ours, other: names of the rows.
        difference: ours less the other, in units of the metric.
        low, high: 95 % interval of the difference; NaN where none could be computed.
        p_value: two-sided; NaN where no test could be made.
        test: how, in words, such as ``"exact sign-flip test over 7 folds"``.
        least_p_value: the smallest that this test can give.
    """

    metric: str
    ours: str
    other: str
    difference: float
    low: float
    high: float
    p_value: float
    test: str
    least_p_value: float = 0.0

    @property
    def told_apart(self) -> bool:
        """Whether p is at most .05; an undefined p tells nothing apart."""
        return self.p_value <= SIGNIFICANCE

    def sentence(self, title: str) -> str:
        """In words; ``title`` names the metric.

        >>> Comparison("top1", "a", "b", .03, -.01, .07, .25, "exact test").sentence("Top-1")
        'not told apart: a less b, +3.0 points of Top-1 (95 % interval -1.0 to +7.0), p = 0.250, \
exact test'
        """
        verdict = "not told apart"
        if self.told_apart:
            verdict = "told apart, better" if self.difference > 0 else "told apart, WORSE"
        interval = ""
        if self.low == self.low:  # not NaN
            interval = f" (95 % interval {100 * self.low:+.1f} to {100 * self.high:+.1f})"
        p_value = f"p = {self.p_value:.3f}" if self.p_value == self.p_value else "p not defined"
        least = ""
        if self.least_p_value > SIGNIFICANCE:
            least = f", which cannot give a p below {self.least_p_value:.3f}"
        return (
            f"{verdict}: {self.ours} less {self.other}, {100 * self.difference:+.1f} points of "
            f"{title}{interval}, {p_value}, {self.test}{least}"
        )
