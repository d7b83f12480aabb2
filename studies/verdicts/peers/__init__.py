"""What Evidently and NannyML say of the study's batches; each runs in an environment of its own."""
