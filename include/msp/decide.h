/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The decisions, as pure functions over facts somebody else has looked up.
 * Compiled for BPF and for the host: tests and `explain` run these lines.
 * Whatever is not known to be an allowance is a denial.
 */
#pragma once

#include <msp/abi.h>

#ifndef __cplusplus
#include <stdbool.h>
#endif

/*
 * Sixteen words unrolled make clang keep them all alive at once, more than a
 * BPF stack holds.
 */
#ifdef __bpf__
#define MSP_EACH_WORD(i)                                                       \
    _Pragma("clang loop unroll(disable)") for (int i = 0; i < MSP_IDSET_WORDS; \
                                               i++)
#else
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares its argument */
#define MSP_EACH_WORD(i) for (int i = 0; i < MSP_IDSET_WORDS; i++)
#endif

#define MSP_PURE static inline __attribute__((always_inline, unused))

struct msp_decision {
    enum msp_verdict verdict;
    enum msp_reason reason;
};

MSP_PURE struct msp_decision msp_decided(enum msp_verdict verdict,
                                         enum msp_reason reason)
{
    struct msp_decision d = {.verdict = verdict, .reason = reason};

    return d;
}

/* True if the sets share an identity. Both [MSP_IDSET_WORDS]. */
MSP_PURE bool msp_idset_meets(const struct msp_idset *a,
                              const struct msp_idset *b)
{
    __u64 any = 0;

    MSP_EACH_WORD(i)
        any |= a->word[i] & b->word[i];
    return any != 0;
}

#define MSP_NO_IDENTITY 0xffffffffu

/*
 * Index of the lowest set bit; word != 0. Branchless, so that the verifier
 * sees one path and not sixty-four; clang 14 cannot lower ctz to BPF.
 */
MSP_PURE __u32 msp_lowest_bit(__u64 word)
{
    __u64 below = (word & -word) - 1; /* as many ones as the index */

    below -= below >> 1 & 0x5555555555555555ull;
    below =
        (below & 0x3333333333333333ull) + (below >> 2 & 0x3333333333333333ull);
    below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0full;
    return below * 0x0101010101010101ull >> 56;
}

/* Lowest identity in both sets; MSP_NO_IDENTITY if there is none. */
MSP_PURE __u32 msp_idset_first(const struct msp_idset *a,
                               const struct msp_idset *b)
{
    MSP_EACH_WORD(i) {
        __u64 both = a->word[i] & b->word[i];

        if (both)
            return i * 64 + msp_lowest_bit(both);
    }
    return MSP_NO_IDENTITY;
}

/*
 * Whether some identity demands a file or a base name and what this caller
 * executed is not known: it runs since before the programs were attached, or
 * is traced. It is none of those identities then, whoever it is.
 * @param mark_flags MSP_MARK_*
 * @param slot_flags MSP_SLOT_*
 */
MSP_PURE bool msp_lacks_exec(__u32 mark_flags, __u32 slot_flags)
{
    return !(mark_flags & MSP_MARK_EXEC) &&
           slot_flags & (MSP_SLOT_EXE_DIM | MSP_SLOT_PROCESS_DIM);
}

/*
 * A denial for want of a right that the lacking record might have given. Asked
 * here, where the verifier follows it once.
 */
MSP_PURE struct msp_decision
msp_deny_for_want(__u32 mark_flags, __u32 slot_flags, enum msp_reason reason)
{
    if (msp_lacks_exec(mark_flags, slot_flags))
        reason = MSP_REASON_NO_EXEC_RECORD;
    return msp_decided(MSP_VERDICT_DENY, reason);
}

/* --- connect ------------------------------------------------------------ */

struct msp_connect_facts {
    enum msp_mode mode;
    __u32 ep_flags;   /* MSP_EP_* */
    __u32 slot_flags; /* MSP_SLOT_* */
    __u32 mark_flags; /* MSP_MARK_* */
    bool has_identity;
    bool is_root;
    bool reaches;        /* ids meet the endpoint's reach */
    bool lifts;          /* ids meet lifts_root_gate */
    bool has_listener;   /* in the caller's network namespace */
    bool is_bound;       /* socket bound to a device: cannot be redirected */
    bool is_agent_fresh; /* heartbeat younger than its limit */
};

