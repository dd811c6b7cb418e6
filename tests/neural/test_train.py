import numpy as np
import pytest

torch = pytest.importorskip("torch")

from equipoise.core.errors import InputError  # noqa: E402
from equipoise.neural.banditnet import BanditNet, Setting  # noqa: E402
from equipoise.neural.train import (  # noqa: E402
    NoGain,
    SlowGains,
    Training,
    device_of,
    seeded,
    train,
)


def line(how, n=64, **more):
    """Fit y = 2 x by one weight."""
    x = torch.linspace(-1, 1, n)
    net = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.zero_()
    history = train(
        net, lambda x, y: ((net(x[:, None])[:, 0] - y) ** 2).mean(), [x, 2 * x], how, **more
    )
    return float(net.weight.detach()), history


def published_rule(losses, tolerance):
    """The rule as its code counts: the epochs that are run."""
    last, slow = 1e9, 0
    for epoch, loss in enumerate(losses):
        if (last - loss) / (last + 1e-10) < tolerance:
            if slow > 5:
                return epoch + 1
            slow += 1
        last = loss
    return len(losses)


def test_the_seventh_slow_epoch_stops_and_fast_ones_between_do_not_help():
    # slow: 2, 4, 5, 7, 8, 9, 11
    losses = [10.0, 10.0, 9.0, 9.0, 9.0, 8.0, 8.0, 8.0, 8.0, 7.0, 7.0, 6.0]
    rule = SlowGains(1e-3)
    assert [rule(losses[: k + 1]) for k in range(11)] == [False] * 10 + [True]


@pytest.mark.parametrize("seed", range(20))
def test_the_rule_is_the_published_one(seed):
    rng = np.random.default_rng(seed)
    losses = (1 / np.arange(1, 60) ** 0.5 + 0.01 * rng.random(59)).tolist()
    rule = SlowGains(1e-2)
    stopped = next((k for k in range(1, 60) if rule(losses[:k])), 59)
    assert stopped == published_rule(losses, 1e-2)


def test_it_learns_and_says_when_it_converged():
    weight, history = line(Training(rate=0.05, decay=0, batch=16, stop=SlowGains(1e-4)))
    assert weight == pytest.approx(2, abs=0.05)
    assert history.converged
    assert history.epochs == len(history.losses) < 1000


def test_a_batch_of_all_rows_takes_the_steps_of_a_plain_loop_and_smaller_ones_shuffle():
    x = torch.linspace(-1, 1, 64)
    slope = torch.zeros(1, requires_grad=True)
    adam = torch.optim.Adam([slope], lr=0.05)
    for _ in range(30):
        adam.zero_grad()
        ((slope * x - 2 * x) ** 2).mean().backward()
        adam.step()
    weight, _ = line(Training(rate=0.05, decay=0, batch=64, epochs=30))
    assert weight == pytest.approx(float(slope.detach()), abs=1e-6)
    firsts = []

    def seen(x, y):
        firsts.append(float(x[0]))
        return (x * net.weight[0, 0] - y).square().mean()

    net = torch.nn.Linear(1, 1)
    train(net, seen, [x, x], Training(batch=32, epochs=4))
    assert len(set(firsts)) > 4


def test_too_few_epochs_is_not_converged():
    _, history = line(Training(epochs=2, batch=16))
    assert (history.epochs, history.converged) == (2, False)


def test_a_judge_keeps_the_best_weights():
    seen = []

    def judge():
        seen.append([3.0, 1.0, 2.0, 2.0][len(seen)])
        return torch.tensor(seen[-1])

    weights = []
    how = Training(rate=0.1, decay=0, batch=64, stop=NoGain(2))
    weight, history = line(
        how, judge=judge, progress=lambda epochs, loss: weights.append((epochs, loss))
    )
    assert history.losses == (3.0, 1.0, 2.0, 2.0)
    assert weights == [(1, 3.0), (2, 1.0), (3, 2.0), (4, 2.0)]
    two_epochs, _ = line(Training(rate=0.1, decay=0, batch=64, epochs=2))
    assert weight == two_epochs


def test_same_seed_same_numbers_whatever_the_threads_around():
    before = torch.get_num_threads()
    try:
        found = set()
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.add(line(Training(rate=0.05, batch=10, epochs=5, seed=3))[0])
            assert torch.get_num_threads() == threads
        assert len(found) == 1
    finally:
        torch.set_num_threads(before)
    assert line(Training(rate=0.05, batch=10, epochs=5, seed=4))[0] not in found


def test_a_batch_larger_than_the_rows_is_all_of_them():
    assert line(Training(batch=10**6, epochs=1))[1].epochs == 1


def test_bad_settings_and_diverging_losses_are_told():
    with pytest.raises(InputError, match="rate must be a number >= 0; got -1"):
        Training(rate=-1)
    with pytest.raises(InputError, match="epochs and threads"):
        Training(epochs=0)
    net = torch.nn.Linear(1, 1)
    with pytest.raises(
        InputError, match="the loss of Linear must stay finite; got nan at epoch 1; lower the rate"
    ):
        train(
            net,
            lambda x: (net(x[:, None]) * float("nan")).sum(),
            [torch.ones(4)],
            Training(epochs=1),
        )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_told_and_auto_takes_what_is():
    assert device_of("auto").type == "cpu"
    with pytest.raises(InputError, match="device must be there; got cuda"):
        device_of("cuda")


def test_a_seed_gives_torch_s_own_numbers_and_the_callers_go_on_as_they_were():
    torch.manual_seed(7)
    first = torch.rand(3)
    before = torch.get_rng_state()
    with seeded(7):
        assert torch.equal(torch.rand(3), first)
    assert torch.equal(torch.get_rng_state(), before)
    x, t = np.random.default_rng(0).normal(size=(80, 1)), np.arange(80) % 2
    BanditNet([Setting(0.0)], epochs=1).fit(x, t, x[:, 0] * t, np.full(80, 0.5), np.eye(2))
    assert torch.equal(torch.get_rng_state(), before)
