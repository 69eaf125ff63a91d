"""Whether a state folder survives a power cut, by /proc/self/mountinfo as machines have it."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from gated.doctor.mounts import Keeping, keeping, mount_of, parse_mountinfo

STATE = PurePosixPath("/var/lib/gated")
CARD = "25 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n"
BOOT = "66 25 179:1 / /boot/firmware rw,relatime shared:36 - vfat /dev/mmcblk0p1 rw,fmask=0022\n"
RASPI_CONFIG = (
    "22 1 0:20 / / rw,noatime shared:1 - overlay overlay "
    "rw,lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work\n"
)
OVERLAYROOT = (
    "26 1 0:23 / / rw,relatime shared:1 - overlay overlayroot rw,lowerdir=/media/root-ro,"
    "upperdir=/media/root-rw/overlay,workdir=/media/root-rw/overlay-workdir/_\n"
    "28 26 179:2 / /media/root-ro ro,relatime shared:2 - ext4 /dev/mmcblk0p2 ro\n"
    "29 26 0:22 / /media/root-rw rw,relatime shared:3 - tmpfs tmpfs-root rw\n"
)
CONTAINER = (
    "712 580 0:58 / / rw,relatime master:304 - overlay overlay rw,"
    "lowerdir=/var/lib/docker/overlay2/l/A:/var/lib/docker/overlay2/l/B,"
    "upperdir=/var/lib/docker/overlay2/f00/diff,workdir=/var/lib/docker/overlay2/f00/work\n"
)
OWN_PARTITION = "70 22 179:3 / /var/lib/gated rw,noatime shared:40 - ext4 /dev/mmcblk0p3 rw\n"
VOLATILE_VAR = "71 25 0:44 / /var/lib rw,relatime shared:41 - tmpfs tmpfs rw,size=65536k\n"


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        (CARD + BOOT, Keeping.KEPT),
        (RASPI_CONFIG + BOOT, Keeping.OVERLAY),
        (OVERLAYROOT, Keeping.OVERLAY),
        (CONTAINER, Keeping.OVERLAY),
        (RASPI_CONFIG + OWN_PARTITION, Keeping.KEPT),
        (CARD + VOLATILE_VAR, Keeping.IN_MEMORY),
        (CARD.replace("rw,noatime", "ro,noatime"), Keeping.READ_ONLY),
        # The card failed and the kernel remounted it: the mount says rw, the file system ro.
        (CARD.replace("mmcblk0p2 rw", "mmcblk0p2 ro,emergency_ro"), Keeping.READ_ONLY),
        (RASPI_CONFIG + OWN_PARTITION.replace(" rw,no", " ro,no"), Keeping.READ_ONLY),
        ("25 1 7:0 / / rw shared:1 - squashfs /dev/loop0 rw\n", Keeping.READ_ONLY),
    ],
)
def test_what_becomes_of_the_state_folder(text: str, becomes: Keeping) -> None:
    assert keeping(STATE, parse_mountinfo(text)) is becomes


def test_an_overlay_whose_upper_layer_is_seen_on_a_disk_is_kept() -> None:
    text = OVERLAYROOT.replace("tmpfs tmpfs-root", "ext4 /dev/sda1")
    assert keeping(STATE, parse_mountinfo(text)) is Keeping.KEPT


def test_of_mounts_at_one_place_the_last_one_counts() -> None:
    mounts = parse_mountinfo(CARD + OWN_PARTITION + VOLATILE_VAR.replace("/var/lib", str(STATE)))
    assert keeping(STATE / "sub", mounts) is Keeping.IN_MEMORY


def test_a_name_that_only_begins_alike_is_another_folder() -> None:
    mounts = parse_mountinfo(CARD + VOLATILE_VAR.replace("/var/lib", "/var/lib/gate"))
    assert keeping(STATE, mounts) is Keeping.KEPT


def test_spaces_in_names_are_read() -> None:
    (mount,) = parse_mountinfo(r"36 25 8:1 / /media/my\040stick rw - ext4 /dev/disk\040one rw")
    assert (mount.point, mount.source) == (PurePosixPath("/media/my stick"), "/dev/disk one")


def test_lines_that_are_none_are_passed_over() -> None:
    assert parse_mountinfo("\n- - -\n25 1\n25 1 8:1 / / rw - ext4\n") == ()
    assert mount_of(STATE, ()) is None
