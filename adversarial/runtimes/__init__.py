"""What computes a detector's outputs: OpenVINO's graph of both models, or the models themselves."""
