"""The generator of keras.io's CycleGAN example in real Keras, for test_keras.py and its fixture.

Run by a Python that has keras 3, h5py and a backend; hwan itself needs none of them:

    python tests/interop/keras_reference.py OUT [--filters 4] [--blocks 2] [--side 32]

writes OUT/generator.weights.h5, generator.keras and generator.h5 (the legacy file) of one generator,
cyclegan.weights.h5 of a model that owns two, and io.npz with an input and the outputs of gen_G and
gen_F. Gammas, betas and the last bias are random, so that loading each is really tested. Layers:
https://keras.io/examples/generative/cyclegan/.

The fixture tests/interop/golden/keras.zip is the same with --filters 2 --blocks 1 --side 16, zipped.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("hwan")
class ReflectionPadding(layers.Layer):
    """Reflect ``side`` pixels at each border of (B, H, W, C)."""

    def __init__(self, side: int, **options: object) -> None:
        super().__init__(**options)
        self.side = side

    def call(self, images: object) -> object:
        edge = (self.side, self.side)
        return ops.pad(images, ((0, 0), edge, edge, (0, 0)), mode="reflect")

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, height, width, channels = shape
        grown = [None if n is None else n + 2 * self.side for n in (height, width)]
        return (batch, *grown, channels)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "side": self.side}


def norm(x: object, relu: bool = True) -> object:
    """Instance norm as Keras 3 has it, at its own epsilon (1e-3, as tensorflow_addons')."""
    x = layers.GroupNormalization(groups=-1)(x)
    return layers.Activation("relu")(x) if relu else x


def generator(filters: int, blocks: int, channels: int = 3) -> keras.Model:
    """7x7 stem; two halvings; residual blocks; two doublings; 7x7 to tanh. (B, H, W, C) each way."""
    source = layers.Input((None, None, channels))
    x = layers.Conv2D(filters, 7, use_bias=False)(ReflectionPadding(3)(source))
    x = norm(x)
    for width in (2 * filters, 4 * filters):
        x = norm(layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x))
    for _ in range(blocks):
        y = layers.Conv2D(4 * filters, 3, use_bias=False)(ReflectionPadding(1)(x))
        y = layers.Conv2D(4 * filters, 3, use_bias=False)(ReflectionPadding(1)(norm(y)))
        x = layers.Add()([x, norm(y, relu=False)])
    for width in (2 * filters, filters):
        x = norm(layers.Conv2DTranspose(width, 3, strides=2, padding="same", use_bias=False)(x))
    x = layers.Conv2D(channels, 7)(ReflectionPadding(3)(x))
    return keras.Model(source, layers.Activation("tanh")(x))


def randomise(net: keras.Model, seed: int) -> None:
    """Every weight drawn anew: kernels at a scale that keeps the signal, the rest around 0 or 1."""
    rng = np.random.default_rng(seed)
    drawn = []
    for weight in net.weights:
        shape = tuple(weight.shape)
        if len(shape) == 4:
            # A small scale, so that the norm's epsilon counts in the outputs.
            values = rng.normal(0, 0.3 / np.sqrt(np.prod(shape[:3])), shape)
        else:
            values = (1.0 if weight.name == "gamma" else 0.0) + rng.normal(0, 0.3, shape)
        drawn.append(values.astype(np.float32))
    net.set_weights(drawn)


class Both(keras.Model):
    """What the example saves in training: the model that owns both generators."""

    def __init__(self, gen_g: keras.Model, gen_f: keras.Model) -> None:
        super().__init__()
        self.gen_G, self.gen_F = gen_g, gen_f

    def call(self, images: object) -> object:
        return self.gen_F(self.gen_G(images))


def main() -> None:
    """Build, save and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--filters", type=int, default=4)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--side", type=int, default=32)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    gen_g = generator(given.filters, given.blocks)
    gen_f = generator(given.filters, given.blocks)
    randomise(gen_g, 1)
    randomise(gen_f, 2)
    shape = (1, given.side, given.side + 8, 3)
    images = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    outputs = {
        name: np.asarray(ops.convert_to_numpy(net(images)))
        for name, net in (("gen_G", gen_g), ("gen_F", gen_f))
    }
    gen_g.save_weights(given.out / "generator.weights.h5")
    gen_g.save(given.out / "generator.keras")
    gen_g.save(given.out / "generator.h5")
    both = Both(gen_g, gen_f)
    both(images)
    both.save_weights(given.out / "cyclegan.weights.h5")
    np.savez_compressed(given.out / "io.npz", input=images, **outputs)


if __name__ == "__main__":
    main()
