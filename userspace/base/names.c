/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/names.h"

#include <stddef.h>

#include <msp/cleanup.h>

static const char *const verdicts[] = {
    [MSP_VERDICT_NONE] = "none",     [MSP_VERDICT_DENY] = "deny",
    [MSP_VERDICT_ALLOW] = "allow",   [MSP_VERDICT_AUDIT] = "audit",
    [MSP_VERDICT_DIRECT] = "direct", [MSP_VERDICT_STALE] = "stale",
};
_Static_assert(ARRAY_SIZE(verdicts) == MSP_VERDICT_COUNT, "verdicts");

static const char *const reasons[] = {
    [MSP_REASON_NONE] = "none",
    [MSP_REASON_PRIVILEGE] = "privilege",
    [MSP_REASON_DEFAULT_ALLOW] = "default-allow",
    [MSP_REASON_DEFAULT_DENY] = "default-deny",
    [MSP_REASON_NOT_ASSIGNED] = "not-assigned",
    [MSP_REASON_NO_RULE_FOR_YOU] = "no-rule-for-you",
    [MSP_REASON_NEEDS_ROOT] = "needs-root",
    [MSP_REASON_NO_IDENTITY] = "no-identity",
    [MSP_REASON_NO_LISTENER] = "no-listener",
    [MSP_REASON_REDIRECTED] = "redirected",
    [MSP_REASON_DIRECT_AGENT_AWAY] = "direct-agent-away",
    [MSP_REASON_DIRECT_NOT_SIGNED] = "direct-not-signed",
    [MSP_REASON_BOOTSTRAP] = "bootstrap",
    [MSP_REASON_BOOTSTRAP_DENY] = "bootstrap-deny",
    [MSP_REASON_LISTENER_DIRECT] = "listener-direct",
    [MSP_REASON_SERVICE_UID] = "service-uid",
    [MSP_REASON_SPELLING] = "spelling",
    [MSP_REASON_RESERVED_PATH] = "reserved-path",
    [MSP_REASON_STALE_POLICY] = "stale-policy",
    [MSP_REASON_STALE_IDENTITY] = "stale-identity",
    [MSP_REASON_BAD_REQUEST] = "bad-request",
    [MSP_REASON_TABLE_MISSING] = "table-missing",
    [MSP_REASON_HELPER_FAILED] = "helper-failed",
    [MSP_REASON_DISABLED] = "disabled",
    [MSP_REASON_UPSTREAM_ONLY] = "upstream-only",
    [MSP_REASON_BOUND_DEVICE] = "bound-device",
    [MSP_REASON_DATAGRAM] = "datagram",
    [MSP_REASON_SOCKET_KIND] = "socket-kind",
    [MSP_REASON_PAST_GUARD] = "past-the-guard",
    [MSP_REASON_RAW_IN_CONTAINER] = "raw-in-container",
    [MSP_REASON_PASSED_SOCKET] = "passed-socket",
    [MSP_REASON_NO_EXEC_RECORD] = "no-exec-record",
    [MSP_REASON_LISTENER_LATE] = "listener-late",
};
_Static_assert(ARRAY_SIZE(reasons) == MSP_REASON_COUNT, "reasons");

static const char *const modes[] = {
    [MSP_MODE_NONE] = "none",
    [MSP_MODE_DISABLED] = "disabled",
    [MSP_MODE_AUDIT] = "audit",
    [MSP_MODE_ENFORCE] = "enforce",
};
_Static_assert(ARRAY_SIZE(modes) == MSP_MODE_COUNT, "modes");

static const char *const on_denies[] = {
    [MSP_ON_DENY_NONE] = "none",
    [MSP_ON_DENY_EPERM] = "eperm",
    [MSP_ON_DENY_REFUSE] = "refuse",
    [MSP_ON_DENY_HTTP] = "http",
};
_Static_assert(ARRAY_SIZE(on_denies) == MSP_ON_DENY_COUNT, "on_denies");

static const char *const stages[] = {
    [MSP_STAGE_NONE] = "none",
    [MSP_STAGE_CONNECT] = "connect",
    [MSP_STAGE_REQUEST] = "request",
};
_Static_assert(ARRAY_SIZE(stages) == MSP_STAGE_COUNT, "stages");

static const char *const stats[] = {
    [MSP_STAT_NONE] = "none",
    [MSP_STAT_MARK_PUBLISHED] = "mark-published",
    [MSP_STAT_MARK_PUBLISH_FAILED] = "mark-publish-failed",
    [MSP_STAT_MARK_MOVED] = "mark-moved",
    [MSP_STAT_MARK_MISSING] = "mark-missing",
    [MSP_STAT_MARK_ISN_STALE] = "mark-isn-stale",
    [MSP_STAT_MARK_MOVE_FAILED] = "mark-move-failed",
    [MSP_STAT_STORAGE_FAILED] = "storage-failed",
    [MSP_STAT_RING_DROPPED] = "ring-dropped",
    [MSP_STAT_AUDIT_DROPPED] = "audit-dropped",
    [MSP_STAT_COUNTER_OTHER] = "counter-other",
    [MSP_STAT_GROUPS_CUT] = "groups-cut",
    [MSP_STAT_GENERATION_MOVED] = "generation-moved",
    [MSP_STAT_BIND_DENIED] = "bind-denied",
    [MSP_STAT_EGRESS_DENIED] = "egress-denied",
    [MSP_STAT_UPLINK_DENIED] = "uplink-denied",
    [MSP_STAT_PENDING_FULL] = "pending-full",
    [MSP_STAT_EXEC_DROPPED] = "exec-dropped",
    [MSP_STAT_CGROUP_DROPPED] = "cgroup-dropped",
    [MSP_STAT_AUDIT_INSERTED] = "audit-inserted",
    [MSP_STAT_FD_DENIED] = "fd-denied",
    [MSP_STAT_FD_UNGUARDED] = "fd-unguarded",
    [MSP_STAT_CONTAINER_DROPPED] = "container-dropped",
    [MSP_STAT_PARKED] = "parked",
    [MSP_STAT_PARK_REFUSED] = "park-refused",
    [MSP_STAT_LISTENER_FOREIGN] = "listener-foreign",
    [MSP_STAT_MARK_OLD] = "mark-old",
};
_Static_assert(ARRAY_SIZE(stats) == MSP_STAT_COUNT, "stats");

static const char *name_of(const char *const *names, size_t n, size_t value)
{
    return value < n && names[value] ? names[value] : "unknown";
}

const char *msp_name_verdict(enum msp_verdict verdict)
{
    return name_of(verdicts, ARRAY_SIZE(verdicts), verdict);
}

const char *msp_name_reason(enum msp_reason reason)
{
    return name_of(reasons, ARRAY_SIZE(reasons), reason);
}

const char *msp_name_mode(enum msp_mode mode)
{
    return name_of(modes, ARRAY_SIZE(modes), mode);
}

const char *msp_name_on_deny(enum msp_on_deny on_deny)
{
    return name_of(on_denies, ARRAY_SIZE(on_denies), on_deny);
}

const char *msp_name_stage(enum msp_stage stage)
{
    return name_of(stages, ARRAY_SIZE(stages), stage);
}

const char *msp_name_stat(enum msp_stat stat)
{
    return name_of(stats, ARRAY_SIZE(stats), stat);
}
