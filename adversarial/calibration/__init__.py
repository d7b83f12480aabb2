"""From labelled normal rows to what tells the accuracy of others, and how far that can be told."""
