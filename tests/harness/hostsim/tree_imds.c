/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The instance metadata service, as a VM sees it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "tree.h"

#define JSON_TYPE "application/json; charset=utf-8"
#define TEXT_TYPE "text/plain; charset=utf-8"
#define BAD(text) "{\"error\":\"Bad request. " text "\"}"

static const char versions_text[] =
    "{\"apiVersions\":[\"2017-08-01\",\"2018-02-01\",\"2018-10-01\","
    "\"2019-08-15\",\"2020-09-01\",\"2021-02-01\",\"2021-12-13\",\"2023-07-01\"]}";

static const char instance_text[] =
    "{\"compute\":{\"azEnvironment\":\"AzurePublicCloud\","
    "\"isHostCompatibilityLayerVm\":\"false\",\"location\":\"westeurope\","
    "\"name\":\"mspd-sim\",\"offer\":\"debian-12\",\"osType\":\"Linux\","
    "\"placementGroupId\":\"\",\"platformFaultDomain\":\"0\","
    "\"platformUpdateDomain\":\"0\",\"provider\":\"Microsoft.Compute\","
    "\"publisher\":\"debian\",\"resourceGroupName\":\"mspd\","
    "\"resourceId\":\"/subscriptions/8d10da13-8125-4ba9-a717-bf7490507b3d/"
    "resourceGroups/mspd/providers/Microsoft.Compute/virtualMachines/"
    "mspd-sim\",\"securityProfile\":{\"secureBootEnabled\":\"true\","
    "\"virtualTpmEnabled\":\"true\"},\"sku\":\"12-gen2\","
    "\"subscriptionId\":\"8d10da13-8125-4ba9-a717-bf7490507b3d\","
    "\"tags\":\"env:test\",\"tagsList\":[{\"name\":\"env\","
    "\"value\":\"test\"}],\"version\":\"0.20240211.1654\","
    "\"vmId\":\"02aab8a4-74ef-476e-8182-f6d2ba4166a6\","
    "\"vmScaleSetName\":\"\",\"vmSize\":\"Standard_D4s_v5\",\"zone\":\"1\"},"
    "\"network\":{\"interface\":[{\"ipv4\":{\"ipAddress\":["
    "{\"privateIpAddress\":\"10.144.133.132\",\"publicIpAddress\":\"\"}],"
    "\"subnet\":[{\"address\":\"10.144.133.128\",\"prefix\":\"26\"}]},"
    "\"ipv6\":{\"ipAddress\":[]},\"macAddress\":\"0011AAFFBB22\"}]}}";

static const char attested_text[] =
    "{\"encoding\":\"pkcs7\",\"signature\":\"MIIEEgYJKoZIhvcNAQcCoIIEAzCC"
    "A/8CAQExDzANBgkqhkiG9w0BAQsFADCBugYJKoZIhvcNAQcBoIGsBIGp\"}";

static const char events_text[] = "{\"DocumentIncarnation\":1,\"Events\":[]}";

static json_t *versions; /* owned */
static json_t *instance; /* owned */

int msp_sim_imds_init(void)
{
    versions = json_loads(versions_text, 0, NULL);
    instance = json_loads(instance_text, 0, NULL);
    return versions && instance ? 0 : -EINVAL;
}

void msp_sim_imds_done(void)
{
    json_decref(versions);
    json_decref(instance);
    versions = NULL;
    instance = NULL;
}

static int bad_version(struct sim_answer *ret, const char *what)
{
    char text[512];

    (void)snprintf(text, sizeof(text),
                   "{\"error\":\"Bad request. api-version %s. For more "
                   "information refer to aka.ms/azureimds\","
                   "\"newest-versions\":[\"2023-07-01\",\"2021-12-13\","
                   "\"2021-02-01\"]}",
                   what);
    return msp_sim_answer_text(ret, 400, JSON_TYPE, text);
}

static bool is_known_version(struct sim_text text)
{
    json_t *list = json_object_get(versions, "apiVersions");
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item) {
        if (msp_sim_is(text, json_string_value(item)))
            return true;
    }
    return false;
}

/* The rules every request meets. @return 1 = passed, else as an answer */
static int check_common(const struct sim_request *req, bool needs_version,
                        struct sim_answer *ret)
{
    const struct sim_header *metadata = msp_sim_find(req, "metadata");
    struct sim_text version;

    if (msp_sim_find(req, "x-forwarded-for"))
        return msp_sim_answer_text(
            ret, 400, JSON_TYPE,
            BAD("Requests with an X-Forwarded-For header are refused"));
    if (!metadata)
        return msp_sim_answer_text(
            ret, 400, JSON_TYPE, BAD("Required metadata header not specified"));
    if (!msp_sim_is(metadata->value, "true"))
        return msp_sim_answer_text(ret, 400, JSON_TYPE,
                                   BAD("Metadata header value must be true"));
    if (!needs_version)
        return 1;
    if (!msp_sim_query(req, "api-version", &version))
        return bad_version(ret, "was not specified in the request");
    if (!is_known_version(version))
        return bad_version(ret, "is invalid or was not specified in the "
                                "request");
    return 1;
}

