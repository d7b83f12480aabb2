"""Keras models: classifiers as users save them, autoencoders, and checks of both."""
