"""Audit of performers: the arm holds the pitch, the rest of the body does not, and the pitch can be read."""

import numpy as np

from avcl_teach.world.variants.performers import ARM, FRAME_RATE_HZ, JOINTS, N_DEGREES, Performances, perform
from avcl_teach.world.variants.two_ears_audit import row


def at_onsets(played: Performances, joints: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of some joints, seen from the hip, at every onset, and the degree that is played."""
    rows, degrees = [], []
    for i, notes in enumerate(played.notes):
        there = notes[~notes[:, 0].isnan()]
        k = (there[:, 0] * FRAME_RATE_HZ).round().long()
        seen = played.keypoints[i] - played.keypoints[i][:, 2:3]
        rows.append(seen[k][:, list(joints)].flatten(1).numpy())
        degrees.append(there[:, 2].numpy())
    return np.concatenate(rows), np.concatenate(degrees).astype(int)


def checks(*, n: int = 200) -> list[dict]:
    """Return the rows of the audit (chance 10 %): the degree from all joints, and from all but the arm."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = perform(2 * n), perform(n, split="test")

    def accuracy(joints: tuple[int, ...]) -> float:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        x, y = at_onsets(test, joints)
        return float((model.fit(*at_onsets(train, joints)).predict(x) == y).mean())

    body = tuple(k for k in range(len(JOINTS)) if k not in (*ARM, 1))  # the neck leans a little to the hand
    degree = test.notes[..., 2]
    most = np.bincount(degree[~degree.isnan()].int().numpy(), minlength=N_DEGREES).max()
    rows = [
        row("degree from all joints", accuracy(tuple(range(len(JOINTS)))), 55, 100),
        row("degree without the arm", accuracy(body), 3, 20),
        row("most frequent degree", most / int((~degree.isnan()).sum()), 8, 16),
    ]
    return [{**found, "chance": 10.0} for found in rows]
