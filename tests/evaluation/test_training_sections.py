"""The curves of a run's log: every loss under its optimizer group, in new and old logs."""

from __future__ import annotations

import pytest

from hwan.evaluation.training_sections import curves, grouped_losses

FLAT = {"gan_ab": 1.0, "cycle_a": 2.0, "d_a": 0.5, "gp_a": 0.1, "r1_b": 0.2}
NESTED = {
    "generators": {"gan_ab": 1.0, "cycle_a": 2.0},
    "discriminators": {"d_a": 0.5, "gp_a": 0.1, "r1_b": 0.2},
}


@pytest.mark.parametrize("losses", [FLAT, NESTED])
def test_both_versions_of_a_row_are_grouped_alike(losses: dict[str, object]) -> None:
    assert grouped_losses(losses) == NESTED


def test_a_loss_of_any_name_is_shown_under_its_group() -> None:
    losses = {"generators": {"d_edges": 1.0}, "discriminators": {"cycle_like": 2.0}}
    row = {"images": 1, "lr": 1e-4, "images_per_second": 1.0, "losses": losses}
    charts = {chart.title: set(chart.series) for chart in curves([row]).charts}
    assert charts["Losses of the generators"] == {"d_edges"}
    assert charts["Losses of the discriminators"] == {"cycle_like"}
