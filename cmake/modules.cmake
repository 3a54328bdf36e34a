# tg_add_module(NAME SOURCE OUTDIR [QUIET] [CHECKED])
#
# Build one kernel or orchestration plugin: the shared object OUTDIR/NAME.so, which sees only the public headers. QUIET
# is for programs that are wrong on purpose: they are compiled without warnings. CHECKED: the object can tell a checked run
# of its plain loads and stores (include/tilegraph/access.h), which no sanitizer may instrument for itself then.
function(tg_add_module name source outdir)
    # Two programs may each have an `orchestration`: the target's name tells them apart, the file's name does not.
    file(RELATIVE_PATH place ${PROJECT_BINARY_DIR} ${outdir})
    string(REPLACE "/" "." target "${place}.${name}")
    add_library(${target} MODULE ${source})
    set_target_properties(${target} PROPERTIES PREFIX "" SUFFIX .so OUTPUT_NAME ${name}
        LIBRARY_OUTPUT_DIRECTORY ${outdir})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include)
    if(NOT TG_COVERAGE) # their lines are not reported, and tests break them on purpose
        target_link_libraries(${target} PRIVATE tg_instrument)
    endif()
    if(NOT TG_SANITIZE AND NOT TG_BUILD_FUZZ AND "CHECKED" IN_LIST ARGN)
        target_compile_options(${target} PRIVATE -fsanitize=thread)
        if(CMAKE_C_COMPILER_ID MATCHES Clang) # gcc tells of a load that a store of the same bytes follows, clang if asked to
            target_compile_options(${target} PRIVATE "SHELL:-mllvm -tsan-instrument-read-before-write")
        endif()
        target_compile_definitions(${target} PRIVATE TG_CHECKED=1)
    endif()
    if("QUIET" IN_LIST ARGN)
        target_compile_options(${target} PRIVATE -w)
    else()
        target_link_libraries(${target} PRIVATE tg_warnings)
    endif()
endfunction()