/* Marked, and sent to the agent's listener. */
MSP_PURE struct msp_decision msp_decide_redirect(__u32 slot_flags)
{
    return msp_decided(MSP_VERDICT_ALLOW, slot_flags & MSP_SLOT_BOOTSTRAP
                                              ? MSP_REASON_BOOTSTRAP
                                              : MSP_REASON_REDIRECTED);
}

/* Whether all that a redirection lacks is a listener, or an agent. */
MSP_PURE bool msp_decision_lacks_listener(struct msp_decision d)
{
    return d.reason == MSP_REASON_NO_LISTENER ||
           d.reason == MSP_REASON_DIRECT_AGENT_AWAY;
}

MSP_PURE struct msp_decision
msp_decide_connect_enforce(const struct msp_connect_facts *f)
{
    /* fail closed: a caller the kernel cannot name gets nothing */
    if (!f->has_identity)
        return msp_decided(MSP_VERDICT_DENY, MSP_REASON_NO_IDENTITY);
    if (f->slot_flags & MSP_SLOT_BOOTSTRAP) {
        /* fail closed: before the first policy only real root passes */
        if (!f->is_root || (f->slot_flags & MSP_SLOT_BOOTSTRAP_DENY))
            return msp_decided(MSP_VERDICT_DENY, MSP_REASON_BOOTSTRAP_DENY);
    } else {
        if ((f->ep_flags & MSP_EP_ROOT_GATE) && !f->is_root && !f->lifts)
            return msp_decided(MSP_VERDICT_DENY, MSP_REASON_NEEDS_ROOT);
        if (!(f->ep_flags & MSP_EP_DEFAULT_ALLOW) && !f->reaches)
            return msp_deny_for_want(f->mark_flags, f->slot_flags,
                                     MSP_REASON_NO_RULE_FOR_YOU);
    }
    if (!(f->ep_flags & MSP_EP_SIGN))
        return msp_decided(MSP_VERDICT_DIRECT, MSP_REASON_DIRECT_NOT_SIGNED);
    /* fail closed: its SYN would leave by the device, not reach loopback */
    if (f->is_bound)
        return msp_decided(MSP_VERDICT_DENY, MSP_REASON_BOUND_DEVICE);
    /* fail closed: nobody would sign */
    if (!f->has_listener)
        return msp_decided(MSP_VERDICT_DENY, MSP_REASON_NO_LISTENER);
    return msp_decide_redirect(f->slot_flags);
}

/*
 * @return ALLOW: mark and redirect; DIRECT: let out as it is; DENY.
 *         MSP_MODE_DISABLED is not for this function: it is not intercepted.
 */
MSP_PURE struct msp_decision
msp_decide_connect(const struct msp_connect_facts *f)
{
    switch (f->mode) {
    case MSP_MODE_ENFORCE:
        return msp_decide_connect_enforce(f);
    case MSP_MODE_AUDIT:
        if (!(f->ep_flags & MSP_EP_SIGN))
            return msp_decided(MSP_VERDICT_DIRECT,
                               MSP_REASON_DIRECT_NOT_SIGNED);
        if (f->is_bound)
            return msp_decided(MSP_VERDICT_DIRECT, MSP_REASON_BOUND_DEVICE);
        if (f->has_listener && f->is_agent_fresh)
            return msp_decided(MSP_VERDICT_ALLOW, MSP_REASON_REDIRECTED);
        /* fail open because audit mode never denies: e2e.matrix.* */
        return msp_decided(MSP_VERDICT_DIRECT, MSP_REASON_DIRECT_AGENT_AWAY);
    case MSP_MODE_NONE:
    case MSP_MODE_DISABLED:
    case MSP_MODE_COUNT:
        break;
    }
    /* fail closed: unknown mode */
    return msp_decided(MSP_VERDICT_DENY, MSP_REASON_TABLE_MISSING);
}

/* --- request ------------------------------------------------------------ */

