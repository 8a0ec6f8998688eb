"""What incremental images say, read by other code than DejaVu's own: image files of format 2 whose blocks are stored as they
are (--codec none), and the chains they make. Nothing is checked here but what is needed to read them."""
import os
import struct

PAGE = 4096
HEADER = struct.Struct("<QII QQ 16s II II Q 16s")
FOOTER = struct.Struct("<QII QQQ QQ QQQQQQ")
RUN = struct.Struct("<QQIIIIQ")
SPAN = struct.Struct("<QQ")


class Image:
    """One file: `pages` {address: offset in the file} that it holds, `spans` that are as in the epoch `parent`."""

    def __init__(self, path):
        self.path = path
        self.bytes = os.path.getsize(path)
        with open(path, "rb") as f:
            self.data = f.read()
        fields = HEADER.unpack_from(self.data, 0)
        self.epoch, self.parent = fields[3], fields[4]
        footer = FOOTER.unpack_from(self.data, len(self.data) - PAGE)
        runs_offset, run_count, span_count = footer[3], footer[4], footer[6]
        self.pages = {}
        for i in range(run_count):
            address, offset, length, stored, codec, _, _ = RUN.unpack_from(self.data, runs_offset + i * RUN.size)
            if codec != 0 or stored != length:
                raise ValueError(f"{path}: block {i} is packed")
            for at in range(0, length, PAGE):
                self.pages[address + at] = offset + at
        at = runs_offset + run_count * RUN.size
        self.spans = [SPAN.unpack_from(self.data, at + i * SPAN.size) for i in range(span_count)]

    def page(self, address):
        offset = self.pages[address]
        return self.data[offset:offset + PAGE]


def contents(image, parent_contents):
    """All pages of an epoch that are not zero, {address: bytes}, given those of its parent."""
    pages = {address: image.page(address) for address in image.pages}
    for start, length in image.spans:
        for address in range(start, start + length, PAGE):
            if address in parent_contents:
                pages[address] = parent_contents[address]
    zero = bytes(PAGE)
    return {address: page for address, page in pages.items() if page != zero}


def changed(now, before):
    """How many pages are other than they were: these must be written, for a page that became zero needs no room."""
    return sum(1 for address, page in now.items() if before.get(address) != page)
