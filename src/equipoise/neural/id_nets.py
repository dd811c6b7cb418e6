"""Nets of ids: each id has an embedding; a score is a linear head on the embeddings, or their
product.

    Additive   score = b + sum_j V_j w_j[code_j]              He et al. (2017) "NCF" with one linear
    layer on the concatenation
    Product    score = sum_k prod_j w_jk[code_j]              matrix factorisation
    Crossed    Additive + M (prod_j f_j[code_j])              additive, with an interaction of low
    rank

An additive head is evaluated as V_j w_j for every id first, then one gather as wide as the outputs
(5, say) and not as the embedding (64): the same function and the same gradient, with a fraction of
the memory traffic.

Scores are (o, batch): outputs first, so that reductions over outputs run along memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.neural.id_scores import IdScores, with_unseen

Columns = Sequence[Tensor]  # one (batch,) tensor of codes an id column


class Additive(nn.Module):
    """A linear head on the embeddings of p id columns."""

    def __init__(
        self, sizes: Sequence[int], width: int, outputs: int, rng: torch.Generator
    ) -> None:
        super().__init__()
        self.tables = nn.ParameterList(torch.randn(size, width, generator=rng) for size in sizes)
        bound = (width * len(sizes)) ** -0.5
        self.heads = nn.ParameterList(_uniform((outputs, width), bound, rng) for _ in sizes)
        self.bias = nn.Parameter(_uniform((outputs,), bound, rng))

    def forward(self, codes: Columns) -> Tensor:
        """Scores, (o, batch)."""
        total = self.bias[:, None]
        for table, head, code in zip(self.tables, self.heads, codes, strict=True):
            total = total + (head @ table.T).index_select(1, code)
        return total

    def scores(self) -> IdScores:
        """As plain arrays."""
        pairs = zip(self.tables, self.heads, strict=True)
        return IdScores(
            _array(self.bias), tuple(with_unseen(_array(table @ head.T)) for table, head in pairs)
        )


class Product(nn.Module):
    """One score: the inner product of the embeddings of the id columns."""

    def __init__(self, sizes: Sequence[int], width: int, rng: torch.Generator) -> None:
        super().__init__()
        self.tables = nn.ParameterList(torch.randn(size, width, generator=rng) for size in sizes)

    def forward(self, codes: Columns) -> Tensor:
        """Scores, (1, batch)."""
        return _product(self.tables, codes).sum(dim=1)[None]

    def scores(self) -> IdScores:
        """As plain arrays."""
        width = self.tables[0].shape[1]
        return IdScores(
            np.zeros(1),
            (),
            tuple(with_unseen(_array(table)) for table in self.tables),
            np.ones((1, width)),
        )


class Crossed(nn.Module):
    """An additive head and an interaction of rank ``rank`` that starts at nothing."""

    def __init__(
        self, sizes: Sequence[int], width: int, rank: int, outputs: int, rng: torch.Generator
    ) -> None:
        super().__init__()
        self.additive = Additive(sizes, width, outputs, rng)
        self.factors = nn.ParameterList(
            0.1 * torch.randn(size, rank, generator=rng) for size in sizes
        )
        self.mix = nn.Parameter(_uniform((outputs, rank), rank**-0.5, rng))

    def forward(self, codes: Columns) -> Tensor:
        """Scores, (o, batch)."""
        added: Tensor = self.additive(codes)
        return added + self.mix @ _product(self.factors, codes).T

    def scores(self) -> IdScores:
        """As plain arrays."""
        base = self.additive.scores()
        return IdScores(
            base.bias,
            base.tables,
            tuple(with_unseen(_array(f)) for f in self.factors),
            _array(self.mix),
        )


def generator(seed: int) -> torch.Generator:
    """A stream of random numbers of its own."""
    return torch.Generator().manual_seed(seed)


def _product(tables: nn.ParameterList, codes: Columns) -> Tensor:
    """prod_j table_j[code_j], (batch, width)."""
    product = nn.functional.embedding(codes[0], tables[0])
    for table, code in zip(list(tables)[1:], codes[1:], strict=True):
        product = product * nn.functional.embedding(code, table)
    return product


def _uniform(shape: tuple[int, ...], bound: float, rng: torch.Generator) -> Tensor:
    return (2 * torch.rand(shape, generator=rng) - 1) * bound


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy().copy()
