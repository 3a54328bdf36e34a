# Warnings and instrumentation that everything here is compiled with, as two interface targets:
#   tg_warnings     the project's warnings, as errors with TG_WERROR
#   tg_sanitize     sanitizers: the library, and what is loaded at run time
#   tg_instrument   these, and the counters of fuzzers and coverage: they do not survive that their object is closed

add_library(tg_warnings INTERFACE)
target_compile_options(tg_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Wstrict-prototypes $<$<BOOL:${TG_WERROR}>:-Werror>)

add_library(tg_sanitize INTERFACE)
if(TG_SANITIZE)
    target_compile_options(tg_sanitize INTERFACE
        -fsanitize=${TG_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1)
    target_link_options(tg_sanitize INTERFACE -fsanitize=${TG_SANITIZE})
endif()

add_library(tg_instrument INTERFACE)
target_link_libraries(tg_instrument INTERFACE tg_sanitize)
if(TG_BUILD_FUZZ)
    target_compile_options(tg_instrument INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(TG_COVERAGE)
    target_compile_options(tg_instrument INTERFACE --coverage -fprofile-update=atomic -O0) # threads count, too
    target_link_options(tg_instrument INTERFACE --coverage)
endif()

# Results are compared bit by bit, NaN marks what nobody wrote, and -INFINITY what is masked. Compilers that take sums apart
# or assume that there is no NaN compute other results, and say nothing. Some of them tell by a macro, all by their flags.
set(TG_FLAGS "${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${CMAKE_BUILD_TYPE}}")
string(REGEX MATCH "-Ofast|-f(fast-math|unsafe-math-optimizations|associative-math|reciprocal-math|finite-math-only|no-signed-zeros|no-honor-nans|no-honor-infinities)"
    TG_FAST_FLAG "${TG_FLAGS}")
include(CheckCSourceCompiles)
check_c_source_compiles("
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || defined(__ASSOCIATIVE_MATH__)
#error
#endif
int main(void) { return 0; }" TG_IEEE_ARITHMETIC)
if(TG_FAST_FLAG OR NOT TG_IEEE_ARITHMETIC)
    unset(TG_IEEE_ARITHMETIC CACHE) # the next one may have other flags
    message(FATAL_ERROR "CFLAGS ask for arithmetic that is not IEEE 754's (${TG_FAST_FLAG}): results would be wrong. "
        "Leave it out for this project; kernels may be compiled with it.")
endif()
