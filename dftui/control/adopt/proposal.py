"""What adopting would do, before it does it: looks at everything that could be in the way, and changes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from dftui.control import replicas, specs
from dftui.control.adopt import record
from dftui.control.adopt.found import Handmade, Left, Recognition, Seen, recognise
from dftui.control.backup import version_of
from dftui.control.changes import same_place
from dftui.control.errors import ActionError, SteppedAside
from dftui.control.ground import kept_secrets
from dftui.control.world import PARALLEL, World, bounded
from dftui.dreamfactory.api import Status, parse_status
from dftui.dreamfactory.settings import ENV_PATH, parse_env
from dftui.engine.api import Container, Engine, EngineError, NotFound
from dftui.engine.bundled import BUNDLED_PREFIX
from dftui.engine.images import Seen as Images
from dftui.engine.images import look_for_images
from dftui.stack import appkey, names
from dftui.stack.file import DEFAULT_NAME, parse
from dftui.stack.read import StackFileError
from dftui.stack.secrets import Secrets, new_secrets
from dftui.stack.spec import StackSpec
from dftui.watch.datatier import root_client
from dftui.watch.figures import size
from dftui.watch.sanitise import clean

_TABLES = root_client(
    '--batch --skip-column-names "$MYSQL_DATABASE" -e "SELECT COUNT(*), '
    'COALESCE(SUM(data_length), 0) FROM information_schema.tables WHERE table_schema = DATABASE()"'
)
_MOST_LEFT = 20


@dataclass(frozen=True, slots=True)
class Proposal:
    """A stack that was found, and how it would be taken over. Where there are `problems`, nothing is done.

    `file` is the stack file to write, with `text` in it ("" where there is one already); `tables` and `bytes` are of
    its database; `status` by the web that said it."""

    stack: str
    found: Handmade
    spec: StackSpec
    secrets: Secrets
    images: Images
    record: record.Record
    version: str = ""
    tables: int = 0
    bytes: int = 0
    file: str = ""
    text: str = ""
    status: dict[str, Status] = field(default_factory=dict)
    left: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def replicas(self) -> int:
        """As many as there were."""
        return max(self.spec.web.min, min(self.spec.web.max, len(self.found.webs)))

    @property
    def fresh(self) -> bool:
        """Its database holds nothing: dftui makes the tables and the first admin."""
        return self.tables == 0

    @property
    def migrates(self) -> bool:
        """The replicas run another DreamFactory than the one that wrote the rows."""
        return not self.fresh and self.images.ids.get("web") != self.found.webs[0].detail.container.image_id

    def steps(self) -> list[str]:
        """What would be done, in words, in this order."""
        found, stack = self.found, self.stack
        db = names.container_name(stack, "db")
        steps = [f"write {self.file}, which says what was found: name, images, replicas, port"] if self.file else []
        steps.append(f"back up the database of {found.db.name} and the files of its webs, into one file of your own")
        renamed = [f"{one.name} → {one.aside}" for one in self.record.containers if one.name != one.aside]
        if renamed:
            steps.append(f"rename, while they serve: {', '.join(renamed)}")
        steps.append(f"keep its APP_KEY {self.secrets.fingerprint} and its database's credentials (mode 0600)")
        if self.fresh:
            steps.append(f"create {db} and {names.container_name(stack, 'cache')}, tables, and a first admin")
        else:
            what = f"{self.tables} tables, {size(self.bytes)}"
            volume = names.volume_name(stack, "db")
            steps.append(f"create {db} on the volume {volume}, and put the rows in ({what}; from a dump)")
        migrated = "; this runs DreamFactory's migrations, for their image is another one" if self.migrates else ""
        steps.append(f"create {self.replicas} replicas, beside those that serve{migrated}")
        front = " and ".join(one.name for one in found.front)
        steps.append(f"stop {front}, then the webs; here the gap begins, and it is measured")
        steps.append("dump once more, and put in again what was written meanwhile")
        steps.append(f"start {names.container_name(stack, 'balancer')} on the same port, {found.publish}")
        steps.append(
            "back up what each old web wrote to itself, a file for each, and stop the old database and cache"
        )
        return steps

    def to_json(self) -> dict[str, Any]:
        """The documented shape."""
        return {
            "stack": self.stack,
            "kind": self.found.kind,
            "publish": self.found.publish,
            "key": self.secrets.fingerprint,
            "printed_key": self.secrets.fingerprint in appkey.PRINTED,
            "containers": [
                {
                    "name": one.name,
                    "role": one.role,
                    "image": seen.detail.container.image,
                    "state": seen.detail.container.state,
                    "aside": one.aside,
                }
                for one, seen in zip(self.record.containers, self.found.parts, strict=True)
            ],
            "database": {"version": self.version, "tables": self.tables, "bytes": self.bytes},
            "own_databases": [web.name for web in self.found.own_databases],
            "stack_file": self.file,
            "steps": self.steps(),
            "notes": list(self.notes),
            "left": [{"name": one.name, "why": one.why} for one in self.left],
            "problems": list(self.problems),
        }


# -- looking


async def survey(engine: Engine) -> Recognition:
    """What there is on the engine that dftui did not make. Raises EngineError."""
    strangers = [one for one in await engine.containers() if names.LABEL_STACK not in one.labels]
    seen = [one for one in await bounded(PARALLEL, lambda c: _seen(engine, c), strangers) if one is not None]
    return recognise(seen)


async def handmade_names(engine: Engine) -> tuple[str, ...]:
    """The containers of the first stack that could be taken over; none if there is no such. Raises EngineError."""
    found = (await survey(engine)).stacks
    return tuple(clean(part.name, 128) for part in found[0].parts) if found else ()


async def _seen(engine: Engine, container: Container) -> Seen | None:
    try:
        detail = await engine.inspect(container.id)
    except NotFound:
        return None
    settings, image_env = None, {}
    if "MYSQL_ROOT_PASSWORD" not in detail.env:
        with contextlib.suppress(EngineError):  # it has none, or what stands there is no file
            settings = parse_env(await engine.get_file(container.id, ENV_PATH))
    if settings is not None and (image := await engine.image(detail.container.image_id)) is not None:
        image_env = dict(image.env)
    return Seen(detail, settings, image_env)


def choose(found: Recognition, which: str) -> Handmade:
    """The one that is meant: the only one, or that with a container or a compose project so named. Raises
    ActionError, naming what there is."""
    stacks = [
        one for one in found.stacks if not which or which == one.db.project or which in {p.name for p in one.parts}
    ]
    if len(stacks) == 1:
        return stacks[0]
    if len(stacks) > 1:
        told = "; ".join(", ".join(part.name for part in one.parts) for one in stacks)
        raise ActionError(
            f"there are {len(stacks)} stacks that dftui did not make: {told}; nothing was changed",
            f"say which, by one of its containers: dftui adopt {stacks[0].db.name}",
        )
    left = [f"{one.name}: {one.why}" for one in found.left[:_MOST_LEFT]]
    more = f"and {len(found.left) - _MOST_LEFT} more" if len(found.left) > _MOST_LEFT else ""
    whose = f" with a container named {which}" if which and found.stacks else ""
    head = f"no DreamFactory stack that was made without dftui is here{whose}; nothing was changed"
    raise ActionError(
        "\n".join([head, *left, more]).strip(),
        "a stack is known by its webs, the database that they call, and one that publishes port 80: dftui help adopt",
    )


async def propose(world: World, which: str = "") -> Proposal:
    """How the stack that is here would be taken over. Raises ActionError where there is none to be sure of, or where
    this dftui's stack is there already."""
    if world.spec.plain:
        raise SteppedAside("nothing was taken over")
    await _not_there(world)
    recognition = await survey(world.engine)
    found = choose(recognition, which)
    problems, notes = list(found.problems), list(found.notes)
    spec, file, text = await _spec(world, found, problems, notes)
    needed = [names.container_name(spec.name, role) for role in ("db", "cache", "balancer", "setup")]
    needed += [names.container_name(spec.name, "web", n) for n in range(1, len(found.webs) + 1)]
    secrets, known = await _secrets(world, found, problems)
    noted = record.of(found, needed, secrets=known)
    await _names_free(world, noted, needed, problems)
    images = await look_for_images(world.engine, spec.images, None)
    version, tables, bytes_ = await _database(world, found, problems)
    notes += _image_notes(found, images)
    status = await _statuses(replace(world, spec=spec), found, images, problems)
    notes += _own_database_notes(found, status, tables)
    if found.lost:
        notes.append(f"not taken over, because no stack file may hold them, or they differ: {', '.join(found.lost)}")
    if secrets.fingerprint in appkey.PRINTED:
        notes.append("its APP_KEY is in print: anyone can sign an admin's token. See: dftui help printed-key")
    return Proposal(
        stack=spec.name,
        found=found,
        spec=spec,
        secrets=secrets,
        images=images,
        record=noted,
        version=version,
        tables=tables,
        bytes=bytes_,
        file=file,
        text=text,
        status=status,
        left=(*found.left, *recognition.left),
        notes=tuple(clean(one) for one in notes),
        problems=tuple(clean(one) for one in problems),
    )


