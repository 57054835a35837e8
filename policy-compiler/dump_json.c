/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "doc.h"
#include "dump.h"
#include "jsontext.h"

/* The comma between rows. */
static const char *comma(uint32_t i)
{
    return i ? ",\n" : "\n";
}

static void print_set(const struct msp_idset *set, FILE *out)
{
    const char *separator = "";

    (void)fputc('[', out);
    for (uint32_t bit = 0; msp_dump_next_bit(set, &bit); bit++) {
        (void)fprintf(out, "%s%u", separator, bit);
        separator = ",";
    }
    (void)fputc(']', out);
}

static void print_member(const struct msp_image *image, const char *name,
                         uint32_t off, FILE *out)
{
    (void)fprintf(out, ",\"%s\":", name);
    msp_json_string(out, msp_image_string(image, off));
}

static void print_endpoint_name(const struct msp_image *image,
                                uint32_t endpoint, FILE *out)
{
    (void)fputs("\"endpoint\":", out);
    msp_json_string(out, image->endpoints[endpoint].ep.name);
}

static const char *truth(uint32_t bits)
{
    return bits ? "true" : "false";
}

static void print_endpoints(const struct msp_image *image, FILE *out)
{
    (void)fputs(",\n\"endpoints\":[", out);
    for (uint32_t i = 0; i < image->n[MSP_SEC_ENDPOINTS]; i++) {
        const struct msp_endpoint *ep = &image->endpoints[i].ep;

        (void)fprintf(out, "%s{\"name\":", comma(i));
        msp_json_string(out, ep->name);
        (void)fprintf(out, ",\"mode\":\"%s\",\"defaultAccess\":\"%s\"",
                      msp_dump_mode(ep),
                      ep->flags & MSP_EP_DEFAULT_ALLOW ? "allow" : "deny");
        (void)fprintf(out, ",\"onDeny\":\"%s\",\"sign\":%s,\"rootGate\":%s",
                      msp_dump_on_deny(ep), truth(ep->flags & MSP_EP_SIGN),
                      truth(ep->flags & MSP_EP_ROOT_GATE));
        msp_dump_rate_json(ep, out);
        (void)fputs(",\"reach\":", out);
        print_set(&ep->reach, out);
        (void)fputs(",\"liftsRootGate\":", out);
        print_set(&ep->lifts_root_gate, out);
        print_member(image, "id", image->endpoints[i].id_off, out);
        (void)fputc('}', out);
    }
    (void)fputc(']', out);
}

static void print_prefixes(const struct msp_image *image, FILE *out)
{
    (void)fputs(",\n\"prefixes\":[", out);
    for (uint32_t i = 0; i < image->n[MSP_SEC_PREFIXES]; i++) {
        const struct msp_image_prefix *row = &image->prefixes[i];
        char text[DUMP_ADDRESS_BYTES];

        msp_dump_address(&row->key, text, sizeof(text));
        (void)fprintf(out, "%s{", comma(i));
        print_endpoint_name(image, row->endpoint, out);
        (void)fprintf(out, ",\"address\":\"%s\",\"port\":%u}", text,
                      row->key.port);
    }
    (void)fputc(']', out);
}

/* What it runs and where. */
static void print_place(const struct msp_image *image,
                        const struct msp_image_identity *id, FILE *out)
{
    char digest[2 * MSP_DIGEST_BYTES + 1];

    if (id->flags & MSP_ID_EXE)
        print_member(image, "exePath", image->exes[id->exe].path_off, out);
    if (id->flags & MSP_ID_SHA256) {
        msp_digest_hex(id->sha256, digest);
        (void)fprintf(out, ",\"exeSha256\":\"%s\"", digest);
    }
    if (id->flags & MSP_ID_PROCESS)
        print_member(image, "processName", id->process_off, out);
    if (id->flags & MSP_ID_CGROUP)
        print_member(image, "cgroup", id->cgroup_off, out);
    if (id->flags & MSP_ID_UNIT)
        print_member(image, "unitCgroup", id->unit_off, out);
}

