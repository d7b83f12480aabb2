"""Training autoencoders so that the classifier's predictions on x and AE(x) match."""
