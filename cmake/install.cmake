# `cmake --install`: everything a user needs, in a tree that can be moved. What finds other files finds them relative to
# itself: pkg-config's file, the CMake package, the command tilegraph, the Python package, the flagship.
#
#   bin/            tilegraph, paged_attention
#   include/        the public headers
#   lib/            both libraries, pkgconfig/, cmake/; tilegraph/examples/: compiled kernels and orchestrations
#   share/tilegraph/   examples, machines, schemas, module_flags.txt, gdb helper; python/: the package
#   share/man, share/bash-completion, share/zsh
#
# A wheel (SKBUILD, set by scikit-build-core) has the library, the headers and the share in the package's own folder.

include(CMakePackageConfigHelpers)
find_program(TG_PYTHON3 NAMES python3 DOC "Makes man pages and completion scripts out of the commands' table")

set(TG_PYTHON_SOURCES ${PROJECT_SOURCE_DIR}/python/tilegraph)
set(TG_LIBRARY_FILE libtilegraph.so.${TG_SOVERSION})
if(SKBUILD)
    set(TG_PYTHON_DIR tilegraph)
    set(TG_SHARE_DIR tilegraph/share)
    set(TG_INCLUDE_DIR tilegraph/include)
    set(TG_LIB_DIR tilegraph/lib)
else()
    set(TG_SHARE_DIR ${CMAKE_INSTALL_DATADIR}/tilegraph)
    set(TG_INCLUDE_DIR ${CMAKE_INSTALL_INCLUDEDIR})
    set(TG_LIB_DIR ${CMAKE_INSTALL_LIBDIR})
    # Debian's rules name the folder of Python's own packages.
    set(TG_PYTHON_PARENT ${TG_SHARE_DIR}/python CACHE STRING "Folder, below the prefix, that gets the Python package")
    set(TG_PYTHON_DIR ${TG_PYTHON_PARENT}/tilegraph)
endif()

# From one installed folder to another. Only the differences count, so any prefix does.
function(tg_relative out from to)
    file(RELATIVE_PATH path /prefix/${from} /prefix/${to})
    string(REGEX REPLACE "/$" "" path "${path}")
    set(${out} "${path}" PARENT_SCOPE)
endfunction()

