# Debian packages, made by `cpack -G DEB` in the build directory: the command with its service, and the libraries
# for programs. Configure with the preset `package`: by its prefix, /usr, the library goes where Debian has libraries.
set(flint_debian_dir "${PROJECT_SOURCE_DIR}/packaging/debian")

set(CPACK_GENERATOR DEB)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL command development client c)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
# Who builds a package answers for it, and says who that is as to Debian's own tools.
if(DEFINED ENV{DEBEMAIL} AND DEFINED ENV{DEBFULLNAME})
  set(CPACK_PACKAGE_CONTACT "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
else()
  set(CPACK_PACKAGE_CONTACT "The Flint authors <maintainers@flint-limiter.invalid>")
endif()
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS "${flint_debian_dir}/finish.cmake")

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME flint-limiter)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION net)
set(CPACK_DEBIAN_COMMAND_DESCRIPTION "Flint decides whether a request may pass, by a limit that is set for its key,
and writes every unit that it grants to an append-only log before it answers:
what was used stays used when the process is killed or the machine stops.
.
This package holds the flint command and a systemd service, which does not
start by itself.")
# adduser: its postinst.
set(CPACK_DEBIAN_COMMAND_PACKAGE_DEPENDS "adduser, tzdata")
# The authorities that the system trusts, for --server https://...
set(CPACK_DEBIAN_COMMAND_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_COMMAND_PACKAGE_CONTROL_EXTRA
  "${flint_debian_dir}/postinst;${flint_debian_dir}/prerm;${flint_debian_dir}/postrm")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libflint-limiter-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "Flint decides whether a request may pass, by a limit that is set for its key,
and writes every unit that it grants to an append-only log before it answers:
what was used stays used when the process is killed or the machine stops.
.
This package holds the headers, the library, and its files for CMake and
pkg-config.")
# What a program links that links the static library.
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libfmt-dev, libhowardhinnant-date-dev")

set(CPACK_DEBIAN_CLIENT_PACKAGE_NAME libflint-limiter-client-dev)
set(CPACK_DEBIAN_CLIENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_CLIENT_DESCRIPTION "Flint decides whether a request may pass, by a limit that is set for its key,
and writes every unit that it grants to an append-only log before it answers:
what was used stays used when the process is killed or the machine stops.
.
This package holds the library for C++ programs that ask a Flint server.")
set(CPACK_DEBIAN_CLIENT_PACKAGE_DEPENDS
  "libflint-limiter-dev (= ${PROJECT_VERSION}), libssl-dev, libboost-json1.81-dev")

set(CPACK_DEBIAN_C_PACKAGE_NAME libflint-limiter-c)
set(CPACK_DEBIAN_C_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_C_DESCRIPTION "Flint decides whether a request may pass, by a limit that is set for its key,
and writes every unit that it grants to an append-only log before it answers:
what was used stays used when the process is killed or the machine stops.
.
This package holds the shared library and the header for C, and for languages
that call C.")
set(CPACK_DEBIAN_C_PACKAGE_DEPENDS "tzdata")
set(CPACK_DEBIAN_C_PACKAGE_SHLIBDEPS ON)

include(CPack)
