# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A suite is a ctest label; a test's name is its path with dots. 77 = skipped.
#
# Of the suites bpf and e2e one test runs at a time: their programs see the whole
# machine. With `ctest --parallel 2` a VM, which gives way to it, or another suite
# is beside it. Those that put load on the machine run alone.
function(msp_test_weight NAME LABEL)
    if(LABEL MATCHES "^(bpf|e2e)$")
        set_tests_properties(${NAME} PROPERTIES RESOURCE_LOCK machine)
    endif()
    if(NAME MATCHES "^(bpf|e2e\\.load\\.|e2e\\.harness\\.)")
        set_tests_properties(${NAME} PROPERTIES PROCESSORS 2)
    endif()
endfunction()

# msp_unit_test(NAME path.with.dots SOURCES ... LIBS ...): a cmocka program.
function(msp_unit_test NAME)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;LIBS;ARGS")
    string(REPLACE "." "_" target ${NAME})
    add_executable(test_${target} ${ARG_SOURCES})
    set_target_properties(test_${target} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    target_link_libraries(test_${target} PRIVATE msp_flags msp_harness
                          ${ARG_LIBS} PkgConfig::CMOCKA)
    target_include_directories(test_${target} PRIVATE
        ${PROJECT_SOURCE_DIR}/userspace ${PROJECT_SOURCE_DIR}/policy-compiler
        ${PROJECT_SOURCE_DIR}/tests)
    add_test(NAME ${NAME} COMMAND test_${target} ${ARG_ARGS})
    string(REGEX MATCH "^[a-z]+" label ${NAME})
    set_tests_properties(${NAME} PROPERTIES LABELS ${label}
                         SKIP_RETURN_CODE 77 TIMEOUT 60)
    msp_test_weight(${NAME} ${label})
endfunction()

# msp_script_test(NAME path.with.dots COMMAND ... [TIMEOUT s] [SERIAL])
function(msp_script_test NAME)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "SERIAL" "TIMEOUT" "COMMAND")
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 120)
    endif()
    add_test(NAME ${NAME} COMMAND ${ARG_COMMAND})
    string(REGEX MATCH "^[a-z0-9]+" label ${NAME})
    set_tests_properties(${NAME} PROPERTIES LABELS ${label}
        SKIP_RETURN_CODE 77 TIMEOUT ${ARG_TIMEOUT}
        ENVIRONMENT "MSP_BUILD=${PROJECT_BINARY_DIR};MSP_SOURCE=${PROJECT_SOURCE_DIR}")
    msp_test_weight(${NAME} ${label})
    if(ARG_SERIAL)
        set_tests_properties(${NAME} PROPERTIES RUN_SERIAL TRUE)
    endif()
endfunction()
