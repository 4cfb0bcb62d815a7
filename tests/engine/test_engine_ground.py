"""The fixtures themselves, as others use them."""

from dftui.engine.api import Attachment, ContainerSpec, Engine, NetworkSpec


async def test_a_container_of_ones_own(
    engine: Engine, labels: dict[str, str], stack_name: str, subnet: str, free_port: int, tiny_image: str
) -> None:
    await engine.create_network(NetworkSpec(f"{stack_name}-front", labels, subnet))
    ref = await engine.create(
        ContainerSpec(
            f"{stack_name}-one",
            tiny_image,
            labels,
            command=("sleep", "60"),
            networks=(Attachment(f"{stack_name}-front"),),
        )
    )
    await engine.start(ref)
    (container,) = await engine.containers(labels)
    assert container.id == ref and container.state == "running"
