/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "doc.h"
#include "dump.h"
#include "jsontext.h"

static void print_set(const struct msp_idset *set, FILE *out)
{
    const char *separator = "";

    (void)fputc('{', out);
    for (uint32_t bit = 0; msp_dump_next_bit(set, &bit); bit++) {
        (void)fprintf(out, "%s%u", separator, bit);
        separator = ",";
    }
    (void)fputc('}', out);
}

static void print_string(const struct msp_image *image, uint32_t off, FILE *out)
{
    msp_json_string(out, msp_image_string(image, off));
}

static void print_endpoints(const struct msp_image *image, FILE *out)
{
    uint32_t n = image->n[MSP_SEC_ENDPOINTS];

    (void)fprintf(out, "\nendpoints %u\n", n);
    for (uint32_t i = 0; i < n; i++) {
        const struct msp_endpoint *ep = &image->endpoints[i].ep;

        (void)fprintf(out, "  %u %s mode=%s default=%s on-deny=%s%s%s", i,
                      ep->name, msp_dump_mode(ep),
                      ep->flags & MSP_EP_DEFAULT_ALLOW ? "allow" : "deny",
                      msp_dump_on_deny(ep),
                      ep->flags & MSP_EP_SIGN ? " sign" : "",
                      ep->flags & MSP_EP_ROOT_GATE ? " root-gate" : "");
        if (ep->rate.per_second)
            (void)fprintf(out, " rate=%u/s burst=%u", ep->rate.per_second,
                          ep->rate.burst);
        (void)fputs(" reach=", out);
        print_set(&ep->reach, out);
        (void)fputs(" lifts=", out);
        print_set(&ep->lifts_root_gate, out);
        (void)fputs(" id=", out);
        print_string(image, image->endpoints[i].id_off, out);
        (void)fputc('\n', out);
    }
}

static void print_prefixes(const struct msp_image *image, FILE *out)
{
    uint32_t n = image->n[MSP_SEC_PREFIXES];

    (void)fprintf(out, "\nprefixes %u\n", n);
    for (uint32_t i = 0; i < n; i++) {
        char text[DUMP_ADDRESS_BYTES];

        msp_dump_address(&image->prefixes[i].key, text, sizeof(text));
        (void)fprintf(out, "  %s port %u -> %s\n", text,
                      image->prefixes[i].key.port,
                      image->endpoints[image->prefixes[i].endpoint].ep.name);
    }
}

/* What it runs and where. */
static void print_place(const struct msp_image *image,
                        const struct msp_image_identity *id, FILE *out)
{
    char digest[2 * MSP_DIGEST_BYTES + 1];

    if (id->flags & MSP_ID_EXE) {
        (void)fputs(" exe=", out);
        print_string(image, image->exes[id->exe].path_off, out);
    }
    if (id->flags & MSP_ID_SHA256) {
        msp_digest_hex(id->sha256, digest);
        (void)fprintf(out, " sha256=%s", digest);
    }
    if (id->flags & MSP_ID_PROCESS) {
        (void)fputs(" process=", out);
        print_string(image, id->process_off, out);
    }
    if (id->flags & MSP_ID_CGROUP) {
        (void)fputs(" cgroup=", out);
        print_string(image, id->cgroup_off, out);
    }
    if (id->flags & MSP_ID_UNIT) {
        (void)fputs(" unit=", out);
        print_string(image, id->unit_off, out);
    }
}

static void print_demands(const struct msp_image *image,
                          const struct msp_image_identity *id, FILE *out)
{
    for (uint32_t i = 0; i < id->n_demands; i++) {
        const struct msp_image_demand *demand =
            &image->demands[id->first_demand + i];

        (void)fprintf(out, " %s.%s",
                      demand->kind < MSP_DEMAND_POD ? "container" : "pod",
                      msp_dump_demand_name[demand->kind]);
        if (demand->key_off) {
            (void)fputc('[', out);
            print_string(image, demand->key_off, out);
            (void)fputc(']', out);
        }
        (void)fputc('=', out);
        print_string(image, demand->value_off, out);
    }
}

static void print_identities(const struct msp_image *image, FILE *out)
{
    uint32_t n = image->n[MSP_SEC_IDENTITIES];

    (void)fprintf(out, "\nidentities %u\n", n);
    for (uint32_t i = 0; i < n; i++) {
        const struct msp_image_identity *id = &image->identities[i];

        (void)fprintf(out, "  %u ", i);
        print_string(image, id->name_off, out);
        if (id->flags & MSP_ID_UID)
            (void)fprintf(out, " uid=%u", id->uid);
        if (id->flags & MSP_ID_GID)
            (void)fprintf(out, " gid=%u", id->gid);
        if (id->flags & MSP_ID_USER) {
            (void)fputs(" user=", out);
            print_string(image, id->user_off, out);
        }
        if (id->flags & MSP_ID_GROUP) {
            (void)fputs(" group=", out);
            print_string(image, id->group_off, out);
        }
        print_place(image, id, out);
        print_demands(image, id, out);
        (void)fputs(id->flags & MSP_ID_EVERYBODY ? " everybody" : "", out);
        (void)fputs(id->flags & MSP_ID_NOBODY ? " nobody" : "", out);
        (void)fprintf(out, "%s\n",
                      id->flags & MSP_ID_HOST_ONLY ? " host-only" : "");
    }
}

static void print_privileges(const struct msp_image *image, FILE *out)
{
    uint32_t n = image->n[MSP_SEC_PRIVILEGES];

    (void)fprintf(out, "\nprivileges %u\n", n);
    for (uint32_t i = 0; i < n; i++) {
        const struct msp_image_privilege *p = &image->privileges[i];

        (void)fprintf(out, "  %u %s ", i,
                      image->endpoints[p->endpoint].ep.name);
        print_string(image, p->name_off, out);
        (void)fputc('\n', out);
    }
}

