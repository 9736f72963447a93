"""Interests as capsules, and what each half of an item's vector learns from."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from recsql.onnx_models._interests import (  # noqa: E402
    SHARPNESS,
    Interests,
    interest_loss,
    n_interests,
    routed,
    scaled_gradient,
    squash,
)
from recsql.onnx_models._items import ItemVectors  # noqa: E402
from recsql.onnx_models.din import Interest  # noqa: E402

from recsql.data.events import Events, pointers  # noqa: E402
from recsql.models.din import DIN  # noqa: E402
from recsql.models.pair_network import Taught  # noqa: E402
from recsql.networks.fields import PairFields  # noqa: E402


def test_the_number_of_interests_grows_with_the_logarithm_of_the_history() -> None:
    sizes = torch.arange(0, 51)
    wanted = [max(1, math.ceil(math.log2(n))) if n else 1 for n in range(51)]
    assert n_interests(sizes).tolist() == wanted
    assert [wanted[n] for n in (1, 2, 3, 4, 5, 8, 9, 32, 33, 50)] == [1, 1, 2, 2, 3, 3, 4, 5, 6, 6]


def test_squashing_keeps_the_direction_and_bounds_the_length() -> None:
    # 3-4-5: length 5, squashed to 25 / 26 of the direction (0.6, 0.8)
    found = squash(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    assert found[0].tolist() == pytest.approx([0.6 * 25 / 26, 0.8 * 25 / 26])
    assert found[1].tolist() == [0.0, 0.0]


def plain_capsules(
    events: np.ndarray, start: np.ndarray, n_capsules: int, rounds: int
) -> np.ndarray:
    """The definition, one customer at a time: events [steps, width], start [most, steps]."""
    logit = start[:n_capsules, : len(events)].copy()
    for number in range(rounds):
        share = np.exp(logit) / np.exp(logit).sum(axis=0)
        capsules = []
        for row in share:
            total = sum(weight * event for weight, event in zip(row, events, strict=True))
            length = float(np.sqrt(total @ total))
            capsules.append(length**2 / (1 + length**2) * total / length)
        if number < rounds - 1:
            for capsule in range(n_capsules):
                for step, event in enumerate(events):
                    logit[capsule, step] += capsules[capsule] @ event
    return np.array(capsules)


@pytest.mark.parametrize("rounds", [1, 3])
def test_routing_is_what_its_definition_says(rounds: int) -> None:
    rng = np.random.default_rng(0)
    read, start = rng.standard_normal((3, 9, 4)), rng.standard_normal((4, 9))
    sizes = np.array([9, 5, 1])
    there = np.arange(9) < sizes[:, None]
    counts = n_interests(torch.from_numpy(sizes))
    exists = torch.arange(4) < counts[:, None]
    given = [torch.from_numpy(part) for part in (read, there)]
    found = routed(*given, exists, torch.from_numpy(start), rounds).numpy()
    for row, (size, count) in enumerate(zip(sizes, counts.tolist(), strict=True)):
        wanted = plain_capsules(read[row, :size], start, count, rounds)
        assert found[row, :count] == pytest.approx(wanted, abs=1e-6)


def test_an_item_weighs_the_interests_by_the_power_of_their_products() -> None:
    network = Interests(DIN(n_factors=2, interests=True, max_length=4))
    capsules = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [9.0, 9.0]]])
    exists = torch.tensor([[True, True, False]])
    found = network.chosen(capsules, exists, torch.tensor([[1.0, 1.0]]))
    # products 1 and 2, squares 1 and 4: weights 1 and e^3
    e = math.exp(3)
    assert found[0].tolist() == pytest.approx([1 / (1 + e), 2 * e / (1 + e)], rel=1e-5)


def test_what_was_drawn_is_no_target_and_the_same_item_stands_not_against_itself() -> None:
    wanted = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True) / SHARPNESS
    item = torch.tensor([7, 8, 7, 9])  # bought 7 and 8; drawn 7 and 9
    vectors = torch.tensor([[1.0, 0.0], [0.0, 2.0], [5.0, 5.0], [0.0, 1.0]])
    loss = interest_loss(wanted, item, vectors, torch.zeros(4), torch.tensor([1.0, 3.0])).item()
    # the first: 1 against 0 and 0 (the drawn 7 is left out); the second: 2 against 0, 5 and 1
    first = -math.log(math.e / (math.e + 2))
    second = -math.log(math.exp(2) / (math.exp(2) + 1 + math.exp(5) + math.e))
    assert loss == pytest.approx((first + 3 * second) / 4, rel=1e-5)
    assert interest_loss(wanted, item, vectors, torch.zeros(4), torch.zeros(2)).item() == 0.0


def test_a_scaled_gradient_is_that_times_the_factor() -> None:
    value = torch.tensor([2.0, 3.0], requires_grad=True)
    scaled_gradient(value, 0.3).square().sum().backward()
    assert value.grad.tolist() == pytest.approx([0.3 * 4, 0.3 * 6])


def taught(n_items: int = 6) -> Taught:
    item = np.array([0, 1, 2, 3, 4, 5, 2, 0, 1], dtype=np.int32)
    number = np.arange(len(item), dtype=np.int32)
    one = np.ones(len(item), dtype=np.float32)
    ptr = pointers(np.array([5, 4]))
    events = Events(n_items, ptr, item, number.astype(np.int64), number, number, one)
    fields = PairFields.learn(None, None)
    slots = np.concatenate([fields.item.empty[None], fields.item.slots(None, n_items)])
    return Taught(events, fields, None, slots, np.bincount(item, minlength=n_items))


def batch() -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(1)
    return {
        "item": torch.from_numpy(rng.integers(1, 7, (2, 3))),
        "asked": torch.ones(2, 1, dtype=torch.int64),
        "item_slots": torch.full((2, 3, 1), 2),
        "shift": torch.zeros(2, 3),
        "among": torch.zeros(2, 3),
        "weight": torch.ones(2),
        "kind": torch.zeros(2, dtype=torch.int64),
        "history": torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]]),
    }


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_each_half_gets_the_gradients_that_the_rule_gives_it(share: float) -> None:
    from recsql.onnx_models._pairs import pair_loss

    settings = DIN(interests=True, interest_share=share, dropout=0.0, unknown_share=0.0)
    torch.manual_seed(0)
    module = Interest(settings, taught())

    def gradients(main: bool, more: bool) -> tuple[torch.Tensor, torch.Tensor]:
        module.zero_grad()
        request = module.request(batch()["asked"], batch()["history"])
        loss = torch.zeros(())
        if main:
            loss = loss + pair_loss(module, batch(), request)
        if more:
            loss = loss + module.extra_loss(batch(), request)
        loss.backward()
        assert module.items.auxiliary is not None
        tables = module.items.own.own.weight, module.items.auxiliary.own.weight
        own, other = (
            torch.zeros_like(table) if table.grad is None else table.grad.clone()
            for table in tables
        )
        return own, other

    # What either loss asks of a vector, whoever gets how much of it.
    items: ItemVectors = module.items
    items.share = 1.0
    own_main, other_main = gradients(main=True, more=False)
    items.share = 0.0
    own_more, other_more = gradients(main=False, more=True)
    items.share = share
    own, other = gradients(main=True, more=True)
    assert own_more.abs().max() == 0
    assert own_main.abs().max() > 0
    assert torch.allclose(own, own_main, atol=1e-7)
    assert torch.allclose(other, (1 - share) * other_more + share * other_main, atol=1e-7)


def test_without_the_switch_there_is_one_half_and_no_second_task() -> None:
    module = Interest(DIN(), taught())
    assert module.items.width == DIN().n_factors
    assert module.extra_loss(batch(), ()) is None
    assert SimpleNamespace(**vars(module.items)).auxiliary is None