async def _not_there(world: World) -> None:
    if (before := await record.read(world)) is not None:
        if before.half:
            raise ActionError(
                f"an adoption for the stack {world.stack} began and did not end",
                "bring back what was there: dftui adopt --undo",
            )
        raise ActionError(
            f"the stack {world.stack} was adopted already",
            "dftui adopt --finish removes the old containers, dftui adopt --undo brings them back",
        )
    labels = {names.LABEL_STACK: world.stack}
    there = [one.name for one in await world.engine.containers(labels)]
    there += [one.name for one in await world.engine.volumes(labels)]
    if there:
        raise ActionError(
            f"there is a stack {world.stack} of dftui's own already ({', '.join(there[:3])}); nothing was changed",
            "give the adopted one another name in dftui.yaml (name: …), or remove that one: dftui down --volumes",
        )


async def _spec(world: World, found: Handmade, problems: list[str], notes: list[str]) -> tuple[StackSpec, str, str]:
    """What the stack is to be: the file's own words, or, without one, a file to write that says what was found."""
    if world.spec.path:
        said = world.spec.balancer.publish or "nothing for certain"
        if world.spec.balancer.publish is None or not same_place(specs.publish(world.spec, ""), found.port):
            problems.append(
                f"the stack file publishes {said}, and the stack that is here {found.publish}: "
                f"put balancer: {{publish: '{found.publish}'}} into {world.spec.path}"
            )
        if missing := sorted(set(found.env) - set(world.spec.web.env)):
            notes.append(f"not in web.env of {world.spec.path}, and so not taken over: {', '.join(missing)}")
        return world.spec, "", ""
    document: dict[str, Any] = {"name": world.stack}
    images = await _images(world, found, notes)
    if images:
        document["images"] = images
    document["web"] = {"replicas": len(found.webs), **({"env": dict(found.env)} if found.env else {})}
    document["balancer"] = {"publish": found.publish}
    text = "# Written by `dftui adopt`: what it took over. `dftui init other.yaml` writes every key there is.\n"
    text += yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    try:
        spec = parse(text.encode(), DEFAULT_NAME)
    except StackFileError as error:
        problems.append(f"what was found cannot be written as a stack file: {error}")
        return replace(world.spec, balancer=replace(world.spec.balancer, publish=found.publish)), "", ""
    return spec, str(Path.cwd() / DEFAULT_NAME), text


