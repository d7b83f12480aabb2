"""A detector on disk, read and written without TensorFlow."""