# ---- headers, examples, data ----
install(DIRECTORY include/tilegraph include/pto DESTINATION ${TG_INCLUDE_DIR}
    FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(DIRECTORY examples/aicpu_build_graph examples/host_build_graph DESTINATION ${TG_SHARE_DIR}/examples
    PATTERN "main.c" EXCLUDE PATTERN "__pycache__" EXCLUDE)
install(DIRECTORY machines schemas DESTINATION ${TG_SHARE_DIR} PATTERN "README.md" EXCLUDE)
install(DIRECTORY tools/gdb DESTINATION ${TG_SHARE_DIR} PATTERN "__pycache__" EXCLUDE)
install(FILES cmake/module_flags.txt DESTINATION ${TG_SHARE_DIR})

# ---- the Python package: where it finds the other parts ----
tg_relative(TG_TO_INCLUDE ${TG_PYTHON_DIR} ${TG_INCLUDE_DIR})
tg_relative(TG_TO_LIB ${TG_PYTHON_DIR} ${TG_LIB_DIR})
tg_relative(TG_TO_SHARE ${TG_PYTHON_DIR} ${TG_SHARE_DIR})
configure_file(cmake/installed.json.in installed.json @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/installed.json DESTINATION ${TG_PYTHON_DIR})
install(DIRECTORY python/tilegraph/ DESTINATION ${TG_PYTHON_DIR} PATTERN "__pycache__" EXCLUDE)

if(SKBUILD)
    # One file: a wheel has no symbolic links.
    install(PROGRAMS $<TARGET_FILE:tilegraph_shared> DESTINATION ${TG_LIB_DIR} RENAME ${TG_LIBRARY_FILE})
    return()
endif()

# ---- libraries ----
tg_relative(TG_PC_PREFIX ${TG_LIB_DIR}/pkgconfig .)
# What the static library needs beside itself. hwloc knows what it needs in turn, if it is static, too.
set(TG_PC_PRIVATE "-pthread -ldl -lm -lrt")
if(TG_HWLOC_NAME)
    set(TG_PC_PRIVATE "-lhwloc ${TG_PC_PRIVATE}")
endif()
configure_file(cmake/tilegraph.pc.in tilegraph.pc @ONLY)
set(TG_CMAKE_DIR ${TG_LIB_DIR}/cmake/tilegraph)
configure_package_config_file(cmake/tilegraphConfig.cmake.in tilegraphConfig.cmake INSTALL_DESTINATION ${TG_CMAKE_DIR})
write_basic_package_version_file(tilegraphConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(TARGETS tilegraph_shared tilegraph_static EXPORT tilegraphTargets)
install(EXPORT tilegraphTargets NAMESPACE tg:: DESTINATION ${TG_CMAKE_DIR})
install(FILES ${PROJECT_BINARY_DIR}/tilegraphConfig.cmake ${PROJECT_BINARY_DIR}/tilegraphConfigVersion.cmake
    DESTINATION ${TG_CMAKE_DIR})
install(FILES ${PROJECT_BINARY_DIR}/tilegraph.pc DESTINATION ${TG_LIB_DIR}/pkgconfig)

# ---- the flagship, and its compiled kernels ----
install(TARGETS paged_attention)
install(DIRECTORY ${PROJECT_BINARY_DIR}/examples/aicpu_build_graph/paged_attention
    DESTINATION ${TG_LIB_DIR}/tilegraph/examples/aicpu_build_graph USE_SOURCE_PERMISSIONS
    FILES_MATCHING PATTERN "*.so" PATTERN "CMakeFiles" EXCLUDE)

# ---- the command, its man pages and completion scripts ----
tg_relative(TG_TO_PYTHON ${CMAKE_INSTALL_BINDIR} ${TG_PYTHON_DIR}/..)
configure_file(cmake/tilegraph.in ${PROJECT_BINARY_DIR}/installed/tilegraph @ONLY)
install(PROGRAMS ${PROJECT_BINARY_DIR}/installed/tilegraph DESTINATION ${CMAKE_INSTALL_BINDIR})
file(RELATIVE_PATH TG_TO_PYTHON ${PROJECT_BINARY_DIR}/bin ${PROJECT_SOURCE_DIR}/python)
configure_file(cmake/tilegraph.in ${PROJECT_BINARY_DIR}/bin/tilegraph @ONLY FILE_PERMISSIONS OWNER_READ OWNER_WRITE
    OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
if(NOT TG_PYTHON3)
    message(STATUS "python3 was not found: no man pages and no completion scripts are made")
    return()
endif()
set(TG_USAGE_FILES ${PROJECT_BINARY_DIR}/usage/man1/tilegraph.1)
add_custom_command(OUTPUT ${TG_USAGE_FILES}
    COMMAND ${CMAKE_COMMAND} -E env PYTHONPATH=${PROJECT_SOURCE_DIR}/python PYTHONDONTWRITEBYTECODE=1
        ${TG_PYTHON3} -m tilegraph.usage ${PROJECT_BINARY_DIR}/usage
    DEPENDS ${TG_PYTHON_SOURCES}/usage.py ${TG_PYTHON_SOURCES}/table.py include/tilegraph/tilegraph.h
    COMMENT "Man pages and completion scripts"
    VERBATIM)
add_custom_target(usage ALL DEPENDS ${TG_USAGE_FILES})
install(DIRECTORY ${PROJECT_BINARY_DIR}/usage/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${PROJECT_BINARY_DIR}/usage/tilegraph DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${PROJECT_BINARY_DIR}/usage/_tilegraph DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
