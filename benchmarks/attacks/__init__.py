"""Attacks, against Foolbox's."""
