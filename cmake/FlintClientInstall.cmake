# The libraries beside flint-limiter: for C++ programs that ask a server, and for C. They are apart, so that a program
# that embeds the limiter links neither TLS nor JSON.

# C++: flint::client adds to flint::limiter, which has the values that both speak of.
add_library(flint-limiter-client $<TARGET_OBJECTS:flint_client>)
add_library(flint::client ALIAS flint-limiter-client)
target_link_libraries(flint-limiter-client PUBLIC flint-limiter PRIVATE Boost::json OpenSSL::SSL Threads::Threads)
set_target_properties(flint-limiter-client PROPERTIES
  LINKER_LANGUAGE CXX
  EXPORT_NAME client
  VERSION "${PROJECT_VERSION}"
  SOVERSION "${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}")
if(BUILD_SHARED_LIBS)
  target_link_options(flint-limiter-client PRIVATE
    "-Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/flint-limiter.map" -Wl,-z,relro -Wl,-z,now)
endif()

# C: one shared library that needs no other of ours and shows only the names of flint_limiter.h, so that it can be
# loaded into any program.
set(flint_c_layers base io algorithm storage limiter client c_api)
list(TRANSFORM flint_c_layers REPLACE "(.+)" "$<TARGET_OBJECTS:flint_\\1>" OUTPUT_VARIABLE flint_c_objects)
add_library(flint-limiter-c SHARED ${flint_c_objects})
add_library(flint::c ALIAS flint-limiter-c)
target_include_directories(flint-limiter-c INTERFACE
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
  "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/flint-limiter>")
target_link_libraries(flint-limiter-c PRIVATE Threads::Threads fmt::fmt date::date-tz Boost::json OpenSSL::SSL)
target_link_options(flint-limiter-c PRIVATE
  "-Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/flint-limiter-c.map" -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
set_target_properties(flint-limiter-c PROPERTIES
  LINKER_LANGUAGE CXX
  EXPORT_NAME c
  LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/flint-limiter-c.map"
  VERSION "${PROJECT_VERSION}"
  SOVERSION "${PROJECT_VERSION_MAJOR}")

install(TARGETS flint-limiter-client EXPORT flint-limiter-client-targets COMPONENT client)
install(TARGETS flint-limiter-c EXPORT flint-limiter-c-targets COMPONENT c)
install(FILES include/flint_limiter.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/flint-limiter" COMPONENT c)

# CMake: find_package(flint-limiter COMPONENTS client c).
foreach(part client c)
  install(EXPORT flint-limiter-${part}-targets NAMESPACE flint:: DESTINATION "${flint_cmake_dir}" COMPONENT ${part})
  if(NOT BUILD_SHARED_LIBS)
    set(flint_client_pc_requires ", openssl")
    set(flint_client_pc_libs " -lboost_json")
  endif()
  configure_file(cmake/flint-limiter-${part}.pc.in "${CMAKE_BINARY_DIR}/flint-limiter-${part}.pc" @ONLY)
  install(FILES "${CMAKE_BINARY_DIR}/flint-limiter-${part}.pc" DESTINATION "${flint_pc_dir}" COMPONENT ${part})
endforeach()
