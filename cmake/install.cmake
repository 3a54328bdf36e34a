# `cmake --install`: headers, both libraries, pkg-config file, CMake package (find_package(tilegraph), tg::tg).

include(CMakePackageConfigHelpers)
set(TG_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/tilegraph)

# Both find their files relative to themselves, so that the installed tree can be moved.
file(RELATIVE_PATH TG_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" TG_PC_PREFIX ${TG_PC_PREFIX})
# What the static library needs beside itself. hwloc knows what it needs in turn, if it is static, too.
set(TG_PC_PRIVATE "-pthread -ldl -lm -lrt")
if(TG_HWLOC_NAME)
    set(TG_PC_PRIVATE "-lhwloc ${TG_PC_PRIVATE}")
endif()
configure_file(cmake/tilegraph.pc.in tilegraph.pc @ONLY)
configure_package_config_file(cmake/tilegraphConfig.cmake.in tilegraphConfig.cmake INSTALL_DESTINATION ${TG_CMAKE_DIR})
write_basic_package_version_file(tilegraphConfigVersion.cmake COMPATIBILITY SameMinorVersion)

install(DIRECTORY include/tilegraph include/pto DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(TARGETS tilegraph_shared tilegraph_static EXPORT tilegraphTargets)
install(EXPORT tilegraphTargets NAMESPACE tg:: DESTINATION ${TG_CMAKE_DIR})
install(FILES ${PROJECT_BINARY_DIR}/tilegraphConfig.cmake ${PROJECT_BINARY_DIR}/tilegraphConfigVersion.cmake
    DESTINATION ${TG_CMAKE_DIR})
install(FILES ${PROJECT_BINARY_DIR}/tilegraph.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
