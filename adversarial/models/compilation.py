"""Whether Keras compiles with XLA, which is for the backend to decide."""

import keras


def compiles_with_xla() -> bool:
    """Say whether models are to be compiled with XLA (Keras's `jit_compile`).

    TensorFlow has kernels of its own, whose convolutions are faster than XLA's on CPUs. JAX has
    nothing else: what it does not compile, it runs one operation at a time.
    """
    return bool(keras.backend.backend() != "tensorflow")
