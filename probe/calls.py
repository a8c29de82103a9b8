"""Calls of transformers: without its noise, and with every failure as one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from logging import NullHandler


@contextmanager
def one_line(name: str) -> Iterator[None]:
    """Inside, whatever fails while the model `name`, which may hold anything, is read is a ValueError of one line."""
    try:
        with quiet():
            yield
    except RefusalError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ValueError(f"{name} cannot be loaded ({reason}): save model and tokenizer again") from error


class RefusalError(ValueError):
    """One line that says already what is wrong with a model, and what to do."""


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no warnings of transformers inside; what was set before is set again after.

    The handlers are told, not the logger: after a change of its level all loggers forget what is enabled, which takes
    longer than to tokenise a text.
    """
    from transformers.utils import logging

    logger, bars = logging.get_logger(), logging.is_progress_bar_enabled()
    silent = NullHandler()
    logger.addHandler(silent)  # without any handler Python's last resort would print
    levels, propagates = [handler.level for handler in logger.handlers], logger.propagate
    for handler in logger.handlers:
        handler.setLevel("ERROR")
    logger.propagate = False
    logging.disable_progress_bar()
    try:
        yield
    finally:
        for handler, level in zip(logger.handlers, levels):
            handler.setLevel(level)
        logger.removeHandler(silent)
        logger.propagate = propagates
        if bars:
            logging.enable_progress_bar()
