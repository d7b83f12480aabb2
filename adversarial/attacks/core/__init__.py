"""What every attack is made of: the base class, results, criteria, the victim and its logits."""
