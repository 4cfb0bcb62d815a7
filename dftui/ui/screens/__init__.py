"""Screens: the main one and the dialogues over it."""
