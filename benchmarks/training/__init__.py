"""Training an autoencoder: its speed, and what matching hidden layers brings."""
