# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Language, warnings, hardening and the libraries everything links.

option(MSP_WERROR "Treat warnings as errors" OFF)
option(MSP_SANITIZE "Build with ASan, UBSan and LSan" OFF)
option(MSP_FUZZ "Build the fuzz targets: clang, with MSP_SANITIZE" OFF)
option(MSP_COVERAGE "Build for llvm-cov: clang" OFF)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf>=1.1)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.13)
pkg_check_modules(LIBCAP REQUIRED IMPORTED_TARGET libcap)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)

# Every target of ours links this one.
add_library(msp_flags INTERFACE)
target_include_directories(msp_flags INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(msp_flags INTERFACE _GNU_SOURCE)
target_compile_options(msp_flags INTERFACE
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wvla -Wformat=2 -Wundef -Wpointer-arith
    -Wwrite-strings -Wimplicit-fallthrough -Wswitch-enum
    -fno-common)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # clang also looks into the macros of system headers (NLMSG_NEXT)
    target_compile_options(msp_flags INTERFACE -Wcast-qual)
endif()
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT MSP_SANITIZE)
    target_compile_options(msp_flags INTERFACE -Wnull-dereference)
endif()
if(MSP_WERROR)
    target_compile_options(msp_flags INTERFACE -Werror)
endif()
if(MSP_SANITIZE)
    target_compile_options(msp_flags INTERFACE
        -fsanitize=address,undefined -fno-sanitize-recover=all
        -fno-omit-frame-pointer)
    target_link_options(msp_flags INTERFACE -fsanitize=address,undefined)
endif()
if(MSP_FUZZ)
    target_compile_options(msp_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(MSP_COVERAGE)
    target_compile_options(msp_flags INTERFACE
        -fprofile-instr-generate -fcoverage-mapping)
    target_link_options(msp_flags INTERFACE -fprofile-instr-generate)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    # One pair only: CMake drops a repeated -U, and then -Werror meets a
    # redefinition.
    set(fortify 2)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        set(fortify 3)
        target_compile_options(msp_flags INTERFACE
            -ftrivial-auto-var-init=zero)
    endif()
    target_compile_options(msp_flags INTERFACE
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${fortify}
        -fstack-protector-strong -fstack-clash-protection -fPIE)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|i.86)$")
        target_compile_options(msp_flags INTERFACE -fcf-protection=full)
    endif()
    target_link_options(msp_flags INTERFACE -pie -Wl,-z,relro,-z,now)
endif()

set(MSP_LIBEXECDIR ${CMAKE_INSTALL_FULL_LIBEXECDIR}/mspd)
