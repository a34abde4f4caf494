import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


def loaded(name: str, path: Path) -> ModuleType:
    """A test module by path: tests are no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


loaded("unseen_test_world", HERE.parent / "verify" / "world.py")
loaded("unseen_test_orders", HERE / "orders.py")
loaded("unseen_test_toyhub", HERE / "toyhub.py")
loaded("unseen_test_federation", HERE / "federation.py")


@pytest.fixture(scope="session")
def worlds() -> ModuleType:
    return sys.modules["unseen_test_world"]


@pytest.fixture(scope="session")
def orders() -> ModuleType:
    return sys.modules["unseen_test_orders"]


@pytest.fixture(scope="session")
def toyhub() -> ModuleType:
    return sys.modules["unseen_test_toyhub"]


@pytest.fixture
def federation(tmp_path: Path):
    """Three nodes, a hub that adds vectors, no order yet."""
    made = sys.modules["unseen_test_federation"].Federation(tmp_path)
    yield made
    made.close()
