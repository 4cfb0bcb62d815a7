"""A small shell loop in the balancer's container, held open over one long exec: the stack's lock, haproxy.cfg, a look
at who listens.

An exec for each costs 45 ms and an archive 70 (the engine starts a process for either); a line to a shell that is
there already costs one.  While nothing is asked it waits and costs nothing.  The lock it holds is a folder, which
goes when the stream ends, whatever ended it.
"""

from __future__ import annotations

import asyncio
import base64

from dftui.balancer.config import CONFIG_PATH, MARK
from dftui.balancer.errors import BalancerError, BalancerGone
from dftui.balancer.runtime import Session
from dftui.balancer.tls import CERTIFICATE_PATH
from dftui.engine.api import Engine, EngineError, NotFound

STALE = 15
"""Seconds without a beat after which another may take the lock."""
LOCK_PATH = "/tmp/dftui.lock"
TIMEOUT = 30.0
"""Seconds for one answer; an engine under load may be slow, and a shell that is given up drops its lock."""

# One line is one question: a word and what it is about.  Each answer ends as HAProxy's do, for the same reader.
# $d/who says who holds the lock; only who stands there beats it or lets it go.  $d.over lets one at a time take over
# a lock that has not beaten: two who had both seen the old one would else take it from each other.  $d/boot says in
# which run of the container it was taken: a folder outlasts a restart, its holder's stream does not.
SCRIPT = r"""
umask 022
d=$1 f=$2 stale=$3 mark=$4 pem=$5 me= w=
say() { printf '%s\n' "$1"; }
boot=$(cut -d ' ' -f 22 /proc/1/stat)
gone() { [ -e "$d/boot" ] && [ "$(cat "$d/boot" 2>/dev/null)" != "$boot" ]; }
old() { [ $(( $(date +%s) - $(stat -c %Y "$1" 2>/dev/null || date +%s) )) -ge "$stale" ]; }
silent() { gone && return; if [ -e "$d/beat" ]; then old "$d/beat"; else old "$d"; fi; }
holder() { w=; { read -r w < "$d/who"; } 2>/dev/null; }
mine() { holder; [ -n "$me" ] && [ "$w" = "$me" ]; }
take() {
  me=$1 from=
  if ! mkdir "$d" 2>/dev/null && ! mine; then
    if silent; then
      if mkdir "$d.over" 2>/dev/null; then
        if silent; then holder; from=$w; rm -rf "$d"; fi
        mkdir "$d" 2>/dev/null || me=
        rmdir "$d.over"
      else
        old "$d.over" && rmdir "$d.over" 2>/dev/null
        me=
      fi
    else
      me=
    fi
  fi
  if [ -z "$me" ]; then holder; say "busy $w"; return; fi
  say "$me" > "$d/who"; say "$boot" > "$d/boot"; echo > "$d/beat"; say "held $from"
}
beat() { me=$1; if mine; then echo > "$d/beat"; echo kept; else me=; echo lost; fi; }
drop() { if mine; then rm -rf "$d"; fi; me=; }
seal() {
  rm -f "$pem.new"
  (umask 077; printf %s "$1" | base64 -d > "$pem.new") && chown "$(stat -c %u:%g "${pem%/*}")" "$pem.new" &&
    mv -f "$pem.new" "$pem" && echo kept
}
keep() { printf %s "$1" | base64 -d > "$f.new" && mv -f "$f.new" "$f" && echo kept; }
if gone && mkdir "$d.over" 2>/dev/null; then
  if gone; then rm -rf "$d"; fi
  rmdir "$d.over"
fi
while read -r word rest; do
  case $word in
    take) take "$rest" ;;
    beat) beat "$rest" ;;
    drop) me=$rest; drop; echo dropped ;;
    who) if silent; then say; else holder; say "$w"; fi ;;
    read) grep "^$mark" "$f" 2>/dev/null ;;
    write) keep "$rest" ;;
    seal) seal "$rest" ;;
    reach) socat -u OPEN:/dev/null "TCP:$rest,retry=4,interval=0.005,connect-timeout=0.1" 2>/dev/null && echo open ;;
  esac
  printf '\n> '
done
drop
"""


