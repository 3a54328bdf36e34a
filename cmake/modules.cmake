# Set `out` to the flags of that kind in module_flags.txt, which run_example.py reads, too; none: there is no such kind.
function(tg_module_flags kind out)
    file(STRINGS ${PROJECT_SOURCE_DIR}/cmake/module_flags.txt lines)
    set(${out} "" PARENT_SCOPE)
    foreach(line IN LISTS lines)
        string(FIND "${line}" "${kind}: " at)
        if(at EQUAL 0)
            string(REPLACE "${kind}: " "" flags "${line}")
            string(REPLACE "-Iinclude" "-I${PROJECT_SOURCE_DIR}/include" flags "${flags}")
            separate_arguments(flags)
            set(${out} ${flags} PARENT_SCOPE)
        endif()
    endforeach()
endfunction()

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
    set(language c)
    if(NOT source MATCHES "\\.c$")
        set(language c++)
    endif()
    string(REGEX MATCH "/(aic|aiv)/" core ${source}) # kernels lie in a folder of their core
    tg_module_flags(${language} flags)
    tg_module_flags("${language} ${CMAKE_MATCH_1}" core_flags)
    target_compile_options(${target} PRIVATE ${flags} ${core_flags})
    if(NOT TG_COVERAGE) # their lines are not reported, and tests break them on purpose
        target_link_libraries(${target} PRIVATE tg_instrument)
    endif()
    if(NOT TG_SANITIZE AND NOT TG_BUILD_FUZZ AND "CHECKED" IN_LIST ARGN)
        tg_module_flags(checked checked)
        target_compile_options(${target} PRIVATE ${checked})
        if(CMAKE_C_COMPILER_ID MATCHES Clang)
            tg_module_flags("checked clang" checked)
            list(JOIN checked " " checked)
            target_compile_options(${target} PRIVATE "SHELL:${checked}")
        endif()
    endif()
    if("QUIET" IN_LIST ARGN)
        target_compile_options(${target} PRIVATE -w)
    else()
        target_link_libraries(${target} PRIVATE tg_warnings)
    endif()
endfunction()
