"""The verdict of a test, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hwan.evaluation.results import OURS, Summary, contests
from hwan.metrics.health_limits import Finding
from hwan.report.sections import Verdict


def overall_verdict(
    summaries: Mapping[str, Summary], alarms: Sequence[Finding] = ()
) -> tuple[str, Verdict]:
    """The verdict in words: does hwan beat the baselines by every leading metric, and is it healthy?

    good: both; bad: it beats them by no figure, or none could be taken and the health is bad; none:
    there is nothing to compare by; mixed: anything between.
    """
    few = {0: "no figure is bad", 1: "1 figure is bad, see the warnings"}
    many = f"{len(alarms)} figures are bad, see the warnings"
    health = f"Health: {few.get(len(alarms), many)}."
    if not summaries:
        return "Not tested yet: `hwan evaluate` adds the test.", "bad" if alarms else "none"
    results = [
        wins
        for summary in summaries.values()
        for systems in (summary.systems, summary.distribution)
        for _, system, _, wins in contests(systems)
        if system == OURS
    ]
    if not results:
        unknown = (
            "No true pictures are known for the test images, so look at them; the figures below say "
            "only whether something broke."
        )
        return f"{unknown} {health}", "bad" if alarms else "none"
    good = all(results) and not alarms
    words = " ".join(sentence for summary in summaries.values() for sentence in summary.words)
    count = f"Better than every baseline by {sum(results)} of {len(results)} leading figures."
    return f"{count} {health}\n\n{words}", "good" if good else "mixed" if any(results) else "bad"