def why_ended(said: str) -> BalancerGone:
    """The error for a shell that ended."""
    line = (said.strip().splitlines() or ["it is restarting, or was stopped or replaced"])[-1][:160]
    return BalancerGone(f"the shell in the balancer's container ended: {line}")


class Shell:
    """One long exec of `SCRIPT` in the balancer's container, opened at the first question and again when it ended.

    Safe for concurrent use: questions are answered in order.  One that is cancelled is answered to its end all the
    same, so that its stream, and with it the lock, stays.  Every call raises EngineError when it cannot be asked."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container
        self._turn = asyncio.Lock()
        self._session: Session | None = None
        self._asked: set[asyncio.Task[str]] = set()
        self._closed = False

    # -- the file

    async def marks(self) -> str:
        """The marked lines of haproxy.cfg ("" when there are none); see `config.parse`."""
        return await self._ask("read")

    async def write(self, text: str) -> None:
        """Replace haproxy.cfg, whole or not at all. Raises BalancerError when it could not be written."""
        if await self._ask(f"write {base64.b64encode(text.encode()).decode()}") != "kept":
            raise BalancerError("the balancer's configuration file could not be written")

    async def keep_certificate(self, pem: bytes) -> None:
        """Replace the certificate's file, whole or not at all, for HAProxy's user alone. Raises BalancerError."""
        if await self._ask(f"seal {base64.b64encode(pem).decode()}") != "kept":
            raise BalancerError("the certificate's file could not be written", "a restart finds the old one")

    async def reach(self, address: str) -> bool:
        """Whether somebody listens at HOST:PORT, seen from the balancer; tried for some 20 ms."""
        return await self._ask(f"reach {address}") == "open"

    # -- the lock

    async def take(self, who: str) -> tuple[bool, str]:
        """Try to take the lock for `who` (one line): whether it is held now, and whom it was taken from if that one
        had stopped beating ("" else), or who has it."""
        word, _, rest = (await self._ask(f"take {who}")).partition(" ")
        if word not in ("held", "busy"):
            raise BalancerError("the balancer's shell did not say whether the lock is free")
        return word == "held", rest.strip()

    async def beat(self, who: str) -> bool:
        """A sign of life from the holder; False when it has the lock no longer."""
        return await self._ask(f"beat {who}") == "kept"

    async def drop(self, who: str) -> None:
        """Let the lock go, if `who` has it."""
        await self._ask(f"drop {who}")

    async def who(self) -> str:
        """The label of who holds the lock and gives signs of life, "" when nobody does."""
        return await self._ask("who")

    async def close(self) -> None:
        """End it for good; never raises."""
        self._closed = True
        await self.leave()

    async def leave(self) -> None:
        """End it until the next question, and let go of a lock that it holds; never raises."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # -- inside

    async def _ask(self, line: str) -> str:
        task = asyncio.create_task(self._answer(line))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _answer(self, line: str) -> str:
        async with self._turn:
            fresh = self._session is None
            try:
                return await self._once(line)
            except EngineError:
                if fresh or self._closed:
                    raise
            return await self._once(line)  # it had ended meanwhile; everything that is asked here may be repeated

    async def _once(self, line: str) -> str:
        if self._closed:
            raise BalancerGone("the balancer's link was closed")
        if self._session is None:
            self._session = await self._open()
        session = self._session
        try:
            return (await session.exchange(line.encode() + b"\n", TIMEOUT)).strip()
        finally:
            if session.broken:
                self._session = None
                await session.close()

    async def _open(self) -> Session:
        argv = ("sh", "-c", SCRIPT, "dftui", LOCK_PATH, CONFIG_PATH, str(STALE), MARK.strip(), CERTIFICATE_PATH)
        try:
            # As root: the official image runs as a user who may not write the file.
            return Session(await self._engine.exec_stream(self._container, argv, user="0"), why_ended)
        except NotFound:
            raise BalancerGone("the balancer's container does not exist", "run `dftui up`") from None