static void print_paths(const struct msp_image *image, FILE *out)
{
    uint32_t n = image->n[MSP_SEC_PATHS];

    (void)fprintf(out, "\npaths %u\n", n);
    for (uint32_t i = 0; i < n; i++) {
        const struct msp_image_path *row = &image->paths[i];
        char text[MSP_PATH_KEY_BYTES + 1];

        msp_dump_path(&row->key, text);
        (void)fprintf(out, "  %s %s %s bits=%u set=%u first=%u",
                      image->endpoints[row->key.endpoint].ep.name,
                      msp_dump_is_exact(&row->key) ? "exact" : "below", text,
                      row->key.prefixlen, row->node.set, row->node.first_cond);
        (void)fprintf(out, " conds=%u grants=%u\n", row->node.n_conds,
                      row->node.n_grants);
    }
}

static void print_sets(const struct msp_image *image, FILE *out)
{
    uint32_t n = image->n[MSP_SEC_SETS];

    (void)fprintf(out, "\nsets %u\n", n);
    for (uint32_t i = 0; i < n; i++) {
        (void)fprintf(out, "  %u ", i);
        print_set(&image->sets[i], out);
        (void)fputc('\n', out);
    }
}

static void print_conds(const struct msp_image *image, FILE *out)
{
    uint32_t n = image->n[MSP_SEC_CONDS];

    (void)fprintf(out, "\nconditions %u\n", n);
    for (uint32_t i = 0; i < n; i++) {
        const struct msp_cond *cond = &image->conds[i];
        const char *separator = " pairs=";

        (void)fprintf(out, "  %u privilege=%u set=%u", i, cond->privilege,
                      cond->set);
        for (uint32_t j = 0; j < cond->n_pairs; j++) {
            (void)fprintf(out, "%s%u", separator, cond->pair[j]);
            separator = ",";
        }
        separator = " methods=";
        for (uint32_t bit = 0; bit < DOC_METHODS; bit++) {
            if (!(cond->methods >> bit & 1))
                continue;
            (void)fprintf(out, "%s%s", separator, msp_doc_method_name[bit]);
            separator = ",";
        }
        (void)fputc('\n', out);
    }
}

static void print_pairs(const struct msp_image *image, FILE *out)
{
    uint32_t n = image->n[MSP_SEC_PAIRS];

    (void)fprintf(out, "\npairs %u\n", n);
    for (uint32_t i = 0; i < n; i++) {
        char text[2 * MSP_PAIR_HASH_BYTES + 1];

        msp_dump_hash(&image->pairs[i], text);
        (void)fprintf(out, "  %u %s %s\n", i,
                      image->endpoints[image->pairs[i].endpoint].ep.name, text);
    }
}

static void print_exes(const struct msp_image *image, FILE *out)
{
    uint32_t n = image->n[MSP_SEC_EXES];

    (void)fprintf(out, "\nexecutables %u\n", n);
    for (uint32_t i = 0; i < n; i++) {
        (void)fprintf(out, "  %u ", i);
        print_string(image, image->exes[i].path_off, out);
        (void)fputs(image->exes[i].flags & MSP_EXE_HOST ? " host" : "", out);
        (void)fputs(image->exes[i].flags & MSP_EXE_INSIDE ? " inside" : "",
                    out);
        (void)fputs(image->exes[i].flags & MSP_EXE_HASHED ? " hashed" : "",
                    out);
        (void)fputc('\n', out);
    }
}

static void print_processes(const struct msp_image *image, FILE *out)
{
    uint32_t n = image->n[MSP_SEC_PROCESSES];

    (void)fprintf(out, "\nprocesses %u\n", n);
    for (uint32_t i = 0; i < n; i++) {
        (void)fputs("  ", out);
        msp_json_string(out, image->processes[i].name.text);
        (void)fputc(' ', out);
        print_set(&image->processes[i].set, out);
        (void)fputc('\n', out);
    }
}

static void print_cgroups(const struct msp_image *image, FILE *out)
{
    uint32_t n = image->n[MSP_SEC_CG_STATES];

    (void)fprintf(out, "\ncgroup states %u\n", n);
    for (uint32_t i = 0; i < n; i++)
        (void)fprintf(out, "  %u set=%u\n", i, image->cg_states[i].set);
    n = image->n[MSP_SEC_CG_EDGES];
    (void)fprintf(out, "\ncgroup edges %u\n", n);
    for (uint32_t i = 0; i < n; i++) {
        const struct msp_image_cg_edge *row = &image->cg_edges[i];

        (void)fprintf(out, "  %u ", row->key.state);
        if (row->key.name[0])
            msp_json_string(out, row->key.name);
        else
            (void)fputc('*', out);
        (void)fprintf(out, " -> %u\n", row->to.state);
    }
}

void msp_dump_text(const struct msp_image *image, FILE *out)
{
    char digest[2 * MSP_DIGEST_BYTES + 1];

    msp_digest_hex(image->header->digest, digest);
    (void)fprintf(out, "image version %u\ndigest %s\nbytes %llu\n",
                  image->header->version, digest,
                  (unsigned long long)image->header->total_bytes);
    print_endpoints(image, out);
    print_prefixes(image, out);
    print_identities(image, out);
    print_privileges(image, out);
    print_paths(image, out);
    print_sets(image, out);
    print_conds(image, out);
    print_pairs(image, out);
    print_exes(image, out);
    print_processes(image, out);
    print_cgroups(image, out);
}
