import numpy as np
import pytest

torch = pytest.importorskip("torch")

from equipoise.neural.id_nets import Additive, Crossed, Product, generator  # noqa: E402

SIZES = (5, 7)


def rows(n=40, seed=0):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.integers(0, size, n) for size in SIZES])


def columns(codes):
    return [torch.from_numpy(codes[:, j].astype(np.int32)) for j in range(codes.shape[1])]


def published(net, codes):
    """The same function by the published arithmetic: gather the embeddings, concatenate, one linear
    layer.
    """
    wide = torch.cat(
        [table[code.long()] for table, code in zip(net.tables, columns(codes), strict=True)], dim=1
    )
    return torch.nn.functional.linear(wide, torch.cat(list(net.heads), dim=1), net.bias).T


def test_additive_is_the_published_net_and_has_its_gradient():
    net, codes = Additive(SIZES, 4, 3, generator(1)), rows()
    pulled = torch.randn(3, len(codes), generator=generator(2))
    gradients = []
    for forward in (net(columns(codes)), published(net, codes)):
        net.zero_grad()
        (forward * pulled).sum().backward()
        gradients.append([parameter.grad.clone() for parameter in net.parameters()])
    torch.testing.assert_close(net(columns(codes)), published(net, codes))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_product_by_hand():
    net = Product((1, 1), 2, generator(0))
    with torch.no_grad():
        net.tables[0].copy_(torch.tensor([[2.0, 3.0]]))
        net.tables[1].copy_(torch.tensor([[10.0, 100.0]]))
    assert net(columns(np.array([[0, 0]]))).tolist() == [[320.0]]


@pytest.mark.parametrize(
    "make",
    [
        lambda r: Additive(SIZES, 4, 3, r),
        lambda r: Product(SIZES, 4, r),
        lambda r: Crossed(SIZES, 4, 2, 3, r),
    ],
)
def test_what_was_learnt_says_the_same_without_torch(make):
    net, codes = make(generator(3)), rows()
    np.testing.assert_allclose(
        net.scores()(codes), net(columns(codes)).detach().numpy().T, rtol=1e-4, atol=1e-5
    )


def test_same_seed_same_net():
    one, other = (Additive(SIZES, 4, 3, generator(5)).scores()(rows()) for _ in range(2))
    np.testing.assert_array_equal(one, other)
