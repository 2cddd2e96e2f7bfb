"""Train small transformers to predict the next character of a text, and audit what their MLPs do.

The text is the documentation of data sets that scikit-learn bundles: 43,000 characters.
``sweep.sweep(transformers.audited, …)`` trains several.
"""

from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from poly import audit, checks, parallel, perturb

Array = NDArray[Any]
CONTEXT, WIDTH, HEADS, BLOCKS, UNITS = 32, 48, 4, 2, 128
BATCH, RATE = 32, 3e-3
# The end of the text is held out, and examples to audit come from there.
HELD, EXAMPLES = 0.15, 2000
# Groups of characters to predict, in the order of their numbers.
KINDS = ("space", "line end", "vowel", "consonant", "capital", "digit", "other")
LAYER = f"blocks.{BLOCKS - 1}.mlp.1"


class Audited(NamedTuple):
    """What is measured of one network on held text.

    ``loss``: the mean of −ln of the right character's probability. ``squares``: Π of the last MLP's units from squares
    of gains, by kind of character; ``permuted`` and ``rotated``: of its nulls. ``negative``: the share of negative
    gains. ``live``: units that vary. ``gains``: by unit and kind.
    """

    loss: float
    squares: float
    permuted: float
    rotated: float
    negative: float
    live: int
    gains: Float[Array, "units kinds"]


class Block(nn.Module):
    """Causal self-attention and an MLP; each follows a layer norm, and a residual connection bypasses both."""

    def __init__(self) -> None:
        """Draw the weights, from torch's global generator."""
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, UNITS), nn.GELU(), nn.Linear(UNITS, WIDTH))

    def forward(self, x: Float[Tensor, "examples places width"]) -> Float[Tensor, "examples places width"]:
        """Return the residual stream behind this block."""
        query, key, value = self.qkv(self.norms[0](x)).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        stream: Tensor = x + self.mlp(self.norms[1](x))
        return stream


class Transformer(nn.Module):
    """A transformer that predicts the next character at each place."""

    def __init__(self, characters: int) -> None:
        """Draw the weights, from torch's global generator.

        Args:
            characters: how many different ones there are.
        """
        super().__init__()
        self.embed = nn.Embedding(characters, WIDTH)
        self.positions = nn.Parameter(0.02 * torch.randn(CONTEXT, WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.unembed = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, characters))

    def forward(self, x: Int[Tensor, "examples places"]) -> Float[Tensor, "examples places characters"]:
        """Return the logits of the next character at each place."""
        logits: Tensor = self.unembed(self.blocks(self.embed(x) + self.positions[: x.shape[1]]))
        return logits


def text() -> str:
    """Return the text: the descriptions of scikit-learn's data sets, in the order of their names."""
    folder = resources.files("sklearn.datasets.descr")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".rst")), key=lambda file: file.name)
    return "".join(file.read_text(encoding="utf-8") for file in files)


def kind(character: str) -> int:
    """Return the number of a character's kind."""
    if character in " \n":
        return " \n".index(character)
    if character.isdigit():
        return KINDS.index("digit")
    if not character.isalpha():
        return KINDS.index("other")
    if character.isupper():
        return KINDS.index("capital")
    return KINDS.index("vowel" if character in "aeiou" else "consonant")


def train(steps: int, *, generator: torch.Generator) -> tuple[Transformer, str]:
    """Train a transformer with Adam, at a rate that falls to 0; return it in evaluation mode, and its characters.

    Args:
        steps: batches of 32 contexts.
        generator: source of start and batches.
    """
    whole = text()
    alphabet = "".join(sorted(set(whole)))
    codes = torch.tensor([alphabet.index(character) for character in whole])[: round((1 - HELD) * len(whole))]
    with torch.random.fork_rng(devices=[]), parallel.single_threaded():
        torch.manual_seed(*parallel.seeds(generator, 1))
        model = Transformer(len(alphabet))
        with torch.no_grad():
            for part in model.parameters():
                part.copy_(perturb.start(part))
        adam = torch.optim.Adam(model.parameters(), lr=RATE)
        falls = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.0, total_iters=checks.count("steps", steps))
        for _ in range(steps):
            starts = torch.randint(len(codes) - CONTEXT, (BATCH, 1), generator=generator)
            found = codes[starts + torch.arange(CONTEXT + 1)]
            loss = nn.functional.cross_entropy(model(found[:, :-1]).flatten(0, 1), found[:, 1:].flatten())
            adam.zero_grad()
            torch.autograd.backward(loss)
            adam.step()
            falls.step()
    return model.eval(), alphabet


def examples(
    alphabet: str, count: int = EXAMPLES
) -> tuple[Int[Tensor, "examples places"], Int[Tensor, " examples"], Int[Array, " examples"]]:
    """Return contexts of held text, the character that follows each, and its kind.

    Args:
        alphabet: all characters, in the order of their codes.
        count: how many examples, from all of the held text.
    """
    whole = text()
    held = whole[round((1 - HELD) * len(whole)) :]
    starts = np.linspace(0, len(held) - CONTEXT - 1, count).astype(int)
    codes = torch.tensor([alphabet.index(character) for character in held])
    inputs = torch.stack([codes[start : start + CONTEXT] for start in starts])
    follows = [held[start + CONTEXT] for start in starts]
    return inputs, codes[torch.from_numpy(starts) + CONTEXT], np.array([kind(character) for character in follows])


def audited(*, steps: int, count: int, generator: torch.Generator) -> Audited:
    """Train one transformer and audit the units of its last MLP.

    Args:
        steps: batches.
        count: examples to audit with.
        generator: source of start and batches.
    """
    model, alphabet = train(steps, generator=generator)
    inputs, targets, kinds = examples(alphabet, count)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs[:, -1], targets, reduction="none")

    with parallel.single_threaded():
        found = audit.layer(model, LAYER, inputs, targets, loss, groups=kinds, progress=False)
        with torch.no_grad():
            reached = loss(model(inputs), targets).mean().item()
    return Audited(
        loss=reached,
        squares=found.squares,
        permuted=found.squares_nulls["permuted"],
        rotated=found.squares_nulls["rotated"],
        negative=found.negative,
        live=int(found.live.sum()),
        gains=found.gains,
    )
