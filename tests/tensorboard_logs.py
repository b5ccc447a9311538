"""Reading back what a run wrote for TensorBoard."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def scalars_of(folder):
    """TensorBoard tag -> [(step, value)] over all runs in the folder."""
    found = {}
    for file in sorted(folder.rglob("events.out.tfevents.*")):
        events = EventAccumulator(str(file)).Reload()
        for tag in events.Tags()["scalars"]:
            found.setdefault(tag, []).extend((e.step, e.value) for e in events.Scalars(tag))
    return found
