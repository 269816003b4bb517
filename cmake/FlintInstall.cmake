# What `cmake --install` installs: the library for C++ programs, the `flint` command with its service, and the papers.
#
# Everything is called flint-limiter but for the command, since the number-theory library FLINT owns flint.pc and
# /usr/include/flint.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The public library: the layers up to the limiter, as one file.
set(flint_library_layers base io algorithm storage limiter)
list(TRANSFORM flint_library_layers REPLACE "(.+)" "$<TARGET_OBJECTS:flint_\\1>" OUTPUT_VARIABLE flint_library_objects)
add_library(flint-limiter ${flint_library_objects})
add_library(flint::limiter ALIAS flint-limiter)
target_include_directories(flint-limiter INTERFACE
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
  "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/flint-limiter>")
target_compile_features(flint-limiter INTERFACE cxx_std_20)
# Needed to link the layers' objects, never to compile against the headers, which name no third-party type.
target_link_libraries(flint-limiter PRIVATE Threads::Threads fmt::fmt date::date-tz)
set_target_properties(flint-limiter PROPERTIES
  LINKER_LANGUAGE CXX
  EXPORT_NAME limiter
  VERSION "${PROJECT_VERSION}"
  # Until 1.0 each minor version may change the interface.
  SOVERSION "${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}")
if(BUILD_SHARED_LIBS)
  target_link_options(flint-limiter PRIVATE
    "-Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/flint-limiter.map" -Wl,-z,relro -Wl,-z,now)
  set_target_properties(flint-limiter PROPERTIES LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/flint-limiter.map")
endif()

install(TARGETS flint-limiter EXPORT flint-limiter-targets COMPONENT development)
install(TARGETS flint COMPONENT command)
install(DIRECTORY include/flint DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/flint-limiter" COMPONENT development
  FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE README.md CHANGELOG.md DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT command)
# As they stand here, so that the links in README.md lead somewhere.
install(DIRECTORY docs DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT command
  FILES_MATCHING PATTERN "*.md" PATTERN "*.png" PATTERN "*.svg" PATTERN "*.yaml")
install(FILES packaging/flint.toml packaging/prometheus/alerts.yml packaging/grafana/flint.json
  DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples" COMPONENT command)
install(FILES packaging/flint.1 DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" COMPONENT command)
install(FILES packaging/completions/flint.bash
  DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" RENAME flint COMPONENT command)
install(FILES packaging/completions/_flint DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions" COMPONENT command)

# systemd looks for units in lib, whatever the libraries' directory is called. The service names the program by its
# whole path, which is known when the prefix is.
install(FILES packaging/flint.socket DESTINATION lib/systemd/system COMPONENT command)
install(CODE "
  set(FLINT_BIN_DIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
  set(unit \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system/flint.service\")
  message(STATUS \"Installing: \$ENV{DESTDIR}\${unit}\")
  configure_file(\"${PROJECT_SOURCE_DIR}/packaging/flint.service.in\" \"\$ENV{DESTDIR}\${unit}\" @ONLY)
  list(APPEND CMAKE_INSTALL_MANIFEST_FILES \"\${unit}\")"
  COMPONENT command)

# CMake: find_package(flint-limiter), then link flint::limiter.
set(flint_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/flint-limiter")
configure_package_config_file(cmake/flint-limiter-config.cmake.in "${CMAKE_BINARY_DIR}/flint-limiter-config.cmake"
  INSTALL_DESTINATION "${flint_cmake_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${CMAKE_BINARY_DIR}/flint-limiter-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/flint-limiter-config.cmake" "${CMAKE_BINARY_DIR}/flint-limiter-config-version.cmake"
  DESTINATION "${flint_cmake_dir}" COMPONENT development)
install(EXPORT flint-limiter-targets NAMESPACE flint:: DESTINATION "${flint_cmake_dir}" COMPONENT development)

# pkg-config: pkg-config --cflags --libs flint-limiter. Relative paths, so that an installed tree can be moved. A static
# library passes on what it needs to be linked.
set(flint_pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH flint_pc_to_prefix "/${flint_pc_dir}" "/")
string(REGEX REPLACE "/$" "" flint_pc_to_prefix "${flint_pc_to_prefix}")
if(BUILD_SHARED_LIBS)
  set(flint_pc_scope ".private")
else()
  set(flint_pc_libs " -ldate-tz -pthread")
endif()
configure_file(cmake/flint-limiter.pc.in "${CMAKE_BINARY_DIR}/flint-limiter.pc" @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/flint-limiter.pc" DESTINATION "${flint_pc_dir}" COMPONENT development)

include(FlintClientInstall)
include(FlintPackages)
