// Element by element, for each type that vector arithmetic takes.
//
// args   0 a, 1 b: positive [23][37], 2 results: device addresses; 3 which type
#include "steps.hpp"

template <typename T> static void numbers(int64_t *args)
{
    auto a = placed<Matrix<T>>(0), b = placed<Matrix<T>>(1), y = placed<Matrix<T>>(2);
    Results results(args[2]);
    load(a, reinterpret_cast<void *>(args[0]));
    load(b, reinterpret_cast<void *>(args[1]));
    TADD(y, a, b), results.put(y);
    TSUB(y, a, b), results.put(y);
    TMUL(y, a, b), results.put(y);
    TMAX(y, a, b), results.put(y);
    TMIN(y, a, b), results.put(y);
    TADDS(y, a, 3), results.put(y);
    TSUBS(y, a, 3), results.put(y);
    TMULS(y, a, 3), results.put(y);
    TMAXS(y, a, 3), results.put(y);
    TMINS(y, a, 3), results.put(y);
    TNEG(y, a), results.put(y);
    TRELU(y, y), results.put(y);
    TMOV(y, b), results.put(y);
    TEXPANDS(y, 7), results.put(y);
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, half>) {
        auto scratch = placed<Matrix<T>>(3);
        TDIV(y, a, b), results.put(y);
        TDIVS(y, a, 3), results.put(y);
        TABS(y, a), results.put(y);
        TRECIP(y, a), results.put(y);
        TEXP(y, a), results.put(y);
        TLOG(y, b), results.put(y);
        TSQRT(y, b), results.put(y);
        TRSQRT(y, b), results.put(y);
        TRSQRT(y, b, scratch), results.put(y);
    }
    drain();
}

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    switch (args[3]) {
    case 0: return numbers<float>(args);
    case 1: return numbers<half>(args);
    case 2: return numbers<int32_t>(args);
    default: return numbers<int16_t>(args);
    }
}
