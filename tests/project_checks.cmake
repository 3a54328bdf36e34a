# CTest entries that look at the project itself: headers, include arrows, exported symbols, the Python side.

set(CHECKS ${PROJECT_SOURCE_DIR}/tools)

add_test(NAME include_arrows COMMAND ${CHECKS}/check_includes.sh ${PROJECT_SOURCE_DIR})
tg_test_properties(include_arrows project)

add_test(NAME document_links COMMAND ${CHECKS}/check_docs.sh ${PROJECT_SOURCE_DIR})
tg_test_properties(document_links project)
if(NOT CMAKE_CROSSCOMPILING)
    foreach(table status instruction)
        add_test(NAME ${table}_table COMMAND ${CMAKE_COMMAND} -E env CC=${CMAKE_C_COMPILER} ${CHECKS}/doc_table.sh
            ${table} --check)
        tg_test_properties(${table}_table project)
    endforeach()
endif()

# The shape of the sources; without git the script cannot tell them from other files.
find_program(TG_GIT git)
if(TG_GIT AND EXISTS ${PROJECT_SOURCE_DIR}/.git)
    execute_process(COMMAND ${CHECKS}/find_python.sh subprocess
        OUTPUT_VARIABLE TG_SHAPE_PYTHON OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    add_test(NAME shape COMMAND ${TG_SHAPE_PYTHON} ${CHECKS}/shape.py --check)
    tg_test_properties(shape project)
endif()

# Without the build's own guard, too: the sources that compute refuse flags that change arithmetic.
add_test(NAME fast_math_is_refused COMMAND ${CMAKE_C_COMPILER} -std=c11 -ffast-math -fsyntax-only
    -I${PROJECT_SOURCE_DIR}/include -I${PROJECT_SOURCE_DIR}/src -include tile/number.h -x c /dev/null)
tg_test_properties(fast_math_is_refused project)
set_property(TEST fast_math_is_refused PROPERTY PASS_REGULAR_EXPRESSION "needs the arithmetic of IEEE 754")

# Each public header alone, as both languages in which kernels and programs may be written.
include(CheckLanguage)
check_language(CXX)
if(CMAKE_CXX_COMPILER)
    enable_language(CXX)
endif()
set(HEADER_FLAGS -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I${PROJECT_SOURCE_DIR}/include)
foreach(header tile orchestration tilegraph kv_cache attention ranks)
    add_test(NAME header_${header}_c11
        COMMAND ${CMAKE_C_COMPILER} -std=c11 ${HEADER_FLAGS} -include tilegraph/${header}.h -x c /dev/null)
    tg_test_properties(header_${header}_c11 project)
    if(CMAKE_CXX_COMPILER)
        add_test(NAME header_${header}_cxx17
            COMMAND ${CMAKE_CXX_COMPILER} -std=c++17 ${HEADER_FLAGS} -include tilegraph/${header}.h -x c++ /dev/null)
        tg_test_properties(header_${header}_cxx17 project)
    endif()
endforeach()

# The headers of C++ programs, and the one that plugins in C may include, too.
add_test(NAME header_pto_runtime_c11
    COMMAND ${CMAKE_C_COMPILER} -std=c11 ${HEADER_FLAGS} -include pto/runtime/runtime.h -x c /dev/null)
tg_test_properties(header_pto_runtime_c11 project)
if(CMAKE_CXX_COMPILER)
    file(GLOB_RECURSE PTO_HEADERS RELATIVE ${PROJECT_SOURCE_DIR}/include CONFIGURE_DEPENDS
        ${PROJECT_SOURCE_DIR}/include/pto/*.hpp ${PROJECT_SOURCE_DIR}/include/pto/*.h)
    foreach(header IN LISTS PTO_HEADERS)
        get_filename_component(name ${header} NAME_WE)
        add_test(NAME header_pto_${name}_cxx17 COMMAND ${CMAKE_CXX_COMPILER} -std=c++17 ${HEADER_FLAGS} -Wconversion
            -Wshadow -D__DAV_VEC__ -include ${header} -x c++ /dev/null)
        tg_test_properties(header_pto_${name}_cxx17 project)
    endforeach()
endif()

# Instrumentation exports symbols of its own, so only a plain library is compared.
if(TG_PLAIN_BUILD)
    add_test(NAME exported_symbols
        COMMAND ${CHECKS}/check_exports.sh ${CMAKE_NM} $<TARGET_FILE:tilegraph_shared> ${PROJECT_SOURCE_DIR}/include)
    tg_test_properties(exported_symbols project)
endif()

# The commands, the code and the outputs in the documents.
if(TG_PLAIN_BUILD AND NOT CMAKE_CROSSCOMPILING)
    file(GLOB_RECURSE pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/*.md ${PROJECT_SOURCE_DIR}/examples/*.md)
    list(FILTER pages EXCLUDE REGEX "/decisions/")
    add_test(NAME documents COMMAND ${CMAKE_COMMAND} -E env CC=${CMAKE_C_COMPILER} CXX=${CMAKE_CXX_COMPILER}
        ${CHECKS}/run_docs.py ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR}/README.md ${pages})
    tg_test_properties(documents project)
    add_test(NAME builds_of_others COMMAND ${CMAKE_COMMAND} -E env CC=${CMAKE_C_COMPILER} ${CHECKS}/check_build.sh)
    tg_test_properties(builds_of_others project)
    add_test(NAME installation COMMAND ${CMAKE_COMMAND} -E env CC=${CMAKE_C_COMPILER} ${CHECKS}/check_install.sh
        ${PROJECT_BINARY_DIR})
    tg_test_properties(installation project)
    add_test(NAME gdb_backtrace COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/gdb_backtrace.sh ${PROJECT_BINARY_DIR})
    tg_test_properties(gdb_backtrace project)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU") # clang keeps fewer variables of optimized code
        add_test(NAME gdb_tile COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/gdb_tile.sh ${PROJECT_BINARY_DIR})
        tg_test_properties(gdb_tile project)
    endif()
endif()

# The page of a run in a browser, where there is one: make test-full installs it.
if(TG_PLAIN_BUILD AND NOT CMAKE_CROSSCOMPILING)
    add_test(NAME report_browser COMMAND /usr/bin/python3 ${CMAKE_CURRENT_SOURCE_DIR}/report_browser.py
        ${PROJECT_BINARY_DIR})
    tg_test_properties(report_browser slow)
    set_tests_properties(report_browser PROPERTIES TIMEOUT 300)
endif()

# Every comment of the public headers can be read by Doxygen: make test-slow installs it.
find_program(TG_DOXYGEN doxygen)
if(TG_DOXYGEN AND TG_PLAIN_BUILD AND NOT CMAKE_CROSSCOMPILING)
    add_test(NAME reference COMMAND ${TG_DOXYGEN} docs/Doxyfile WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    tg_test_properties(reference slow)
endif()

# Packages that others install, and the flagship out of each.
if(TG_PLAIN_BUILD AND NOT CMAKE_CROSSCOMPILING AND CMAKE_BUILD_TYPE STREQUAL "Release" AND TG_GIT
        AND EXISTS ${PROJECT_SOURCE_DIR}/.git)
    foreach(name debian wheel)
        add_test(NAME package_${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${name}.sh)
        tg_test_properties(package_${name} slow)
        set_tests_properties(package_${name} PROPERTIES TIMEOUT 1800 PROCESSORS 2)
    endforeach()
endif()

# Minutes under a sanitizer, and gigabytes. PROCESSORS: drawing inputs takes all there are.
if(TG_PLAIN_BUILD AND NOT CMAKE_CROSSCOMPILING AND CMAKE_BUILD_TYPE STREQUAL "Release")
    add_test(NAME device_times COMMAND ${CHECKS}/device_times.py ${PROJECT_BINARY_DIR})
    tg_test_properties(device_times project)
    set_tests_properties(device_times PROPERTIES COST 900 PROCESSORS 2 TIMEOUT 300)
endif()

# Python loads the shared library, which a sanitizer would have to be loaded before.
file(GLOB PYTHON_TESTS CONFIGURE_DEPENDS python/test_*.py)
if(PYTHON_TESTS AND TG_PLAIN_BUILD AND NOT CMAKE_CROSSCOMPILING)
    execute_process(COMMAND ${CHECKS}/find_python.sh numpy pytest
        OUTPUT_VARIABLE TG_PYTHON OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    # Those that run whole commands are the longest of all tests: started first, in two parts beside the others.
    set(TG_PYTHON_python run endings many)
    set(TG_PYTHON_python_cpp cpp cache)
    set(TG_PYTHON_python_parts ${PYTHON_TESTS})
    foreach(name python python_cpp)
        list(TRANSFORM TG_PYTHON_${name} REPLACE "(.+)" "${CMAKE_CURRENT_SOURCE_DIR}/python/test_\\1.py")
        list(REMOVE_ITEM TG_PYTHON_python_parts ${TG_PYTHON_${name}})
    endforeach()
    foreach(name python python_cpp python_parts)
        add_test(NAME ${name} COMMAND ${TG_PYTHON} -m pytest -q -p no:cacheprovider ${TG_PYTHON_${name}})
        tg_test_properties(${name} python)
        set_tests_properties(${name} PROPERTIES COST 1000 ENVIRONMENT
            "TILEGRAPH_LIB=$<TARGET_FILE:tilegraph_shared>;TG_BUILD_DIR=${PROJECT_BINARY_DIR};PYTHONDONTWRITEBYTECODE=1;$<$<BOOL:${CMAKE_CXX_COMPILER}>:TG_TEST_CXX=${CMAKE_CXX_COMPILER}>")
    endforeach()
endif()
