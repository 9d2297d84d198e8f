"""Splits what a watch sends into its lines. Pure: where the bytes come from is its caller's affair."""

from collections.abc import AsyncIterable, AsyncIterator

__all__ = ["lines_of"]


async def lines_of(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Each whole line, without its end.

    aiohttp's own way refuses lines longer than 128 KiB, and an object may have more than a mebibyte.
    """
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
