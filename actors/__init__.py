"""The running system: the actors as plain classes, their parts, and all that puts them on Ray."""
