# Warnings and instrumentation that everything here is compiled with, as two interface targets:
#   tg_warnings     the project's warnings, as errors with TG_WERROR
#   tg_instrument   sanitizers and coverage; with sanitizers what is loaded at run time is instrumented, too

add_library(tg_warnings INTERFACE)
target_compile_options(tg_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Wstrict-prototypes $<$<BOOL:${TG_WERROR}>:-Werror>)

add_library(tg_instrument INTERFACE)
if(TG_SANITIZE)
    target_compile_options(tg_instrument INTERFACE
        -fsanitize=${TG_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1)
    target_link_options(tg_instrument INTERFACE -fsanitize=${TG_SANITIZE})
endif()
if(TG_BUILD_FUZZ)
    target_compile_options(tg_instrument INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(TG_COVERAGE)
    target_compile_options(tg_instrument INTERFACE --coverage -fprofile-update=atomic -O0) # threads count, too
    target_link_options(tg_instrument INTERFACE --coverage)
endif()