/* True if every pair of the condition is in the bitmap and the method fits. */
MSP_PURE bool msp_cond_holds(const struct msp_cond *cond, const __u64 *bits,
                             __u32 method)
{
    if (cond->methods && !(cond->methods & method))
        return false;
    for (int i = 0; i < MSP_PRIV_PAIRS_MAX; i++) {
        __u32 id = cond->pair[i];

        if (i >= cond->n_pairs)
            break;
        if (id >= MSP_PAIRS_MAX)
            return false; /* fail closed: no such pair */
        if (!(bits[(id / 64) & (MSP_PAIRS_MAX / 64 - 1)] & (1ull << (id % 64))))
            return false;
    }
    return true;
}

struct msp_request_facts {
    enum msp_mode mode;
    __u32 ep_flags;   /* MSP_EP_* */
    __u32 slot_flags; /* MSP_SLOT_* */
    __u32 mark_flags; /* MSP_MARK_* */
    __u32 refusal;    /* MSP_REFUSAL_* */
    bool lifts;
    bool matched; /* at least one privilege covers the request */
    bool granted; /* one of them is assigned to the caller */
};

/* What enforce says; audit softens it below. */
MSP_PURE struct msp_decision
msp_decide_request_strict(const struct msp_request_facts *f)
{
    bool is_root = f->mark_flags & MSP_MARK_ROOT;

    if (f->refusal == MSP_REFUSAL_RESERVED)
        return msp_decided(MSP_VERDICT_DENY, MSP_REASON_RESERVED_PATH);
    /* fail closed: no identity, no rights, whatever the default */
    if (f->mark_flags & MSP_MARK_NO_IDENTITY)
        return msp_decided(MSP_VERDICT_DENY, MSP_REASON_NO_IDENTITY);
    if (f->refusal != MSP_REFUSAL_NONE)
        return msp_decided(MSP_VERDICT_DENY, MSP_REASON_SPELLING);
    if (f->slot_flags & MSP_SLOT_BOOTSTRAP) {
        if (is_root && (f->mark_flags & MSP_MARK_BOOTSTRAP) &&
            !(f->slot_flags & MSP_SLOT_BOOTSTRAP_DENY))
            return msp_decided(MSP_VERDICT_ALLOW, MSP_REASON_BOOTSTRAP);
        return msp_decided(MSP_VERDICT_DENY, MSP_REASON_BOOTSTRAP_DENY);
    }
    if ((f->ep_flags & MSP_EP_ROOT_GATE) && !is_root && !f->lifts)
        return msp_decided(MSP_VERDICT_DENY, MSP_REASON_NEEDS_ROOT);
    if (f->mark_flags & MSP_MARK_EMPTY)
        return msp_decided(MSP_VERDICT_DENY, MSP_REASON_NO_RULE_FOR_YOU);
    if (f->granted)
        return msp_decided(MSP_VERDICT_ALLOW, MSP_REASON_PRIVILEGE);
    if (f->matched)
        return msp_deny_for_want(f->mark_flags, f->slot_flags,
                                 MSP_REASON_NOT_ASSIGNED);
    if (f->ep_flags & MSP_EP_DEFAULT_ALLOW)
        return msp_decided(MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW);
    return msp_deny_for_want(f->mark_flags, f->slot_flags,
                             MSP_REASON_DEFAULT_DENY);
}

MSP_PURE struct msp_decision
msp_decide_request(const struct msp_request_facts *f)
{
    struct msp_decision d;

    switch (f->mode) {
    case MSP_MODE_DISABLED:
        /* fail closed: not ours any more; a new connection goes direct */
        return msp_decided(MSP_VERDICT_STALE, MSP_REASON_DISABLED);
    case MSP_MODE_ENFORCE:
        return msp_decide_request_strict(f);
    case MSP_MODE_AUDIT:
        d = msp_decide_request_strict(f);
        /* the agent's own paths are nobody else's in any mode */
        if (d.verdict != MSP_VERDICT_ALLOW &&
            d.reason != MSP_REASON_RESERVED_PATH)
            d.verdict = MSP_VERDICT_AUDIT;
        return d;
    case MSP_MODE_NONE:
    case MSP_MODE_COUNT:
        break;
    }
    /* fail closed: unknown mode */
    return msp_decided(MSP_VERDICT_DENY, MSP_REASON_TABLE_MISSING);
}