/* "container":{...,"labels":{...}}, or "pod" */
static void print_demands(const struct msp_image *image,
                          const struct msp_image_identity *id, bool is_pod,
                          FILE *out)
{
    const struct msp_image_demand *first = &image->demands[id->first_demand];
    const char *separator = "";
    bool is_in_labels = false;

    (void)fprintf(out, ",\"%s\":{", is_pod ? "pod" : "container");
    for (uint32_t i = 0; i < id->n_demands; i++) {
        if ((first[i].kind >= MSP_DEMAND_POD) != is_pod)
            continue;
        (void)fputs(separator, out);
        separator = ",";
        if (first[i].key_off && !is_in_labels)
            (void)fputs("\"labels\":{", out);
        is_in_labels = first[i].key_off;
        msp_json_string(out, first[i].key_off
                                 ? msp_image_string(image, first[i].key_off)
                                 : msp_dump_demand_name[first[i].kind]);
        (void)fputc(':', out);
        msp_json_string(out, msp_image_string(image, first[i].value_off));
    }
    (void)fputs(is_in_labels ? "}}" : "}", out);
}

static void print_identities(const struct msp_image *image, FILE *out)
{
    (void)fputs(",\n\"identities\":[", out);
    for (uint32_t i = 0; i < image->n[MSP_SEC_IDENTITIES]; i++) {
        const struct msp_image_identity *id = &image->identities[i];

        (void)fprintf(out, "%s{\"bit\":%u", comma(i), i);
        print_member(image, "name", id->name_off, out);
        if (id->flags & MSP_ID_UID)
            (void)fprintf(out, ",\"uid\":%u", id->uid);
        if (id->flags & MSP_ID_GID)
            (void)fprintf(out, ",\"gid\":%u", id->gid);
        if (id->flags & MSP_ID_USER)
            print_member(image, "userName", id->user_off, out);
        if (id->flags & MSP_ID_GROUP)
            print_member(image, "groupName", id->group_off, out);
        print_place(image, id, out);
        if (id->flags & MSP_ID_CONTAINER)
            print_demands(image, id, false, out);
        if (id->flags & MSP_ID_POD)
            print_demands(image, id, true, out);
        (void)fprintf(out, ",\"everybody\":%s,\"nobody\":%s,\"hostOnly\":%s}",
                      truth(id->flags & MSP_ID_EVERYBODY),
                      truth(id->flags & MSP_ID_NOBODY),
                      truth(id->flags & MSP_ID_HOST_ONLY));
    }
    (void)fputc(']', out);
}

static void print_privileges(const struct msp_image *image, FILE *out)
{
    (void)fputs(",\n\"privileges\":[", out);
    for (uint32_t i = 0; i < image->n[MSP_SEC_PRIVILEGES]; i++) {
        const struct msp_image_privilege *p = &image->privileges[i];

        (void)fprintf(out, "%s{", comma(i));
        print_endpoint_name(image, p->endpoint, out);
        print_member(image, "name", p->name_off, out);
        (void)fputc('}', out);
    }
    (void)fputc(']', out);
}

static void print_paths(const struct msp_image *image, FILE *out)
{
    (void)fputs(",\n\"paths\":[", out);
    for (uint32_t i = 0; i < image->n[MSP_SEC_PATHS]; i++) {
        const struct msp_image_path *row = &image->paths[i];
        char text[MSP_PATH_KEY_BYTES + 1];

        msp_dump_path(&row->key, text);
        (void)fprintf(out, "%s{", comma(i));
        print_endpoint_name(image, row->key.endpoint, out);
        (void)fprintf(out, ",\"exact\":%s,\"path\":",
                      truth(msp_dump_is_exact(&row->key)));
        msp_json_string(out, text);
        (void)fprintf(out,
                      ",\"bits\":%u,\"set\":%u,\"firstCondition\":%u,"
                      "\"conditions\":%u,\"grants\":%u}",
                      row->key.prefixlen, row->node.set, row->node.first_cond,
                      row->node.n_conds, row->node.n_grants);
    }
    (void)fputc(']', out);
}

static void print_sets(const struct msp_image *image, FILE *out)
{
    (void)fputs(",\n\"sets\":[", out);
    for (uint32_t i = 0; i < image->n[MSP_SEC_SETS]; i++) {
        (void)fputs(comma(i), out);
        print_set(&image->sets[i], out);
    }
    (void)fputc(']', out);
}

