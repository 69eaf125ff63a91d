"""The classes of picamera2, as far as they're used here: what a stand-in must offer as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from gated.scanner.picture import Pixels


class Request(Protocol):
    """A frame with its buffer: ours until it's released, the camera's afterwards."""

    def get_metadata(self) -> dict[str, Any]: ...

    def release(self) -> None: ...


class Mapped(Protocol):
    @property
    def array(self) -> Pixels | None:
        """The buffer itself: height x width x 3 without the padding of its lines; of "YUV420"
        height · 3/2 lines with theirs, the first ``height`` of which are the brightness.
        """


class Camera(Protocol):
    """``picamera2.Picamera2``."""

    @property
    def camera_controls(self) -> Mapping[str, object]:
        """{name: (least, most, default)}."""

    @property
    def camera_properties(self) -> Mapping[str, object]: ...

    @property
    def sensor_resolution(self) -> tuple[int, int]: ...

    def create_video_configuration(
        self,
        main: dict[str, Any],
        *,
        raw: None,
        buffer_count: int,
        queue: bool,
        controls: dict[str, Any],
        sensor: dict[str, Any],
    ) -> dict[str, Any]: ...

    def configure(self, camera_config: dict[str, Any]) -> None: ...

    def camera_configuration(self) -> dict[str, Any]: ...

    def start(self) -> None: ...

    def set_controls(self, controls: dict[str, Any]) -> None:
        """Have ``controls`` sent with the next request that is queued. Doesn't wait for it."""

    def capture_request(self, wait: float) -> Request: ...

    def cancel_all_and_flush(self) -> None: ...

    def close(self) -> None: ...


class CameraClass(Protocol):
    def __call__(self) -> Camera: ...

    def global_camera_info(self) -> list[dict[str, Any]]: ...