/* The member of an object (ASCII case-insensitive) or item of an array. */
static json_t *child_of(json_t *node, const char *name, size_t len)
{
    struct sim_text text = {.ptr = name, .len = len};
    const char *key;
    json_t *value;

    if (json_is_array(node)) {
        size_t index = 0;

        for (size_t i = 0; i < len; i++) {
            if (name[i] < '0' || name[i] > '9' || i > 4)
                return NULL;
            index = index * 10 + (size_t)(name[i] - '0');
        }
        return json_array_get(node, index);
    }
    json_object_foreach(node, key, value) {
        if (msp_sim_is(text, key))
            return value;
    }
    return NULL;
}

static json_t *walk(json_t *node, const char *p, const char *end)
{
    while (node && p < end) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        const char *stop = slash ? slash : end;

        if (stop > p)
            node = child_of(node, p, (size_t)(stop - p));
        p = stop + 1;
    }
    return node;
}

/* format=text of a directory: its names, one a line. */
static int answer_listing(json_t *node, struct sim_answer *ret)
{
    char text[4096];
    size_t at = 0;
    const char *key;
    json_t *value;

    text[0] = '\0';
    for (size_t i = 0; i < json_array_size(node); i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%zu/\n", i);
    json_object_foreach(node, key, value) {
        bool is_leaf = !json_is_object(value) && !json_is_array(value);

        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s\n", key,
                               is_leaf ? "" : "/");
    }
    return msp_sim_answer_text(ret, 200, TEXT_TYPE, text);
}

static int answer_instance(const struct sim_request *req,
                           struct sim_answer *ret)
{
    const char *from = req->path.ptr + strlen("/metadata/instance");
    const char *end = req->path.ptr + req->path.len;
    json_t *node = walk(instance, from, end);
    struct sim_text format = {.ptr = "json", .len = 4};
    bool is_text;
    char *text;

    (void)msp_sim_query(req, "format", &format);
    is_text = msp_sim_is(format, "text");
    if (!node)
        return msp_sim_answer_text(ret, 404, JSON_TYPE,
                                   "{\"error\":\"Not found\"}");
    if (json_is_string(node)) {
        if (!is_text)
            return msp_sim_answer_text(
                ret, 400, JSON_TYPE,
                BAD("Leaf elements are available with format=text only"));
        return msp_sim_answer_text(ret, 200, TEXT_TYPE,
                                   json_string_value(node));
    }
    if (is_text)
        return answer_listing(node, ret);
    text = json_dumps(node, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        return -ENOMEM;
    ret->status = 200;
    ret->content_type = JSON_TYPE;
    ret->body = text;
    ret->body_len = strlen(text);
    return 0;
}

static int answer_token(const struct sim_request *req, struct sim_answer *ret)
{
    struct sim_text resource;
    char text[2048];

    if (!msp_sim_query(req, "resource", &resource) || resource.len == 0)
        return msp_sim_answer_text(
            ret, 400, JSON_TYPE,
            "{\"error\":\"invalid_request\",\"error_description\":"
            "\"Required query variable 'resource' is missing\"}");
    if (resource.len > 1024)
        resource.len = 1024;
    (void)snprintf(text, sizeof(text),
                   "{\"access_token\":\"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0."
                   "eyJpc3MiOiJzaW11bGF0b3IifQ.c2ltdWxhdGVk\","
                   "\"client_id\":\"11111111-2222-3333-4444-555555555555\","
                   "\"expires_in\":\"86400\",\"expires_on\":\"1893456000\","
                   "\"ext_expires_in\":\"86400\","
                   "\"not_before\":\"1735689600\",\"resource\":\"%.*s\","
                   "\"token_type\":\"Bearer\"}",
                   (int)resource.len, resource.ptr);
    return msp_sim_answer_text(ret, 200, JSON_TYPE, text);
}

static bool begins(struct sim_text path, const char *prefix)
{
    size_t n = strlen(prefix);

    return path.len >= n && strncasecmp(path.ptr, prefix, n) == 0 &&
           (path.len == n || path.ptr[n] == '/');
}

int msp_sim_imds(const struct sim_request *req, struct sim_answer *ret)
{
    bool is_post = msp_sim_is(req->method, "POST");
    bool is_versions = begins(req->path, "/metadata/versions");
    int r;

    if (!begins(req->path, "/metadata"))
        return msp_sim_answer_text(ret, 404, JSON_TYPE,
                                   "{\"error\":\"Not found\"}");
    if (!msp_sim_is(req->method, "GET") &&
        !(is_post && begins(req->path, "/metadata/scheduledevents")))
        return msp_sim_answer_text(ret, 405, JSON_TYPE,
                                   "{\"error\":\"Method not allowed\"}");
    r = check_common(req, !is_versions, ret);
    if (r != 1)
        return r;
    if (is_versions)
        return msp_sim_answer_text(ret, 200, JSON_TYPE, versions_text);
    if (begins(req->path, "/metadata/instance"))
        return answer_instance(req, ret);
    if (begins(req->path, "/metadata/identity/oauth2/token"))
        return answer_token(req, ret);
    if (begins(req->path, "/metadata/attested/document"))
        return msp_sim_answer_text(ret, 200, JSON_TYPE, attested_text);
    if (begins(req->path, "/metadata/scheduledevents"))
        return msp_sim_answer_text(ret, 200, JSON_TYPE,
                                   is_post ? "" : events_text);
    return msp_sim_answer_text(ret, 404, JSON_TYPE,
                               "{\"error\":\"Not found\"}");
}