static void print_conds(const struct msp_image *image, FILE *out)
{
    (void)fputs(",\n\"conditions\":[", out);
    for (uint32_t i = 0; i < image->n[MSP_SEC_CONDS]; i++) {
        const struct msp_cond *cond = &image->conds[i];
        const char *separator = "";

        (void)fprintf(out, "%s{\"privilege\":%u,\"set\":%u,\"pairs\":[",
                      comma(i), cond->privilege, cond->set);
        for (uint32_t j = 0; j < cond->n_pairs; j++)
            (void)fprintf(out, "%s%u", j ? "," : "", cond->pair[j]);
        (void)fputs("],\"methods\":[", out);
        for (uint32_t bit = 0; bit < DOC_METHODS; bit++) {
            if (!(cond->methods >> bit & 1))
                continue;
            (void)fprintf(out, "%s\"%s\"", separator, msp_doc_method_name[bit]);
            separator = ",";
        }
        (void)fputs("]}", out);
    }
    (void)fputc(']', out);
}

static void print_pairs(const struct msp_image *image, FILE *out)
{
    (void)fputs(",\n\"pairs\":[", out);
    for (uint32_t i = 0; i < image->n[MSP_SEC_PAIRS]; i++) {
        char text[2 * MSP_PAIR_HASH_BYTES + 1];

        msp_dump_hash(&image->pairs[i], text);
        (void)fprintf(out, "%s{", comma(i));
        print_endpoint_name(image, image->pairs[i].endpoint, out);
        (void)fprintf(out, ",\"hash\":\"%s\"}", text);
    }
    (void)fputc(']', out);
}

static void print_exes(const struct msp_image *image, FILE *out)
{
    (void)fputs(",\n\"executables\":[", out);
    for (uint32_t i = 0; i < image->n[MSP_SEC_EXES]; i++) {
        const struct msp_image_exe *row = &image->exes[i];

        (void)fprintf(out, "%s{\"path\":", comma(i));
        msp_json_string(out, msp_image_string(image, row->path_off));
        (void)fprintf(out, ",\"host\":%s,\"inside\":%s,\"hashed\":%s}",
                      truth(row->flags & MSP_EXE_HOST),
                      truth(row->flags & MSP_EXE_INSIDE),
                      truth(row->flags & MSP_EXE_HASHED));
    }
    (void)fputc(']', out);
}

static void print_processes(const struct msp_image *image, FILE *out)
{
    (void)fputs(",\n\"processes\":[", out);
    for (uint32_t i = 0; i < image->n[MSP_SEC_PROCESSES]; i++) {
        (void)fprintf(out, "%s{\"name\":", comma(i));
        msp_json_string(out, image->processes[i].name.text);
        (void)fputs(",\"set\":", out);
        print_set(&image->processes[i].set, out);
        (void)fputc('}', out);
    }
    (void)fputc(']', out);
}

static void print_cgroups(const struct msp_image *image, FILE *out)
{
    (void)fputs(",\n\"cgroupStates\":[", out);
    for (uint32_t i = 0; i < image->n[MSP_SEC_CG_STATES]; i++)
        (void)fprintf(out, "%s{\"set\":%u}", comma(i), image->cg_states[i].set);
    (void)fputs("],\n\"cgroupEdges\":[", out);
    for (uint32_t i = 0; i < image->n[MSP_SEC_CG_EDGES]; i++) {
        const struct msp_image_cg_edge *row = &image->cg_edges[i];

        (void)fprintf(out, "%s{\"from\":%u,\"name\":", comma(i),
                      row->key.state);
        if (row->key.name[0])
            msp_json_string(out, row->key.name);
        else
            (void)fputs("null", out);
        (void)fprintf(out, ",\"to\":%u}", row->to.state);
    }
    (void)fputc(']', out);
}

void msp_dump_json(const struct msp_image *image, FILE *out)
{
    char digest[2 * MSP_DIGEST_BYTES + 1];

    msp_digest_hex(image->header->digest, digest);
    (void)fprintf(out,
                  "{\"schema\":%d,\"imageVersion\":%u,\"digest\":\"%s\","
                  "\"bytes\":%llu",
                  MSP_JSON_SCHEMA, image->header->version, digest,
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
    (void)fputs("}\n", out);
}
