// Hazard: C++: exceptions through many frames (the unwinder and its caches of loaded objects),
// before and after a restart; containers, streams, thread-local objects, local statics.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace
{
int alive;

struct counted {
    counted()
    {
        alive++;
    }
    counted(const counted &) = delete;
    counted &operator=(const counted &) = delete;
    ~counted()
    {
        alive--;
    }
};

struct failure : std::runtime_error {
    int depth;
    explicit failure(int d) : std::runtime_error("depth " + std::to_string(d)), depth(d)
    {
    }
};

int descend(int depth, int deepest)
{
    counted here;
    if (depth == deepest) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        throw failure(depth);
    }
    try {
        return descend(depth + 1, deepest) + 1;
    } catch (const std::logic_error &) {
        return -1; // never
    }
}

thread_local std::string remembered = "nothing";

unsigned long long total()
{
    static std::map<std::string, unsigned long long> table;
    return ++table[remembered];
}
} // namespace

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? std::atoi(argv[1]) : 100;
    unsigned long long digest = 14695981039346656037ull;
    std::vector<std::unique_ptr<int>> numbers;
    for (int round = 0; round < rounds; round++) {
        try {
            descend(0, 5 + round % 40);
            return 1;
        } catch (const failure &f) {
            if (f.depth != 5 + round % 40 ||
                std::string(f.what()) != "depth " + std::to_string(f.depth) || alive != 0)
                return 1;
        }
        std::ostringstream text;
        text << std::hex << round * 17 << ' ' << 1.0 / (round + 1);
        remembered = text.str().substr(0, 3);
        numbers.push_back(std::make_unique<int>(round));
        digest = (digest ^ total() ^
                  static_cast<unsigned long long>(*numbers[static_cast<size_t>(round / 2)])) *
                 1099511628211ull;
        std::this_thread::sleep_for(std::chrono::milliseconds(8));
    }
    std::printf("DIGEST %016llx\n", digest);
    return 0;
}
