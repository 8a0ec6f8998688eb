"""A program of an interpreter: dictionaries, big integers, floats, regular expressions, generators, files."""
import hashlib
import math
import re
import time

digest, counts = hashlib.sha256(), {}
with open("words.out", "w", encoding="utf-8") as out:
    for step in range(120):
        text = str(3 ** (step * 7))
        for pair in re.findall(r"(\d\d)", text):
            counts[pair] = counts.get(pair, 0) + math.sin(int(pair) + step)
        out.write(f"{step} {sorted(counts.items(), key=lambda i: i[1])[:3]}\n")
        digest.update(repr(sum(counts.values())).encode())
        time.sleep(0.01)
with open("words.out", encoding="utf-8") as written:
    lines = written.readlines()
assert len(lines) == 120 and [int(line.split()[0]) for line in lines] == list(range(120))
digest.update("".join(lines).encode())
print("DIGEST", digest.hexdigest()[:16])