async def _images(world: World, found: Handmade, notes: list[str]) -> dict[str, str]:
    """Database and webs go on with the images that they run: another version is a roll, later."""
    images: dict[str, str] = {}
    for role, one in (("web", found.webs[0]), ("db", found.db)):
        ref = one.detail.container.image
        if ref.startswith(BUNDLED_PREFIX):
            images["source"] = "bundled"
            continue
        tagged = await world.engine.image(ref)
        if tagged is not None and tagged.id == one.detail.container.image_id and not ref.startswith("sha256:"):
            images[role] = ref
        else:
            notes.append(f"the image that {one.name} runs has no name any more: its place is taken by the newest one")
    return images


async def _names_free(world: World, noted: record.Record, needed: Sequence[str], problems: list[str]) -> None:
    mine = {one.id for one in noted.containers}
    taken = {one.name for one in await world.engine.containers() if one.id not in mine}
    asides = [one.aside for one in noted.containers if one.aside != one.name]
    for name in (*needed, *asides):
        if name in taken:
            problems.append(f"another container holds the name {name}; rename it: docker rename {name} …")


async def _secrets(world: World, found: Handmade, problems: list[str]) -> tuple[Secrets, bool]:
    """Its key and credentials, and whether dftui has them already; what it has none of is made. Nobody knows its
    admin's password."""
    env = found.db.detail.env
    theirs = {
        "app_key": found.app_key,
        "db_root_password": env.get("MYSQL_ROOT_PASSWORD", ""),
        "db_name": env.get("MYSQL_DATABASE", ""),
        "db_user": env.get("MYSQL_USER", ""),
        "db_password": env.get("MYSQL_PASSWORD", ""),
    }
    saved = await kept_secrets(world)
    if saved is None:
        return replace(new_secrets(found.app_key or None), **theirs, admin_password=""), False
    if any(getattr(saved, name) != value for name, value in theirs.items()):
        problems.append(
            f"dftui keeps other secrets for a stack {world.stack} (key {saved.fingerprint}): give this one another "
            "name, or move that file away (dftui doctor names it)"
        )
    return saved, True


