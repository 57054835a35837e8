# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# msp_bpf_skeleton(NAME SOURCES a.bpf.c b.bpf.c ... [DEFINES WORD ...])
#
# Compiles each source, links them to NAME.bpf.o and makes NAME.skel.h; the
# interface target NAME_skel carries the include path. Maps shared between
# sources must be __weak. Headers are tracked by depfile, never listed.

find_program(MSP_CLANG NAMES clang clang-14 REQUIRED)
find_program(MSP_BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-multiarch
                OUTPUT_VARIABLE MSP_MULTIARCH OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT MSP_MULTIARCH)
    set(MSP_MULTIARCH ${CMAKE_SYSTEM_PROCESSOR}-linux-gnu)
endif()
string(REGEX REPLACE "^x86_64$" "x86" MSP_BPF_ARCH ${CMAKE_SYSTEM_PROCESSOR})
string(REGEX REPLACE "^aarch64$" "arm64" MSP_BPF_ARCH ${MSP_BPF_ARCH})

function(msp_bpf_skeleton NAME)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;INCLUDES;DEFINES")
    set(includes)
    if(CMAKE_SYSROOT)
        list(APPEND includes --sysroot=${CMAKE_SYSROOT})
    endif()
    foreach(dir IN LISTS ARG_INCLUDES)
        list(APPEND includes -I${dir})
    endforeach()
    foreach(word IN LISTS ARG_DEFINES)
        list(APPEND includes -D${word})
    endforeach()
    set(objs)
    foreach(src IN LISTS ARG_SOURCES)
        get_filename_component(stem ${src} NAME)
        set(obj ${CMAKE_CURRENT_BINARY_DIR}/${NAME}.${stem}.o)
        add_custom_command(OUTPUT ${obj}
            COMMAND ${MSP_CLANG} -std=gnu17 -O2 -g -target bpf -mcpu=v3
                    -Wall -Wextra -Werror -Wno-unused-parameter
                    -fno-stack-protector
                    -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.
                    -D__TARGET_ARCH_${MSP_BPF_ARCH}
                    -I${CMAKE_CURRENT_SOURCE_DIR} ${includes}
                    -I${PROJECT_SOURCE_DIR}/include
                    -isystem ${CMAKE_SYSROOT}/usr/include/${MSP_MULTIARCH}
                    -MD -MF ${obj}.d -MT ${obj}
                    -c ${CMAKE_CURRENT_SOURCE_DIR}/${src} -o ${obj}
            DEPENDS ${src} DEPFILE ${obj}.d VERBATIM COMMENT "BPF ${src}")
        list(APPEND objs ${obj})
    endforeach()
    set(linked ${CMAKE_CURRENT_BINARY_DIR}/${NAME}.bpf.o)
    set(skel ${CMAKE_CURRENT_BINARY_DIR}/${NAME}.skel.h)
    add_custom_command(OUTPUT ${linked}
        COMMAND ${MSP_BPFTOOL} gen object ${linked} ${objs}
        DEPENDS ${objs} VERBATIM)
    # Written beside and moved: a failed bpftool leaves no half header.
    add_custom_command(OUTPUT ${skel}
        COMMAND sh -c "${MSP_BPFTOOL} gen skeleton ${linked} name ${NAME}_bpf > ${skel}.tmp && mv ${skel}.tmp ${skel}"
        DEPENDS ${linked} VERBATIM)
    add_custom_target(${NAME}_skel_gen DEPENDS ${skel})
    add_library(${NAME}_skel INTERFACE)
    add_dependencies(${NAME}_skel ${NAME}_skel_gen)
    target_include_directories(${NAME}_skel SYSTEM INTERFACE
                               ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
