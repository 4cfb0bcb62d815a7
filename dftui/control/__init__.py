"""Observe, compare, act: up, scale, drain, down; every action reports its steps."""
