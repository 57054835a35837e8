/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the processes of exec.c do. */
#pragma once

/*
 * "!" on standard output when it is there, or four bytes of the child's pid;
 * ends with its standard input.
 * @return exit status
 */
int actor_act(const char *what);
