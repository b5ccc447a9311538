import json
import os
import shutil
import struct
import subprocess

import numpy as np
import pytest

from mgpose.io.video import VideoReader, source_sha256
from mgpose.io.video_time import Clock, Spacing
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


@pytest.mark.parametrize(("a", "b"), [(1, 0), (0, 1), (-1, 0), (0, -1)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_display_matrix_of_the_container_is_applied(film, tmp_path, a, b, mirrored):
    """All eight ways to hold a camera: a point (p, q) is shown at (a p + c q, b p + d q)."""
    c, d = (b, -a) if mirrored else (-b, a)
    one, zero = 0x10000, 0
    matrix = (a * one, b * one, zero, c * one, d * one, zero)
    content = film.read_bytes()
    plain = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 0x40000000)
    matrix_box = struct.pack(">9i", *matrix, 0, 0, 0x40000000)
    at = content.index(plain, content.index(b"tkhd"))
    path = tmp_path / "turned.mp4"
    path.write_bytes(content[:at] + matrix_box + content[at + len(plain) :])
    straight, (frames, reader) = read(film)[0][5].image, read(path)
    q, p = np.mgrid[: straight.shape[0], : straight.shape[1]]
    x, y = a * p + c * q, b * p + d * q
    expected = np.zeros_like(straight if a else straight.swapaxes(0, 1))
    expected[y - y.min(), x - x.min()] = straight
    # Colours lie between pixels, so a mirrored conversion may round another way.
    np.testing.assert_allclose(frames[5].image.astype(int), expected, atol=3)
    assert np.abs(frames[5].image - expected.astype(float)).mean() < 0.5
    assert reader.frame_size == expected.shape[1::-1]


@pytest.mark.parametrize("suffix", ["mkv", "avi"])
def test_truncated_file_keeps_the_good_frames(tmp_path, write_video, suffix):
    whole = write_video(tmp_path / f"a.{suffix}", coloured(100))
    frames, _ = read(whole)
    part = tmp_path / f"b.{suffix}"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size * 8 // 10])
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
    # Matroska's reader finds its way again where the next cluster begins; here there is but one.
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


def test_images_keep_their_content_when_the_reader_goes_on(film):
    """Memory is used again, but not that of images that are still held."""
    with VideoReader(film) as reader:
        one_by_one = [hash(frame.image.tobytes()) for frame in reader]
    frames, _ = read(film)
    frames[0].image[:] = 0
    assert [hash(frame.image.tobytes()) for frame in frames][1:] == one_by_one[1:]
    assert len(set(one_by_one)) == len(one_by_one)


def test_wild_time_stamp_moves_no_other_frame(film, monkeypatch):
    stamps = [frame.time for frame in read(film)[0]]
    for wild in (0, 20):
        given = [*stamps[:wild], 900.0, *stamps[wild + 1 :]]
        reader = VideoReader(film)
        pictures = [picture for _, picture in reader._in_order()]
        shown = zip(given, pictures, strict=True)
        monkeypatch.setattr(reader, "_in_order", lambda shown=shown: shown)
        times = [frame.time for frame in reader]
        reader.close()
        np.testing.assert_allclose(times, stamps, atol=0.6 / RATE)


class Picture:
    def __init__(self, pts, dts):
        self.pts, self.dts = pts, dts


def test_the_clock_that_runs_forwards_is_believed():
    clock = Clock()
    stamps = [(0, 0), (1, 1), (4, 2), (2, 3), (3, 4), (7, 5)]  # AVI with B-frames
    assert [clock.stamp(Picture(*s)) for s in stamps] == [0, 1, 4, 3, 4, 5]
    clock = Clock()
    stamps = [(0, 0), (1, 5), (2, 5), (3, 5), (None, 6), (5, None), (None, None)]
    assert [clock.stamp(Picture(*s)) for s in stamps] == [0, 1, 2, 3, 6, 5, None]


def missing(times, end=0.0, rate=25.0, leaps=False):
    spacing = Spacing(rate, leaps)
    for time in times:
        spacing.add(time)
    return spacing.missing(end)


def test_empty_places_among_evenly_spaced_frames():
    even = np.arange(100) / 25
    assert missing(even) == missing(even, end=4.0) == missing([]) == 0
    assert missing(np.delete(even, slice(40, 47))) == 7
    assert missing(even[:60], end=4.0) == 40
    assert missing(even + 60 * (np.arange(100) > 50)) == 1500
    assert missing(even + 60 * (np.arange(100) > 50), leaps=True) == 0
    jittered = even + np.random.default_rng(0).uniform(0, 0.03, 100)
    assert missing(np.delete(jittered, slice(40, 47)), end=4.03) == 0
    assert missing(jittered[:60], end=4.0) == pytest.approx(40, abs=1)


def test_what_is_no_video(tmp_path, write_video):
    empty, text, play_list = (tmp_path / n for n in ("empty.mp4", "text.mp4", "list.m3u8"))
    empty.write_bytes(b"")
    text.write_text("hello\n" * 50)
    write_video(tmp_path / "real.ts", coloured(5))
    play_list.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nreal.ts\n#EXT-X-ENDLIST\n")
    pipe, loop = tmp_path / "pipe.mp4", tmp_path / "loop.mp4"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    for path in (empty, text, play_list, tmp_path, pipe, loop, tmp_path / "none.mp4"):
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
