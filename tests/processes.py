"""The processes of a process group, as /proc shows them."""

from pathlib import Path


def members_of(group: int) -> dict[int, int]:
    """Each process of a process group that has not ended, with its parent."""
    members = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            members[int(entry.name)] = int(fields[1])
    return members


def workers_of(group: int) -> list[int]:
    """The processes that train: those whose parent, the server of the workers, is a child."""
    members = members_of(group)
    return [process for process, parent in members.items() if members.get(parent) == group]
