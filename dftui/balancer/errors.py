"""What can go wrong between dftui and the balancer, told in one sentence each."""

from __future__ import annotations

from dftui.engine.api import EngineError


class BalancerError(EngineError):
    """The balancer refused a command or answered something unexpected."""


class BalancerGone(BalancerError):
    """The balancer's runtime socket cannot be reached: not running, restarting, replaced, or no socat in it."""


class UnknownServer(BalancerError):
    """The balancer has no server of that name."""
