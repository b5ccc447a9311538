import json
import shutil
import struct
import subprocess

import numpy as np
import pytest

from mgpose.io.video import VideoReader, source_sha256
from mgpose.structures import FrameFlag, InputError

RATE = 25


def coloured(count=40, height=96, width=128):
    """Frames whose top left quarter tells their number by its brightness."""
    images = []
    for i in range(count):
        image = np.full((height, width, 3), 40, np.uint8)
        image[: height // 2, : width // 2] = min(255, 60 + 4 * i)
        image[:, -8:] = (200, 30, 30)
        images.append(image)
    return images


@pytest.fixture(scope="module")
def film(tmp_path_factory, write_video):
    return write_video(tmp_path_factory.mktemp("film") / "a.mp4", coloured())


def read(path):
    with VideoReader(path) as reader:
        return list(reader), reader


def test_every_frame_in_order_with_its_time(film):
    frames, reader = read(film)
    assert [f.flags for f in frames] == [FrameFlag.DECODED] * 40
    np.testing.assert_allclose([f.time for f in frames], np.arange(40) / RATE, atol=1e-4)
    brightness = [f.image[:40, :50].mean() for f in frames]
    np.testing.assert_allclose(brightness, 60 + 4 * np.arange(40), atol=3)
    assert reader.frame_size == (128, 96)
    assert (reader.announced, reader.frames_unyielded) == (40, 0)
    assert reader.time_source == "container"


@pytest.mark.parametrize(("degrees", "turns"), [(90, -1), (180, 2), (270, 1)])
def test_rotation_of_the_container_is_applied(film, tmp_path, degrees, turns):
    one, zero = 0x10000, 0
    matrix = {
        90: (zero, one, zero, -one, zero, zero),
        180: (-one, zero, zero, zero, -one, zero),
        270: (zero, -one, zero, one, zero, zero),
    }[degrees]
    content = film.read_bytes()
    plain = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 0x40000000)
    turned = struct.pack(">9i", *matrix, 0, 0, 0x40000000)
    at = content.index(plain, content.index(b"tkhd"))
    path = tmp_path / "turned.mp4"
    path.write_bytes(content[:at] + turned + content[at + len(plain) :])
    straight, (frames, reader) = read(film)[0], read(path)
    np.testing.assert_array_equal(frames[5].image, np.rot90(straight[5].image, turns))
    assert reader.frame_size == frames[5].image.shape[1::-1]


def test_truncated_file_keeps_the_good_frames(tmp_path, write_video):
    whole = write_video(tmp_path / "a.mkv", coloured(100))
    frames, _ = read(whole)
    part = tmp_path / "b.mkv"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    kept, reader = read(part)
    good = [f for f in kept if f.flags & FrameFlag.DECODED]
    assert 20 < len(good) < 90
    for a, b in zip(good[:20], frames, strict=False):
        np.testing.assert_array_equal(a.image, b.image)
    assert len(kept) + reader.frames_unyielded == reader.announced == 100


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts"])
def test_damage_never_ends_the_reading(tmp_path, write_video, suffix):
    path = write_video(tmp_path / f"a.{suffix}", coloured(100))
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for at in rng.integers(len(content) // 4, len(content) * 3 // 4, 30):
        content[at : at + 12] = rng.integers(0, 256, 12, dtype=np.uint8).tobytes()
    path.write_bytes(content)
    frames, reader = read(path)
    # Matroska's reader cannot find its way again inside of a damaged cluster; the others can.
    least = 10 if suffix == "mkv" else 60
    assert sum(bool(f.flags & FrameFlag.DECODED) for f in frames) > least
    assert any(f.flags & (FrameFlag.REPAIRED | FrameFlag.FAILED) for f in frames)
    assert (np.diff([f.time for f in frames]) > 0).all()
    for frame in frames:
        assert (frame.image is None) == bool(frame.flags & FrameFlag.FAILED)
    if reader.announced:
        assert len(frames) + reader.frames_unyielded >= reader.announced - 1


def test_time_stamps_that_run_backwards_or_lack(film, monkeypatch):
    frames, _ = read(film)
    stamps = [f.time for f in frames]
    given = [*stamps[:10], stamps[5], None, *stamps[12:]]
    reader = VideoReader(film)
    pictures = [picture for _, picture in reader._in_order()]
    monkeypatch.setattr(reader, "_in_order", lambda: zip(given, pictures, strict=True))
    repaired = list(reader)
    reader.close()
    assert (np.diff([f.time for f in repaired]) > 0).all()
    flagged = [i for i, f in enumerate(repaired) if f.flags & FrameFlag.TIME_REPAIRED]
    assert flagged == [10, 11]
    np.testing.assert_allclose([f.time for f in repaired], stamps, atol=1e-6)


def test_container_without_time_stamps_counts_frames(tmp_path, write_video):
    path = write_video(tmp_path / "a.h264", coloured(10), codec="libx264")
    frames, reader = read(path)
    assert reader.time_source == "index"
    assert [f.time for f in frames] == list(range(10))
    assert all(f.flags == FrameFlag.DECODED | FrameFlag.TIME_REPAIRED for f in frames)


def test_what_is_no_video(tmp_path, write_video):
    empty, text, play_list = (tmp_path / n for n in ("empty.mp4", "text.mp4", "list.m3u8"))
    empty.write_bytes(b"")
    text.write_text("hello\n" * 50)
    write_video(tmp_path / "real.ts", coloured(5))
    play_list.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nreal.ts\n#EXT-X-ENDLIST\n")
    for path in (empty, text, play_list, tmp_path, tmp_path / "none.mp4"):
        with pytest.raises(InputError, match="expected a video file, found") as caught:
            VideoReader(path)
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_sound_alone_is_no_video(tmp_path):
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="no video stream"):
        VideoReader(path)


def test_source_hash(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert source_sha256(tmp_path / "a") == expected


@pytest.mark.shared
@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="compares with ffprobe")
def test_real_videos_agree_with_ffprobe(real_data):
    videos = sorted((real_data / "videos").rglob("*.m[pk][4v]"))
    assert len(videos) >= 21
    for path in videos[::4]:
        command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-of", "json"]
        entries = ["-show_entries", "frame=best_effort_timestamp_time"]
        found = json.loads(subprocess.check_output([*command, *entries, str(path)]))["frames"]
        stamps = [float(frame["best_effort_timestamp_time"]) for frame in found]
        frames, reader = read(path)
        np.testing.assert_allclose([f.time for f in frames], stamps, atol=1e-5)
        assert all(f.flags == FrameFlag.DECODED for f in frames)
        assert reader.frames_unyielded == 0
