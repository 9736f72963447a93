"""The losses over items, against their plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from recsql.onnx_models import _softmax  # noqa: E402
from recsql.onnx_models._sequences import is_drawn  # noqa: E402
from recsql.onnx_models._softmax import (  # noqa: E402
    Proposal,
    Targets,
    sampled_softmax_loss,
    softmax_loss,
)


def problem(seed: int, n: int = 6, n_items: int = 9, width: int = 4) -> tuple[list, Targets]:
    torch.manual_seed(seed)
    state, table = torch.randn(n, width), torch.randn(n_items, width)
    owner = torch.sort(torch.randint(0, n, (2 * n,))).values
    targets = Targets(owner, torch.randint(0, n_items, (2 * n,)), torch.rand(2 * n))
    return [state, table, torch.randn(n_items)], targets


def plain_loss(state, table, bias, targets: Targets, offset=None):  # type: ignore[no-untyped-def]
    scores = state @ table.T + bias
    scores = scores if offset is None else scores + offset
    log_p = torch.log_softmax(scores, dim=1)
    lost = -(log_p[targets.owner, targets.item] * targets.weight).sum()
    return lost / targets.weight.sum()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([9, 30, 10_000]), st.booleans())
def test_the_loss_and_its_gradient_are_those_of_the_softmax(
    seed: int, at_a_time: int, shifted: bool
) -> None:
    given_, targets = problem(seed)
    row, table = torch.randint(0, 3, (6,)), torch.randn(3, 9)
    shift, offset = (lambda states: table[row[states]], table[row]) if shifted else (None, None)
    most, _softmax.MOST_LOGITS = _softmax.MOST_LOGITS, at_a_time
    try:
        ours = [value.clone().requires_grad_() for value in given_]
        loss = softmax_loss(*ours, targets, shift)
        loss.backward()
    finally:
        _softmax.MOST_LOGITS = most
    theirs = [value.clone().requires_grad_() for value in given_]
    expected = plain_loss(*theirs, targets, offset)
    expected.backward()
    assert torch.allclose(loss, expected, atol=1e-5)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-5)


def test_a_sampled_softmax_that_draws_every_item_once_is_the_softmax_of_shifted_scores() -> None:
    (state, table, bias), targets = problem(3)
    one_each = Targets(torch.arange(6), targets.item[:6], targets.weight[:6])
    drawn = torch.randperm(9)
    log_q = torch.log_softmax(torch.randn(9), dim=0)
    found = sampled_softmax_loss(
        state,
        (table[one_each.item], bias[one_each.item]),
        (table[drawn], bias[drawn]),
        (log_q[one_each.item], log_q[drawn]),
        None,
        is_drawn(one_each, drawn, 6),
        one_each,
    )
    assert torch.allclose(found, plain_loss(state, table, bias - log_q, one_each), atol=1e-5)


def test_what_was_drawn_is_known_as_target_however_often() -> None:
    targets = Targets(torch.tensor([0, 0, 2]), torch.tensor([4, 1, 4]), torch.ones(3))
    found = is_drawn(targets, torch.tensor([4, 3, 1, 4]), 3)
    assert found.tolist() == [
        [True, False, True, True],
        [False, False, False, False],
        [True, False, False, True],
    ]


def test_items_are_drawn_as_often_as_the_power_of_their_count_says() -> None:
    proposal = Proposal(np.array([16, 0, 1, 81]), 0.75)
    # 16 ** .75 = 8, 1 and 81 ** .75 = 27: of 36
    drawn = proposal.draw(36_000, np.random.default_rng(0))
    assert np.bincount(drawn, minlength=4) / 1000 == pytest.approx([8, 0, 1, 27], abs=0.4)
    assert np.exp(proposal.log_q[[0, 2, 3]]) == pytest.approx([8 / 36, 1 / 36, 27 / 36])