async def _database(world: World, found: Handmade, problems: list[str]) -> tuple[str, int, int]:
    """What its server calls itself, how many tables it holds, and their size in bytes."""
    if not found.db.running:
        return "", 0, 0
    db = found.db.detail.container
    try:
        version = await version_of(world, db.id)
        done = await world.engine.exec(db.id, _TABLES)
        count, bytes_ = done.stdout.split()
        return version, int(count), int(bytes_)
    except ValueError:
        said = clean(done.stderr.decode("utf-8", "replace"), 200)
        problems.append(f"{db.name} does not say what it holds: {said}")
    except ActionError as error:
        problems.append(f"{db.name}: {error}")
    return "", 0, 0


def _image_notes(found: Handmade, images: Images) -> list[str]:
    """Where the new stack runs something else than the old one."""
    notes: list[str] = []
    for role, one in (("db", found.db), ("web", found.webs[0])):
        old = one.detail.container
        if images.ids.get(role) != old.image_id:
            here = "" if role in images.ids else ", which is still to be had"
            notes.append(f"{old.name} runs {old.image}, and its place is taken by {images.refs[role]}{here}")
    return notes


async def _statuses(world: World, found: Handmade, images: Images, problems: list[str]) -> dict[str, Status]:
    """What each running web says of itself."""
    told: dict[str, Status] = {}
    for web in found.webs:
        container = web.detail.container
        if not web.running:
            continue
        code, body = await replicas.own_answer(world, container.id)
        told[web.name] = parse_status(code, body)
        same = images.ids.get("web") == container.image_id
        if same and code in (0, 404):
            said = f"status {code}" if code else "nothing"
            problems.append(
                f"{web.name} answers {said} at {world.spec.web.health}, which the balancer is to ask: its "
                "DreamFactory is too old for dftui; name a newer one in a stack file (images: {web: …})"
            )
            break
    return told


def _counts(said: Status | None) -> str:
    """What a web's own database holds, as far as it tells."""
    if said is None or not said.ready:
        return ""
    return f" ({', '.join(f'{said.counts.get(what, 0)} {what}s' for what in ('admin', 'user', 'role', 'app'))})"


def _own_database_notes(found: Handmade, status: dict[str, Status], tables: int) -> list[str]:
    """What is in the webs alone is never merged, and that is said before."""
    own = found.own_databases
    if not own:
        return []
    told = [f"{web.name}{_counts(status.get(web.name))}" for web in own]
    notes = [
        f"each of these keeps its data in an SQLite file of its own, whatever its variables say: {', '.join(told)}. "
        "They are backed up, a file for each, and NOT put together: the new stack does not have what is in them"
    ]
    if not tables:
        notes.append(f"the database {found.db.name} is empty, so a first admin is made anew")
    return notes
