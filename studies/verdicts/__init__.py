"""Whether the monitor's verdicts are true: classifiers, drifts, verdicts on them, and tables."""

# Before Keras: it sets how TensorFlow starts.
import adversarial  # noqa: F401
