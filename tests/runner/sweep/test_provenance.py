"""The code is described by the repository that holds it, whatever the user's git is set to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.sweep.provenance import Code, capture, describe_code, installed_packages

Git = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a committed module, far from the settings of the person at the keyboard."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    return repository(tmp_path / "code")


def repository(folder: Path) -> Path:
    folder.mkdir()
    (folder / "mine.py").write_text("def main(): ...\n")
    (folder / "image.bin").write_bytes(bytes(range(256)))
    git(folder, "init", "-q")
    commit(folder)
    return folder


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    ).stdout


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "-c", "user.email=a@b", "-c", "user.name=t", "commit", "-qm", "one")


def described(folder: Path) -> Code:
    return describe_code(folder, [folder / "mine.py"])


SETTINGS = [
    ("color.ui", "always"),
    ("color.diff", "always"),
    ("diff.external", "echo"),
    ("diff.noprefix", "true"),
    ("diff.mnemonicPrefix", "true"),
    ("diff.renames", "copies"),
    ("diff.context", "0"),
    ("diff.relative", "true"),
    ("diff.wsErrorHighlight", "all"),
    ("diff.upper.textconv", "tr a-z A-Z"),
    ("diff.upper.command", "echo"),
    ("diff.suppressBlankEmpty", "true"),
    ("core.quotePath", "true"),
    ("core.pager", "false"),
]


@pytest.mark.parametrize(("setting", "value"), [("user.name", "nobody"), *SETTINGS])
def test_the_patch_makes_of_the_commit_what_runs(folder: Path, setting: str, value: str) -> None:
    (folder / ".gitattributes").write_text("*.py diff=upper\n")
    (folder / "ü.py").write_bytes(b"a = 1\r\n\r\nb = 2\r\n" + bytes(range(97, 123)) + b" = 3\r\n")
    commit(folder)
    git(folder, "config", setting, value)
    (folder / "mine.py").write_text("def main():\n    return 1\n")
    (folder / "ü.py").write_bytes((folder / "ü.py").read_bytes().replace(b"2", b"4"))
    (folder / "image.bin").write_bytes(bytes(range(255, -1, -1)))
    git(folder, "mv", "image.bin", "picture.bin")
    found = described(folder)
    assert (found.commit, found.dirty, found.trouble) == (
        git(folder, "rev-parse", "HEAD").strip(),
        True,
        "",
    )
    git(folder, "config", "--unset", setting)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    git(folder, "reset", "-q", "--hard")
    assert not described(folder).dirty
    patch = folder.parent / "patch"
    patch.write_bytes(found.patch.encode(errors="surrogateescape"))
    git(folder, "apply", "--whitespace=nowarn", str(patch))
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_a_git_that_cannot_compare_does_not_call_the_code_clean(folder: Path) -> None:
    (folder / "mine.py").write_text("changed = 1\n")
    (folder / ".git" / "index").write_bytes(b"damaged")
    found = described(folder)
    assert found.commit is not None
    assert found.dirty is None
    assert "uncommitted changes" in found.trouble


def test_the_commit_is_that_of_the_module_and_not_of_where_one_stands(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = repository(folder.parent / "other")
    (other / "more.py").write_text("x = 1\n")
    commit(other)
    monkeypatch.chdir(other)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))  # as a hook has it
    head = described(folder).commit
    monkeypatch.delenv("GIT_DIR")
    assert (
        head == git(folder, "rev-parse", "HEAD").strip() != git(other, "rev-parse", "HEAD").strip()
    )
    assert describe_code(other, [folder / "mine.py"]).commit == head
    assert describe_code(folder, []).commit == head
    assert (
        describe_code(folder, [folder.parent / "site-packages" / "package" / "mine.py"]).commit
        == head
    )


def test_code_of_two_repositories_has_both_commits(folder: Path) -> None:
    other = repository(folder.parent / "other")
    (other / "mine.py").write_text("changed = 1\n")
    found = describe_code(folder, [folder / "mine.py", other / "mine.py"])
    assert found.commit == "+".join(
        git(each, "rev-parse", "HEAD").strip() for each in (folder, other)
    )
    assert found.dirty


@pytest.mark.parametrize("ignored", [False, True])
def test_a_module_that_git_does_not_track_is_a_change(folder: Path, ignored: bool) -> None:
    if ignored:
        (folder / ".gitignore").write_text("scratch/\n")
        commit(folder)
    (folder / "scratch").mkdir()
    (folder / "scratch" / "new.py").write_text("x = 1\n")
    found = describe_code(folder, [folder / "scratch" / "new.py"])
    assert (found.dirty, found.untracked) == (True, ("scratch/new.py",))


def test_data_and_stores_are_no_change(folder: Path) -> None:
    for name in ("records", "sweeps", "code"):
        (folder / "results" / name).mkdir(parents=True)
    (folder / "results" / "code" / "mine.py").write_text("x = 1\n")
    (folder / "data.csv").write_text("1\n")
    assert (described(folder).dirty, described(folder).untracked) == (False, ())


def test_outside_a_repository_and_before_the_first_commit_there_is_no_commit(
    tmp_path: Path,
) -> None:
    assert describe_code(tmp_path, []) == Code()
    git(tmp_path, "init", "-q")
    assert describe_code(tmp_path, []) == Code()


def test_an_interpreter_has_one_name_however_it_is_called(folder: Path) -> None:
    here = Path(sys.executable).parent
    code = "from runner.sweep.provenance import capture; from pathlib import Path; "
    names = {
        subprocess.check_output(
            [here / name, "-c", f"{code}print(capture(Path({str(folder)!r}), [])[0].executable)"],
            text=True,
        )
        for name in ("python", "python3")
    }
    assert len(names) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a while")
def test_an_interpreter_in_a_folder_that_may_not_be_searched_keeps_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "python").touch()
    monkeypatch.setattr(sys, "executable", str(private / "python"))
    monkeypatch.chdir("/")
    os.seteuid(65534)
    try:
        environment, _ = capture(Path("/"), [])
    finally:
        os.seteuid(0)
    assert environment.executable == str(private / "python")


def distribution(folder: Path, name: str, version: str) -> None:
    about = folder / f"{name}-{version}.dist-info" / "METADATA"
    about.parent.mkdir(parents=True)
    about.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_what_a_package_carries_for_itself_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "carrier").mkdir()
    (tmp_path / "carrier" / "__init__.py").touch()
    distribution(tmp_path / "carrier" / "vendored", "carried", "1.0")
    distribution(tmp_path, "mine", "2.0")
    distribution(tmp_path / "behind", "mine", "3.0")
    for part in ("", "carrier/vendored", "behind"):
        monkeypatch.syspath_prepend(tmp_path / part)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    found = installed_packages()
    assert "carried" not in found
    assert found["mine"] == "2.0"
